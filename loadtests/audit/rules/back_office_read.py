"""What the back office has left in the store, read back for `loadtests.audit.rules.back_office`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from itertools import chain
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from cassandra.cluster import Session

from loadtests.audit.rules.back_office import (
    EPOCH,
    check_cohorts,
    check_present,
    check_received,
    check_refused,
    check_settled,
    use_of_month,
)
from loadtests.audit.rules.customers import EXAMPLES_MAX, Checked
from loadtests.audit.rules.customers_read import sample_text, settled_homes, unsettled_homes
from loadtests.audit.rules.scanned_ahead import AheadBulk
from loadtests.audit.rules.weak_levels import in_doubt, why_hidden
from loadtests.backend.back_office import SUMMARISED_METERS_MAX, local_months_of, projection_of, projectors_of
from loadtests.backend.home_stores import HomeStores
from loadtests.recording.ledger import Ledger
from loadtests.workload.prices import book_of
from scenarios.domain import DAY_US, Operation, SettlementRunCode, premises_of_mpxn
from scenarios.spec import Topology
from sim.estate.lookup import cohorts_of, start_us_of
from sim.estate.model import EstateModel
from store.cassandra.session import Statements
from store.columns import Page, concat, dicts_of, integers, row_count
from store.operations import StoreOperation
from store.readings.across import days_needed, months_of, rows_of
from store.readings.projector import read_settlement
from store.readings.store import HomeReadings
from store.readings.summaries import USAGE_COLUMNS
from store.readings.summarise import comparison
from store.roles import TableRole
from store.rows import MeterDay
from store.tables import Schema, Table

ACROSS_ROWS_READ, ACROSS_ROWS_MAX = 20_000, 2_000  # of each view across homes, read and held against the log
HOMES_AT_ONCE = 5_000
DELIVERIES = (Operation.INGEST_READING, Operation.INGEST_REGISTER, Operation.INGEST_REVISION)
PRESENT_DAYS_MAX = 400  # of meters, whose settlement must be there


def check_office(
    sessions: Sequence[Session],
    *,
    estate: EstateModel,
    ledger: Ledger,
    schema: Schema,
    topology: Topology,
    progress: Callable[[str], None],
    is_closed: bool,
    refused_count: int,
) -> list[Checked]:
    """What the back office has left: refusals, and views across homes as far as they are projected. Raises StoreError.

    sessions: of the business DCs in their order; each home's rows are held against its log in its own.
    is_closed: it worked to its end; one that was stopped leaves views behind the log, which are not judged. refused_count: how
    many faulty deliveries it sent at least.
    """
    progress("audit: refusals, settlement, receipts and cohorts" if is_closed else "audit: refusals")
    with ExitStack() as cleanup:
        stores = []
        for session in sessions:
            bulk = AheadBulk(session, topology)
            cleanup.callback(bulk.close)
            stores.append(HomeReadings(Statements(session, schema, topology), bulk, book_of(estate)))
        homes = HomeStores(estate, stores)
        refusals = check_refusals(homes.first, estate, refused_count)
        checks = [
            *([refusals] if refusals.counted or refusals.faults else []),
            *(check_projections(homes, estate, ledger, is_scan_enough=_is_scan_enough(topology)) if is_closed else []),
        ]
        return in_doubt(checks, why_doubtful(topology))


def why_doubtful(topology: Topology) -> str | None:
    """Why refusals and projections may lack what was acknowledged, though each is made in its home's DC."""
    writes = (*DELIVERIES, Operation.RECORD_REJECTED, StoreOperation.WRITE_SETTLEMENT)
    reads = (Operation.READ_EVENTS, Operation.READ_SETTLEMENT, Operation.READ_COMPARISON, Operation.READ_REJECTED)
    return why_hidden(topology, writes, reads)


def check_refusals(store: HomeReadings, estate: EstateModel, refused_count: int) -> Checked:
    """Every faulty delivery, as recorded."""
    return check_refused(estate, [one for day in _days_us(estate) for one in store.rejected(day)], refused_count)


def _is_scan_enough(topology: Topology) -> bool:
    """Does a scan of the settlement view read at the level of a question for one partition of it?"""
    return topology.consistency.of(Operation.READ_SETTLEMENT) == topology.consistency.default


def check_projections(
    homes: HomeStores, estate: EstateModel, ledger: Ledger, *, is_scan_enough: bool = True
) -> list[Checked]:
    """Views across homes. Homes with a half-hour in doubt are left out.

    is_scan_enough: rows of the settlement view that were scanned need not be asked for again.
    """
    is_settled = settled_homes(estate, ledger)
    schema = homes.first.runner.schema
    logs = HomeLogs(homes)
    checks: list[Checked] = []
    if settlement := schema.find(TableRole.SETTLEMENT):
        rows = _rows(homes.across, settlement)
        checks.append(_settled(estate, logs, settlement, rows, is_settled))
        scanned = rows if is_scan_enough and len(rows) < ACROSS_ROWS_READ else None
        checks.append(_present(estate, homes, logs, settlement, scanned, is_settled))
    if receipts := schema.find(TableRole.RECEIPTS):
        checks.append(_received(estate, homes, logs, receipts, is_settled))
    usage = schema.find(TableRole.DAILY_USAGE)
    if usage and schema.find(TableRole.COHORT_INSIGHTS) and estate.meter_count <= SUMMARISED_METERS_MAX:
        cohorts = _cohorts(estate, homes, ledger, usage)
        checks += [cohorts] if cohorts else []
    # what is not kept at all has no rule; of what is kept but all in doubt the rule stays, with nothing that it could hold
    return [one for one in checks if one.counted or one.faults or one.sample]


class HomeLogs:
    """The logs of homes, each read once in its own DC for all rules that ask for it."""

    def __init__(self, homes: HomeStores) -> None:
        self._homes = homes
        self._held: dict[tuple[int, tuple[int, ...]], Page] = {}

    def of(self, days_of_home: Mapping[int, set[int]]) -> dict[int, Page]:
        """As `HomeStores.logs_of`: of the months of the days that are asked for. Raises StoreError."""
        keys = {home: (home, tuple(months_of(days))) for home, days in days_of_home.items()}
        fresh = {home: days_of_home[home] for home, key in keys.items() if key not in self._held}
        self._held |= {keys[home]: log for home, log in self._homes.logs_of(fresh).items()}
        return {home: self._held[key] for home, key in keys.items()}


def _settled(
    estate: EstateModel,
    logs: HomeLogs,
    view: Table,
    rows: Sequence[Mapping[str, Any]],
    is_settled: Callable[[int], bool],
) -> Checked:
    settled = [row for row in rows if row["run"] == SettlementRunCode.LATEST and is_settled(row["premises"])]
    sample = _sample(len(settled), len(rows))
    settled = settled[:ACROSS_ROWS_MAX]
    days = _days_us(estate)
    of_homes = logs.of({home: set(days) for home in {row["premises"] for row in settled}})
    return replace(check_settled(view.name, settled, of_homes, estate.calendar), sample=sample)


def _received(
    estate: EstateModel, homes: HomeStores, logs: HomeLogs, view: Table, is_settled: Callable[[int], bool]
) -> Checked:
    received = _rows(homes.across, view)
    premises = premises_of_mpxn(np.array([row["mpxn"] for row in received], np.int64)).premises
    home_of = dict(zip((row["mpxn"] for row in received), premises.tolist(), strict=True))
    rows, received = received, [row for row in received if is_settled(home_of[row["mpxn"]])]
    sample = _sample(len(received), len(rows))
    received = received[:ACROSS_ROWS_MAX]
    days = _days_us(estate)
    of_homes = logs.of({home_of[row["mpxn"]]: set(days) for row in received})
    return replace(check_received(view.name, received, of_homes, home_of), sample=sample)


def _present(
    estate: EstateModel,
    homes: HomeStores,
    logs: HomeLogs,
    view: Table,
    scanned: Sequence[Mapping[str, Any]] | None,
    is_settled: Callable[[int], bool],
) -> Checked:
    """Is each day that was journalled, of a sample, in the settlement view? A row that is missing shows in no view.

    scanned: all rows of the view, each home's as its own DC holds them; None: they are asked for, partition by partition.
    """
    projection = projection_of(estate)
    journalled = sorted({day for one in projectors_of(estate, homes, 0) for day in one.journalled()})
    days = [day for day in journalled if is_settled(day.premises)]
    of_home: dict[int, list[MeterDay]] = {}
    for day in days[:: max(len(days) // PRESENT_DAYS_MAX, 1)]:
        of_home.setdefault(day.premises, []).append(day)
    of_homes = logs.of({home: days_needed(of_it, estate.calendar) for home, of_it in of_home.items()})
    wanted = [
        row
        for home, of_it in of_home.items()
        for row in rows_of(of_homes[home], of_it, projection, homes.first.runner.schema, estate.calendar)[
            StoreOperation.WRITE_SETTLEMENT
        ]
    ]
    asked: dict[int, set[tuple[int, int]]] = {}  # partitions, as (settlement date, shard), of each DC
    for dc, is_its in homes.dcs_of(np.array([row["premises"] for row in wanted], np.int64)):
        its = [wanted[at] for at in np.flatnonzero(is_its)]
        asked[dc] = {(row["settlement_date"], row["shard"]) for row in its}
    held = _asked_meters(homes, asked) if scanned is None else _scanned_meters(homes, asked, scanned)
    checked = check_present(view.name, [(row["settlement_date"], row["mpxn"]) for row in wanted], held)
    return replace(checked, sample=sample_text(sum(map(len, of_home.values())), len(journalled), "days of meters"))


def _asked_meters(homes: HomeStores, asked: Mapping[int, set[tuple[int, int]]]) -> set[tuple[int, int]]:
    """(settlement date, metering point) of all rows of the latest run in partitions of the settlement view, by DC of the home."""
    held = set[tuple[int, int]]()
    for dc, partitions in asked.items():
        runner = homes.stores[dc].runner
        for date, shard in sorted(partitions):
            meters = read_settlement(runner, EPOCH + timedelta(days=date), SettlementRunCode.LATEST, shard)
            are_its = homes.are_of(dc, np.array([meter.premises for meter in meters], np.int64)).tolist()
            held |= {(date, meter.mpxn) for meter, is_own in zip(meters, are_its, strict=True) if is_own}
    return held


def _scanned_meters(
    homes: HomeStores, asked: Mapping[int, set[tuple[int, int]]], scanned: Sequence[Mapping[str, Any]]
) -> set[tuple[int, int]]:
    """The same of rows that were scanned: a row in another partition than that which is asked for is none of it."""
    latest = [row for row in scanned if row["run"] == SettlementRunCode.LATEST]
    held = set[tuple[int, int]]()
    for dc, is_its in homes.dcs_of(np.array([row["premises"] for row in latest], np.int64)):
        partitions = asked.get(dc, set())
        for row in (latest[at] for at in np.flatnonzero(is_its)):
            if (row["settlement_date"], row["shard"]) in partitions:
                held.add((row["settlement_date"], row["mpxn"]))
    return held


def _sample(settled_count: int, row_count: int) -> str | None:
    """Of the rows of settled homes the first are held against the log; of a large view not all rows were read."""
    if row_count and not settled_count:
        return sample_text(0, row_count, "rows")
    if row_count >= ACROSS_ROWS_READ:
        return f"{min(settled_count, ACROSS_ROWS_MAX):,} rows of at least {row_count:,}"
    return sample_text(ACROSS_ROWS_MAX, settled_count, "rows")


def _days_us(estate: EstateModel) -> list[int]:
    return [start_us_of(estate) + day * DAY_US for day in range(estate.day_count + 1)]


def _cohorts(estate: EstateModel, homes: HomeStores, ledger: Ledger, usage_view: Table) -> Checked | None:
    """Of all months of the customers' calendar; None where no insight is kept."""
    pages = [
        page
        for piece in homes.across.bulk.pieces()
        for page in homes.across.bulk.scan(usage_view, USAGE_COLUMNS, piece)
    ]
    if not pages:
        return None
    usage, doubtful = concat(pages), doubtful_cohorts(estate, ledger)
    parts, held_count, told_count = [], 0, 0
    for month in local_months_of(estate):
        use = use_of_month(usage, month, ZoneInfo(estate.calendar.zone), estate.slot_us)
        cohort = cohorts_of(estate, integers(use, "premises")).astype(np.int64)
        kept = {one: comparison(homes.first.runner, one, month) for one in np.unique(cohort).tolist()}
        if any(kept.values()):
            told = {one: insights for one, insights in kept.items() if one not in doubtful}
            parts.append(check_cohorts(use, cohort, told))
            held_count, told_count = held_count + len(kept), told_count + len(told)
    if not parts:
        return None
    return replace(
        parts[0],
        counted=sum(one.counted for one in parts),
        faults=sum(one.faults for one in parts),
        examples=tuple(chain.from_iterable(one.examples for one in parts))[:EXAMPLES_MAX],
        sample=sample_text(told_count, held_count, "cohorts"),
    )


def doubtful_cohorts(estate: EstateModel, ledger: Ledger) -> set[int]:
    """The cohorts with a home of which a half-hour is in doubt or failed: it may have changed since the mean was made."""
    doubtful: set[int] = set()
    for first in range(0, estate.premises_count, HOMES_AT_ONCE):
        end = min(first + HOMES_AT_ONCE, estate.premises_count)
        homes = first + np.flatnonzero(unsettled_homes(estate, ledger, first, end))
        doubtful |= set(cohorts_of(estate, homes.astype(np.int64)).tolist())
    return doubtful


def _rows(store: HomeReadings, table: Table) -> list[dict[str, Any]]:
    """The rows of up to ACROSS_ROWS_READ of a view across homes."""
    columns = [column.name for column in table.columns]
    rows: list[dict[str, Any]] = []
    for piece in store.bulk.pieces():
        for page in store.bulk.scan(table, columns, piece):
            rows.extend(dicts_of(page) if row_count(page) else ())
            if len(rows) >= ACROSS_ROWS_READ:
                return rows
    return rows
