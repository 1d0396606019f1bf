"""What the parts of a run report to, whoever watches or nobody: each part writes what is its own, `collector` reads them all.

Rules that hold here: reporting is an assignment or an addition in memory, never I/O, and never raises; nothing here is in a
sender's process. A part may report from any thread; a reader sees each number whole, and may see two of different instants.
"""

import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from loadtests.faults.injection import FaultCourse
from loadtests.metrics.sums import OperationSums, edges_with
from loadtests.recording.history import NodeSample
from loadtests.recording.ledger import Ledger
from scenarios.operations import operations_of
from scenarios.spec import Scenario

INGESTED = "ingest_"  # how the names of operations begin that bring readings

Clock = Callable[[], int]  # monotonic [ns]


class ShownPrice(StrEnum):
    """What a display that was asked showed."""

    IN_FORCE = "in_force"
    STALE = "stale"
    NONE = "none"


@dataclass(slots=True, kw_only=True)
class OfficeProgress:
    """The back office: its rounds, what came of them, and since when something journalled is not projected."""

    clock_ns: Clock = time.monotonic_ns
    round_ended_ns: int | None = None  # None: it has not begun
    unprojected_since_ns: int | None = None
    is_over: bool = False  # it has closed: nothing is expected of it any more
    delivered: int = 0
    bills: int = 0
    served: int = 0
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    displays: Counter[ShownPrice] = field(default_factory=Counter)
    price_missing_since_us: int | None = None  # when the price came into force that the last display asked lacked

    def end_round(self) -> None:
        """A round, the waiting for the first one, or a part of the last work is through."""
        self.round_ended_ns = self.clock_ns()

    def journal(self) -> None:
        """What is to be projected is about to be journalled."""
        if self.unprojected_since_ns is None:
            self.unprojected_since_ns = self.clock_ns()

    def project(self) -> None:
        """All that was journalled is projected."""
        self.unprojected_since_ns = None

    def show(self, price: ShownPrice, missing_since_us: int | None) -> None:
        """A display was asked. missing_since_us: when the price that it lacks came into force, since the scenario's start."""
        self.displays[price] += 1
        self.price_missing_since_us = missing_since_us


@dataclass(slots=True, kw_only=True)
class GatewayProgress:
    """A data centre's gateway: how far it is, and what became of its commands as far as it knows.

    handled_s: storm's wall time [s] up to which all that was due is handled; None: it is not paced (before its start, after the
    span). touched_ns: when it last got something done. After a call that the store did not let finish, `ended` may lack some.
    """

    clock_ns: Clock = time.monotonic_ns
    handled_s: float | None = None
    touched_ns: int | None = None
    is_over: bool = False  # all commands have ended, and were read back
    created: int = 0
    attempts: int = 0
    ended: Counter[str] = field(default_factory=Counter)  # applied, rejected, given_up
    states: Mapping[str, int] | None = None  # as read back at the end
    _ended_ids: set[Hashable] = field(default_factory=set)

    def end(self, state: str, commands: Iterable[Hashable]) -> None:
        """Commands have ended so, by their ids; one that is told again, after a call that failed, counts once."""
        new = set(commands) - self._ended_ids
        self._ended_ids |= new
        self.ended[state] += len(new)

    def handle(self, until_s: float | None) -> None:
        """All that was due before a moment of the storm is handled; None: nothing is paced any more."""
        self.handled_s = until_s
        self.touched_ns = self.clock_ns()


@dataclass(slots=True, kw_only=True)
class AuditProgress:
    """The audit as far as it is: facts by verdict, and violations by rule."""

    facts: Mapping[str, int] = field(default_factory=dict)  # over all DCs, of the tables that are judged
    dc_facts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # as each DC holds them
    rule_faults: dict[str, int] = field(default_factory=dict)
    terminal_twice: int = 0

    def judge(self, facts: Mapping[str, int], dc_facts: Mapping[str, Mapping[str, int]]) -> None:
        """Facts by verdict so far."""
        self.facts, self.dc_facts = dict(facts), {dc: dict(counts) for dc, counts in dc_facts.items()}

    def check(self, rule: str, faults: int) -> None:
        """A rule was checked; one that several checks are of has all their faults."""
        self.rule_faults[rule] = self.rule_faults.get(rule, 0) + faults


@dataclass(slots=True, kw_only=True)
class ProbeProgress:
    """Canary rows through each data centre; see `canary`."""

    outcomes: Counter[tuple[str, str, str]] = field(default_factory=Counter)  # DC, action (write, read), ok or failed
    lag_s: dict[tuple[str, str], float] = field(
        default_factory=dict
    )  # (written in, read in): of the latest that was seen
    unseen_since_ns: dict[tuple[str, str], int] = field(
        default_factory=dict
    )  # of one that was written and is not seen yet
    clocks_ahead_s: dict[str, dict[str, float]] = field(default_factory=dict)  # DC -> node -> see `clocks`


class Instruments:
    """Of one run."""

    def __init__(self, scenario: Scenario, clock_ns: Clock = time.monotonic_ns) -> None:
        self.scenario, self.pace, self.clock_ns = scenario, scenario.pace, clock_ns
        limits_s = [one.response_ms_max / 1e3 for one in scenario.slo]
        self._edges_s = edges_with([*limits_s, scenario.run.validity.late_p99_ms_max / 1e3])
        self.senders = OperationSums(operations_of(scenario), self._edges_s)
        self.closed_loops: list[OperationSums] = []
        self.phase = ""
        self.zero_ns: int | None = None  # the storm's start [monotonic]
        self.sent_ns: int | None = None  # its senders' end
        self.in_flight = 0
        self.queued: int | None = 0  # None: not known, they are among those in flight
        self.courses: Sequence[FaultCourse] = ()
        self.ledger: Ledger | None = None
        self.nodes: Sequence[NodeSample] = ()
        self.data_folders: Mapping[tuple[str, str], Path] = {}  # (node, DC) -> of a local node's data
        self.gateways: dict[str, GatewayProgress] = {}
        self.office: OfficeProgress | None = None
        self.audit = AuditProgress()
        self.probes = ProbeProgress()

    def closed_loop(self) -> OperationSums:
        """Sums for requests of a closed loop; each loop has its own."""
        sums = OperationSums(edges_s=self._edges_s)
        self.closed_loops.append(sums)
        return sums

    def gateway(self, dc: str) -> GatewayProgress:
        """That of a data centre's gateway, which begins."""
        return self.gateways.setdefault(dc, GatewayProgress(clock_ns=self.clock_ns))

    def back_office(self) -> OfficeProgress:
        """That of the back office, which begins."""
        self.office = self.office or OfficeProgress(clock_ns=self.clock_ns)
        return self.office

    def acknowledged(self) -> int:
        """Deliveries of readings that were acknowledged so far, of senders and back office."""
        ingested = sum(
            one.ok for operation, one in self.senders.seen().operations.items() if operation.startswith(INGESTED)
        )
        return ingested + (0 if self.office is None else self.office.delivered)

    @property
    def storm_s(self) -> float | None:
        """How long the storm has lasted, or lasts by now [s]; None before it."""
        return None if self.zero_ns is None else (self.clock_ns() - self.zero_ns) / 1e9

    def parts_of_storm(self, begun_ns: int, ended_ns: int) -> dict[str, float]:
        """Name -> how long [s] each part of what went from `begun_ns` to `ended_ns` took: until all senders were ready and the
        nodes warm, until the senders were done, and until all beside them was. One that was not come to is left out."""
        marks = [begun_ns, self.zero_ns, self.sent_ns, ended_ns]
        reached = [mark for mark in marks[:-1] if mark is not None] + [ended_ns]
        names = ("senders_start", "storm", "last_work")
        return {name: max(end - start, 0) / 1e9 for name, start, end in zip(names, reached, reached[1:], strict=False)}
