"""Locust's runners with a gate: only a worker that is welcome is one, and a run of Locust has one storm.

Locust counts everybody who says `client_ready`: for `--expect-workers`, for whom the users are given to, and as "the last worker"
whose end stops the test. Here a peer counts from when the fleet's master has made it welcome. Until then it may say hello.
"""

import logging
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import locust.env
import locust.runners
from locust.argument_parser import get_parser
from locust.exception import RPCSendError
from locust.rpc.protocol import Message
from locust.runners import LocalRunner, MasterRunner, WorkerRunner

from loadtests.locust_fleet.messages import TO_MASTER
from loadtests.locust_fleet.secret import read_secret, require_secret
from loadtests.locust_fleet.sockets import FORKED_SECRET, Client, Seal, Server, seal_of
from scenarios.spec import ScenarioError

log = logging.getLogger(__name__)

EXIT_USAGE, EXIT_TROUBLE = 2, 3
READY_MAX = 1_000  # peers that are ready and not yet welcome; more are not heard until some have gone


def install() -> None:
    """Make Locust use these. Before its runner is made, which is after it has read its locustfile."""
    locust.env.MasterRunner = FleetMasterRunner
    locust.env.WorkerRunner = FleetWorkerRunner
    locust.env.LocalRunner = FleetLocalRunner


class _OneStorm:
    """Refuses a start that can't be. `storm_refusal`: None, or why the master's storm can't be started any more."""

    storm_refusal: Callable[[], str | None] = staticmethod(lambda: None)

    def refusal(self) -> str | None:
        """Why the storm can't be started now, one sentence; None when it can."""
        return self.storm_refusal()

    def start(
        self, user_count: int, spawn_rate: float, wait: bool = False, user_classes: list[Any] | None = None
    ) -> None:
        """As Locust's, which would clear the tables of the storm that was."""
        why = self.refusal()
        if why is not None:
            log.error("%s", why)
            return
        super().start(user_count, spawn_rate, wait=wait, user_classes=user_classes)  # type: ignore[misc]


class FleetLocalRunner(_OneStorm, LocalRunner):
    """Master and worker in one process."""

    is_sealed = True  # as nobody else can speak


class FleetMasterRunner(_OneStorm, MasterRunner):
    """The master, which hears strangers' hello and nothing else of theirs."""

    def __init__(self, environment: Any, master_bind_host: str, master_bind_port: int) -> None:
        self._ready: dict[str, Message] = {}  # not yet welcome: what they said when they came
        self._welcome: set[str] = set()
        seal = _seal(environment.parsed_options, "--master-bind-host", master_bind_host)
        self.is_sealed = seal is not None
        _use_sockets(seal)
        super().__init__(environment, master_bind_host, master_bind_port)

    def handle_message(self, client_id: str, msg: Message) -> None:
        """What Locust's does, for those who are welcome."""
        if client_id in self._welcome:
            if msg.type == "quit":
                self._welcome.discard(client_id)
            super().handle_message(client_id, msg)
        elif msg.type == "client_ready":
            if isinstance(msg.data, str) and len(self._ready) < READY_MAX:
                self._ready[client_id] = msg
                self.send_message("ack", client_id=client_id)  # it may say hello; its number comes when it is welcome
        elif msg.type == TO_MASTER and client_id in self._ready:
            if TO_MASTER in self.custom_messages:  # else the tables are still being made; it will say hello again
                listener, _ = self.custom_messages[TO_MASTER]
                listener(environment=self.environment, msg=msg)
        elif msg.type == "quit":
            self._ready.pop(client_id, None)

    def refusal(self) -> str | None:
        """As above; Locust itself only logs that it has no workers."""
        if not self.worker_count:
            return "no worker is here yet: wait for them, or see their logs"
        return super().refusal()

    def admit(self, worker: str) -> None:
        """The worker is welcome: from now on it is one of Locust's."""
        ready = self._ready.pop(worker, None)
        if ready is not None:
            self._welcome.add(worker)
            super().handle_message(worker, ready)


class FleetWorkerRunner(WorkerRunner):
    """A worker, on our sockets."""

    def __init__(self, environment: Any, master_host: str, master_port: int) -> None:
        seal = _seal(environment.parsed_options, "--master-host", master_host)
        self.is_sealed = seal is not None
        _use_sockets(seal)
        super().__init__(environment, master_host, master_port)

    def connect_to_master(self) -> None:
        """As Locust's; a master that drops the connection each time, as one with another secret does, is no traceback."""
        retries = logging.getLogger("locust.util.exception_handler")
        retries.addFilter(_without_traceback)
        try:
            super().connect_to_master()
        except RPCSendError:
            log.error(
                "the master at %s:%s takes nothing from this worker: have both the same secret (--secret-file), or none?",
                self.master_host,
                self.master_port,
            )
            sys.exit(EXIT_TROUBLE)
        finally:
            retries.removeFilter(_without_traceback)


def _without_traceback(record: logging.LogRecord) -> bool:
    """Of each try to connect that failed, a line is enough."""
    record.exc_info = None
    return True


def _secret(options: Any) -> str | None:
    given = read_secret(Path(options.secret_file) if options.secret_file else None)
    if (
        given is None and options.processes and not get_parser().parse_args().worker
    ):  # as it was asked: a fork is one in any case
        return FORKED_SECRET
    return given


def _seal(options: Any, option: str, host: str) -> Seal | None:
    """As the options say; ends the process with a sentence where they don't suffice, as Locust does for a busy port."""
    try:
        secret = _secret(options)
        require_secret(secret, host, option)
    except ScenarioError as error:
        log.error("%s", error)
        sys.exit(EXIT_USAGE)
    return None if secret is None else seal_of(secret)


def _use_sockets(seal: Seal | None) -> None:
    """Locust makes its sockets by this name, again whenever it resets a connection."""
    locust.runners.rpc = SimpleNamespace(Server=partial(Server, seal=seal), Client=partial(Client, seal=seal))
