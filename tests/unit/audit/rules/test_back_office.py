"""Each check of the back office passes what is right and finds each planted fault."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from loadtests.audit.rules.back_office import (
    check_cohorts,
    check_present,
    check_raw_forms,
    check_received,
    check_refused,
    check_settled,
)
from loadtests.workload.deliveries import readings_of, registers_of
from loadtests.workload.faulty_deliveries import CHANGES, faulty_delivery
from loadtests.workload.raw_deliveries import exported_days, of_types
from scenarios.calendar import UTC_CALENDAR
from scenarios.domain import SLOT_US, SLOTS_PER_DAY, MeterType
from scenarios.spec import Scenario
from sim.estate.lookup import start_us_of
from sim.estate.model import EstateModel, build_estate
from store.columns import Page
from store.ingest import ingest
from store.ingest.known import Known
from store.memory import MemoryStore
from store.parsing import NumberedHomes
from store.ports import LogEvent, Rejected
from store.readings.receipts import Receipt, receipt_values
from store.readings.settlement import settle, settlement_values
from store.readings.store import log_of
from store.readings.summaries import insights
from store.roles import TableRole
from store.rows import Readings
from store.schemas import SCHEMAS
from store.tariffs import Book

SCHEMA = SCHEMAS["home_months"]


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    types = {"register_only": 0.2, "profile": 0.3, "ten_second": 0.2, "import_export": 0.3}
    return build_estate(
        Scenario.model_validate(
            {
                "title": "office",
                "estate": {"premises": 60, "fuels": ("electricity", "gas"), "meter_types": types},
                "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
                "run": {"days": 2, "wall_s": 60, "seed": 9},
            }
        )
    )


def events_of(readings: Readings) -> list[tuple[int, LogEvent]]:
    return [
        (
            int(readings.premises[at]),
            LogEvent(
                fuel=int(readings.fuel[at]),
                interval_start_us=int(readings.interval_start_us[at]),
                slot_count=readings.values_wh.shape[1],
                revision=0,
                mpxn=int(readings.mpxn[at]),
                received_at_us=int(readings.received_at_us[at]),
                source=0,
                quality=0,
                register_wh=int(readings.register_wh[at]),
                values_wh=tuple(readings.values_wh[at].tolist()),
            ),
        )
        for at in range(len(readings.mpxn))
    ]


def measured_of(estate: EstateModel) -> list[tuple[int, LogEvent]]:
    everyone = np.arange(estate.meter_count)
    found = []
    for meter_type, rows in of_types(estate, everyone).items():
        meter, day = everyone[rows], np.full(len(rows), SLOTS_PER_DAY, np.int32)
        if meter_type is MeterType.REGISTER_ONLY:
            found += events_of(registers_of(estate, meter=meter, first_slot=day))
        else:
            found += events_of(readings_of(estate, meter=meter, first_slot=day, slot_count=SLOTS_PER_DAY))
            found += events_of(readings_of(estate, meter=meter, first_slot=day + np.int32(5), slot_count=1))
        if meter_type is MeterType.IMPORT_EXPORT:
            found += events_of(exported_days(estate, meter, day))
    return found


def test_a_reading_that_no_raw_form_comes_to_is_found(estate: EstateModel) -> None:
    measured = measured_of(estate)
    right = check_raw_forms(estate, measured)
    assert (right.counted, right.faults) == (len(measured), 0)
    for at in range(0, len(measured), 17):
        home, one = measured[at]
        for wrong in (
            replace(one, register_wh=one.register_wh + 1),
            replace(one, mpxn=one.mpxn + 1),
            *([replace(one, values_wh=(one.values_wh[0] + 1, *one.values_wh[1:]))] if one.values_wh else []),
        ):
            faulty = [*measured[:at], (home, wrong), *measured[at + 1 :]]
            assert check_raw_forms(estate, faulty).faults == 1


def recorded_of(estate: EstateModel, count: int) -> list[Rejected]:
    """As the store has them after `count` faulty deliveries."""
    store = MemoryStore(SCHEMA)
    known = Known(meters=NumberedHomes(count=estate.premises_count), book=Book(), exchanges_us={})
    for number in range(count):
        came = ingest(store, faulty_delivery(estate, number).delivery, known)
        assert len(came.accepted.mpxn) == 0 and [one.reason for one in came.rejected] == [
            faulty_delivery(estate, number).reason
        ]
    return store.rejected(start_us_of(estate))


def test_refusals_that_lack_or_differ_are_found(estate: EstateModel) -> None:
    count = 2 * len(CHANGES)
    recorded = recorded_of(estate, count)
    right = check_refused(estate, recorded, count)
    assert (right.counted, right.faults) == (count, 0)
    assert check_refused(estate, [*recorded[:4], *recorded[5:]], 0).faults == 1
    assert check_refused(estate, [replace(recorded[0], reason="implausible"), *recorded[1:]], 0).faults == 1
    assert check_refused(estate, [replace(recorded[0], mpxn=7), *recorded[1:]], 0).faults == 2
    assert check_refused(estate, [], 0).is_right is None
    assert check_refused(estate, recorded[:-2], count).faults == 2
    assert check_refused(estate, [], count).faults == count


def log_of_home(estate: EstateModel, home: int) -> Page:
    meter = np.array([home * len(estate.fuels)])
    one = readings_of(estate, meter=meter, first_slot=np.zeros(1, np.int32), slot_count=SLOTS_PER_DAY)

    class Row:
        def __init__(self, event: LogEvent) -> None:
            vars(self).update({name: getattr(event, name) for name in ("fuel", "slot_count", "revision", "mpxn")})
            vars(self).update({name: getattr(event, name) for name in ("source", "quality", "register_wh")})
            self.values_wh = event.values_wh
            self.interval_start = np.datetime64(event.interval_start_us, "us").astype(object)
            self.received_at = np.datetime64(event.received_at_us, "us").astype(object)

    return log_of(home, 202601, [Row(event) for _, event in events_of(one)])


def settled_row(log: Page) -> dict[str, Any]:
    from datetime import date

    from scenarios.domain import SettlementRunCode

    day = date(2026, 1, 15)
    found = settle(day, log, 0, None, UTC_CALENDAR)
    assert found is not None
    return dict(settlement_values(SCHEMA.table(TableRole.SETTLEMENT), day, SettlementRunCode.LATEST, *found))


def test_a_settlement_row_that_is_not_the_fold_is_found(estate: EstateModel) -> None:
    log = log_of_home(estate, 3)
    row = settled_row(log)
    assert check_settled("settlement", [row], {3: log}, UTC_CALENDAR).is_right
    for wrong in (
        {"values_wh": [row["values_wh"][0] + 1, *row["values_wh"][1:]]},
        {"mpxn": 1},
        {"estimated_count": 1},
        {"known_at": row["known_at"] - 1},
        {"fuel": 1},
    ):
        assert check_settled("settlement", [row | wrong], {3: log}, UTC_CALENDAR).faults == 1


def test_a_settlement_row_that_is_missing_is_found() -> None:
    wanted = [(20_468, 1), (20_468, 2), (20_469, 1)]
    assert check_present("settlement", wanted, set(wanted)).is_right
    assert check_present("settlement", wanted, {*wanted[:2], (20_469, 2)}).faults == 1
    assert check_present("settlement", [], set()).is_right is None


def test_a_receipt_without_a_delivery_is_found(estate: EstateModel) -> None:
    log = log_of_home(estate, 3)
    mpxn, received = int(log["mpxn"][0]), int(log["received_at"][0]) * 1_000  # type: ignore[call-overload]
    one = Receipt(
        received_at_us=received,
        region=0,
        mpxn=mpxn,
        interval_start_us=start_us_of(estate),
        slot_count=48,
        revision=0,
        known_count=48,
    )
    row = dict(receipt_values(SCHEMA.table(TableRole.RECEIPTS), one))
    assert check_received("receipts", [row], {3: log}, {mpxn: 3}).is_right
    for wrong in ({"known_count": 47}, {"revision": 1}, {"epoch_hour": row["epoch_hour"] + 1}, {"slot_count": 1}):
        assert check_received("receipts", [row | wrong], {3: log}, {mpxn: 3}).faults == 1


def test_a_cohort_that_is_not_its_homes_is_found() -> None:
    home = np.repeat(np.arange(30), 2)
    day, fuel = np.tile([1, 2], 30), np.zeros(60, np.int64)
    used = np.arange(60) * 10
    cohort = home % 2
    usage: Page = {"premises": home, "day": day, "fuel": fuel, "usage_wh": used}
    told = dict(insights(cohort, day, fuel, home, used))
    right = check_cohorts(usage, cohort, told)
    assert (right.counted, right.faults) == (6, 0)  # two days and the month, of two cohorts
    assert check_cohorts({**usage, "usage_wh": used + (home == 4) * SLOT_US}, cohort, told).faults == 3
    assert check_cohorts(usage, np.where(home == 4, 1, cohort), told).faults == 6
