"""Opening connections: logins, TLS, and each way in which it fails, told in one sentence."""

import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from loadtests.cluster.tls import tls_context
from loadtests.errors import HarnessError
from loadtests.sender.connection import Access, Credentials, open_connection
from loadtests.stubs.scripted_node import Execute, ScriptedAnswer, StubServer
from tests.support.steady_inserts import SteadySource, new_engine


def test_the_right_password_is_let_in_and_is_never_printed() -> None:
    credentials = Credentials(username="storm", password="s3cret")
    assert "s3cret" not in repr(Access(credentials=credentials))
    with (
        StubServer(credentials=("storm", "s3cret")) as server,
        new_engine(server, access=Access(credentials=credentials)) as engine,
    ):
        assert engine.run(SteadySource(50, 1_000)).ok == 50


@pytest.mark.parametrize(
    ("credentials", "sentence"),
    [
        (Credentials(username="storm", password="wrong"), r"refused the login of 'storm'"),
        (None, r"wants a login .*--username and --password-file"),
    ],
)
def test_a_refused_login(credentials: Credentials | None, sentence: str) -> None:
    with StubServer(credentials=("storm", "s3cret")) as server, pytest.raises(HarnessError, match=sentence):
        new_engine(server, access=Access(credentials=credentials)).open()


def test_an_unreachable_node_is_named() -> None:
    with StubServer() as server:
        engine = new_engine(server)
    with pytest.raises(HarnessError, match=f"{server.address[0]}:{server.address[1]}: no connection.*refused"):
        engine.open()


def test_a_node_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(HarnessError, match="timed out"):
        open_connection(silent.getsockname(), Access(timeout_s=0.2), [])


def test_a_server_that_is_no_cassandra_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as web:
        thread = threading.Thread(target=lambda: web.accept()[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
        thread.start()
        with pytest.raises(HarnessError, match="no CQL frame"):
            open_connection(web.getsockname(), Access(timeout_s=2), [])
        thread.join()


def test_a_statement_that_is_refused_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadtests.sender.connection.build_prepare", lambda *_, **__: b"\x04\0\0\0\x05\0\0\0\0")
    with StubServer() as server, pytest.raises(HarnessError, match=r"refused to prepare.*SELECT 1"):
        open_connection(server.address, Access(), ["SELECT 1"])


# --- TLS ---


def certificate(name: str, folder: Path) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1 and its key, as PEM files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / f"{name}.pem", folder / f"{name}.key"
    paths[0].write_bytes(built.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return paths


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[tuple[StubServer, Path]]:
    """A stub that speaks TLS, with large answers to reads; and the CA to trust."""
    ca, key = certificate("node", tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca, key)

    def rows(_: Execute) -> ScriptedAnswer:
        return ScriptedAnswer(body=b"\0\0\0\2" + bytes(3_000))

    with StubServer(tls=context, answer=rows) as server:
        yield server, ca


def test_tls_carries_the_same_load(tls_server: tuple[StubServer, Path]) -> None:
    server, ca = tls_server
    with new_engine(server, access=Access(tls=tls_context(ca))) as engine:
        report = engine.run(SteadySource(1_000, 1_000))
    assert report.ok == 1_000 and report.retries == 0 and len(server.executes) == 1_000


def test_a_lost_tls_connection_is_opened_again(tls_server: tuple[StubServer, Path]) -> None:
    server, ca = tls_server

    def drop_in_mid_storm() -> None:
        while len(server.executes) < 300:
            time.sleep(0.005)
        server.drop_connections()

    dropping = threading.Thread(target=drop_in_mid_storm, daemon=True)
    # a handshake takes a busy machine longer than four attempts 5 ms apart
    with new_engine(server, access=Access(tls=tls_context(ca)), backoff_ms=250.0) as engine:
        dropping.start()
        report = engine.run(SteadySource(1_000, 1_000))
    dropping.join(5)
    assert report.ok == 1_000 and report.reopened == 2


def test_another_ca_is_refused(tls_server: tuple[StubServer, Path], tmp_path: Path) -> None:
    server, _ = tls_server
    other, _ = certificate("other", tmp_path)
    with pytest.raises(HarnessError, match=r"no TLS connection.*--ca"):
        new_engine(server, access=Access(tls=tls_context(other))).open()
    assert server.prepare_count == 0 and not server.executes  # nothing was said to a node that is not trusted


def test_tls_to_a_plain_server_is_refused(tmp_path: Path) -> None:
    ca, _ = certificate("node", tmp_path)
    with StubServer() as server, pytest.raises(HarnessError, match="no TLS connection"):
        new_engine(server, access=Access(tls=tls_context(ca), timeout_s=2)).open()
