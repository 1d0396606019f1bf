"""The rules over a store that a storm has filled, on dictionaries: what is whole passes, and what was planted is found."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from loadtests.audit.rules import customers_read
from loadtests.audit.rules.customers import Checked
from loadtests.audit.rules.customers_read import SettledCustomers, check_rules
from loadtests.recording.ledger import Ledger, SlotState, mark_run
from loadtests.workload.deliveries import readings_of
from loadtests.workload.operations import planes_of
from loadtests.workload.prices import book_of, price_lists_of
from scenarios.calendar import UTC_CALENDAR, Calendar
from scenarios.domain import SLOTS_PER_DAY, Operation
from scenarios.spec import Scenario, Topology
from sim.estate.lookup import start_us_of
from sim.estate.model import EstateModel, build_estate
from store.billing import by_rate, energy
from store.billing.by_rate import HalfHoursOf, used_before_wh
from store.customers.store import HomeCustomers
from store.memory.customers import MemoryOnce
from store.readings.store import HomeReadings
from store.rows import Readings
from store.schemas import SCHEMAS
from store.tariffs import PriceList

HOMES, DAYS, FELL = 6, 2, 3  # FELL: a home
SCHEMA = SCHEMAS["home_months"]


IN_BLOCKS = {
    "name": "in blocks",
    "share": 1.0,
    "rates": {"all": {"electricity": "24.6789", "gas": "6.0504", "export": "15"}},
    "blocks": [{"fuel": "electricity", "above_kwh": "1.5", "rates": {"all": "31.5053"}}],
}


def scenario(effective_h: float = 37.0, start: str = "2026-01-10", tariffs: Sequence[dict[str, Any]] = ()) -> Scenario:
    """A second price list comes into force an hour after the middle of the last day."""
    return Scenario.model_validate(
        {
            "title": "rules",
            "estate": {"premises": HOMES, "fuels": ["electricity", "gas"], "read_schedules": {"daily": 1.0}},
            "campaigns": [
                {
                    "name": "price",
                    "kind": "update_price",
                    "share": 1.0,
                    "at_h": 1.0,
                    "over_h": 1.0,
                    "effective_h": effective_h,
                }
            ],
            "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}]},
            "tariffs": tariffs,
            "run": {"start": start, "days": DAYS, "wall_s": 60},
        }
    )


Sent = Callable[[int, int, Readings], Readings | None]


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(scenario())


def checks_of(
    estate: EstateModel,
    monkeypatch: pytest.MonkeyPatch,
    *,
    sent: Sent = lambda _meter, _day, whole: whole,
    unpublished: int = 0,
    divided_by: Calendar | None = None,
    topology: Topology | None = None,
) -> dict[str, Checked]:
    """What the rules say of a store that holds what `sent` makes of each meter's day, and but the first price lists.

    divided_by: another calendar than the estate's, by which the store tells its rows.
    """
    runner = MemoryOnce(SCHEMA)
    book = replace(book_of(estate), calendar=divided_by or estate.calendar)
    readings, customers = HomeReadings(runner, runner, book), HomeCustomers(runner)
    ledger = Ledger.create(None, planes_of(scenario()), estate.meter_count, estate.slot_count)
    prices = price_lists_of(estate)
    for one in prices[: len(prices) - unpublished]:
        customers.publish(one, start_us_of(estate))
    for meter in range(estate.meter_count):
        for day in range(DAYS):
            first = np.array([day * SLOTS_PER_DAY], np.int32)
            whole = readings_of(estate, meter=np.array([meter]), first_slot=first, slot_count=SLOTS_PER_DAY)
            if (delivered := sent(meter, day, whole)) is not None:
                readings.append(delivered)
                plane = ledger.plane_of(Operation.INGEST_READING)
                mark_run(ledger.states, plane, meter, int(first[0]), SLOTS_PER_DAY, int(SlotState.ACKNOWLEDGED))
    monkeypatch.setattr(customers_read, "CassandraStore", lambda *_: readings)
    monkeypatch.setattr(customers_read, "Statements", lambda *_: customers.runner)
    monkeypatch.setattr(customers_read, "_views", lambda *_: [])  # they ask the ring
    checks = check_rules(
        [None],
        estate=estate,
        ledger=ledger,
        schema=SCHEMA,
        topology=topology or scenario().topology,
        progress=lambda _: None,
        is_closed=True,
    )
    return {one.check: one for one in checks}


def test_what_is_whole_passes_each_rule(estate: EstateModel, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = checks_of(estate, monkeypatch)
    assert {name: one.is_right for name, one in checks.items()} == {
        "displays show the price in force": True,
        "registers never fall": True,
        "each reading is what its meter's raw form comes to": True,
        "bills add up to the half-hours": True,
        "a customer's days are those of the clock on the wall": True,
    }
    assert checks["displays show the price in force"].counted == 2 * estate.meter_count
    assert checks["registers never fall"].counted == DAYS * estate.meter_count
    assert checks["bills add up to the half-hours"].counted == HOMES  # of one month
    assert checks["a customer's days are those of the clock on the wall"].counted == DAYS * estate.meter_count


def test_what_displays_show_is_read_once_and_not_for_each_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clocks change on the second day: some homes are looked at at each of its half-hours."""
    read = Counter[tuple[str, type, tuple[int, ...]]]()
    for of, name in (
        (HomeCustomers, "price_lists"),
        (HomeCustomers, "preferences"),
        (HomeReadings, "billed_parts_of_day"),
        (HomeReadings, "intervals"),
    ):
        monkeypatch.setattr(of, name, counted(getattr(of, name), read))
    estate = build_estate(scenario(start="2026-03-28", tariffs=(IN_BLOCKS,)))
    assert checks_of(estate, monkeypatch)["displays show the price in force"].counted > 46 * len(estate.fuels)
    of_settled = {key: count for key, count in read.items() if key[1] is not HomeCustomers}
    assert {name for name, _, _ in of_settled} == {"price_lists", "preferences", "billed_parts_of_day", "intervals"}
    assert set(of_settled.values()) == {1}


def counted(method: Callable[..., Any], read: Counter[tuple[str, type, tuple[int, ...]]]) -> Callable[..., Any]:
    """The method, which counts by itself, the object's class, and what it is asked for."""

    def counts(self: object, *asked: int) -> Any:
        read[method.__name__, type(self), asked] += 1
        return method(self, *asked)

    return counts


@pytest.mark.parametrize("start", ["2026-01-10", "2026-03-28"])
def test_what_is_asked_ahead_is_what_would_be_asked(monkeypatch: pytest.MonkeyPatch, start: str) -> None:
    """Question by question and how often, and the rules say the same; no home of the sample is asked about by itself."""
    asked, together = Counter[tuple[Any, ...]](), Counter[Any]()
    estate = build_estate(scenario(start=start))
    run, run_many, ask_of_homes = MemoryOnce.run, MemoryOnce.run_many, customers_read.ask_of_homes

    def run_noted(self: MemoryOnce, operation: Any, values: Any) -> list[Any]:
        if not SCHEMA.statement(operation).is_write:
            asked[(operation, *(values[bind.name] for bind in SCHEMA.statement(operation).binds))] += 1
        return run(self, operation, values)

    def run_many_noted(self: MemoryOnce, operation: Any, rows: Any) -> list[list[Any]]:
        if not SCHEMA.statement(operation).is_write:
            together[operation] = max(together[operation], len(rows))
        return run_many(self, operation, rows)

    monkeypatch.setattr(MemoryOnce, "run", run_noted)
    monkeypatch.setattr(MemoryOnce, "run_many", run_many_noted)
    monkeypatch.setattr(customers_read, "ask_of_homes", lambda *_, **__: None)
    expected = checks_of(estate, monkeypatch)
    alone = asked.copy()
    asked.clear()
    together.clear()
    monkeypatch.setattr(customers_read, "ask_of_homes", ask_of_homes)
    assert checks_of(estate, monkeypatch) == expected
    assert asked == alone
    assert {operation for operation, most in together.items() if most >= HOMES} == {
        Operation.READ_EVENTS,
        Operation.READ_PREFERENCES,
        Operation.REFRESH_IHD,
        Operation.READ_BILLS,
        Operation.READ_USAGE_MONTH,
    }


def test_days_of_summer_time_that_are_told_by_utc_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """July begins in London at 23:00 UTC of the second day."""
    summer = build_estate(scenario(start="2026-06-29"))
    checks = checks_of(summer, monkeypatch)
    assert all(one.is_right for one in checks.values()), checks
    assert checks["bills add up to the half-hours"].counted == 2 * HOMES  # of two months
    told = "a customer's days are those of the clock on the wall"
    assert checks[told].counted == (DAYS + 1) * summer.meter_count  # an hour of the day that begins last is read
    of_utc = checks_of(summer, monkeypatch, divided_by=UTC_CALENDAR)
    assert of_utc[told].faults == DAYS * summer.meter_count  # the first day is whole but for the hour before the run


def test_a_register_that_fell_is_named_with_the_ends_of_both_days(
    estate: EstateModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = FELL * len(estate.fuels)

    def sent(of: int, day: int, whole: Readings) -> Readings:
        return replace(whole, register_wh=np.zeros(1, np.int64)) if (of, day) == (meter, 1) else whole

    checks = checks_of(estate, monkeypatch, sent=sent)
    fell = checks["registers never fall"]
    assert fell.faults == 1
    assert f"home {FELL}, fuel 0" in fell.examples[0]
    assert "at 2026-01-11 00:00" in fell.examples[0] and "then 0 Wh at 2026-01-12 00:00" in fell.examples[0]
    raw = checks["each reading is what its meter's raw form comes to"]
    assert raw.faults == 1 and f"home {FELL}" in raw.examples[0]


@pytest.mark.parametrize(("effective_h", "wrong_looks"), [(35.0, 2), (37.0, 1)])
def test_a_price_that_came_into_force_on_the_last_day_and_is_not_shown_is_found(
    monkeypatch: pytest.MonkeyPatch, effective_h: float, wrong_looks: int
) -> None:
    """Displays are asked at the middle of the last day and at its end: from which of them on the old price is wrong."""
    estate = build_estate(scenario(effective_h))
    shown = checks_of(estate, monkeypatch, unpublished=1)["displays show the price in force"]
    assert (shown.counted, shown.faults) == (2 * estate.meter_count, wrong_looks * estate.meter_count)
    assert f"at 2026-01-11 {'12:00' if wrong_looks == 2 else '23:59'}" in shown.examples[0]


def test_a_day_that_did_not_come_is_on_no_bill(estate: EstateModel, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = checks_of(estate, monkeypatch, sent=lambda meter, day, whole: None if meter == 1 and day == 0 else whole)
    assert checks["bills add up to the half-hours"].is_right
    assert checks["registers never fall"].counted == DAYS * estate.meter_count - 1


@pytest.mark.parametrize(("level", "is_right"), [("LOCAL_QUORUM", False), ("LOCAL_ONE", None)])
def test_what_a_read_may_not_show_breaks_no_rule_but_a_row_that_is_wrong_by_itself_does(
    estate: EstateModel, monkeypatch: pytest.MonkeyPatch, level: str, is_right: bool | None
) -> None:
    topology = Topology.model_validate(
        {"dcs": [{"name": "north", "nodes": 3, "rf": 3}], "consistency": {"default": level}}
    )

    def sent(of: int, day: int, whole: Readings) -> Readings:
        return replace(whole, register_wh=np.zeros(1, np.int64)) if (of, day) == (0, 1) else whole

    checks = checks_of(estate, monkeypatch, sent=sent, unpublished=1, topology=topology)
    shown = checks["displays show the price in force"]
    assert shown.is_right is is_right
    assert is_right is False or f"a read at {level} may not show" in (shown.sample or "")
    assert checks["registers never fall"].is_right is False
    assert checks["a customer's days are those of the clock on the wall"].is_right


def with_blocks_and_caps() -> Scenario:
    """Blocks of a local day on two tariffs, under caps of one region from the day on which the clocks go forward."""
    told = scenario(start="2026-03-28").model_dump(mode="json", exclude={"tariffs", "caps"})
    saver = {
        "rates": {"night": {"electricity": "9.8765", "register": "low"}, "day": {"electricity": "26.4159", "gas": "6"}},
        "bands": [{"rate": "night", "from": "00:30", "to": "04:30"}],
        "otherwise": "day",
        "blocks": [
            {"fuel": "electricity", "above_kwh": "0.2", "rates": {"night": "12", "day": "31.5"}},
            {"fuel": "electricity", "above_kwh": "3.3", "rates": {"day": "22.2222"}},
            {"fuel": "gas", "above_kwh": "8.001", "rates": {"day": "5.4321"}},
        ],
        "standing": {"electricity": "60"},
    }
    tariffs = [{"name": "saver", "share": 0.5, **saver}, {"name": "by UTC", "share": 0.5, **saver, "clock": "utc"}]
    regions = [{"name": "north", "share": 0.5}, {"name": "south", "share": 0.5}]
    cap = {"region": "north", "from": "2026-03-29", "electricity": "28", "standing": {"electricity": "53.8"}}
    # files have dates, which JSON has as texts: those are read by model_validate_json alone
    whole = told | {"tariffs": tariffs, "caps": [cap], "estate": told["estate"] | {"regions": regions}}
    return Scenario.model_validate_json(json.dumps(whole))


def test_blocks_and_caps_pass_and_blocks_that_are_counted_otherwise_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = build_estate(with_blocks_and_caps())
    assert len(price_lists_of(estate)) == 3
    assert all(one.is_right for one in checks_of(estate, monkeypatch).values())

    def of_utc(fuel: int, instant_us: int, half_hours: HalfHoursOf, _: Calendar) -> int:
        return used_before_wh(fuel, instant_us, half_hours, UTC_CALENDAR)

    monkeypatch.setattr(by_rate, "used_before_wh", of_utc)
    monkeypatch.setattr(energy, "used_before_wh", of_utc)
    wrong = {name for name, one in checks_of(estate, monkeypatch).items() if not one.is_right}
    assert wrong == {"displays show the price in force", "bills add up to the half-hours"}


def test_that_nobody_published_any_price_list_is_read_once_too(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[HomeCustomers] = []

    def none_published(self: HomeCustomers) -> tuple[PriceList, ...]:
        read.append(self)
        return ()

    monkeypatch.setattr(HomeCustomers, "price_lists", none_published)
    settled = SettledCustomers(MemoryOnce(SCHEMA))
    assert read == []  # before a look nothing is asked for
    assert (settled.price_lists(), settled.price_lists()) == ((), ()) and read == [settled]
