"""What a first contact by TLS finds, from servers of our own that have this or that certificate and ask for one or not."""

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cassandra import AuthenticationFailed
from cassandra.cluster import NoHostAvailable
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loadtests.cluster.connect import Endpoint, _why_not, secure
from loadtests.cluster.tls import tls_context
from loadtests.errors import HarnessError

PEM = serialization.Encoding.PEM
SUPPORTED = bytes((0x84, 0, 0, 0, 6, 0, 0, 0, 2, 0, 0))


class Authority:
    """A certificate authority of a test, in its folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = ec.generate_private_key(ec.SECP256R1())
        ca = x509.BasicConstraints(ca=True, path_length=None)
        built = self._built(self.subject, self.key.public_key()).add_extension(ca, critical=True)
        self.ca = folder / f"{name}.ca.pem"
        self.ca.write_bytes(built.sign(self.key, hashes.SHA256()).public_bytes(PEM))

    def issue(self, name: str, *names: x509.GeneralName, password: bytes | None = None) -> Path:
        """A PEM file with a certificate for `names` and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        built = self._built(subject, key.public_key())
        if names:
            built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
        form = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, form)
        path = self.folder / f"{name}.pem"
        path.write_bytes(private + built.sign(self.key, hashes.SHA256()).public_bytes(PEM))
        return path

    def _built(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.subject).public_key(key)
        builder = builder.serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(days=1))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "ours")


@contextlib.contextmanager
def served(certificate: Path, *, clients: Path | None = None, newest: ssl.TLSVersion | None = None) -> Iterator[int]:
    """A server that answers OPTIONS by TLS. clients: the authority of the certificates that it asks for."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if clients is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    if newest is not None:
        context.maximum_version = newest

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), context.wrap_socket(plain, server_side=True) as secured:
                secured.recv(9)
                secured.sendall(SUPPORTED)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def endpoint(port: int, ca: Path, host: str = "127.0.0.1") -> Endpoint:
    return Endpoint(contact_points=(host,), local_dc="north", port=port, ca=ca)


LOOPBACK = x509.IPAddress(ip_address("127.0.0.1"))


def test_names_are_compared_where_there_are_any(authority: Authority) -> None:
    with served(authority.issue("node", LOOPBACK)) as port:
        context = secure(endpoint(port, authority.ca))
    assert context is not None and context.check_hostname


def test_a_node_is_known_by_the_name_that_the_user_gives(authority: Authority) -> None:
    """The driver meets it at its address; its certificate holds the name alone."""
    with served(authority.issue("node", x509.DNSName("localhost"))) as port:
        context = secure(endpoint(port, authority.ca, "localhost"))
        assert context is not None and context.check_hostname
        with socket.create_connection(("127.0.0.1", port)) as plain:
            context.wrap_socket(plain, server_hostname="127.0.0.1").close()


@pytest.mark.parametrize("name", [x509.DNSName("other.example"), x509.IPAddress(ip_address("10.0.0.1"))])
def test_another_nodes_certificate_is_refused_unless_names_do_not_count(
    authority: Authority, name: x509.GeneralName
) -> None:
    with served(authority.issue("node", name)) as port:
        asked = endpoint(port, authority.ca)
        with pytest.raises(HarnessError, match=r"certificate of 127.0.0.1:\d+ is another's .*--no-verify-hostname"):
            secure(asked)
        context = secure(replace(asked, verify_hostname=False))
    assert context is not None and not context.check_hostname


def test_a_certificate_without_names_is_told_and_refused_when_names_are_asked_for(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    with served(authority.issue("127.0.0.1")) as port:
        asked = endpoint(port, authority.ca)
        with caplog.at_level(logging.WARNING):
            context = secure(asked)
        assert context is not None and not context.check_hostname
        assert "holds no names" in caplog.text
        with pytest.raises(HarnessError, match=r"holds no names .*leave --verify-hostname out"):
            secure(replace(asked, verify_hostname=True))


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_asks_for_a_certificate(authority: Authority, tmp_path: Path, newest: ssl.TLSVersion) -> None:
    ours, theirs = authority.issue("client"), Authority(tmp_path, "stranger").issue("stranger-client")
    with served(authority.issue("node", LOOPBACK), clients=authority.ca, newest=newest) as port:
        asked = endpoint(port, authority.ca)
        with pytest.raises(HarnessError, match=r"client certificate.*give --cert and --key"):
            secure(asked)
        with pytest.raises(HarnessError, match=r"(refuses|not trust) our certificate.*give .*--cert and --key"):
            secure(replace(asked, cert=theirs))
        assert secure(replace(asked, cert=ours, key=ours)) is not None


def test_another_authority_and_no_tls_at_all_are_told_apart(authority: Authority, tmp_path: Path) -> None:
    with (
        served(authority.issue("node", LOOPBACK)) as port,
        pytest.raises(HarnessError, match=r"is not signed by the CA in .*stranger.ca.pem .*give the right file"),
    ):
        secure(endpoint(port, Authority(tmp_path, "stranger").ca))
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            with listening.accept()[0] as plain:
                plain.recv(100)
                plain.sendall(SUPPORTED)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(HarnessError, match="does not speak TLS"):
            secure(endpoint(listening.getsockname()[1], authority.ca))
        thread.join()


def test_papers_of_our_own_that_can_not_be_used_are_named(authority: Authority, tmp_path: Path) -> None:
    ours, other = authority.issue("client"), authority.issue("other")
    with pytest.raises(HarnessError, match=r"--cert .*none.pem does not exist"):
        tls_context(authority.ca, tmp_path / "none.pem")
    with pytest.raises(HarnessError, match=r"--key .*none.pem does not exist"):
        tls_context(authority.ca, ours, tmp_path / "none.pem")
    with pytest.raises(HarnessError, match="can't be used"):
        tls_context(authority.ca, ours, other)
    with pytest.raises(HarnessError, match="the key is encrypted"):
        tls_context(authority.ca, authority.issue("secret", password=b"secret"))


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        ("Provided username storm and/or password are incorrect", "check --username and --password-file"),
        (
            "Unable to perform authentication: Cannot achieve consistency level LOCAL_QUORUM",
            "keyspace system_auth are up",
        ),
    ],
)
def test_a_refused_login_is_told_in_the_servers_words(words: str, mend: str) -> None:
    said = f'Failed to authenticate to 127.0.0.1:9042: Error from server: code=0100 [Bad credentials] message="{words}"'
    refused = NoHostAvailable("no host", {"127.0.0.1:9042": AuthenticationFailed(said)})
    asked = Endpoint(contact_points=("127.0.0.1",), local_dc="north", username="storm", password="secret")
    told = _why_not(asked, [], refused)
    assert f"refused the login of user 'storm': {words}; " in told and mend in told
    assert ("check --username" in told) == (mend == "check --username and --password-file")
