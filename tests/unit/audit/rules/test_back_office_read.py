"""Views across homes read back with few questions: logs once for all rules, and the settlement view by its scan alone."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loadtests.audit.rules.back_office_read import _is_scan_enough, check_projections
from loadtests.audit.rules.customers import Checked
from loadtests.backend.back_office import projection_of
from loadtests.backend.home_stores import HomeStores
from loadtests.recording.ledger import Ledger, SlotState, mark_run
from loadtests.workload.deliveries import readings_of
from loadtests.workload.operations import planes_of
from loadtests.workload.prices import book_of
from scenarios.domain import SLOTS_PER_DAY, Operation, SettlementRunCode
from scenarios.spec import Scenario, Topology
from sim.estate.lookup import split_meter
from sim.estate.model import EstateModel, build_estate
from store.memory.customers import MemoryOnce
from store.operations import AnyOperation
from store.ports import Values
from store.readings.projector import Projector
from store.readings.store import HomeReadings
from store.schemas import SCHEMAS

SCHEMA = SCHEMAS["home_months"]
HOMES = 12
SCENARIO = Scenario.model_validate(
    {
        "title": "read back",
        "estate": {"premises": HOMES, "fuels": ["electricity"], "read_schedules": {"daily": 1.0}},
        "topology": {"dcs": [{"name": "north", "nodes": 1, "rf": 1}, {"name": "south", "nodes": 1, "rf": 1}]},
        "run": {"start": "2026-01-10", "days": 1, "wall_s": 60},
    }
)


class CountingDc(MemoryOnce):
    """A DC's store that counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(SCHEMA)
        self.asked = Counter[AnyOperation]()

    def run(self, operation: AnyOperation, values: Values) -> list[Any]:
        self.asked[operation] += 1
        return super().run(operation, values)


Settlement = dict[tuple[int, ...], dict[tuple[int, ...], dict[str, Any]]]
"""The settlement view: partition (date, run, shard) -> (metering point, fuel) -> cells."""


@pytest.fixture(scope="module")
def estate() -> EstateModel:
    return build_estate(SCENARIO)


def delivered(estate: EstateModel) -> tuple[tuple[CountingDc, CountingDc], Ledger]:
    """A day of every meter, delivered and projected in its home's own DC."""
    dcs = CountingDc(), CountingDc()
    ledger = Ledger.create(None, planes_of(SCENARIO), estate.meter_count, estate.slot_count)
    home_dc = estate.home_dc_of(split_meter(estate, np.arange(estate.meter_count))[0])
    assert set(home_dc.tolist()) == {0, 1}
    for number, dc in enumerate(dcs):
        store = HomeReadings(dc, dc, book_of(estate))
        projector = Projector(store, projection_of(estate), writer=number, started_us=1)
        projector.heal()
        for meter in np.flatnonzero(home_dc == number).tolist():
            day = readings_of(
                estate, meter=np.array([meter]), first_slot=np.zeros(1, np.int32), slot_count=SLOTS_PER_DAY
            )
            projector.deliver([day])
            mark_run(ledger.states, 0, meter, 0, SLOTS_PER_DAY, int(SlotState.ACKNOWLEDGED))
    for dc in dcs:
        dc.asked.clear()
    return dcs, ledger


def remove(view: Settlement) -> None:
    del next(iter(view.values()))[next(iter(next(iter(view.values()))))]


def move_to_another_shard(view: Settlement) -> None:
    key = next(iter(view))
    point = next(iter(view[key]))
    free = next(shard for shard in range(1_000) if (*key[:2], shard) not in view)
    view[(*key[:2], free)] = {point: view[key].pop(point)}


def freeze(view: Settlement) -> None:
    """The row is there as a settlement run has it, and no more as it is known now."""
    key = next(iter(view))
    assert key[1] == SettlementRunCode.LATEST
    point = next(iter(view[key]))
    view[(key[0], int(SettlementRunCode.LATEST) + 1, key[2])] = {point: view[key].pop(point)}


def checks(
    estate: EstateModel, spoil: Callable[[Settlement], None] | None, *, is_scan_enough: bool
) -> tuple[dict[str, Checked], Counter[AnyOperation]]:
    dcs, ledger = delivered(estate)
    if spoil is not None:
        spoil(dcs[1]._tables["settlement_by_date"].partitions)  # type: ignore[arg-type]
    homes = HomeStores(estate, [HomeReadings(dc, dc, book_of(estate)) for dc in dcs])
    found = check_projections(homes, estate, ledger, is_scan_enough=is_scan_enough)
    return {one.check: one for one in found}, dcs[0].asked + dcs[1].asked


@pytest.mark.parametrize("spoil", [None, remove, move_to_another_shard, freeze])
def test_a_scan_of_the_settlement_view_says_what_its_partitions_say(
    estate: EstateModel, spoil: Callable[[Settlement], None] | None
) -> None:
    """Which row is missing, too: one that lies in another partition is not where it is asked for."""
    asked, _ = checks(estate, spoil, is_scan_enough=False)
    scanned, _ = checks(estate, spoil, is_scan_enough=True)
    assert scanned == asked
    present = scanned["each delivered day is in settlement_by_date"]
    assert (present.counted, present.faults) == (HOMES, int(spoil is not None))


def test_each_home_is_read_once_for_all_rules_and_no_partition_that_was_scanned(estate: EstateModel) -> None:
    found, asked = checks(estate, None, is_scan_enough=True)
    assert len(found) == 3 and all(one.is_right and one.counted >= HOMES for one in found.values())
    assert asked[Operation.READ_EVENTS] == HOMES
    assert asked[Operation.READ_SETTLEMENT] == 0
    _, asked = checks(estate, None, is_scan_enough=False)
    assert asked[Operation.READ_SETTLEMENT] > 0


@pytest.mark.parametrize(
    ("operations", "is_enough"),
    [({}, True), ({"read_events": "LOCAL_ONE"}, True), ({"read_settlement": "LOCAL_ONE"}, False)],
)
def test_a_scan_stands_for_questions_of_the_same_level_alone(operations: dict[str, str], is_enough: bool) -> None:
    topology = Topology.model_validate(
        {"dcs": [{"name": "north", "nodes": 3, "rf": 3}], "consistency": {"operations": operations}}
    )
    assert _is_scan_enough(topology) is is_enough
