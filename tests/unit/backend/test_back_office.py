"""The back office over the days of a small estate, on dictionaries: what it leaves passes its checks and changes no fact."""

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from loadtests.audit.rules.back_office import check_raw_forms
from loadtests.audit.rules.back_office_read import check_projections, check_refusals
from loadtests.backend import back_office
from loadtests.backend.back_office import BackOffice, BackOfficeResult
from loadtests.backend.failure_budget import SETBACKS_MAX, FailureBudget
from loadtests.backend.head_ends import GARBAGE_ROWS_A_ROUND_MAX
from loadtests.backend.home_stores import HomeStores
from loadtests.backend.mortal_statements import PartLife
from loadtests.faults.own_parts import OfficeInput
from loadtests.metrics.instruments import OfficeProgress, ShownPrice
from loadtests.recording.ledger import EXPORT_PLANE, Ledger, SlotState, mark_run
from loadtests.workload import prices
from loadtests.workload.deliveries import readings_of, registers_of
from loadtests.workload.faulty_deliveries import CHANGES, faulty_delivery
from loadtests.workload.operations import planes_of
from loadtests.workload.prices import book_of, price_lists_of
from scenarios.domain import DAY_US, SLOTS_PER_DAY, MeterType, Operation, ReadSchedule
from scenarios.parts.faults import Fault, FaultKind
from scenarios.spec import Scenario
from sim.estate.lookup import meter_types_of, schedules_on, start_us_of
from sim.estate.model import EstateModel, build_estate
from store.customers.store import HomeCustomers
from store.memory.customers import MemoryOnce
from store.ports import LogEvent, StoreError, Values
from store.readings.store import HomeReadings
from store.readings.summarise import completeness
from store.readings.verify import folded_views
from store.rejections import Refused
from store.schemas import SCHEMAS
from store.tariffs import EXPORT, PriceList

HOMES, DAYS, ROUNDS, MONTH = 48, 2, 24, 202606  # in London July begins within the second day
SCENARIO = Scenario.model_validate(
    {
        "title": "office",
        "estate": {
            "premises": HOMES,
            "regions": [{"name": "one", "share": 1.0}],
            "fuels": ("electricity", "gas"),
            "meter_types": {"register_only": 0.2, "profile": 0.3, "ten_second": 0.2, "import_export": 0.3},
            "read_schedules": {"daily": 0.8, "half_hourly": 0.2},
        },
        "reads": {"gap_share": 0.01},
        "topology": {"dcs": [{"name": "one", "nodes": 1, "rf": 1}]},
        "run": {"start": "2026-06-29", "days": DAYS, "wall_s": 60, "seed": 9},
    }
)


@cache
def delivered() -> tuple[MemoryOnce, NDArray[np.uint8]]:
    """All of the estate's deliveries in a store, and the states of the ledger that says so: to copy from."""
    estate = build_estate(SCENARIO)
    runner = MemoryOnce(SCHEMAS["home_months"])
    store = HomeReadings(runner, runner, book_of(estate))
    ledger = Ledger.create(None, planes_of(SCENARIO), estate.meter_count, estate.slot_count)
    meter = np.arange(estate.meter_count)
    types = meter_types_of(estate, meter)
    for day in range(DAYS):
        first = np.full(len(meter), day * SLOTS_PER_DAY, np.int32)
        schedule = schedules_on(estate, meter, first)
        for one in meter.tolist():
            if types[one] == MeterType.REGISTER_ONLY:
                store.append_register(registers_of(estate, meter=meter[[one]], first_slot=first[[one]]))
                mark(ledger, Operation.INGEST_REGISTER, one, (day + 1) * SLOTS_PER_DAY - 1, 1)
            elif schedule[one] == ReadSchedule.DAILY:
                store.append(readings_of(estate, meter=meter[[one]], first_slot=first[[one]], slot_count=SLOTS_PER_DAY))
                mark(ledger, Operation.INGEST_READING, one, day * SLOTS_PER_DAY, SLOTS_PER_DAY)
            else:
                for slot in range(day * SLOTS_PER_DAY, (day + 1) * SLOTS_PER_DAY):
                    pushed = readings_of(
                        estate, meter=meter[[one]], first_slot=np.array([slot], np.int32), slot_count=1
                    )
                    if pushed.values_wh[0, 0] >= 0:
                        store.append(pushed)
                        mark(ledger, Operation.INGEST_READING, one, slot, 1)
    return runner, ledger.states


def stormed(folder: Path, statements: type[MemoryOnce] = MemoryOnce) -> tuple[EstateModel, HomeReadings, Ledger]:
    """A store of one's own that has all of the estate's deliveries, and the ledger that says so."""
    estate = build_estate(SCENARIO)
    held, states = delivered()
    runner = statements(SCHEMAS["home_months"])
    for name, table in held._tables.items():
        runner._tables[name].partitions = deepcopy(table.partitions)
        runner._tables[name].deleted_us = deepcopy(table.deleted_us)
    ledger = Ledger.create(folder, planes_of(SCENARIO), estate.meter_count, estate.slot_count)
    ledger.states[:] = states
    return estate, HomeReadings(runner, runner, book_of(estate)), ledger


def mark(ledger: Ledger, plane: Operation, meter: int, first: int, count: int) -> None:
    mark_run(ledger.states, ledger.plane_of(plane), meter, first, count, int(SlotState.ACKNOWLEDGED))


T = TypeVar("T")
Left = tuple[EstateModel, HomeReadings, Ledger, BackOffice, list[list[LogEvent]]]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What an office has left, and the log before it began."""
    estate, store, ledger = stormed(tmp_path_factory.mktemp("office") / "ledger")
    before = [store.events(home, MONTH) for home in range(HOMES)]
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger)
    office.open()
    for step in range(ROUNDS):
        office.work(step * SCENARIO.span_us // (ROUNDS - 1))
    office.close(SCENARIO.span_us - 1)
    return estate, store, ledger, office, before


def test_an_office_leaves_the_facts_alone_and_every_projection_right(left: Left) -> None:
    estate, store, ledger, office, before = left
    assert office.done.delivered > 100 and office.done.faulty == office.done.bills == office.done.rounds == ROUNDS
    customers = HomeCustomers(store.runner)  # type: ignore[arg-type]
    billed = {bill.month for home in range(HOMES) for bill in customers.bills(home)}
    assert billed == {202605}  # the month before; the storm's own months are for the audit to bill
    after = [store.events(home, MONTH) for home in range(HOMES)]
    assert [[one for one in of_home if one.fuel != EXPORT] for of_home in after] == before
    exported = [(home, one) for home, of_home in enumerate(after) for one in of_home if one.fuel == EXPORT]
    assert len(exported) == office.done.exported > 10
    assert check_raw_forms(estate, exported).is_right and check_raw_forms(estate, exported).counted == len(exported)
    held = ledger.slots(ledger.plane_of(EXPORT_PLANE), 0, estate.meter_count)
    assert (held == SlotState.ACKNOWLEDGED).sum() == len(exported) * SLOTS_PER_DAY == held.astype(bool).sum()
    assert {view: list(store.verify(view)) for view in folded_views(SCHEMAS["home_months"])} == {
        view: [] for view in folded_views(SCHEMAS["home_months"])
    }
    checks = {
        one.check: one
        for one in [
            check_refusals(store, estate, ROUNDS),
            *check_projections(HomeStores(estate, [store]), estate, ledger),
        ]
    }
    assert len(checks) == 5 and all(one.is_right for one in checks.values()), checks
    assert checks["settlement_by_date is what the event log comes to"].counted > 20
    assert checks["each delivered day is in settlement_by_date"].counted > 20


@pytest.mark.parametrize(
    ("table", "column", "check"),
    [
        ("settlement_by_date", "estimated_count", "settlement_by_date is what the event log comes to"),
        ("receipts_by_hour", "known_count", "receipts_by_hour has what the log received"),
        ("insights_by_cohort", "home_count", "each cohort's mean is that of its homes"),
        ("rejected_by_day", "reason", "each faulty delivery is recorded with its reason"),
        ("settlement_by_date", "all of it", "each delivered day is in settlement_by_date"),
    ],
)
def test_a_row_that_was_tampered_with_is_found(left: Left, table: str, column: str, check: str) -> None:
    estate, store, ledger, _, _ = left

    def judged() -> dict[str, bool | None]:
        checks = [
            check_refusals(store, estate, ROUNDS),
            *check_projections(HomeStores(estate, [store]), estate, ledger),
        ]
        return {one.check: one.is_right for one in checks}

    rows = next(iter(store.runner._tables[table].partitions.values()))  # type: ignore[attr-defined]
    key = next(iter(rows))
    held = dict(rows[key])
    if column in held:
        rows[key][column] = (held[column][0], 7)
    else:  # of the key, or the whole row
        del rows[key]
    assert judged()[check] is False
    rows[key] = held
    assert judged()[check] is True


class Unsteady(MemoryOnce):
    """Each request may go unanswered, done or not; reads and compare-and-sets alike."""

    share = 0.0
    random = np.random.default_rng(5)

    def run(self, operation: Operation, values: Values) -> list[Any]:
        return self._unsteady(lambda: super(Unsteady, self).run(operation, values))

    def run_if(self, operation: Operation, values: Values) -> tuple[bool, Any]:
        return self._unsteady(lambda: super(Unsteady, self).run_if(operation, values))

    def _unsteady(self, request: Callable[[], T]) -> T:
        chance = self.random.random()
        answer = request() if chance >= self.share / 2 else None
        if chance < self.share:
            raise StoreError("no answer")
        assert answer is not None
        return answer


def test_an_office_goes_on_where_it_was_set_back(tmp_path: Path) -> None:
    """Most of its rounds meet a time-out; what it leaves passes every check all the same."""
    Unsteady.random = np.random.default_rng(5)  # whichever tests came before
    estate, store, ledger = stormed(tmp_path / "ledger", Unsteady)
    before = [store.events(home, MONTH) for home in range(HOMES)]
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger)
    patience = FailureBudget(office.done)
    Unsteady.share = 0.001
    for step in range(4 * ROUNDS):
        with patience:
            office.work(min(step, ROUNDS - 1) * SCENARIO.span_us // (ROUNDS - 1))
    Unsteady.share = 1.0
    with patience:
        office.close(SCENARIO.span_us - 1)
    Unsteady.share = 0.0
    office.close(SCENARIO.span_us - 1)
    assert office.done.setbacks > ROUNDS / 2 and office.done.bills > ROUNDS
    checks = [
        check_refusals(store, estate, office.done.faulty),
        *check_projections(HomeStores(estate, [store]), estate, ledger),
    ]
    assert len(checks) >= 5 and all(one.is_right for one in checks), [one for one in checks if not one.is_right]
    after = [[one for one in store.events(home, MONTH) if one.fuel != EXPORT] for home in range(HOMES)]
    assert after == before


@pytest.mark.parametrize("gap_share", [0.0, 0.01])
def test_the_views_of_all_homes_are_filled_at_the_end_unless_days_are_folded_anew_after_it(
    tmp_path: Path, gap_share: float
) -> None:
    """A whole log is read for them: once is enough."""
    estate, store, ledger = stormed(tmp_path / "ledger")
    scenario = SCENARIO.model_copy(update={"reads": SCENARIO.reads.model_copy(update={"gap_share": gap_share})})
    office = BackOffice(scenario, estate, HomeStores(estate, [store]), ledger)
    office.open()
    office.close(SCENARIO.span_us - 1)
    last_day_us = start_us_of(estate) + (DAYS - 1) * DAY_US
    assert bool(completeness(store.runner, last_day_us)) == (gap_share == 0.0)


def test_an_office_that_finished_no_round_publishes_its_prices_at_the_end(tmp_path: Path) -> None:
    estate, store, ledger = stormed(tmp_path / "ledger", Unsteady)
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger)
    Unsteady.share = 1.0
    with FailureBudget(office.done):
        office.work(0)
    Unsteady.share = 0.0
    office.close(SCENARIO.span_us - 1)
    published = {one.version for one in office._customers[0].price_lists()}
    assert published == {one.version for one in price_lists_of(estate)}


def test_an_office_that_no_round_succeeds_for_can_not_go_on(tmp_path: Path) -> None:
    done = BackOfficeResult()
    patience = FailureBudget(done)
    for _ in range(SETBACKS_MAX - 1):
        with patience:
            raise StoreError("no answer")
    with patience:
        pass  # one that succeeded, and all is forgiven
    for _ in range(SETBACKS_MAX - 1):
        with patience:
            raise StoreError("no answer")
    with pytest.raises(StoreError), patience:
        raise StoreError("no answer")
    assert done.setbacks == 2 * SETBACKS_MAX - 1


def test_an_office_tells_what_it_does(tmp_path: Path) -> None:
    estate, store, ledger = stormed(tmp_path / "ledger")
    told = OfficeProgress()
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger, told)
    office.open()
    for step in range(4):
        office.work(step * SCENARIO.span_us // 4)
    assert (told.bills, told.served, told.delivered) == (4, 4, office.done.delivered) and told.delivered > 0
    assert told.displays == {ShownPrice.IN_FORCE: 4} and told.price_missing_since_us is None
    assert told.rejected == Counter(faulty_delivery(estate, number).reason.text for number in range(4))
    assert told.unprojected_since_ns is None and told.round_ended_ns is None  # whoever calls it tells of rounds
    office.close(SCENARIO.span_us - 1)  # which is no round, and may take longer than all of them
    assert told.round_ended_ns is not None


def test_a_delivery_that_was_not_projected_is_told_until_it_is(tmp_path: Path) -> None:
    estate, store, ledger = stormed(tmp_path / "ledger", Unsteady)
    told = OfficeProgress(clock_ns=lambda: 7)
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger, told)
    office.open()

    def fails(_: object) -> None:
        raise StoreError("no answer")

    delivers, office._projectors[0].deliver = office._projectors[0].deliver, fails  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        office.work(SCENARIO.span_us - 1)
    assert told.unprojected_since_ns == 7
    office._projectors[0].deliver = delivers  # type: ignore[method-assign]
    office.work(SCENARIO.span_us - 1)
    assert told.unprojected_since_ns is None


def test_a_display_without_the_price_in_force_is_told_with_since_when(tmp_path: Path) -> None:
    """Prices that nobody has published, first all, then the second list."""
    estate, store, ledger = stormed(tmp_path / "ledger")
    told = OfficeProgress()
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger, told)
    first = price_lists_of(estate)[0]
    lists = [first, replace(first, version=2, effective_us=start_us_of(estate) + DAY_US // 2)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(back_office, "price_lists_of", lambda _: lists)
        with pytest.raises(Refused):
            office._serve(0, 0)
        assert told.displays == {ShownPrice.NONE: 1} and told.price_missing_since_us == -start_us_of(estate)
        office._customers[0].publish(first, start_us_of(estate))
        office._serve(0, DAY_US // 2 - 1)
        assert told.displays[ShownPrice.IN_FORCE] == 1 and told.price_missing_since_us is None
        office._serve(0, DAY_US // 2)
        assert told.displays[ShownPrice.STALE] == 1 and told.price_missing_since_us == DAY_US // 2


def test_what_fails_while_a_fault_of_the_scenario_goes_on_is_no_setback_too_many() -> None:
    done, is_broken = BackOfficeResult(), True
    patience = FailureBudget(done, lambda: is_broken)
    for _ in range(3 * SETBACKS_MAX):
        with patience:
            raise StoreError("a data centre is gone")
    is_broken = False
    for _ in range(SETBACKS_MAX - 1):
        with patience:
            raise StoreError("it is back, and slow")
    with pytest.raises(StoreError, match="for good"), patience:
        raise StoreError("for good")
    assert done.setbacks == 4 * SETBACKS_MAX
    with pytest.raises(ValueError), patience:  # a fault of ours
        raise ValueError


class Mortal(MemoryOnce):
    """Asks whether its part lives, as `MortalStatements` does."""

    life = PartLife()

    def run(self, operation: Operation, values: Values) -> list[Any]:
        self.life.require()
        return super().run(operation, values)

    def run_if(self, operation: Operation, values: Values) -> tuple[bool, Any]:
        self.life.require()
        return super().run_if(operation, values)


def test_an_office_that_dies_in_its_rounds_begins_anew_on_what_the_store_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each second round dies at another of its requests; what is left passes every check, and no fact has changed."""
    left = [0]  # requests until it dies; none below 0

    def require_alive() -> None:
        left[0] -= 1
        if left[0] == 0:
            raise StoreError("the back office is killed")

    monkeypatch.setattr(Mortal, "life", PartLife(require_alive))
    estate, store, ledger = stormed(tmp_path / "ledger", Mortal)
    before = [store.events(home, MONTH) for home in range(HOMES)]
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger)
    patience, deaths = FailureBudget(office.done), 0
    for step in range(4 * ROUNDS):
        left[0] = 13 * step % 250 + 1 if step % 2 else 0
        with patience:
            office.work(min(step, ROUNDS - 1) * SCENARIO.span_us // (ROUNDS - 1))
        if Mortal.life.is_over:
            deaths += 1
            Mortal.life.begin()
            office = office.begun_anew()
    left[0] = 0
    office.close(SCENARIO.span_us - 1)
    assert deaths > ROUNDS / 2 and office.done.setbacks == deaths and office.done.bills > ROUNDS
    checks = [
        check_refusals(store, estate, office.done.faulty),
        *check_projections(HomeStores(estate, [store]), estate, ledger),
    ]
    assert len(checks) >= 5 and all(one.is_right for one in checks), [one for one in checks if not one.is_right]
    after = [[one for one in store.events(home, MONTH) if one.fuel != EXPORT] for home in range(HOMES)]
    assert after == before


def test_no_two_lives_of_an_office_journal_as_one(tmp_path: Path) -> None:
    """What the first one has journalled in doubt may come after the second one has taken its number."""
    estate, store, ledger = stormed(tmp_path / "ledger")
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger)
    second = office.begun_anew()
    started_ms = {
        one._projectors[0]._journal_values(0, [])["started_at"] for one in (office, second, second.begun_anew())
    }
    assert len(started_ms) == 3


@pytest.fixture
def priced_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lists more come into force at a quarter and in the middle of the span: at 15 and 30 s of the storm."""

    def lists(estate: EstateModel) -> list[PriceList]:
        first = price_lists_of(estate)[0]
        at_us = [start_us_of(estate) + share * SCENARIO.span_us // 4 for share in (1, 2)]
        return [first, *(replace(first, version=2 + n, effective_us=one) for n, one in enumerate(at_us))]

    monkeypatch.setattr(back_office, "price_lists_of", lists)
    monkeypatch.setattr(prices, "price_lists_of", lists)


@pytest.mark.usefixtures("priced_twice")
def test_price_lists_that_are_held_up_are_late_on_displays_and_published_when_they_are_released(tmp_path: Path) -> None:
    estate, store, ledger = stormed(tmp_path / "ledger")
    told, came = OfficeProgress(), OfficeInput()
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger, told, came)
    late = Fault(kind=FaultKind.LATE_TARIFFS, target="back_office", at_s=20.0, for_s=30.0)
    came.hold_prices(late)

    def published() -> list[int]:
        return [one.version for one in office._customers[0].price_lists()]

    middle_us = SCENARIO.span_us // 2
    office.work(middle_us - 1)
    assert published() == [1, 2] and not came.is_price_missed and told.price_missing_since_us is None
    office.work(middle_us)
    assert came.is_price_missed and told.price_missing_since_us == middle_us
    office = office.begun_anew()
    office.work(middle_us)
    assert published() == [1, 2]
    came.release_prices(late)
    office.work(middle_us)
    assert published() == [1, 2, 3] and told.price_missing_since_us is None
    assert told.displays == {ShownPrice.IN_FORCE: 2, ShownPrice.STALE: 2}


@pytest.mark.usefixtures("priced_twice")
def test_the_first_prices_are_never_late_and_what_was_held_to_the_end_is_published_then(tmp_path: Path) -> None:
    estate, store, ledger = stormed(tmp_path / "ledger")
    came = OfficeInput()
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger, office_input=came)
    late = Fault(kind=FaultKind.LATE_TARIFFS, target="back_office", at_s=0.0, for_s=30.0)
    came.hold_prices(late)
    office.work(0)
    assert [one.version for one in office._customers[0].price_lists()] == [1]
    came.release_prices(late)
    office.close(SCENARIO.span_us - 1)
    assert [one.version for one in office._customers[0].price_lists()] == [1, 2, 3]


def test_garbage_is_a_share_of_all_readings_and_each_row_is_refused_for_its_reason(tmp_path: Path) -> None:
    estate, store, ledger = stormed(tmp_path / "ledger")
    told, came, acknowledged = OfficeProgress(), OfficeInput(), [1_000]
    office = BackOffice(
        SCENARIO, estate, HomeStores(estate, [store]), ledger, told, came, acknowledged=lambda: acknowledged[0]
    )
    office.work(0)  # without any fault: one
    assert office.done.faulty == 1 and came.rejected_count == 0
    came.garbage_share = 0.25
    acknowledged[0] += 60
    office.work(0)
    assert office.done.faulty == 1 + 1 + 20 and came.rejected_count == 20  # of 60 + 20
    acknowledged[0] += 1_000_000
    office.work(0)
    assert office.done.faulty == 22 + 1 + GARBAGE_ROWS_A_ROUND_MAX
    came.garbage_share = 0.0
    acknowledged[0] += 60
    office.work(0)
    assert office.done.faulty == 124 == told.rejected.total() and len(told.rejected) == len(CHANGES)
    check = check_refusals(store, estate, office.done.faulty)
    assert check.is_right and check.counted == 124


def test_garbage_that_was_not_answered_is_sent_again_before_any_other(tmp_path: Path) -> None:
    estate, store, ledger = stormed(tmp_path / "ledger", Unsteady)
    came, acknowledged = OfficeInput(), [0]
    office = BackOffice(
        SCENARIO, estate, HomeStores(estate, [store]), ledger, office_input=came, acknowledged=lambda: acknowledged[0]
    )
    office.open()
    came.garbage_share, acknowledged[0] = 0.5, 30
    records, calls = store.record_rejected, [0]

    def fails_once(rejected: Any) -> None:
        records(rejected[20:])  # as requests in flight do: some are done
        calls[0] += 1
        if calls[0] == 1:
            raise StoreError("no answer")
        records(rejected)

    store.record_rejected = fails_once  # type: ignore[method-assign]
    with pytest.raises(StoreError):
        office.work(0)
    assert office.done.faulty == 0
    acknowledged[0] = 500
    came.garbage_share = 0.0
    office = office.begun_anew()
    office.close(SCENARIO.span_us - 1)
    assert office.done.faulty == 31 and check_refusals(store, estate, 31).is_right


def test_exports_of_the_last_day_are_collected_though_no_round_saw_its_end(tmp_path: Path) -> None:
    estate, store, ledger = stormed(tmp_path / "ledger")
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger)
    office.work(SCENARIO.span_us // (2 * DAYS))  # the first day is not over
    assert office.done.exported == 0
    office.close(SCENARIO.span_us - 1)
    held = ledger.slots(ledger.plane_of(EXPORT_PLANE), 0, estate.meter_count)
    assert office.done.exported > 0
    assert (
        held[:, (DAYS - 1) * SLOTS_PER_DAY :] == SlotState.ACKNOWLEDGED
    ).sum() == office.done.exported * SLOTS_PER_DAY


def test_an_export_that_may_not_have_come_stays_in_doubt(tmp_path: Path) -> None:
    estate, store, ledger = stormed(tmp_path / "ledger")
    office = BackOffice(SCENARIO, estate, HomeStores(estate, [store]), ledger)
    office.open()

    def fails(_: object) -> None:
        raise StoreError("no answer")

    office._projectors[0].deliver = fails  # type: ignore[method-assign]
    chosen = np.flatnonzero(meter_types_of(estate, np.arange(estate.meter_count)) == MeterType.IMPORT_EXPORT)
    with pytest.raises(StoreError):
        office._deliver(office._exports(chosen, SCENARIO.span_us - 1))
    held = ledger.slots(ledger.plane_of(EXPORT_PLANE), 0, estate.meter_count)
    assert set(held.ravel().tolist()) == {SlotState.NONE, SlotState.INTENT} and office.done.exported == 0
