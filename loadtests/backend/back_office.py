"""The platform's back office beside the storm: what does not come from meters and customers themselves.

Head-ends send days again in the meters' raw forms, some of them faulty; days are projected into the views across homes;
price lists are published, bills issued, displays asked, cohorts compared. All through the store's library, every request
timed: a closed loop of a few dozen requests a second, beside which the wire engine does the work.

What it delivers was acknowledged before and is the same to the last Wh, so the ledger needs no word of it. But for exports,
which nobody else sends: those have a plane of the ledger that the back office alone marks.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from typing import cast

import numpy as np

from loadtests.backend.failure_budget import FailureBudget
from loadtests.backend.head_ends import HeadEnds, strides
from loadtests.backend.home_stores import HomeStores
from loadtests.backend.mortal_statements import MortalBulk, MortalStatements, PartLife
from loadtests.backend.timed_statements import RequestLog
from loadtests.faults.own_parts import BACK_OFFICE, OfficeInput, OwnParts
from loadtests.metrics.instruments import Instruments, OfficeProgress, ShownPrice
from loadtests.recording.ledger import EXPORT_PLANE, Ledger, SlotState, mark_run
from loadtests.workload.experiment import Experiment
from loadtests.workload.faulty_deliveries import faulty_deliveries
from loadtests.workload.prepayment import openings_of
from loadtests.workload.prices import book_of, price_lists_of, published_ahead
from loadtests.workload.raw_deliveries import adapted_runs, are_exact, exported_days, of_types
from scenarios.calendar import month_before, month_of_day
from scenarios.domain import (
    DAY_US,
    MeterType,
    Operation,
    ReadSchedule,
    SettlementRunCode,
)
from scenarios.operations import has_revisions
from scenarios.spec import Scenario
from sim.estate.lookup import (
    FUEL_CODES,
    cohorts_of,
    meter_of,
    meter_types_of,
    schedules_on,
    sends_half_hours,
    split_meter,
    start_us_of,
    tariff_kinds_of,
)
from sim.estate.model import EstateModel
from store.cassandra.bulk import CassandraBulk
from store.columns import Integers
from store.customers.desk import Desk
from store.customers.port import OnceRunner
from store.customers.store import HomeCustomers
from store.ingest import ingest
from store.ingest.known import Known
from store.parsing import NumberedHomes
from store.readings.across import Projection
from store.readings.projector import Projector, read_settlement
from store.readings.receipts import HOUR_US, CounterReceipts, Receipt, RowReceipts
from store.readings.settlement import dates_of, is_settled
from store.readings.store import HomeReadings
from store.readings.summarise import comparison, completeness, project_cohorts, project_completeness
from store.rejections import Refused
from store.roles import TableRole
from store.rows import Readings, month_of, month_of_us
from store.tariffs import EXPORT, MISSING_WH, list_in_force

ROUND_S = 0.5
METERS_A_ROUND = 8
LOOKED_AT_A_ROUND = 256  # meters among which those are looked for
DELIVERED_MAX = 20_000  # runs that were acknowledged before: a sample, whose days are all projected again at the end
ACCOUNTS_AT_ONCE = 5_000  # prepaid ones, that are opened together
SUMMARISED_METERS_MAX = 200_000  # cohorts and completeness read whole tables: of more meters a run leaves them out


@dataclass(slots=True, kw_only=True)
class BackOfficeResult:
    """What the back office did."""

    rounds: int = 0
    delivered: int = 0  # runs of half-hours and registers, in raw forms
    exported: int = 0  # days of what meters gave to the network, of them
    faulty: int = 0  # rows that were to be refused
    bills: int = 0
    setbacks: int = 0  # rounds that did not finish: a time-out, a node that was lost, its own death
    behind_s_max: float = 0.0  # wall time by which a round was late


def projection_of(estate: EstateModel) -> Projection:
    """Receipts count into the regions of the estate."""
    return Projection(region_of=lambda premises: estate.region_of(premises).astype(np.int64))


def run_back_office(
    experiment: Experiment,
    *,
    ledger: Ledger,
    zero_ns: int,
    log: RequestLog,
    over: threading.Event,
    stop: threading.Event,
    is_excused: Callable[[], bool] = lambda: False,
    parts: OwnParts | None = None,
    told: Instruments | None = None,
) -> BackOfficeResult:
    """Work beside a storm. zero_ns: the wall start of the replay [monotonic]; log: is told every request.

    over: the storm is: the last day's exports are collected, the last projections made, and that is all.
    stop: nothing more is done, set after or with `over`. is_excused: a fault of the scenario's own is under way.
    parts: what faults befall: one that is killed forgets all, and another begins on what the store holds.
    told: what came of each round.
    Raises HarnessError when a business DC can't be reached, StoreError when the store lets no round finish for a while.
    """
    scenario, estate = experiment.scenario, experiment.estate
    told, parts = told or Instruments(scenario), parts or OwnParts()
    life = PartLife(partial(parts.require, BACK_OFFICE))
    with ExitStack() as cleanup:
        stores = []
        for dc in scenario.topology.business_dcs:
            session = cleanup.enter_context(experiment.through(dc.name).session())
            bulk = CassandraBulk(session, scenario.topology)
            cleanup.callback(bulk.close)
            runner = MortalStatements(session, experiment.schema, scenario.topology, log, life)
            stores.append(HomeReadings(runner, MortalBulk(bulk, life), book_of(estate)))
        progress = told.back_office()
        office = BackOffice(
            scenario, estate, HomeStores(estate, stores), ledger, progress, parts.office_input, told.acknowledged
        )
        pace, patience = scenario.pace, FailureBudget(office.done, is_excused)

        def alive() -> BackOffice:
            """The office, or another in the place of one that has died."""
            nonlocal office
            if life.is_over:
                life.begin()
                office = office.begun_anew()
            return office

        over.wait(max(zero_ns / 1e9 - time.monotonic(), 0.0))
        progress.end_round()
        while not over.is_set():
            ahead_s = zero_ns / 1e9 + office.done.rounds * ROUND_S - time.monotonic()
            if ahead_s > 0:
                over.wait(ahead_s)
                continue
            office.done.behind_s_max = max(office.done.behind_s_max, -ahead_s)
            with patience:
                alive().work(pace.simulated_us_at((time.monotonic_ns() - zero_ns) / 1e9))
                progress.end_round()
        is_closed = False
        while not is_closed and not stop.wait(patience.wait_s):
            with patience:
                alive().close(scenario.span_us - 1)
                is_closed = progress.is_over = True
        return office.done


def compile_kernels(estate: EstateModel) -> None:
    """Have every kernel of a round compiled. On a machine's first run that takes the better part of a minute of a processor,
    which nodes and senders must not lack once the clock runs."""
    meter = np.unique(np.arange(min(LOOKED_AT_A_ROUND, estate.meter_count), dtype=np.int64))
    schedules_on(estate, meter, np.zeros(len(meter), np.int32))
    slots = estate.slots_per_day
    for meter_type, rows in of_types(estate, meter).items():
        meters = np.array(meter[rows].tolist()[:1], np.int64)
        for count in (slots,) if meter_type is MeterType.REGISTER_ONLY else (1, slots):
            first = np.full(len(meters), 0, np.int32)
            exact = meters[are_exact(estate, meter_type, meters, first, count)]
            adapted_runs(estate, meter_type, exact, first[: len(exact)], count)
        if meter_type is MeterType.IMPORT_EXPORT:
            sends_half_hours(estate, meters, first)
            exported_days(estate, meters, first)
            mark_run(np.zeros((1, 1, 1), np.uint8), 0, 0, 0, 1, int(SlotState.INTENT))
    homes = np.zeros(1, np.int64)
    tariff_kinds_of(estate, homes)
    cohorts_of(estate, homes)
    estate.region_of(homes)


class BackOffice:
    """Rounds of work on the stores of the business DCs. Each home's days are delivered, journalled and projected in its own."""

    def __init__(
        self,
        scenario: Scenario,
        estate: EstateModel,
        homes: HomeStores,
        ledger: Ledger,
        told: OfficeProgress | None = None,
        office_input: OfficeInput | None = None,
        acknowledged: Callable[[], int] = lambda: 0,
    ) -> None:
        """told, office_input: what is told of it, and how faults change what comes to it. acknowledged: see `HeadEnds`."""
        self.done = BackOfficeResult()
        self._told, self._input = told or OfficeProgress(), office_input or OfficeInput()
        self._head_ends = HeadEnds(meters=strides(estate.meter_count), acknowledged=acknowledged)
        self._scenario, self._estate, self._ledger, self._homes = scenario, estate, ledger, homes
        self._store = homes.first
        self._runner = cast(OnceRunner, homes.first.runner)
        self._start_us = start_us_of(estate)
        self._customers = [HomeCustomers(cast(OnceRunner, store.runner)) for store in homes.stores]
        self._life = 0  # how many there were before it
        self._projectors = projectors_of(estate, homes, self._start_us)
        self._rows, self._counters = RowReceipts(self._runner), CounterReceipts(self._runner)
        self._known = Known(meters=NumberedHomes(count=estate.premises_count), book=self._store.book, exchanges_us={})
        self._published = 0  # price lists, as far as it knows
        self._is_summarised = has_summaries(scenario, estate)
        self._half_us = (scenario.replay_from_us + scenario.span_us) // 2
        self._has_cohorts = not self._is_summarised
        self._has_accounts = False
        self._is_whole = False  # nothing is open that a round before has begun

    def begun_anew(self) -> "BackOffice":
        """Another one, in the place of this one that has died: it knows what the store holds, and nothing else.

        What the bench counts and what head-ends have sent goes on; so does the ledger.
        """
        another = BackOffice(
            self._scenario, self._estate, self._homes, self._ledger, told=self._told, office_input=self._input
        )
        another.done, another._head_ends, another._life = self.done, self._head_ends, self._life + 1
        # No two processes journal as one: a row of this one's that is in doubt may still come.
        started_us = another._start_us + another._life * 1_000
        another._projectors = projectors_of(self._estate, self._homes, started_us)
        return another

    def open(self) -> None:
        """What is there before any round: the price lists, if nobody has published them, the accounts of homes that pay before
        they use, and no batch that is half projected."""
        self._publish()
        if not self._has_accounts:
            for dc, customers in enumerate(self._customers):
                openings = openings_of(self._estate, dc)
                while some := list(islice(openings, ACCOUNTS_AT_ONCE)):
                    customers.open_all_prepaid(some)
            self._has_accounts = True
        for projector in self._projectors:
            projector.heal()
        self._told.project()
        self._is_whole = True

    def _publish(self) -> None:
        """All price lists that are announced, but for those that are held up and all that follow them.

        Each is announced ahead, as the store demands of prices: what is held up is late on its way into the store.
        """
        ahead = published_ahead(self._scenario, self._estate, self._input.prices_held_from_s)
        for prices in ahead[self._published :]:
            self._customers[0].publish(prices, self._start_us)
            self._published += 1

    def work(self, now_us: int) -> None:
        """One round, at an instant since the scenario's start [us].

        Raises StoreError: the next round goes on; what this one has delivered in part is whole then, or in doubt.
        """
        number = self.done.rounds
        self.done.rounds += 1
        if not self._is_whole:
            self.open()
        self._is_whole = False
        self._round(number, now_us)
        self._is_whole = True

    def _round(self, number: int, now_us: int) -> None:
        self._publish()
        meter = self._next_meters()
        self._deliver(chain(self._raw_runs(meter, now_us), self._exports(meter, now_us)))
        self._refuse(self._head_ends.faulty_rows(self._input.garbage_share, self.done.faulty))
        home = number * 7 % self._estate.premises_count
        self._serve(home, now_us)
        if now_us >= self._half_us and not self._has_cohorts:
            instant_us = self._start_us + now_us
            _project_cohorts(self._estate, self._homes, self._estate.calendar.month_of(instant_us), instant_us)
            self._has_cohorts = True

    def _next_meters(self) -> Integers:
        """Those that are looked at now: int64[n], n <= LOOKED_AT_A_ROUND."""
        return np.unique(
            [next(self._head_ends.meters) for _ in range(min(LOOKED_AT_A_ROUND, self._estate.meter_count))]
        )

    def _deliver(self, deliveries: Iterable[Readings]) -> None:
        for readings in deliveries:
            (dc,) = np.unique(self._estate.home_dc_of(readings.premises)).tolist()
            self._told.journal()
            self._projectors[dc].deliver([readings])
            self._told.project()
            self.done.delivered += len(readings.mpxn)
            self._told.delivered = self.done.delivered
            self._tell(readings)

    def close(self, now_us: int) -> None:
        """What is done when all has come, at the span's last instant since the scenario's start [us].

        Exports of the day that ends there, which no round could see over; projections, and a look at them.
        """
        if not self._is_whole:  # when no round could finish, announced prices may be published by nobody yet
            self.open()
        self._is_whole = False
        self._publish()
        self._deliver(self._exports(self._next_meters(), now_us + 1))
        if self._head_ends.in_doubt:
            self._refuse(self._head_ends.in_doubt)
        self._is_whole = True
        instant_us = self._start_us + now_us
        for projector in self._projectors:
            projector.project(projector.journalled(), self._told.end_round)  # all of a run's work: it takes its time
        if self._is_summarised and not has_revisions(
            self._scenario
        ):  # else when their days are folded anew, after this
            summarise(self._estate, self._homes, instant_us)
        completeness(self._runner, instant_us // DAY_US * DAY_US)
        cohort = int(cohorts_of(self._estate, np.zeros(1, np.int64))[0])
        comparison(self._runner, cohort, self._estate.calendar.month_of(instant_us))

    def _exports(self, meter: Integers, now_us: int) -> Iterator[Readings]:
        """The latest day that is over of what these meters gave to the network, of those that send half-hours at all.

        Each delivery is of homes of one DC. It is delivered when the next one is asked for.
        """
        slots = self._estate.slots_per_day
        first = (min(now_us // DAY_US, self._estate.day_count) - 1) * slots
        exporting = of_types(self._estate, meter).get(MeterType.IMPORT_EXPORT)
        if exporting is None or first < 0:
            return
        meter = meter[exporting]
        at, states = self._ledger.plane_of(EXPORT_PLANE), self._ledger.states
        sends = sends_half_hours(self._estate, meter, np.full(len(meter), first, np.int32))
        is_new = [self._ledger.slots(at, one, one + 1)[0, first] == SlotState.NONE for one in meter.tolist()]
        chosen = meter[sends & np.array(is_new, np.bool_)][:METERS_A_ROUND]
        for of_dc in self._by_dc(chosen):
            readings = exported_days(self._estate, of_dc, np.full(len(of_dc), first, np.int32))
            for one in of_dc.tolist():
                mark_run(states, at, one, first, slots, int(SlotState.INTENT))
            yield readings
            for one in of_dc.tolist():
                mark_run(states, at, one, first, slots, int(SlotState.ACKNOWLEDGED))
            self.done.exported += len(of_dc)

    def _raw_runs(self, meter: Integers, now_us: int) -> Iterator[Readings]:
        """What was acknowledged of these meters, as the adapters make it of raw forms: each the latest that is over."""
        slots = self._estate.slots_per_day
        slot = min(
            now_us // self._estate.slot_us - 2, self._estate.slot_count - 1
        )  # the last one may still be on its way
        day = min(now_us // DAY_US, self._estate.day_count) - 1
        schedules = schedules_on(self._estate, meter, np.full(len(meter), max(slot, 0), np.int32))
        for meter_type, rows in of_types(self._estate, meter).items():
            if meter_type is MeterType.REGISTER_ONLY:
                yield from self._acknowledged(meter_type, meter[rows], Operation.INGEST_REGISTER, day * slots, slots)
                continue
            for schedule, at, count in (
                (ReadSchedule.HALF_HOURLY, slot, 1),
                (ReadSchedule.DAILY, day * slots, slots),
            ):
                chosen = meter[rows[schedules[rows] == schedule]]
                yield from self._acknowledged(meter_type, chosen, Operation.INGEST_READING, at, count)

    def _acknowledged(
        self, meter_type: MeterType, meter: Integers, plane: Operation, first: int, count: int
    ) -> Iterator[Readings]:
        """Of up to METERS_A_ROUND of these meters, whose run the store has acknowledged: a delivery for each DC's homes."""
        is_enough = self.done.delivered - self.done.exported >= DELIVERED_MAX
        if plane not in self._ledger.planes or first < 0 or is_enough:
            return
        at = self._ledger.plane_of(plane)
        marked = (
            slice(first + count - 1, first + count)
            if plane is Operation.INGEST_REGISTER
            else slice(first, first + count)
        )
        chosen = [
            one
            for one in meter.tolist()
            if one * self._estate.slot_count + first not in self._head_ends.seen
            and (self._ledger.slots(at, one, one + 1)[0, marked] == SlotState.ACKNOWLEDGED).all()
        ][:METERS_A_ROUND]
        meters = np.array(chosen, np.int64)
        first_slot = np.full(len(meters), first, np.int32)
        meters = meters[are_exact(self._estate, meter_type, meters, first_slot, count)]
        for of_dc in self._by_dc(meters):
            self._head_ends.seen.update(one * self._estate.slot_count + first for one in of_dc.tolist())
            yield adapted_runs(self._estate, meter_type, of_dc, first_slot[: len(of_dc)], count)

    def _by_dc(self, meter: Integers) -> Iterator[Integers]:
        """The meters of each DC's homes, no DC without one."""
        for _, is_its in self._homes.dcs_of(split_meter(self._estate, meter)[0]):
            yield meter[is_its]

    def _tell(self, readings: Readings) -> None:
        """Count what came, and look at what it was projected to."""
        regions = self._estate.region_of(readings.premises).tolist()
        receipts = [
            Receipt(
                received_at_us=int(readings.received_at_us[at]),
                region=regions[at],
                mpxn=int(readings.mpxn[at]),
                interval_start_us=int(readings.interval_start_us[at]),
                slot_count=readings.values_wh.shape[1],
                revision=0,
                known_count=int((readings.values_wh[at] != MISSING_WH).sum()),
            )
            for at in range(len(readings.mpxn))
        ]
        self._counters.record(receipts)
        one = receipts[0]
        for counted in (self._rows, self._counters):
            counted.half_hours(one.region, one.received_at_us // HOUR_US)
        if is_settled(int(readings.fuel[0])) and one.slot_count:
            shard = self._runner.schema.table(TableRole.SETTLEMENT).shard_of(one.mpxn)
            for settlement_date in dates_of(one.interval_start_us // DAY_US * DAY_US, self._estate.calendar):
                read_settlement(self._runner, settlement_date, SettlementRunCode.LATEST, shard)

    def _refuse(self, row_count: int) -> None:
        """Faulty rows, the next ones by number: nothing of them may reach the log."""
        faulty = faulty_deliveries(self._estate, self.done.faulty, row_count)
        came = ingest(self._store, faulty, self._known)
        assert len(came.accepted.mpxn) == 0, "a faulty row was taken"
        self.done.faulty += row_count
        self._head_ends.in_doubt = 0
        self._told.rejected.update(one.reason.text for one in came.rejected)
        self._input.rejected_count += max(row_count - 1, 0)  # one comes without any fault

    def _serve(self, home: int, now_us: int) -> None:
        """What a call centre looks at, and the bill of the month before, for which there is nothing but the standing charge."""
        instant_us = self._start_us + now_us
        kind = int(tariff_kinds_of(self._estate, np.array([home]))[0])
        dc = int(self._estate.home_dc_of(np.array([home]))[0])
        customers, store = self._customers[dc], self._homes.stores[dc]
        desk = Desk(customers=customers, views=store, first_tariff=kind, calendar=self._estate.calendar)
        self._look_at_display(desk, home, instant_us)
        month = self._estate.calendar.month_of(instant_us)
        for fuel in (FUEL_CODES[fuel] for fuel in self._estate.fuels):
            store.usage(home, fuel, month)
        store.alerts(home, month_of_us(instant_us))
        store.ten_seconds(home, 0, instant_us // DAY_US * DAY_US, 0, 360)
        self._store.rejected(self._start_us // DAY_US * DAY_US)
        customers.register_changes(home)
        before = month_before(self._estate.calendar.month_of(self._start_us))
        desk.issue_bill(premises=home, month=before, number=1, supplied={}, issued_us=self._start_us)
        self.done.bills += 1
        self._told.bills = self.done.bills
        self._told.served += 1

    def _look_at_display(self, desk: Desk, home: int, instant_us: int) -> None:
        """Ask a home's display, and whether its price is the one that the estate's price lists have for the instant."""
        in_force = list_in_force(
            price_lists_of(self._estate), instant_us // self._estate.slot_us * self._estate.slot_us
        )
        try:
            shown = desk.display(home, [FUEL_CODES[fuel] for fuel in self._estate.fuels], instant_us)
        except Refused:
            self._told.show(ShownPrice.NONE, in_force.effective_us - self._start_us)
            raise
        is_in_force = all(one.price.version == in_force.version for one in shown)
        self._input.is_price_missed |= not is_in_force and in_force.version > self._published
        self._told.show(
            ShownPrice.IN_FORCE if is_in_force else ShownPrice.STALE,
            None if is_in_force else in_force.effective_us - self._start_us,
        )


def has_summaries(scenario: Scenario, estate: EstateModel) -> bool:
    """Does a run of this scenario keep cohorts and completeness?"""
    return scenario.run.back_office and estate.meter_count <= SUMMARISED_METERS_MAX


def projectors_of(estate: EstateModel, homes: HomeStores, started_us: int) -> list[Projector]:
    """Of each business DC's homes one, in the DCs' order; its number as a writer is its place there."""
    return [
        Projector(store, projection_of(estate), writer=dc, started_us=started_us)
        for dc, store in enumerate(homes.stores)
    ]


def summarise(estate: EstateModel, homes: HomeStores, as_of_us: int) -> None:
    """Project cohorts and completeness of all months of an estate, each home's days as its own DC holds them.

    as_of_us: since the Unix epoch. Raises StoreError.
    """
    for month in local_months_of(estate):
        _project_cohorts(estate, homes, month, as_of_us)
    for month in utc_months_of(estate):
        project_completeness(
            homes.across, month, projection_of(estate).region_of, expected_of(estate), as_of_us, start_us_of(estate)
        )


def _project_cohorts(estate: EstateModel, homes: HomeStores, month: int, as_of_us: int) -> None:
    def cohort_of(premises: Integers) -> Integers:
        return cohorts_of(estate, premises).astype(np.int64)

    project_cohorts(homes.across, month, cohort_of, as_of_us)


def local_months_of(estate: EstateModel) -> list[int]:
    """The months (yyyymm) of an estate's days by its customers' calendar: those that its first and last instant are in, too."""
    first_us = start_us_of(estate)
    days = range(estate.calendar.day_of(first_us), estate.calendar.day_of(first_us + estate.day_count * DAY_US - 1) + 1)
    return sorted({month_of_day(day) for day in days})


def utc_months_of(estate: EstateModel) -> list[int]:
    """The UTC months (yyyymm) of an estate's days."""
    days_us = start_us_of(estate) + np.arange(estate.day_count, dtype=np.int64) * DAY_US
    return sorted(set(month_of(days_us).tolist()))


def expected_of(estate: EstateModel) -> dict[tuple[int, int], int]:
    """(region, fuel) -> how many meters there are, of which each half-hour is expected; of export those that measure it."""
    premises = np.arange(estate.premises_count, dtype=np.int64)
    region = estate.region_of(premises)
    count = np.bincount(region)
    expected = {(at, FUEL_CODES[fuel]): int(homes) for at, homes in enumerate(count.tolist()) for fuel in estate.fuels}
    meter = meter_of(estate, premises, np.zeros(len(premises), np.bool_))
    exporting = region[(meter >= 0) & (meter_types_of(estate, np.maximum(meter, 0)) == MeterType.IMPORT_EXPORT)]
    for at, homes in enumerate(np.bincount(exporting, minlength=len(count)).tolist()):
        if homes:
            expected[at, EXPORT] = int(homes)
    return expected
