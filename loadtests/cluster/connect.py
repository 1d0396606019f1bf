"""Connections by cassandra-driver to any cluster, ours or the user's, with one clear sentence when there is none.

The driver serves topology, prepares, logins and audits; the load itself goes through `loadtests.sender`.
"""

import logging
import re
import ssl
import stat
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Self

from cassandra import AuthenticationFailed, ConsistencyLevel
from cassandra.auth import PlainTextAuthProvider
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.connection import DefaultEndPoint
from cassandra.policies import (
    ConstantReconnectionPolicy,
    DCAwareRoundRobinPolicy,
    RetryPolicy,
    RoundRobinPolicy,
    TokenAwarePolicy,
)

from loadtests.cluster.layout import NATIVE_PORT
from loadtests.cluster.tls import NodeContext, compare_names, require_answer, tls_context
from loadtests.errors import HarnessError
from scenarios.spec import ScenarioError
from scenarios.texts.outside import UnreadableText, read_text, why_refused
from store.cassandra.session import FAILURES

PROTOCOL_VERSION = 4  # the driver's version 5 breaks under gevent ("CRC mismatch on header"), which Locust brings
CONNECT_TIMEOUT_S = 10.0
REQUEST_TIMEOUT_S = (
    15.0  # above the server's own time-outs (5 s reads, 2 s writes), so that it is the server that answers
)
SCHEMA_AGREEMENT_S_MAX = 60
RECONNECT_S = 1.0  # the driver's own wait doubles up to ten minutes, and a DC that is back is found long after
RETRIES_MAX = 2
READ_BYTES = 65_536
"""What is taken from a socket at once, where the driver takes 4,096: an audit's page has two million bytes. More than 128 KiB
would be new memory from the kernel for each, where a process keeps glibc's own thresholds."""
_SERVER_WORDS = re.compile(r'message="(.*)"', re.DOTALL)

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a cluster is and how to log in. `password` comes from a file, and shows in no repr, log or command line."""

    contact_points: tuple[str, ...]
    local_dc: str
    port: int = NATIVE_PORT
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca: Path | None = None  # PEM of the authority that signed the nodes' certificates; None is no TLS
    cert: Path | None = None  # PEM of our own certificate, for nodes that ask for one
    key: Path | None = None  # PEM of its private key; None: it is in the same file
    verify_hostname: bool | None = None  # whether certificates must hold nodes' names; None: where they hold any


class WideConnection(Cluster.connection_class):
    """The driver's connection, which reads more at once."""

    in_buffer_size = READ_BYTES


class IdempotentRetryPolicy(RetryPolicy):
    """Retry only what may safely be applied twice, a few times, and never at a lower consistency level.

    The driver's own policy sends *any* statement again after a connection error, idempotent or not.
    """

    def on_read_timeout(self, query: Any, *args: Any, retry_num: int, **kwargs: Any) -> tuple[int, None]:
        return self._same_host(query, retry_num)

    def on_write_timeout(self, query: Any, *args: Any, retry_num: int, **kwargs: Any) -> tuple[int, None]:
        return self._same_host(query, retry_num)

    def on_unavailable(self, query: Any, *args: Any, retry_num: int, **kwargs: Any) -> tuple[int, None]:
        # Refused before anything was done, so another coordinator may be asked for any statement, once.
        return (self.RETRY_NEXT_HOST if retry_num == 0 else self.RETHROW), None

    def on_request_error(self, query: Any, *args: Any, retry_num: int, **kwargs: Any) -> tuple[int, None]:
        return (self.RETRY_NEXT_HOST if _may_repeat(query, retry_num) else self.RETHROW), None

    def _same_host(self, query: Any, retry_num: int) -> tuple[int, None]:
        return (self.RETRY if _may_repeat(query, retry_num) else self.RETHROW), None


def _may_repeat(query: Any, retry_num: int) -> bool:
    """`query` is None when the driver prepares a statement, which changes nothing."""
    return (query is None or query.is_idempotent) and retry_num < RETRIES_MAX


def connect(endpoint: Endpoint) -> tuple[Cluster, Session]:
    """Connect to the nodes of `endpoint.local_dc`, token-aware. The caller shuts the Cluster down.

    Raises HarnessError, one sentence, for a contact point that does not answer, a CA that did not sign the nodes'
    certificates, a refused login, or a DC that the cluster does not have.
    """
    return _connect(
        endpoint, TokenAwarePolicy(DCAwareRoundRobinPolicy(endpoint.local_dc)), ConsistencyLevel.LOCAL_QUORUM
    )


def connect_to_every_node(endpoint: Endpoint) -> tuple[Cluster, Session]:
    """Connect to all nodes of all DCs, so that each can be asked about itself: `session.execute(..., host=host)`."""
    return _connect(endpoint, RoundRobinPolicy(), ConsistencyLevel.LOCAL_ONE)


def secure(endpoint: Endpoint) -> NodeContext | None:
    """The TLS that the nodes are spoken to with, after a first contact; None for a cluster that is spoken to in the clear.

    Certificates' names are compared unless the endpoint says not to; by default, only where the contact point's has any.
    Raises HarnessError, one sentence.
    """
    if endpoint.ca is None:
        return None
    context = tls_context(endpoint.ca, endpoint.cert, endpoint.key)
    names = require_answer(endpoint.contact_points, endpoint.port, context)
    if endpoint.verify_hostname is not False:
        is_asked = endpoint.verify_hostname is True
        compare_names(context, endpoint.contact_points, endpoint.port, names or [], is_asked=is_asked)
    return context


def read_password_file(path: Path) -> str:
    """The first line of a password file. Raises ScenarioError when missing or empty; warns when others may read it."""
    try:
        password = read_text(path).partition("\n")[0].rstrip("\r")
        mode = path.stat().st_mode
    except (OSError, UnreadableText) as error:
        raise ScenarioError(
            f"password file {path} can't be read: {why_refused(error)}; name another with --password-file"
        ) from error
    if not password:
        raise ScenarioError(f"password file {path} is empty; its first line must be the password")
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        log.warning("password file %s can be read by other users; mend: chmod 600 %s", path, path)
    return password


class LivenessWatch:
    """Hears from now on which other nodes each of some nodes has found to be down.

    It is an event that nodes push. Their tables do not tell: of a node that was killed its last word, "I serve", stays there.
    """

    def __init__(self, endpoint: Endpoint, addresses: Sequence[str]) -> None:
        """addresses: of the nodes to hear. Raises HarnessError when one does not answer."""
        self._down: dict[str, set[str]] = {address: set() for address in addresses}
        self._connections: list[Any] = []
        context = secure(endpoint)
        driver = _driver(endpoint, context, RoundRobinPolicy(), ConsistencyLevel.LOCAL_ONE)
        driver.connection_class.initialize_reactor()
        try:
            for address in addresses:
                connection = driver.connection_factory(DefaultEndPoint(address, endpoint.port))
                self._connections.append(connection)
                connection.register_watcher("STATUS_CHANGE", partial(self._note, address), CONNECT_TIMEOUT_S)
        except (*FAILURES, OSError) as error:
            self.close()
            raise HarnessError(f"node {address} does not tell which nodes it sees: {error}") from error
        except BaseException:  # Ctrl-C leaves no socket
            self.close()
            raise
        finally:
            driver.shutdown()

    def still_up(self, gone: Collection[str]) -> set[str]:
        """The nodes that have not found every one of the addresses `gone` to be down."""
        return {address for address, down in self._down.items() if not down.issuperset(gone)}

    def still_down(self, addresses: Collection[str]) -> set[str]:
        """The nodes that take one of these addresses for down."""
        return {address for address, down in self._down.items() if down & set(addresses)}

    def close(self) -> None:
        for connection in self._connections:
            connection.close()

    def _note(self, by: str, event: Mapping[str, Any]) -> None:
        """Called on the driver's thread."""
        address, _ = event["address"]
        if event["change_type"] == "DOWN":
            self._down[by].add(address)
        else:
            self._down[by].discard(address)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _connect(endpoint: Endpoint, balancing: Any, consistency: int) -> tuple[Cluster, Session]:
    context = secure(endpoint)
    if context is None:
        require_answer(endpoint.contact_points, endpoint.port)
    cluster = _driver(endpoint, context, balancing, consistency)
    try:
        session = cluster.connect(wait_for_all_pools=True)  # else only the first node that answered can be asked
    except NoHostAvailable as error:
        dcs = _dcs(cluster)
        cluster.shutdown()
        raise HarnessError(_why_not(endpoint, dcs, error)) from error
    except BaseException:
        cluster.shutdown()
        raise
    if endpoint.local_dc not in _dcs(cluster):
        dcs = _dcs(cluster)
        cluster.shutdown()
        raise HarnessError(_unknown_dc(endpoint, dcs))
    try:
        _require_names(cluster, endpoint, context)
    except HarnessError:
        cluster.shutdown()
        raise
    return cluster, session


def _require_names(cluster: Cluster, endpoint: Endpoint, context: NodeContext | None) -> None:
    """Say it when nodes that gossip tells of are not taken because their certificates hold other names.

    The driver just takes them for down. A node that is down indeed is for others to find.
    """
    if context is None or not context.check_hostname:
        return
    for host in cluster.metadata.all_hosts():
        if not host.is_up:
            try:
                require_answer([str(host.endpoint.address)], endpoint.port, context)
            except HarnessError as error:
                if isinstance(error.__cause__, ssl.SSLCertVerificationError):
                    raise


def _driver(endpoint: Endpoint, context: ssl.SSLContext | None, balancing: Any, consistency: int) -> Cluster:
    """The driver as we set it, not connected yet."""
    profile = ExecutionProfile(
        load_balancing_policy=balancing,
        retry_policy=IdempotentRetryPolicy(),
        consistency_level=consistency,
        request_timeout=REQUEST_TIMEOUT_S,
    )
    login = PlainTextAuthProvider(endpoint.username, endpoint.password or "") if endpoint.username else None
    return Cluster(
        list(endpoint.contact_points),
        port=endpoint.port,
        protocol_version=PROTOCOL_VERSION,
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        auth_provider=login,
        reconnection_policy=ConstantReconnectionPolicy(RECONNECT_S, max_attempts=None),
        ssl_context=context,
        connect_timeout=CONNECT_TIMEOUT_S,
        control_connection_timeout=CONNECT_TIMEOUT_S,
        max_schema_agreement_wait=SCHEMA_AGREEMENT_S_MAX,
        monitor_reporting_enabled=False,
        connection_class=WideConnection,
    )


def _why_not(endpoint: Endpoint, dcs: list[str], error: NoHostAvailable) -> str:
    """What kept the driver from a cluster whose contact point does answer, and the mend."""
    where = ", ".join(endpoint.contact_points)
    causes = list(error.errors.values()) if isinstance(error.errors, dict) else []
    for cause in causes:
        if isinstance(cause, AuthenticationFailed):
            if endpoint.username is None:
                return f"{where} asks for a login; give --username and --password-file"
            return _why_no_login(where, endpoint.username, str(cause))
    if dcs and endpoint.local_dc not in dcs:
        return _unknown_dc(endpoint, dcs)
    tls = "" if endpoint.ca else " (if it speaks TLS only, give --ca)"
    said = "; ".join(str(cause) for cause in causes) or str(error)
    return f"{where} answers, but not as a Cassandra that can be used{tls}: {said}; check --contact-points and the port"


def _why_no_login(where: str, username: str, said: str) -> str:
    """In the server's words, which are not always about the password."""
    quoted = _SERVER_WORDS.search(said)
    words = quoted[1] if quoted else said
    mend = "check --username and --password-file"
    if "onsistency level" in words or "Unable to perform" in words:
        mend = "it may be right: see that the nodes which hold the keyspace system_auth are up"
    return f"{where} refused the login of user '{username}': {words}; {mend}"


def _unknown_dc(endpoint: Endpoint, dcs: list[str]) -> str:
    return f"the cluster has no DC '{endpoint.local_dc}', but {', '.join(dcs)}; name one of them with --local-dc"


def _dcs(cluster: Cluster) -> list[str]:
    return sorted({host.datacenter for host in cluster.metadata.all_hosts() if host.datacenter})
