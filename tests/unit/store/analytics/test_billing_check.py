"""Bills held against the log: right, to be adjusted, closed or wrong, each to the last millionth of a penny."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SLOT_US
from store.analytics.bills import BillReader
from store.analytics.data_sets import BILL_LINES
from store.analytics.duck import run_job
from store.analytics.export import export
from store.analytics.jobs import BILLING_CHECK
from store.analytics.warehouse import WarehouseError, whole_warehouse
from store.customers.desk import Desk
from store.customers.port import OnceRunner, Preference
from store.customers.preferences import choose, tariff_in_force
from store.customers.store import HomeCustomers
from store.memory.customers import MemoryOnce
from store.operations import AnyOperation
from store.ports import Bulk, Values
from store.readings.store import HomeReadings
from store.roles import TableRole
from store.rows import Readings
from store.schemas import SCHEMAS
from store.tariffs import ELECTRICITY, GAS, Book
from tests.support.delivered_year import delivered_days
from tests.unit.store.analytics.test_warehouse import AS_OF_US, homes_of
from tests.unit.store.customers.test_mid_month import (
    APRIL,
    BLOCKS,
    CLOCK,
    DAYS,
    FIRST_US,
    GAS_VALUES,
    ISSUED_US,
    LISTS,
    MARCH,
    TARIFFS,
    VALUES,
)

LONDON = Calendar("Europe/London")
SCHEMA = SCHEMAS["home_months"]
FIRST_TARIFFS = {0: CLOCK, 1: BLOCKS, 2: CLOCK}
CHANGE_US = LONDON.day_start_us(LONDON.day_of(FIRST_US + 20 * DAY_US))


class Estate:
    """Three homes' March and April, on one keyspace: by the clock, in blocks, and from one to the other within March."""

    def __init__(self, runner: OnceRunner | None = None, bulk: Bulk | None = None) -> None:
        self.statements = MemoryOnce(SCHEMA)
        self.customers = HomeCustomers(runner or self.statements, lambda: LONDON)
        self.customers.publish(LISTS[0], 0)
        change = choose(Preference.TARIFF, BLOCKS, CHANGE_US - 1, LONDON, [one.name for one in TARIFFS])
        self.customers.change_preference(2, change)
        history = {home: self.customers.preferences(home) for home in FIRST_TARIFFS}

        def kind_of(premises: Any, instants: Any) -> Any:
            pairs = zip(premises.tolist(), instants.tolist(), strict=True)
            return np.array([tariff_in_force(history[home], at, FIRST_TARIFFS[home]) for home, at in pairs], np.uint8)

        self.book = Book(prices=LISTS, kind_of=kind_of, calendar=LONDON)
        self.store = HomeReadings(runner or self.statements, bulk or self.statements, self.book)
        for home in FIRST_TARIFFS:
            for fuel, values in ((ELECTRICITY, VALUES), (GAS, GAS_VALUES)):
                self.store.append(self.delivered(home, fuel, (values + home).astype(np.int32)))

    def delivered(self, home: int, fuel: int, values: Any, first_day: int = 0) -> Readings:
        return delivered_days(
            self.book, home=home, first_day_us=FIRST_US + first_day * DAY_US, values_wh=values, fuel=fuel
        )

    def desk(self, home: int) -> Desk:
        return Desk(customers=self.customers, views=self.store, first_tariff=FIRST_TARIFFS[home], calendar=LONDON)

    def bill(self, month: int, number: int, *, issued_us: int = ISSUED_US) -> None:
        for home in FIRST_TARIFFS:
            days = {ELECTRICITY: range(1, 31), GAS: range(1, 31)}
            self.desk(home).issue_bill(premises=home, month=month, number=number, supplied=days, issued_us=issued_us)

    def close_march(self) -> None:
        """A bill of a month in which March's bill is not adjusted any more."""
        for home in FIRST_TARIFFS:
            self.desk(home).issue_bill(
                premises=home,
                month=202707,
                number=len(self.customers.bills(home)) + 1,
                supplied={GAS: range(1, 2)},
                issued_us=ISSUED_US + 500 * DAY_US,
            )

    def correct(self, home: int, *, received_us: int) -> None:
        """1 kWh more in a half-hour of the fifth day."""
        one = self.delivered(home, ELECTRICITY, VALUES[5:6] + home, first_day=5)
        self.store.append_revision(
            replace(
                one,
                interval_start_us=one.interval_start_us + 20 * SLOT_US,
                values_wh=one.values_wh[:, 20:21] + 1_000,
                revision=np.array([1], np.int32),
                received_at_us=np.array([received_us]),
            )
        )
        self.store.refold(home, ELECTRICITY, FIRST_US + 5 * DAY_US)

    def checked(self, folder: Path) -> list[dict[str, Any]]:
        export(
            self.store,
            folder,
            keyspace="meters",
            estate="one",
            as_of_us=AS_OF_US,
            homes=homes_of(),
            beside=[BillReader(self.store, FIRST_TARIFFS.__getitem__)],
        )
        return run_job(folder, BILLING_CHECK).to_pylist()


def amiss(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    return [
        (row["verdict"], row["premises"], row["charge"], row["month"], row["billed_wh"], row["due_wh"])
        for row in rows
        if row["verdict"] != "right"
    ]


def test_bills_add_up_to_the_log_in_each_charge(tmp_path: Path) -> None:
    estate = Estate()
    estate.bill(MARCH, 1)
    estate.bill(APRIL, 2)
    rows = estate.checked(tmp_path)
    assert amiss(rows) == [] and {row["charge"] for row in rows} == {"energy", "standing", "total"}
    for home in FIRST_TARIFFS:
        issued = sum(bill.total_upence for bill in estate.customers.bills(home))
        of_home = [row for row in rows if row["premises"] == home]
        assert issued == sum(row["due_upence"] for row in of_home if row["charge"] != "total") != 0
        assert [row["number"] for row in of_home if row["charge"] == "total"] == [1, 2]
    # 30 days of March and all of April of each fuel, whose days are the customers' own
    first, end = (LONDON.day_start_us(LONDON.day_of(FIRST_US) + after) - FIRST_US for after in (2, 32))
    slots = VALUES.ravel()[first // SLOT_US : end // SLOT_US].astype(np.int64)
    energy = [
        row
        for row in rows
        if (row["premises"], row["charge"], row["fuel"], row["month"]) == (0, "energy", ELECTRICITY, MARCH)
    ]
    assert sum(row["due_wh"] for row in energy) == int(slots.sum()) and DAYS > 62
    manifest = whole_warehouse(tmp_path, verify=True)
    assert manifest.rows_of(BILL_LINES) == sum(
        len(b.lines) for home in FIRST_TARIFFS for b in estate.customers.bills(home)
    )


def test_a_correction_after_the_bill_is_for_the_next_one_to_adjust(tmp_path: Path) -> None:
    estate = Estate()
    estate.bill(MARCH, 1)
    estate.correct(1, received_us=ISSUED_US + 1_000)
    [(verdict, home, charge, month, billed_wh, due_wh)] = amiss(estate.checked(tmp_path))
    assert (verdict, home, charge, month, due_wh - billed_wh) == ("to adjust", 1, "energy", MARCH, 1_000)
    estate.bill(APRIL, 2, issued_us=ISSUED_US + 2_000)
    assert amiss(estate.checked(tmp_path)) == []


def test_a_correction_that_was_there_and_is_not_billed_is_wrong(tmp_path: Path) -> None:
    estate = Estate()
    estate.bill(MARCH, 1)
    estate.correct(1, received_us=ISSUED_US - 1_000)
    assert [one[:4] for one in amiss(estate.checked(tmp_path))] == [("wrong", 1, "energy", MARCH)]


@pytest.mark.parametrize("days", [400, 600])
def test_a_correction_that_came_too_late_for_any_bill_is_closed(tmp_path: Path, days: int) -> None:
    """After the last bill that looked at its month; whether before or after the last bill of all."""
    estate = Estate()
    estate.bill(MARCH, 1)
    estate.close_march()
    estate.correct(1, received_us=ISSUED_US + days * DAY_US)
    assert [one[:4] for one in amiss(estate.checked(tmp_path))] == [("closed", 1, "energy", MARCH)]


def of_a_wrong_view(estate: Estate) -> None:
    """The view of days has lost a kWh before the bill is made of it."""
    table = SCHEMA.table(TableRole.DAILY_BILLING)
    [row] = [
        one
        for one in estate.statements.all_rows(table)
        if (one["premises"], one["month"], one["day"], one["fuel"]) == (0, MARCH, 10, GAS)
    ]
    estate.statements.put(table, row | {"standard_wh": row["standard_wh"] - 1_000}, 2**60)
    estate.bill(MARCH, 1)


def of_a_forged_line(estate: Estate) -> None:
    """A standing charge of a penny more than the price list has."""
    scratch = Estate()
    scratch.bill(MARCH, 1)
    [right] = scratch.customers.bills(0)
    lines = [
        replace(one, cost_upence=one.cost_upence + 1_000_000 * (one.fuel == GAS and one.rate == -1))
        for one in right.lines
    ]
    estate.customers.issue(replace(right, lines=tuple(lines), total_upence=sum(one.cost_upence for one in lines)))


def of_a_total_that_is_another(estate: Estate) -> None:
    scratch = Estate()
    scratch.bill(MARCH, 1)
    [right] = scratch.customers.bills(0)
    estate.customers.issue(replace(right, total_upence=right.total_upence + 1))


@pytest.mark.parametrize(
    ("plant", "charge"),
    [(of_a_wrong_view, "energy"), (of_a_forged_line, "standing"), (of_a_total_that_is_another, "total")],
)
@pytest.mark.parametrize("is_closed", [False, True], ids=["open", "closed"])
def test_what_is_wrong_is_named(plant: Callable[[Estate], None], charge: str, is_closed: bool, tmp_path: Path) -> None:
    """Also where no bill adjusts it any more: what was wrong when it was issued no later delivery explains."""
    estate = Estate()
    plant(estate)
    if is_closed:
        estate.close_march()
    found = amiss(estate.checked(tmp_path))
    assert {(verdict, home, told) for verdict, home, told, *_ in found} == {("wrong", 0, charge)}


class ManyAtATime:
    """A runner that answers no request by itself."""

    def __init__(self, runner: OnceRunner) -> None:
        self.schema, self._runner = runner.schema, runner

    def run(self, operation: AnyOperation, _: Values) -> list[Any]:
        raise AssertionError(f"{operation} is asked for alone")

    def run_many(self, operation: AnyOperation, rows: list[Values]) -> list[list[Any]]:
        return self._runner.run_many(operation, rows)


def test_what_bills_are_worked_out_from_is_read_of_many_homes_at_a_time(tmp_path: Path) -> None:
    estate = Estate()
    estate.bill(MARCH, 1)
    estate.store.runner = ManyAtATime(estate.statements)
    assert amiss(estate.checked(tmp_path)) == []


def test_an_export_that_left_bills_out_says_so(tmp_path: Path) -> None:
    export(Estate().store, tmp_path, keyspace="meters", estate="one", as_of_us=AS_OF_US, homes=homes_of())
    with pytest.raises(WarehouseError, match="has no bills: it was exported without"):
        run_job(tmp_path, BILLING_CHECK)
