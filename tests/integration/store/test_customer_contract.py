"""One suite, both stores: what customers choose, what prices are, what displays show and what is billed."""

import datetime as dt
import itertools
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from scenarios.calendar import Calendar
from scenarios.domain import DAY_US, SLOT_US, Operation, ReadSchedule, TariffKind
from scenarios.spec import Dc, Topology
from scenarios.tariffs import HOLIDAY, Band, Block, Half, Rate, Register, RoundedAt, Tariff, TariffClock, with_series
from store.billing.prepayment import FriendlyHours, Opening, PrepaymentTerms, RecoveryPeriod, TopUp
from store.billing.records import Bill, Line, LineKind
from store.cassandra import CassandraStore, create_schema
from store.cassandra.customers import CassandraCustomers
from store.customers.desk import Desk
from store.customers.port import Consent, OnceRunner, Preference, RegisterChange, RegisterChangeKind
from store.customers.preferences import choose
from store.customers.store import HomeCustomers
from store.memory import MemoryStore
from store.memory.customers import MemoryCustomers
from store.ports import StoreError, Values
from store.rejections import Refused
from store.roles import TableRole
from store.rows import Readings
from store.tariffs import ELECTRICITY, FIRST_PRICES, GAS, Book, PriceList, day_totals
from tests.support.days import day_start_us
from tests.support.schema_under_test import SCHEMA

JANUARY, FEBRUARY = 202601, 202602
START_US = day_start_us(JANUARY, 15)
NOON_US = START_US + DAY_US // 2
NOON = dt.datetime(2026, 1, 15, 12)
ISSUED_US = day_start_us(FEBRUARY, 28)
BOTH = (ELECTRICITY, GAS)
SUPPLIED = {ELECTRICITY: range(15, 17)}


def topology(keyspace: str) -> Topology:
    dcs = (Dc(name="north", nodes=1, rf=1), Dc(name="south", nodes=1, rf=1))
    return Topology(dcs=dcs, keyspace=keyspace)


@pytest.fixture(scope="module")
def cassandra_desk(session: Any) -> Iterator[Desk]:
    keyspace = f"customers_{uuid.uuid4().hex[:12]}"
    create_schema(session, SCHEMA, topology(keyspace))
    readings = CassandraStore(session, SCHEMA, topology(keyspace), Book())
    yield Desk(customers=CassandraCustomers(session, SCHEMA, topology(keyspace)), views=readings)
    readings.close()
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


@pytest.fixture(params=["memory", "cassandra"])
def desk(request: pytest.FixtureRequest) -> Desk:
    if request.param == "memory":
        return Desk(customers=MemoryCustomers(SCHEMA), views=MemoryStore(SCHEMA, Book()))
    return request.getfixturevalue("cassandra_desk")


@pytest.fixture
def customers(desk: Desk) -> HomeCustomers:
    assert isinstance(desk.customers, HomeCustomers)
    return desk.customers


@pytest.fixture
def home() -> int:
    """A home that no other test knows: they share one keyspace."""
    return next(_HOMES)


_HOMES = itertools.count(7)


class Interfering:
    """A runner on which another writer gets the row first, after this one has looked."""

    def __init__(self, runner: OnceRunner, other: Callable[[], object]) -> None:
        self.schema, self.run, self.run_many = runner.schema, runner.run, runner.run_many
        self._runner, self._other = runner, other

    def run_if(self, operation: Operation, values: Values) -> tuple[bool, Any]:
        self._other()
        return self._runner.run_if(operation, values)


def beaten(customers: HomeCustomers, other: Callable[[], object]) -> HomeCustomers:
    return HomeCustomers(Interfering(customers.runner, other))


# -- preferences ---------------------------------------------------------------------------------------------------------------


def test_preferences_are_kept_with_their_history(customers: HomeCustomers, home: int) -> None:
    assert customers.preferences(home) == []
    chosen = [
        choose(Preference.READ_SCHEDULE, ReadSchedule.DAILY, NOON_US),
        choose(Preference.READ_SCHEDULE, ReadSchedule.TEN_SECOND, NOON_US + 5_000),
        choose(Preference.READ_SCHEDULE, ReadSchedule.MONTHLY, NOON_US + DAY_US),
        choose(Preference.CONSENT, Consent.HALF_HOURLY, NOON_US),
        choose(Preference.TARIFF, TariffKind.TIME_OF_USE, NOON_US),
    ]
    for change in reversed(chosen):
        customers.change_preference(home, change)
    assert customers.preferences(home) == chosen
    for change in chosen:
        customers.change_preference(home, change)
    assert customers.preferences(home) == chosen
    assert customers.preferences(home + 1_000_000) == []


def test_preferences_take_effect_at_the_next_midnight(desk: Desk, home: int) -> None:
    desk.customers.change_preference(home, choose(Preference.READ_SCHEDULE, ReadSchedule.TEN_SECOND, NOON_US))
    desk.customers.change_preference(home, choose(Preference.CONSENT, Consent.DAILY, NOON_US + DAY_US))
    desk.customers.change_preference(home, choose(Preference.TARIFF, TariffKind.TIME_OF_USE, NOON_US))
    midnights = [START_US + DAY_US - 1, START_US + DAY_US, START_US + 2 * DAY_US]
    schedules = [ReadSchedule.HALF_HOURLY, ReadSchedule.TEN_SECOND, ReadSchedule.DAILY]
    assert [desk.schedule(home, instant_us) for instant_us in midnights] == schedules
    tariffs = [TariffKind.FLAT, TariffKind.TIME_OF_USE, TariffKind.TIME_OF_USE]
    assert [desk.tariff(home, instant_us) for instant_us in midnights] == tariffs


# -- prices --------------------------------------------------------------------------------------------------------------------


def next_list(customers: HomeCustomers, by: int = 1_000) -> PriceList:
    """A list that may be published now; the Cassandra tests share one book."""
    held = customers.price_lists()
    if not held:
        return FIRST_PRICES
    return replace(
        FIRST_PRICES,
        version=held[-1].version + 1,
        effective_us=max(held[-1].effective_us, day_start_us(202701, 1)) + DAY_US,
        upence_per_wh=tuple(
            tuple(
                prices if fuel > GAS else (prices[0] + by, prices[1] + by, prices[2] + by)
                for fuel, prices in enumerate(by_fuel)
            )
            for by_fuel in FIRST_PRICES.upence_per_wh
        ),
    )


@pytest.fixture
def priced(customers: HomeCustomers) -> HomeCustomers:
    """With the first prices published."""
    customers.publish(FIRST_PRICES, NOON_US)
    return customers


def test_price_lists_are_published_in_order_and_once(priced: HomeCustomers) -> None:
    first = next_list(priced)
    before = priced.price_lists()
    priced.publish(first, NOON_US)
    priced.publish(first, NOON_US)
    second = next_list(priced)
    with pytest.raises(Refused, match=f"can't be next: that is {second.version}"):
        priced.publish(replace(second, version=second.version + 1), NOON_US)
    with pytest.raises(Refused, match=f"can't be next: that is {second.version}"):
        priced.publish(replace(first, standing_upence=(1, 1, 1)), NOON_US)
    with pytest.raises(Refused, match="in the past"):
        priced.publish(second, second.effective_us + 1)
    priced.publish(second, NOON_US)
    assert priced.price_lists() == (*before, first, second)
    assert before[0] == FIRST_PRICES


def test_tariffs_as_data_are_published_and_read_back_whole(priced: HomeCustomers) -> None:
    """With the names of those that ship: the Cassandra tests share one book, whose later lists must have them."""
    flat, of_use, half_hourly = FIRST_PRICES.plans
    evening = Rate(name="evening", register=Register.PEAK, npence_per_wh=(41_234_567, 0, -1))
    saver = Tariff(
        name=of_use.name,
        clock=TariffClock.LOCAL,
        rates=(*of_use.rates, evening),
        bands=(Band(rate=3, first_slot=44, end_slot=2, days=(0, HOLIDAY), months=(1, 12)),),
        otherwise=1,
        holidays=(20_812,),
        blocks=(Block(fuel=1, above_wh=8_500, npence_per_wh=(6_543_210, 1, 2, 3)),),
        standing_upence=(54_321_000, 1, 0),
        vat_permille=50,
        rounded_at=RoundedAt.LINE,
        half=Half.EVEN,
    )
    summer = Calendar("Europe/London")
    series = with_series(half_hourly, 21_270, {"electricity": [f"{at}.1234" for at in range(48)]}, summer)
    new = PriceList(
        version=next_list(priced).version,
        effective_us=next_list(priced).effective_us,
        tariffs=(flat, saver, series),
    )
    priced.publish(new, NOON_US)
    priced.publish(new, NOON_US)
    assert priced.price_lists()[-1] == new
    with pytest.raises(Refused, match=r"those of before stay where they are"):
        after = replace(new, version=new.version + 1, effective_us=new.effective_us + DAY_US)
        priced.publish(replace(after, tariffs=(saver, flat, series)), NOON_US)


def test_of_two_who_publish_at_once_one_is_told(priced: HomeCustomers) -> None:
    mine, theirs = next_list(priced, by=5), next_list(priced, by=9)
    with pytest.raises(Refused, match=f"price list {mine.version} was published by another just now"):
        beaten(priced, lambda: priced.publish(theirs, NOON_US)).publish(mine, NOON_US)
    assert priced.price_lists()[-1] == theirs
    again = next_list(priced)
    beaten(priced, lambda: priced.publish(again, NOON_US)).publish(again, NOON_US)  # the same one: nobody is in doubt
    assert priced.price_lists()[-1] == again


# -- displays ------------------------------------------------------------------------------------------------------------------


def read_day(home: int, values_wh: list[int], *, day: int = 15, kind: TariffKind = TariffKind.FLAT) -> Readings:
    """A day of electricity from its first half-hour on, priced by the first prices."""
    start_us = np.array([day_start_us(JANUARY, day)])
    padded = np.array([values_wh + [0] * (48 - len(values_wh))], np.int32)
    zero = np.zeros(1, np.int8)
    return Readings(
        mpxn=np.array([1_000_000_000_075]),
        premises=np.array([home]),
        fuel=zero,
        interval_start_us=start_us,
        values_wh=padded[:, : len(values_wh)],
        register_wh=np.array([10_000]),
        day=day_totals(
            (FIRST_PRICES,),
            day_start_us=start_us,
            values_wh=padded,
            slot_count=np.array([len(values_wh)]),
            kind=np.array([kind], np.uint8),
            fuel=zero,
        ),
        received_at_us=start_us + DAY_US,
        revision=np.zeros(1, np.int32),
        source=zero,
        quality=zero,
    )


def test_a_display_shows_the_price_in_force_and_today(desk: Desk, priced: HomeCustomers, home: int) -> None:
    now_us = START_US + 33 * SLOT_US  # 16:30
    electricity, gas = desk.display(home, BOTH, now_us)
    assert (electricity.price.upence_per_wh, electricity.today_wh, electricity.standing_upence) == (
        24_500,
        0,
        54_000_000,
    )
    assert (gas.price.upence_per_wh, gas.standing_upence) == (6_000, 32_000_000)
    priced.change_preference(home, choose(Preference.TARIFF, TariffKind.TIME_OF_USE, START_US - 1))
    desk.views.append(read_day(home, [100] * 33, kind=TariffKind.TIME_OF_USE))
    electricity, _ = desk.display(home, BOTH, now_us)
    assert (electricity.price.rate, electricity.price.upence_per_wh) == (Register.PEAK, 36_000)
    assert electricity.today_wh == 3_300
    assert electricity.today_upence == 14 * 100 * 12_000 + 18 * 100 * 25_500 + 100 * 36_000
    (tomorrow,) = desk.display(home, (ELECTRICITY,), START_US + DAY_US)
    assert (tomorrow.price.rate, tomorrow.today_wh) == (Register.STANDARD, 0)


# -- bills ---------------------------------------------------------------------------------------------------------------------


def bill(desk: Desk, home: int, month: int, number: int) -> Bill:
    return desk.issue_bill(premises=home, month=month, number=number, supplied=SUPPLIED, issued_us=ISSUED_US)


def test_a_bill_is_issued_once_and_corrections_are_on_the_next(desk: Desk, priced: HomeCustomers, home: int) -> None:
    views: Any = desk.views
    views.append(read_day(home, [100] * 48))
    first = bill(desk, home, JANUARY, 1)
    assert [(line.kind, line.cost_upence) for line in first.lines] == [
        (LineKind.ENERGY, 4_800 * 24_500),
        (LineKind.STANDING, 2 * 54_000_000),
    ]
    assert first.total_upence == 4_800 * 24_500 + 108_000_000
    correction = replace(read_day(home, [50]), revision=np.ones(1, np.int32), quality=np.full(1, 2, np.int8), day=None)
    views.append_revision(correction)
    views.refold(home, ELECTRICITY, START_US)
    assert bill(desk, home, JANUARY, 1) == first
    second = bill(desk, home, FEBRUARY, 2)
    assert [(line.kind, line.month, line.standard_wh, line.cost_upence) for line in second.lines] == [
        (LineKind.STANDING, FEBRUARY, 0, 2 * 54_000_000),
        (LineKind.ADJUSTMENT, JANUARY, -50, -50 * 24_500),
    ]
    assert bill(desk, home, JANUARY, 3).lines == ()
    assert priced.bills(home) == [first, second, bill(desk, home, JANUARY, 3)]
    billed = sum(line.cost_upence for one in priced.bills(home) for line in one.lines if line.kind != LineKind.STANDING)
    assert billed == sum(day.cost_upence for day in views.billing(home, JANUARY))


def test_a_bill_of_another_month_or_number_is_refused(desk: Desk, priced: HomeCustomers, home: int) -> None:
    with pytest.raises(Refused, match=f"bill 2 of home {home}: 1 is next"):
        bill(desk, home, JANUARY, 2)
    bill(desk, home, JANUARY, 1)
    with pytest.raises(Refused, match=f"bill 1 of home {home} is for 202601, not 202602: take the next number"):
        bill(desk, home, FEBRUARY, 1)
    assert [one.number for one in priced.bills(home)] == [1]


def test_of_two_who_issue_at_once_both_have_the_same_bill(desk: Desk, priced: HomeCustomers, home: int) -> None:
    mine = bill_of(home, cost_upence=5)
    theirs = bill_of(home, cost_upence=9)
    assert beaten(priced, lambda: priced.issue(theirs)).issue(mine) == theirs
    assert priced.bills(home) == [theirs]
    assert priced.issue(mine) == theirs


def bill_of(home: int, *, number: int = 1, cost_upence: int = 1) -> Bill:
    line = Line(
        kind=LineKind.ADJUSTMENT,
        month=JANUARY,
        fuel=ELECTRICITY,
        tariff=TariffKind.HALF_HOURLY,
        tariff_version=3,
        first_day=0,
        days=0,
        low_wh=-1,
        standard_wh=2**40,
        peak_wh=0,
        cost_upence=cost_upence,
    )
    return Bill(
        premises=home,
        number=number,
        month=JANUARY,
        issued_us=NOON_US,
        total_upence=cost_upence,
        lines=(line,) * 2,
        account=2**40 + number,
    )


def test_what_a_partition_has_no_room_for_is_refused(customers: HomeCustomers, home: int) -> None:
    """Full partitions are pretended: filling one takes a minute on a real database."""

    def entries_max(role: TableRole) -> int:
        most = SCHEMA.table(role).entries_max
        assert most is not None
        return most

    class Full(HomeCustomers):
        def bills(self, premises: int) -> list[Bill]:
            return [bill_of(premises, number=number) for number in range(1, entries_max(TableRole.BILLS) + 1)]

        def preferences(self, premises: int) -> list[Any]:
            return [None] * entries_max(TableRole.PREFERENCES)

        def register_changes(self, premises: int) -> list[Any]:
            return [None] * entries_max(TableRole.REGISTER_CHANGES)

        def _prepayments(self, premises: int) -> list[Any]:
            return [SimpleNamespace(fuel=9, at=NOON)] * entries_max(TableRole.PREPAYMENT)

    full = Full(customers.runner)
    with pytest.raises(Refused, match="and 1000 the last"):
        full.issue(bill_of(home, number=entries_max(TableRole.BILLS) + 1))
    with pytest.raises(Refused, match="has changed its preferences 1000 times"):
        full.change_preference(home, choose(Preference.CONSENT, Consent.DAILY, NOON_US))
    with pytest.raises(Refused, match="began again 1000 times"):
        full.record_register_change(home, rollover(NOON_US))
    with pytest.raises(Refused, match="has 10000 payments and openings: no more"):
        full.top_up(home, GAS, TopUp(at_us=NOON_US, upence=1))
    assert (customers.bills(home), customers.preferences(home), customers.register_changes(home)) == ([], [], [])


# -- registers -----------------------------------------------------------------------------------------------------------------


def rollover(changed_us: int, fuel: int = ELECTRICITY) -> RegisterChange:
    return RegisterChange(
        fuel=fuel, changed_us=changed_us, kind=RegisterChangeKind.ROLLED_OVER, before_wh=99_999_990, after_wh=12
    )


def test_register_changes_are_logged(customers: HomeCustomers, home: int) -> None:
    exchange = replace(rollover(NOON_US, GAS), kind=RegisterChangeKind.EXCHANGED, before_wh=500, after_wh=0)
    told = [rollover(START_US), rollover(NOON_US), exchange]
    for change in [*told, *reversed(told)]:
        customers.record_register_change(home, change)
    assert customers.register_changes(home) == told


# -- prepayment ----------------------------------------------------------------------------------------------------------------


def test_a_prepaid_account_is_folded_from_its_openings_its_payments_and_what_was_read(
    desk: Desk, priced: HomeCustomers, home: int
) -> None:
    """By the flat tariff at 24.5 p a kWh, and 54 p a day; a payment that is sent again is one."""
    views: Any = desk.views
    views.append(read_day(home, [100] * 48))
    terms = PrepaymentTerms(
        emergency_upence=5_000_000,
        recovery_upence=7_000_000,
        recovered_each=RecoveryPeriod.DAY,
        friendly=(FriendlyHours(first_slot=36, end_slot=20, days=(0, HOLIDAY)),),
        holidays=(20_468,),
    )
    opening = Opening(at_us=START_US, terms=terms, credit_upence=60_000_000, debt_upence=9_000_000)
    paid = [TopUp(at_us=NOON_US + at, upence=10**9, reference=2**40 + at) for at in (7_000, 0)]
    for _ in range(2):
        priced.open_prepaid(home, ELECTRICITY, opening)
        for one in paid:
            priced.top_up(home, ELECTRICITY, one)
    priced.open_prepaid(home, GAS, replace(opening, terms=PrepaymentTerms()))
    held = priced.prepayments(home, ELECTRICITY)
    assert (held.openings, held.top_ups) == ((opening,), (paid[1], paid[0]))
    told = desk.prepaid_balance(home, ELECTRICITY, START_US + DAY_US - 1)
    assert told.credit_upence == 60_000_000 - 54_000_000 - 6_000_000 + 2 * 10**9 - 4_800 * 24_500
    assert (told.debt_upence, [one.recovered_upence for one in told.days]) == (3_000_000, [6_000_000])
    with pytest.raises(Refused, match=f"payment {2**40} came before"):
        priced.top_up(home, ELECTRICITY, replace(paid[1], upence=1))
    for _ in range(2):
        priced.close_prepaid(home, ELECTRICITY, START_US + DAY_US)
    assert priced.prepayments(home, ELECTRICITY).closed_us == (START_US + DAY_US,)
    ended = desk.prepaid_balance(home, ELECTRICITY, START_US + 5 * DAY_US)
    assert (ended.closed_us, ended.refund_upence) == (START_US + DAY_US, told.credit_upence - told.debt_upence)
    assert not priced.prepayments(home, GAS).closed_us


def test_the_error_names_table_and_level_when_the_store_refuses(session: Any) -> None:
    keyspace = f"refuses_{uuid.uuid4().hex[:12]}"
    create_schema(session, SCHEMA, topology(keyspace))
    customers = CassandraCustomers(session, SCHEMA, topology(keyspace))
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)
    with pytest.raises(StoreError, match="read_bills on bills_by_home at LOCAL_QUORUM"):
        customers.bills(1)
