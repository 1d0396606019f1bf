"""The first contact with a cluster, in the clear or by TLS: who answers, under which names, and what it asks of us.

cassandra-driver words every failure of a handshake alike, so we shake hands before it does.
"""

import contextlib
import logging
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from loadtests.errors import HarnessError

CONTACT_S_MAX = 10.0
_ASK_OPTIONS = bytes((4, 0, 0, 0, 5, 0, 0, 0, 0))  # protocol version 4, OPTIONS: the one request that needs no session

_OTHER_NAMES = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH

log = logging.getLogger(__name__)


class NodeContext(ssl.SSLContext):
    """A client's context that compares a contact point's certificate with the name by which the user knows it.

    The driver and our engine meet every node at its address; certificates may hold names alone.
    """

    names: Mapping[str, str] = MappingProxyType({})  # address -> name
    shows_certificate = False
    ca: Path | None = None

    def wrap_socket(self, sock: socket.socket, *options: Any, **named: Any) -> ssl.SSLSocket:
        host = named.get("server_hostname")
        if host is not None:
            named["server_hostname"] = self.names.get(host, host)
        return super().wrap_socket(sock, *options, **named)


def tls_context(ca: Path, cert: Path | None = None, key: Path | None = None) -> NodeContext:
    """Trust nodes whose certificate `ca` (PEM) signed, and show them `cert`. Names are not compared yet.

    cert: ours, a PEM chain; key: its private key, None where it is in the same file. Raises HarnessError for a file that is
    missing or wrong.
    """
    context = NodeContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    try:
        context.load_verify_locations(cafile=ca)
    except FileNotFoundError:
        raise HarnessError(
            f"CA file {ca} does not exist; name the PEM file of the cluster's authority with --ca"
        ) from None
    except (OSError, ssl.SSLError) as error:
        raise HarnessError(
            f"CA file {ca} holds no PEM certificate that can be read: {error}; give another with --ca"
        ) from error
    context.ca = ca
    if cert is not None:
        _load_own(context, cert, key)
    return context


def _load_own(context: NodeContext, cert: Path, key: Path | None) -> None:
    for path, option in ((cert, "--cert"), (key, "--key")):
        if path is not None and not path.is_file():
            raise HarnessError(f"{option} {path} does not exist; name the PEM file of the client's own")
    try:
        context.load_cert_chain(cert, key, password=_no_password)
    except (OSError, ValueError) as error:
        of = f"certificate {cert} and private key {key or cert}"
        why = "the key is encrypted" if isinstance(error, ValueError) else str(error)
        raise HarnessError(
            f"{of} can't be used: {why}; give a PEM certificate with --cert and its key, unencrypted, with --key"
        ) from error
    context.shows_certificate = True


def _no_password() -> str:
    """Asked for when a key is encrypted: without it OpenSSL would ask on the terminal, in the midst of a run."""
    raise ValueError("encrypted")


def require_answer(contact_points: Sequence[str], port: int, context: NodeContext | None = None) -> list[str] | None:
    """Make sure that a contact point answers, by TLS with a context. Returns its certificate's names; None without TLS.

    Raises HarnessError, one sentence, when none answers, or one refuses us.
    """
    reasons = []
    for host in contact_points:
        try:
            with socket.create_connection((host, port), CONTACT_S_MAX) as plain:
                return None if context is None else _shake_hands(plain, host, port, context)
        except ssl.SSLError as error:
            assert context is not None, "without one nobody speaks TLS"
            raise HarnessError(_why_no_tls(f"{host}:{port}", context, error)) from error
        except OSError as error:
            reasons.append(f"{host}:{port}: {error.strerror or error}")
    raise HarnessError(
        f"no contact point answers ({'; '.join(reasons)}); check --contact-points, that Cassandra runs there, and that "
        "its port is open to this machine"
    )


def _shake_hands(plain: socket.socket, host: str, port: int, context: NodeContext) -> list[str]:
    with context.wrap_socket(plain, server_hostname=host) as secured:
        names = names_of(secured.getpeercert() or {})
        with contextlib.suppress(OSError):  # what the node said before it closed is still to be read
            secured.sendall(_ASK_OPTIONS)  # in TLS 1.3 a node refuses our certificate only after our handshake is done
        try:
            is_closed = secured.recv(1) == b""
        except TimeoutError:
            return names  # what it lacks will be told by the driver
        except (ConnectionError, ssl.SSLEOFError):
            is_closed = True
    if is_closed:
        lack = (
            "it may not trust our certificate" if context.shows_certificate else "it may ask for a client certificate"
        )
        raise HarnessError(f"{host}:{port} ends the connection after the TLS handshake: {lack}; give --cert and --key")
    return names


def compare_names(
    context: NodeContext, contact_points: Sequence[str], port: int, names: Sequence[str], *, is_asked: bool
) -> None:
    """From now on take a node for what it says it is only when its certificate holds its name or address.

    names: of a contact point's certificate; where it holds none there is nothing to compare: that is refused when it
    `is_asked` for, and else told in the log. Raises HarnessError when the contact point's holds others.
    """
    where = f"{contact_points[0]}:{port}"
    if not names:
        told = f"the certificate of {where} holds no names (subjectAltName), so nobody can check that it is that node's"
        if is_asked:
            raise HarnessError(f"{told}; have it issued with its address, or leave --verify-hostname out")
        log.warning("%s; its authority alone is checked", told)
        return
    context.names = {
        str(address[4][0]): host
        for host in contact_points
        for address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    }
    context.check_hostname = True
    require_answer(contact_points, port, context)


def names_of(certificate: Mapping[str, Any]) -> list[str]:
    """The names and addresses of a certificate as `SSLSocket.getpeercert` tells it."""
    return [str(name) for kind, name in certificate.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]


def _why_no_tls(where: str, context: NodeContext, error: ssl.SSLError) -> str:
    """Why a node and we can't speak TLS, and the mend."""
    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in _OTHER_NAMES:
            return (
                f"the certificate of {where} is another's ({error.verify_message}); name nodes in --contact-points as their "
                "certificates do, have them issued with the nodes' addresses, or give --no-verify-hostname"
            )
        return (
            f"the certificate of {where} is not signed by the CA in {context.ca} ({error.verify_message}); give the "
            "right file with --ca"
        )
    alert = str(error.reason or error)
    if "ALERT" not in alert:
        return f"{where} does not speak TLS ({alert}); leave --ca out, or use the cluster's TLS port"
    said = alert.partition("ALERT_")[2].replace("_", " ").lower()
    if context.shows_certificate:
        return f"{where} refuses our certificate or the TLS that we speak ({said}); give one that it trusts with --cert and --key"
    if "certificate" in said:
        return f"{where} asks for a client certificate ({said}); give --cert and --key"
    return f"{where} refuses the TLS handshake ({said}); it may ask for a client certificate: give --cert and --key"
