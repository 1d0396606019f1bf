"""Rules that what was read back must keep, held against a sample of homes: registers, displays, bills, views and their log.

Every row is held against the seed elsewhere; these rules ask what a customer or a regulator would, through the library that
answers them, so they also try that library on what a storm has left.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, time, timedelta, tzinfo
from functools import cache
from itertools import chain
from zoneinfo import ZoneInfo

import numpy as np
from cassandra.cluster import Session
from numpy.typing import NDArray

from loadtests.audit.rules.asked_ahead import AskedAhead, OnceAskedAhead, ask_of_homes
from loadtests.audit.rules.back_office import check_raw_forms
from loadtests.audit.rules.customers import (
    Checked,
    Displays,
    MeterDays,
    Registers,
    check_bills,
    check_displays,
    check_local_days,
    check_registers,
    check_views,
)
from loadtests.audit.rules.scanned_ahead import AheadBulk
from loadtests.audit.rules.weak_levels import in_doubt, why_hidden
from loadtests.backend.back_office import local_months_of, utc_months_of
from loadtests.recording.ledger import ONE_BIT_A_SLOT, SLOTS_PER_BYTE, Ledger, SlotState
from loadtests.workload.prices import book_of, price_lists_of
from scenarios.calendar import days_of_month
from scenarios.domain import DAY_US, Operation
from scenarios.spec import Topology
from sim.estate.lookup import FUEL_CODES, start_us_of, tariff_kinds_of
from sim.estate.model import EstateModel
from store.billing.energy import BillingViews
from store.billing.records import Bill
from store.cassandra import CassandraStore
from store.cassandra.session import Statements
from store.columns import Piece, integers
from store.customers.desk import Desk
from store.customers.port import OnceRunner, PreferenceChange
from store.customers.store import HomeCustomers
from store.operations import StoreOperation
from store.ports import LogEvent
from store.readings.verify import Difference, verify
from store.roles import HOME_VIEWS
from store.tables import Schema
from store.tariffs import EXPORT, MISSING_WH, PriceList

HOMES_MAX = 200
SETTLED_AT_ONCE = 1_024  # homes whose half-hours are looked at together: of a year some 9 MB a plane
DISPLAYS_A_TARIFF = 3  # that are looked at at each half-hour of a day on which the clocks change
WRITES = (Operation.INGEST_READING, Operation.INGEST_REVISION, StoreOperation.REFOLD_DAY, Operation.WRITE_TARIFF)
READS = (Operation.READ_EVENTS, Operation.READ_USAGE_MONTH, Operation.READ_BILLING_MONTH, Operation.READ_TARIFF)
FOLDED_HALF_HOURS_MAX = 100_000  # of the log, some seconds' work


def check_rules(
    sessions: Sequence[Session],
    *,
    estate: EstateModel,
    ledger: Ledger,
    schema: Schema,
    topology: Topology,
    progress: Callable[[str], None],
    is_closed: bool,
) -> list[Checked]:
    """Hold the rules against up to HOMES_MAX homes, and each view of a part of the ring against its log. Raises StoreError.

    sessions: of the business DCs. Each home is asked about in its own, where the back office serves it.
    is_closed: whoever publishes announced prices worked to its end; else displays may show those that were published.
    Of an estate that has no half-hours and no registers acknowledged, as of 10-second meters alone, displays are all there is.
    """
    stores = [CassandraStore(session, schema, topology, book_of(estate)) for session in sessions]
    of_stores = [AskedAhead(store.runner) for store in stores]
    for store, runner in zip(stores, of_stores, strict=True):
        store.runner = runner
    of_customers = [OnceAskedAhead(Statements(session, schema, topology)) for session in sessions]
    customers = [SettledCustomers(runner) for runner in of_customers]
    settled_days = [SettledDays(store) for store in stores]
    homes = sampled_homes(estate, ledger)
    dcs: dict[int, int] = dict(zip(homes, estate.home_dc_of(np.array(homes, np.int64)).tolist(), strict=True))
    progress(f"audit: registers, displays and bills of {len(homes)} homes")
    months = local_months_of(estate)
    is_any_read = any(ledger.counts(plane)[SlotState.ACKNOWLEDGED] for plane in range(len(ledger.planes)))
    for dc in range(len(sessions)):
        own = [home for home in homes if dcs[home] == dc]
        ask_of_homes(estate, of_stores[dc], of_customers[dc], own, display_looks(estate), are_billed=is_any_read)
    events = {
        home: [(month, event) for month in utc_months_of(estate) for event in stores[dcs[home]].events(home, month)]
        for home in homes
    }
    kinds = dict(zip(homes, tariff_kinds_of(estate, np.array(homes, np.int64)).tolist(), strict=True))
    desks = {
        home: Desk(
            customers=customers[dcs[home]],
            views=settled_days[dcs[home]],
            first_tariff=kinds[home],
            calendar=estate.calendar,
        )
        for home in homes
    }
    published = {one.version for one in customers[0].price_lists()}
    prices = prices_to_show(price_lists_of(estate), published, is_closed=is_closed)
    of_homes = sample_text(len(homes), estate.premises_count, "homes")
    days = _days_of(estate, events, kinds)
    rows, sums = list[Checked](), [_displays(estate, homes, kinds, desks, prices, days)]
    if is_any_read:
        fuels, zone = [FUEL_CODES[fuel] for fuel in estate.fuels], ZoneInfo(estate.calendar.zone)
        rows += [
            check_registers(_registers(estate, events), [], zone),
            check_raw_forms(
                estate, [(home, one) for home, of_home in events.items() for _, one in of_home if one.revision == 0]
            ),
        ]
        sums += [
            check_bills(
                [
                    bill
                    for home in homes
                    for bill in _billed(desks[home], home, months, (*fuels, EXPORT), _end_us(estate))
                ],
                days,
                price_lists_of(estate),
                zone,
            ),
            check_local_days(
                {
                    (home, fuel, month * 100 + one.day): one.usage_wh
                    for home in homes
                    for fuel in (*fuels, EXPORT)
                    for month in months
                    for one in stores[dcs[home]].usage(home, fuel, month)
                },
                days,
                zone,
            ),
        ]
    rows, sums = ([replace(one, sample=of_homes) for one in checks] for checks in (rows, sums))
    sums += _views(sessions[0], estate, ledger, schema, topology, progress) if is_any_read else []
    # what a read misses explains no row that is wrong by itself
    return [*rows, *in_doubt(sums, why_hidden(topology, WRITES, READS))]


def display_looks(estate: EstateModel) -> tuple[int, int]:
    """When each display is looked at: the middle of the last day and its end [us since the Unix epoch]."""
    last_day_us = int(_day_starts_us(estate)[-1])
    return last_day_us + DAY_US // 2, last_day_us + DAY_US - 1_000


def sample_text(looked_at: int, of: int, what: str) -> str | None:
    """How much of what there is a rule was held against, in words; None for all of it."""
    return None if looked_at >= of else f"{looked_at:,} of {of:,} {what}"


def sampled_homes(estate: EstateModel, ledger: Ledger) -> list[int]:
    """Homes evenly over the estate of which no half-hour is in doubt or failed: nobody can say what their sums must be."""
    step = max(estate.premises_count // HOMES_MAX, 1)
    is_settled = settled_homes(estate, ledger)
    return [home for home in range(0, estate.premises_count, step) if is_settled(home)][:HOMES_MAX]


def settled_homes(estate: EstateModel, ledger: Ledger) -> Callable[[int], bool]:
    """Is no half-hour of a home in doubt or failed? Of a home that the estate does not have there is none.

    The ledger is read for SETTLED_AT_ONCE neighbours when the first of them is asked for.
    """

    @cache
    def of_part(part: int) -> list[bool]:
        first = part * SETTLED_AT_ONCE
        end = min(first + SETTLED_AT_ONCE, estate.premises_count)
        are_settled: list[bool] = (~unsettled_homes(estate, ledger, first, end)).tolist()
        return are_settled

    def is_settled(home: int) -> bool:
        is_known = 0 <= home < estate.premises_count
        return not is_known or of_part(home // SETTLED_AT_ONCE)[home % SETTLED_AT_ONCE]

    return is_settled


def unsettled_homes(estate: EstateModel, ledger: Ledger, first: int, end: int) -> NDArray[np.bool_]:
    """Which homes of first .. end - 1 have a half-hour in doubt or failed: bool[end - first]."""
    assert ledger.slot_count % SLOTS_PER_BYTE == 0, "days are whole, so that no byte holds slots that are none"
    fuels = len(estate.fuels)
    is_so = np.zeros(end - first, np.bool_)
    for plane in range(len(ledger.planes)):
        states = ledger.states[plane, first * fuels : end * fuels]
        is_open = ((states ^ (states >> 1)) & ONE_BIT_A_SLOT).any(axis=1)  # INTENT and FAILED: just one of the two bits
        is_so |= is_open.reshape(-1, fuels).any(axis=1)
    return is_so


def _day_starts_us(estate: EstateModel) -> NDArray[np.int64]:
    return start_us_of(estate) + np.arange(estate.day_count, dtype=np.int64) * DAY_US


def _registers(estate: EstateModel, events: dict[int, list[tuple[int, LogEvent]]]) -> Registers:
    """Registers as they were measured: estimates and corrections say nothing of them."""
    measured = [(home, one) for home, of_home in events.items() for _, one in of_home if one.revision == 0]
    return Registers(
        premises=np.array([home for home, _ in measured], np.int64),
        fuel=np.array([one.fuel for _, one in measured], np.int64),
        end_us=np.array([one.interval_start_us + one.slot_count * estate.slot_us for _, one in measured], np.int64),
        register_wh=np.array([one.register_wh for _, one in measured], np.int64),
    )


def prices_to_show(
    announced: Sequence[PriceList], published: Collection[int], *, is_closed: bool
) -> tuple[PriceList, ...]:
    """The price lists by which displays are judged. `published`: versions in the store; see `check_rules` for `is_closed`."""
    return tuple(one for one in announced if is_closed or one.version in published)


def _displays(
    estate: EstateModel,
    homes: Sequence[int],
    kinds: dict[int, int],
    desks: dict[int, Desk],
    prices: Sequence[PriceList],
    days: MeterDays,
) -> Checked:
    """What the displays show in the middle of the last day and at its end: before and after most announcements of prices.

    And, of some homes, at each slot of the days on which the clocks change.
    """
    fuels = [FUEL_CODES[fuel] for fuel in estate.fuels]
    looks = [(home, at_us) for at_us in display_looks(estate) for home in homes]
    looks += [(home, at_us) for at_us in clock_change_slots(estate) for home in _of_each_tariff(homes, kinds)]
    rows = [
        (home, shown.fuel, at_us, kinds[home], shown.price.version, shown.price.npence_per_wh)
        for home, at_us in looks
        for shown in desks[home].display(home, fuels, at_us)
    ]
    columns = np.array(rows, np.int64).reshape(-1, 6).T
    return check_displays(
        Displays(
            premises=columns[0],
            fuel=columns[1],
            at_us=columns[2],
            tariff=columns[3].astype(np.uint8),
            version=columns[4],
            npence_per_wh=columns[5],
        ),
        prices,
        ZoneInfo(estate.calendar.zone),
        days,
        slot_us=estate.slot_us,
    )


def clock_change_slots(estate: EstateModel) -> list[int]:
    """The starts of all slots of the span's local days that are not of 24 hours [us since the Unix epoch]."""
    zone = ZoneInfo(estate.calendar.zone)
    starts = range(int(_day_starts_us(estate)[0]), _end_us(estate), estate.slot_us)
    dates = [datetime.fromtimestamp(at_us // 1_000_000, zone).date() for at_us in starts]

    def is_odd(day: date) -> bool:
        begins, ends = (datetime.combine(one, time(), zone).timestamp() for one in (day, day + timedelta(days=1)))
        return ends - begins != DAY_US / 1_000_000

    odd = {day for day in set(dates) if is_odd(day)}
    return [at_us for at_us, day in zip(starts, dates, strict=True) if day in odd]


def _of_each_tariff(homes: Sequence[int], kinds: dict[int, int]) -> list[int]:
    """Some homes of each tariff."""
    chosen: dict[int, list[int]] = {}
    for home in homes:
        chosen.setdefault(kinds[home], []).append(home)
    return [home for of_kind in chosen.values() for home in of_kind[:DISPLAYS_A_TARIFF]]


def _end_us(estate: EstateModel) -> int:
    return int(_day_starts_us(estate)[-1]) + DAY_US


def _days_of(estate: EstateModel, events: dict[int, list[tuple[int, LogEvent]]], kinds: dict[int, int]) -> MeterDays:
    """The slots of the log by UTC day, each as its highest revision has it."""
    slots = estate.slots_per_day
    days: dict[tuple[int, int, int], tuple[NDArray[np.int32], NDArray[np.int64], int]] = {}
    for home, one in chain.from_iterable(([(home, one) for _, one in of_home] for home, of_home in events.items())):
        if one.slot_count == 0:
            continue
        day_us = one.interval_start_us // DAY_US * DAY_US
        fresh = (np.full(slots, MISSING_WH, np.int32), np.full(slots, -2, np.int64), 0)
        values, revisions, count = days.get((home, one.fuel, day_us), fresh)
        first = (one.interval_start_us - day_us) // estate.slot_us
        for slot, wh in enumerate(one.values_wh, first):
            if wh != MISSING_WH and one.revision > revisions[slot]:
                values[slot], revisions[slot] = wh, one.revision
        days[home, one.fuel, day_us] = values, revisions, max(count, first + one.slot_count)
    return MeterDays(
        premises=np.array([home for home, _, _ in days], np.int64),
        fuel=np.array([fuel for _, fuel, _ in days], np.int64),
        day_start_us=np.array([day_us for _, _, day_us in days], np.int64),
        slot_count=np.array([count for _, _, count in days.values()], np.int64),
        values_wh=np.array([values for values, _, _ in days.values()], np.int32).reshape(-1, slots),
        tariff=np.array([kinds[home] for home, _, _ in days], np.uint8),
    )


def _billed(desk: Desk, home: int, months: Sequence[int], fuels: Sequence[int], issued_us: int) -> Iterator[Bill]:
    """All bills of a home: those that stand, and of its months new ones after the last of any month."""
    earlier = desk.customers.bills(home)
    standing = {bill.month: bill.number for bill in earlier}
    yield from (bill for bill in earlier if bill.month not in months)
    for month in months:
        number = standing.setdefault(month, len(standing) + 1)
        begun = sum(desk.calendar.day_start_us(day) <= issued_us for day in days_of_month(month))
        yield desk.issue_bill(
            premises=home,
            month=month,
            number=number,
            supplied={fuel: range(1, begun + 1) for fuel in fuels},
            issued_us=issued_us,
        )


class SettledCustomers(HomeCustomers):
    """Customers' tables in which nobody publishes or chooses any more: read once, not at each look at a display."""

    def __init__(self, runner: OnceRunner) -> None:
        super().__init__(runner)
        self._price_lists = cache(super().price_lists)
        self._preferences = cache(super().preferences)
        self._bills: dict[int, list[Bill]] = {}

    def price_lists(self) -> tuple[PriceList, ...]:
        return self._price_lists()

    def preferences(self, premises: int) -> list[PreferenceChange]:
        return self._preferences(premises)

    def bills(self, premises: int) -> list[Bill]:
        """Read once until one is issued here."""
        if premises not in self._bills:
            self._bills[premises] = super().bills(premises)
        return list(self._bills[premises])

    def issue(self, bill: Bill) -> Bill:
        self._bills.pop(bill.premises, None)
        return HomeCustomers(self.runner).issue(bill)  # what stands is asked for again, before it and after


class SettledDays:
    """The days that displays show, which no delivery changes any more: each is read once, not at each look.

    Implements `store.billing.energy.BillingViews`. Months, which bills are made of, are asked for once and not kept; nor
    is the log, which only a display of a day that has lost a half-hour asks.
    """

    def __init__(self, views: BillingViews) -> None:
        self.billed_parts = views.billed_parts
        self.billed_parts_of_day = cache(views.billed_parts_of_day)
        self.intervals = cache(views.intervals)
        self.intervals_of_month = views.intervals_of_month
        self.events = views.events


class _PartOfTheRing(AheadBulk):
    """Scans some of the ring's pieces, evenly chosen."""

    def __init__(self, session: Session, topology: Topology, share: float) -> None:
        super().__init__(session, topology)
        self._share = share

    def pieces(self) -> Sequence[Piece]:
        pieces = super().pieces()
        return pieces[:: max(int(1 / self._share), 1)]

    def sample(self) -> str | None:
        return sample_text(len(self.pieces()), len(super().pieces()), "parts of the ring")


def check_settled_view(
    view: str,
    premises: Iterable[int],
    differences: Iterable[Difference],
    is_settled: Callable[[int], bool],
    sample: str | None,
    zone: tzinfo,
) -> Checked:
    """`check_views` of the homes of which nothing is in doubt or failed. premises: of each row of the view.

    A delivery brings what its meter knows of the day, half-hours too whose own delivery may never have reached the log: of a
    home in doubt view and log may differ though the cluster lost nothing. Its rows are judged one by one elsewhere in the audit.
    """
    is_judged = cache(is_settled)
    judged = [is_judged(home) for home in premises]
    left_out = len(judged) - sum(judged)
    told = [sample] if sample else []
    told += [f"{left_out:,} rows of homes with an indeterminate or failed half-hour are left out"] if left_out else []
    checked = check_views(view, sum(judged), (one for one in differences if is_judged(int(one.key["premises"]))), zone)
    return replace(checked, sample="; ".join(told) or None)


def _views(
    session: Session,
    estate: EstateModel,
    ledger: Ledger,
    schema: Schema,
    topology: Topology,
    progress: Callable[[str], None],
) -> list[Checked]:
    half_hours = estate.meter_count * estate.slot_count
    bulk = _PartOfTheRing(session, topology, min(FOLDED_HALF_HOURS_MAX / half_hours, 1.0))
    is_settled, zone = settled_homes(estate, ledger), ZoneInfo(estate.calendar.zone)
    try:
        checks = []
        for table in schema.tables_with(HOME_VIEWS):
            view = table.name
            progress(f"audit: {view} against what its event log comes to, in {len(bulk.pieces())} parts of the ring")
            premises = [
                home
                for piece in bulk.pieces()
                for page in bulk.scan(table, ["premises"], piece)
                for home in integers(page, "premises").tolist()
            ]
            differences = verify(bulk, schema, view, book_of(estate))
            checked = check_settled_view(view, premises, differences, is_settled, bulk.sample(), zone)
            if premises or checked.faults:  # of registers alone there are no intervals, ...
                checks.append(checked)
        return checks
    finally:
        bulk.close()
