"""What the back office has left in the store, read back for `loadtests.audit.office`."""

from collections.abc import Callable
from typing import Any

import numpy as np
from cassandra.cluster import Session

from loadtests.audit.customers import Checked
from loadtests.audit.office import check_cohorts, check_received, check_refused, check_settled
from loadtests.audit.rules import settled_homes
from loadtests.back_office import SUMMARISED_METERS_MAX, months_of
from loadtests.deliveries import cohorts_of, start_us_of
from loadtests.folding import book_of
from loadtests.ledger import Ledger
from scenarios.domain import DAY_US, SettlementRun, premises_of_mpxn
from scenarios.spec import Topology
from sim.estate import EstateModel
from store.readings.across import logs_of
from store.readings.cassandra import CassandraBulk
from store.readings.columns import concat, dicts_of, integers, row_count, take
from store.readings.store import HomeReadings
from store.readings.summarise import comparison
from store.session import Statements
from store.tables import Schema, Table

ACROSS_ROWS_READ, ACROSS_ROWS_MAX = 20_000, 2_000  # of each view across homes, read and held against the log


def check_office(
    session: Session,
    *,
    estate: EstateModel,
    ledger: Ledger,
    schema: Schema,
    topology: Topology,
    progress: Callable[[str], None],
    is_closed: bool,
) -> list[Checked]:
    """What the back office has left: refusals, and views across homes as far as they are projected. Raises StoreError.

    is_closed: it worked to its end; one that was stopped leaves views behind the log, which are not judged.
    """
    progress("audit: refusals, settlement, receipts and cohorts" if is_closed else "audit: refusals")
    bulk = CassandraBulk(session, topology)
    try:
        store = HomeReadings(Statements(session, schema, topology), bulk, book_of(estate))
        checks = [check_refusals(store, estate), *(check_projections(store, estate, ledger) if is_closed else [])]
        return [one for one in checks if one.counted or one.faults]
    finally:
        bulk.close()


def check_refusals(store: HomeReadings, estate: EstateModel) -> Checked:
    """Every faulty delivery, as recorded."""
    return check_refused(estate, [one for day in _days_us(estate) for one in store.rejected(day)])


def check_projections(store: HomeReadings, estate: EstateModel, ledger: Ledger) -> list[Checked]:
    """Views across homes. Homes with a half-hour in doubt are left out."""
    is_settled = settled_homes(estate, ledger)
    days = _days_us(estate)
    settled = [
        row
        for row in _rows(store, "settlement_by_date")
        if row["run"] == SettlementRun.LATEST and is_settled(row["premises"])
    ][:ACROSS_ROWS_MAX]
    checks = [
        check_settled(
            settled, logs_of(store.runner, {home: set(days) for home in {row["premises"] for row in settled}})
        )
    ]
    received = _rows(store, "receipts_by_hour")
    premises = premises_of_mpxn(np.array([row["mpxn"] for row in received], np.int64)).premises
    home_of = dict(zip((row["mpxn"] for row in received), premises.tolist(), strict=True))
    received = [row for row in received if is_settled(home_of[row["mpxn"]])][:ACROSS_ROWS_MAX]
    logs = logs_of(store.runner, {home_of[row["mpxn"]]: set(days) for row in received})
    checks.append(check_received(received, logs, home_of))
    if estate.meter_count <= SUMMARISED_METERS_MAX:
        checks += [_cohorts(estate, store, month) for month in months_of(estate)]
    return [one for one in checks if one.counted or one.faults]


def _days_us(estate: EstateModel) -> list[int]:
    return [start_us_of(estate) + day * DAY_US for day in range(estate.day_count + 1)]


def _cohorts(estate: EstateModel, store: HomeReadings, month: int) -> Checked:
    table = _table(store, "usage_by_fuel")
    pages = [
        take(page, integers(page, "month") == month)
        for piece in store.bulk.pieces()
        for page in store.bulk.scan(table, ("premises", "month", "fuel", "usage_wh"), piece)
    ]
    usage = concat(pages)
    cohort = cohorts_of(estate, integers(usage, "premises")).astype(np.int64)
    told = {one: comparison(store.runner, one, month) for one in np.unique(cohort).tolist()}
    return check_cohorts(usage, cohort, told)


def _rows(store: HomeReadings, name: str) -> list[dict[str, Any]]:
    """The rows of up to ACROSS_ROWS_READ of a view across homes."""
    table = _table(store, name)
    columns = [column.name for column in table.columns]
    rows: list[dict[str, Any]] = []
    for piece in store.bulk.pieces():
        for page in store.bulk.scan(table, columns, piece):
            rows.extend(dicts_of(page) if row_count(page) else ())
            if len(rows) >= ACROSS_ROWS_READ:
                return rows
    return rows


def _table(store: HomeReadings, name: str) -> Table:
    return next(table for table in store.runner.schema.tables if table.name == name)
