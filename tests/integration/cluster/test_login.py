"""A node that asks for a login over TLS: connecting works with the right papers, and says which are wrong."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loadtests.cluster.connect import connect
from loadtests.cluster.local import LocalCluster
from loadtests.cluster.node_config import ClientSecurity
from loadtests.errors import HarnessError
from scenarios.spec import Dc, Topology

ONE_NODE = Topology(dcs=(Dc(name="north", nodes=1, rf=1),))
PEM = serialization.Encoding.PEM


class Authority:
    """A certificate authority of our own, for a day."""

    def __init__(self, name: str) -> None:
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = (
            _certificate(self.name, self.name, self.key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def write_ca(self, path: Path) -> Path:
        path.write_bytes(self.certificate.public_bytes(PEM))
        return path

    def write_keystore(self, path: Path) -> Path:
        """A node's private key and certificate chain, as Cassandra's PEM key stores have them."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "node")])
        address = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.42.0.1"))])
        certificate = (
            _certificate(subject, self.name, key.public_key())
            .add_extension(address, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(private + certificate.public_bytes(PEM) + self.certificate.public_bytes(PEM))
        return path


def _certificate(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
    )


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the node's key store, its authority, and another authority that signed nothing."""
    folder = tmp_path_factory.mktemp("papers")
    authority = Authority("meterstorm tests")
    authority.write_ca(folder / "ca.pem")
    authority.write_keystore(folder / "node.pem")
    Authority("somebody else").write_ca(folder / "other_ca.pem")
    return folder


@pytest.fixture(scope="module")
def guarded(papers: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCluster]:
    security = ClientSecurity(password_login=True, keystore_pem=papers / "node.pem", ca=papers / "ca.pem")
    folder = tmp_path_factory.mktemp("guarded")
    with LocalCluster.start(ONE_NODE, folder, print, heap_mib=320, security=security) as cluster:
        yield cluster


def test_the_right_papers_open(guarded: LocalCluster) -> None:
    driver, session = connect(guarded.endpoint())
    try:
        assert session.execute("SELECT data_center FROM system.local").one().data_center == "north"
    finally:
        driver.shutdown()


def test_a_wrong_password_is_told_without_telling_it(guarded: LocalCluster) -> None:
    with pytest.raises(HarnessError) as refusal:
        connect(replace(guarded.endpoint(), password="guess"))

    message = str(refusal.value)
    words = "Provided username cassandra and/or password are incorrect"
    assert f"refused the login of user 'cassandra': {words}; check --username and --password-file" in message
    assert "guess" not in message


def test_a_missing_login_is_asked_for(guarded: LocalCluster) -> None:
    with pytest.raises(HarnessError, match="asks for a login; give --username and --password-file"):
        connect(replace(guarded.endpoint(), username=None, password=None))


def test_another_authority_is_told_with_its_file(guarded: LocalCluster, papers: Path) -> None:
    with pytest.raises(
        HarnessError, match=r"is not signed by the CA in .*other_ca\.pem .*; give the right file with --ca"
    ):
        connect(replace(guarded.endpoint(), ca=papers / "other_ca.pem"))


def test_a_cluster_that_speaks_tls_only_is_recognised(guarded: LocalCluster) -> None:
    with pytest.raises(HarnessError, match=r"if it speaks TLS only, give --ca"):
        connect(replace(guarded.endpoint(), ca=None))


def test_a_cluster_that_does_not_speak_tls_is_recognised(two_dc_cluster: LocalCluster, papers: Path) -> None:
    with pytest.raises(HarnessError, match=r"does not speak TLS .*; leave --ca out"):
        connect(replace(two_dc_cluster.endpoint(), ca=papers / "ca.pem"))
