"""The audit as a whole: each table, from each data centre, against the ledger and the seed."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial

import numpy as np
from cassandra.cluster import Session

from loadtests.audit.data_loss.counting import (
    FactOutcome,
    count_acknowledged_by,
    count_units,
    count_verified,
    unit_bitmap,
)
from loadtests.audit.data_loss.fact_classes import fact_classes
from loadtests.audit.data_loss.fault_examples import FaultExample, together
from loadtests.audit.data_loss.row_counts import RowCounts, Sent, count_rows, lost_of, not_judged_of, phantoms_of
from loadtests.audit.data_loss.table_pass import DcPass, TablePasses
from loadtests.audit.rules.customers import Checked
from loadtests.cluster.hints import delivery_s_max
from loadtests.recording.ledger import Ledger
from scenarios.domain import Operation
from scenarios.levels.visible_writes import hidden_from_folds
from scenarios.spec import Topology
from scenarios.texts.wording import listed
from sim.estate.lookup import split_meter
from sim.estate.model import EstateModel
from store.cassandra.bulk import RawRowsHandler
from store.roles import DAY_VIEWS
from store.tables import Schema, Table

log = logging.getLogger(__name__)

RESCAN_WAIT_S = 3.0
HINTS_LOOK_S = 1.0


@dataclass(slots=True, kw_only=True)
class FactCounts:
    """Facts by what became of them; see the package's docstring for the words."""

    attempted: int = 0
    acknowledged: int = 0
    verified: int = 0
    lost: int = 0
    wrong: int = 0
    phantom: int = 0
    duplicate: int = 0
    indeterminate: int = 0
    not_judged: int = 0  # of the acknowledged ones: too much beside them is in doubt, or a fold need not have seen them

    def add(self, other: "FactCounts") -> None:
        for name, count in asdict(other).items():
            setattr(self, name, getattr(self, name) + count)


@dataclass(slots=True, kw_only=True)
class DcCounts(FactCounts):
    """What one DC holds; `coordinated` of the acknowledgements came from its coordinators."""

    coordinated: int = 0
    in_doubt_found: int = 0
    settled_s: float = 0.0  # how long it was waited for, until it held every acknowledged fact or patience ended


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """Totals over all tables, and the same by DC and by table; see `over_dcs`."""

    totals: FactCounts
    per_dc: dict[str, DcCounts]
    tables: dict[str, FactCounts]
    examples: list[FaultExample] = field(default_factory=list)
    facts_read: int = 0  # judged, once in each DC
    scan_s: float = 0.0
    rules: list[Checked] = field(default_factory=list)
    parts_s: dict[str, float] = field(
        default_factory=dict
    )  # wall time of each part of the audit, as whoever makes it tells


def audit(
    sessions: dict[str, Session],
    *,
    estate: EstateModel,
    ledger: Ledger,
    schema: Schema,
    topology: Topology,
    settle_s: float,
    progress: Callable[[str], None],
    sent: Mapping[Operation, Sent] | None = None,
    hints_left: Callable[[], int] = lambda: 0,
    is_folded: bool = True,
    judged: Callable[[AuditReport], None] = lambda _: None,
) -> AuditReport:
    """Read every table back through each DC's session and judge every fact.

    sessions: DC name -> a session whose coordinators are that DC's, used by nobody else meanwhile. A table of which a DC
    misses acknowledged facts, or has other values of them, is read again after a wait, until it has them or `settle_s` was
    waited in all: hints and repair are allowed their time. While nodes hold `hints_left` [bytes] for others these are waited
    for besides, as long as their delivery can take. `sent` is what became of the operations that the ledger has no plane for.
    `judged` is told the report so far, after each DC's copy of a table. Tables are read through all DCs side by side.
    Memory holds a few pages and two bits a fact and DC, however many rows there are. Raises HarnessError when a DC can't be read.
    """
    report = AuditReport(totals=FactCounts(), per_dc={dc: DcCounts() for dc in sessions}, tables={})
    facts_read, scan_s = 0, 0.0
    for session in sessions.values():
        session.client_protocol_handler = RawRowsHandler
    patience = SettleTime(settle_s, hints_left, topology.node_count)
    if left_bytes := hints_left():  # some DC is behind for sure: to read it now would be for nothing
        progress(f"audit: waiting for {left_bytes / 2**20:.1f} MiB of hints, what nodes missed while they were away")
        patience.wait_for_hints()
    for table in audited_tables(schema):
        judge = _TableJudge(
            estate=estate,
            ledger=ledger,
            schema=schema,
            table=table,
            topology=topology,
            examples=report.examples,
            folds_may_lack=is_folded and hidden_from_folds(topology) is not None,
        )
        progress(f"audit: {table.name} as held by {listed(list(sessions))}")
        for dc, counts in judge.judge(sessions, patience):
            report.per_dc[dc].add(counts)
            judged(report)
        for dc, coordinated in judge.coordinated().items():
            report.per_dc[dc].coordinated += coordinated
        counts_of_table = judge.totals()
        report.tables[table.name] = counts_of_table
        report.totals.add(counts_of_table)
        judged(report)
        facts_read += judge.facts_read
        scan_s += judge.scan_s
    for operation, became in (sent or {}).items():
        for table in schema.tables_of(operation):
            report.tables[table.name] = FactCounts()
            for dc, session in sessions.items():
                progress(f"audit: {table.name} as held by {dc}")
                started = time.monotonic()
                counted = partial(count_rows, session, estate, table, topology, dc)
                rows, settled_s = count_settled(counted, became, patience)
                scan_s += time.monotonic() - started - settled_s
                facts_read += rows.right + rows.wrong + rows.phantom
                of_dc = _counted(became, rows)
                report.per_dc[dc].add(of_dc)
                report.per_dc[dc].settled_s += settled_s
                report.tables[table.name] = _worst(report.tables[table.name], of_dc)
            report.totals.add(report.tables[table.name])
            judged(report)
    return AuditReport(
        totals=report.totals,
        per_dc=report.per_dc,
        tables=report.tables,
        examples=together(report.examples),
        facts_read=facts_read,
        scan_s=scan_s,
    )


def count_settled(count: Callable[[], RowCounts], became: Sent, patience: "SettleTime") -> tuple[RowCounts, float]:
    """A counted table's rows, counted again after each wait while acknowledged ones are missing; how long was waited [s]."""
    settled_s = 0.0
    while True:
        rows = count()
        waited_s = patience.wait() if lost_of(became, rows) else 0.0
        if waited_s == 0:
            return rows, settled_s
        settled_s += waited_s


def audited_tables(schema: Schema) -> tuple[Table, ...]:
    """The log of readings, and every view that a reading is written to."""
    return schema.tables_of(Operation.INGEST_READING)


def over_dcs(sent: FactCounts, verified: int, by_dc: Sequence[FactCounts]) -> FactCounts:
    """A table over all DCs. A fact is verified when every DC has it right; one that two DCs have lost is one lost fact.

    Which facts it is that two DCs both have wrong is not known, only how many at most: what is neither verified nor wrong
    nor left unjudged in the worst DC is lost.
    """
    wrong = max((one.wrong for one in by_dc), default=0)
    most_lost = max((one.lost for one in by_dc), default=0)
    rest = max(sent.acknowledged - verified - wrong, 0)
    lost = max(rest - sum(one.not_judged for one in by_dc), most_lost)
    return FactCounts(
        attempted=sent.attempted,
        acknowledged=sent.acknowledged,
        indeterminate=sent.indeterminate,
        verified=verified,
        lost=lost,
        not_judged=max(rest - lost, 0),
        wrong=wrong,
        phantom=max((one.phantom for one in by_dc), default=0),
        duplicate=max((one.duplicate for one in by_dc), default=0),
    )


def _counted(sent: Sent, rows: RowCounts) -> FactCounts:
    not_judged = not_judged_of(sent, rows)
    return FactCounts(
        attempted=sent.attempted,
        acknowledged=sent.acknowledged,
        verified=max(min(rows.right, sent.acknowledged) - not_judged, 0),
        lost=lost_of(sent, rows),
        wrong=rows.wrong,
        phantom=phantoms_of(sent, rows),
        indeterminate=sent.indeterminate,
        not_judged=not_judged,
    )


def _worst(one: FactCounts, other: FactCounts) -> FactCounts:
    """A counted table over two DCs: which rows each lacks is not known, so what both hold is at most what the worse one does."""
    if one == FactCounts():
        return other
    return over_dcs(other, min(one.verified, other.verified), (one, other))


class SettleTime:
    """How long a lagging DC may still be waited for; all tables and DCs draw on the same time."""

    def __init__(
        self,
        settle_s: float,
        hints_left: Callable[[], int] = lambda: 0,
        node_count: int = 1,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._left_s = settle_s
        self.waited_s = 0.0  # in all
        self._hints_left = hints_left
        self._node_count = node_count
        self._hints_until_s: float | None = None
        self._clock, self._sleep = clock, sleep

    def wait(self) -> float:
        """Wait until hints have arrived, else a little, and return how long [s]; 0 when there is no time left."""
        waited_s = self.wait_for_hints() or self._wait_a_little()
        self.waited_s += waited_s
        return waited_s

    def wait_for_hints(self) -> float:
        """Wait until nodes hold no hints for others, within what their delivery can take, and return how long [s]."""
        started_s = self._clock()
        while left_bytes := self._hints_left():
            if self._hints_until_s is None:
                self._hints_until_s = started_s + delivery_s_max(left_bytes, self._node_count)
            if self._clock() >= self._hints_until_s:
                break
            self._sleep(HINTS_LOOK_S)
        return self._clock() - started_s if self._clock() - started_s >= HINTS_LOOK_S else 0.0

    def _wait_a_little(self) -> float:
        waited_s = min(RESCAN_WAIT_S, self._left_s)
        self._left_s -= waited_s
        self._sleep(waited_s)
        return waited_s


class _TableJudge:
    """One table, judged DC by DC; what every DC holds right is kept as bitmaps, one a class of facts."""

    def __init__(
        self,
        *,
        estate: EstateModel,
        ledger: Ledger,
        schema: Schema,
        table: Table,
        topology: Topology,
        examples: list[FaultExample],
        folds_may_lack: bool,
    ) -> None:
        self._estate = estate
        self._table = table
        self._topology = topology
        self._examples = examples
        self._folds_may_lack = folds_may_lack and table.has_role(*DAY_VIEWS)
        self._classes = fact_classes(estate, ledger, schema, table)
        self._passes = TablePasses(
            estate=estate,
            ledger=ledger,
            table=table,
            topology=topology,
            classes=self._classes,
            folds_may_lack=self._folds_may_lack,
        )
        self._right = [unit_bitmap(estate.meter_count, len(one.unit_starts) - 1, is_set=True) for one in self._classes]
        self._by_dc: list[FactCounts] = []
        self._of_planes = FactCounts()
        for one in self._classes:
            self._of_planes.add(FactCounts(**count_units(one.plane, one.unit_starts)._asdict()))
        self.facts_read = 0
        self.scan_s = 0.0

    def judge(self, sessions: Mapping[str, Session], patience: SettleTime) -> Iterator[tuple[str, DcCounts]]:
        """Read the table through all DCs side by side; then each one's counts, of a DC that lags after it was waited for."""
        read_after_s = patience.waited_s
        found = self._read(sessions)
        for dc, session in sessions.items():
            yield dc, self._settled(dc, session, found.pop(dc), patience, read_after_s)

    def _settled(self, dc: str, session: Session, found: DcPass, patience: SettleTime, read_after_s: float) -> DcCounts:
        """read_after_s: how long had been waited in all when the DC was read."""
        settled_s = 0.0
        while True:
            counts = found.counts
            lost = int(counts[FactOutcome.LOST])
            # a view's row that a DC has not heard of the latest fold of is there, with its older values
            wrong = int(counts[FactOutcome.WRONG])
            stale = int(counts[FactOutcome.NOT_JUDGED]) if self._folds_may_lack else 0
            if not (lost or wrong or stale):
                break
            if patience.waited_s == read_after_s:  # else another DC was waited for since: it may have all by now
                waited_s = patience.wait()
                if waited_s == 0:
                    break
                settled_s += waited_s
                log.info("audit table=%s dc=%s lost=%d wrong=%d waiting", self._table.name, dc, lost, wrong)
            read_after_s = patience.waited_s
            found = self._read({dc: session})[dc]
        for right, tally in zip(self._right, found.tallies, strict=True):
            np.bitwise_and(right, tally.right, out=right)
        self._examples += found.examples
        faults = FactCounts(
            lost=lost,
            wrong=wrong,
            phantom=int(counts[FactOutcome.PHANTOM]),
            duplicate=int(counts[FactOutcome.DUPLICATE]),
            not_judged=int(counts[FactOutcome.NOT_JUDGED]),
        )
        self._by_dc.append(faults)
        return DcCounts(
            attempted=self._of_planes.attempted,
            acknowledged=self._of_planes.acknowledged,
            indeterminate=self._of_planes.indeterminate,
            verified=int(counts[FactOutcome.VERIFIED]),
            lost=faults.lost,
            wrong=faults.wrong,
            phantom=faults.phantom,
            duplicate=faults.duplicate,
            not_judged=faults.not_judged,
            in_doubt_found=int(counts[FactOutcome.IN_DOUBT_FOUND]),
            settled_s=round(settled_s, 3),
        )

    def coordinated(self) -> dict[str, int]:
        """Acknowledged facts by the business DC whose coordinators acknowledged them: their premises' home."""
        home = self._estate.home_dc_of(split_meter(self._estate, np.arange(self._estate.meter_count))[0])
        dcs = self._topology.business_dcs
        counts = np.zeros(len(dcs), np.int64)
        for one in self._classes:
            counts += count_acknowledged_by(one.plane, one.unit_starts, home, len(dcs))
        return {dc.name: int(count) for dc, count in zip(dcs, counts, strict=True)}

    def totals(self) -> FactCounts:
        """The table over all DCs, see `over_dcs`."""
        verified = sum(
            count_verified(one.plane, one.unit_starts, right)
            for one, right in zip(self._classes, self._right, strict=True)
        )
        return over_dcs(self._of_planes, verified, self._by_dc)

    def _read(self, sessions: Mapping[str, Session]) -> dict[str, DcPass]:
        """Read the table once through each of some DCs."""
        started = time.monotonic()
        found = self._passes.through(sessions)
        self.scan_s += time.monotonic() - started
        for one_pass in found.values():
            self.facts_read += int(one_pass.counts[FactOutcome.WRONG :].sum())
        return found
