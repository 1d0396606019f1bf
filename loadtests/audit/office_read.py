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
) -> list[Checked]:
    """What the back office has left: refusals, and views across homes as far as they are projected. Raises StoreError."""
    progress("audit: refusals, settlement, receipts and cohorts")
    runner, bulk = Statements(session, schema, topology), CassandraBulk(session, topology)
    store = HomeReadings(runner, bulk, book_of(estate))
    settled_home = settled_homes(estate, ledger)
    try:
        first_us = start_us_of(estate)
        days = [first_us + day * DAY_US for day in range(estate.day_count + 1)]
        checks = [check_refused(estate, [one for day in days for one in store.rejected(day)])]
        settled = [row for row in _rows(bulk, schema, "settlement_by_date") if settled_home(row["premises"])]
        settled = settled[:ACROSS_ROWS_MAX]
        logs = logs_of(runner, {home: set(days) for home in {row["premises"] for row in settled}})
        checks.append(check_settled([row for row in settled if row["run"] == SettlementRun.LATEST], logs))
        received = _rows(bulk, schema, "receipts_by_hour")
        premises, _ = premises_of_mpxn(np.array([row["mpxn"] for row in received], np.int64))
        home_of = dict(zip((row["mpxn"] for row in received), premises.tolist(), strict=True))
        received = [row for row in received if settled_home(home_of[row["mpxn"]])][:ACROSS_ROWS_MAX]
        logs = logs_of(runner, {home_of[row["mpxn"]]: set(days) for row in received})
        checks.append(check_received(received, logs, home_of))
        if estate.meter_count <= SUMMARISED_METERS_MAX:
            checks += [_cohorts(estate, runner, bulk, schema, month) for month in months_of(estate)]
        return [one for one in checks if one.counted or one.faults]
    finally:
        bulk.close()


def _cohorts(estate: EstateModel, runner: Statements, bulk: CassandraBulk, schema: Schema, month: int) -> Checked:
    columns = ("premises", "month", "fuel", "usage_wh")
    pages = [
        take(page, integers(page, "month") == month)
        for piece in bulk.pieces()
        for page in bulk.scan(_table(schema, "usage_by_fuel"), columns, piece)
    ]
    usage = concat(pages)
    cohort = cohorts_of(estate, integers(usage, "premises")).astype(np.int64)
    told = {one: comparison(runner, one, month) for one in np.unique(cohort).tolist()}
    return check_cohorts(usage, cohort, told)


def _rows(bulk: CassandraBulk, schema: Schema, name: str) -> list[dict[str, Any]]:
    """The rows of up to ACROSS_ROWS_READ of a view across homes."""
    table = _table(schema, name)
    columns = [column.name for column in table.columns]
    rows: list[dict[str, Any]] = []
    for piece in bulk.pieces():
        for page in bulk.scan(table, columns, piece):
            rows.extend(dicts_of(page) if row_count(page) else ())
            if len(rows) >= ACROSS_ROWS_READ:
                return rows
    return rows


def _table(schema: Schema, name: str) -> Table:
    return next(table for table in schema.tables if table.name == name)
