"""Price lists: which price each half-hour has, and what a day costs. Pure, on columns.

A version of the price list holds tariffs as data (`scenarios.tariffs`), each of which gives every half-hour one of its rates, and
takes effect at an instant. A half-hour costs what the version in force at its start says, rounded half to even to a whole
millionth of a penny (upence). A home's tariff is a code: its place in the list.

What a UTC day comes to is priced by the first block of a tariff with blocks, so that it needs no day but itself; which block
energy is in follows from the whole local day, and is asked where a bill or a display needs it (`store.billing.by_rate`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import UTC_CALENDAR, Calendar
from scenarios.domain import DAY_US, TariffKind
from scenarios.tariffs import NPENCE_A_UPENCE, TARIFFS_MAX, Band, Tariff, TariffClock, TariffError
from scenarios.tariffs import Rate as NamedRate
from scenarios.tariffs import Register as Rate
from scenarios.tariffs import rates_of_day as tariff_rates_of_day
from store.rejections import Refused

MISSING_WH = -1
"""Stands for a half-hour of a run that the meter has lost."""

ELECTRICITY, GAS, EXPORT = 0, 1, 2
"""Fuel codes. What a home gives to the network is a third one: a register, half-hours and prices of its own."""
FUEL_CODES = (ELECTRICITY, GAS, EXPORT)

UNKNOWN_TARIFF = 255
"""Stands for the kind of tariff of a home of which nobody has said it."""

NO_PRICES = 0
"""Stands for the version of a price list before the first one."""

UPENCE_PER_WH_MAX = 1_000_000  # 10 pounds a kWh: ten times the dearest price that a British household was asked in 2022
STANDING_UPENCE_MAX = 2_000_000_000  # 20 pounds a day; an int of the table holds it


def _shipped(kind: TariffKind, rates: Sequence[NamedRate]) -> Tariff:
    """Cheap from 00:30 to 07:30 UTC and dear from 16:00 to 19:00, every day; or one rate."""
    is_flat = kind is TariffKind.FLAT
    bands = (Band(rate=Rate.LOW, first_slot=1, end_slot=15), Band(rate=Rate.PEAK, first_slot=32, end_slot=38))
    return Tariff(
        name=kind.name.lower().replace("_", " "),
        rates=tuple(rates),
        bands=() if is_flat else bands,
        otherwise=Rate.STANDARD,
        clock=TariffClock.UTC,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLines:
    """By which lines a bill tells a fuel of a tariff."""

    # of each rate the one that its line names: the first of those that cost the same; None: one line for all that a list of a day
    # with a price each half-hour charges, as there would be 48 a day
    of_rate: tuple[int, ...] | None
    # of each register of the views its line and that line's price [npence a Wh]; None where only half-hours tell lines apart
    of_register: Mapping[Rate, tuple[int, int]] | None


def _bill_lines(plan: Tariff, fuel: int) -> BillLines:
    prices = [plan.prices_of(rate, fuel) for rate in range(len(plan.rates))]
    of_rate = tuple(prices.index(one) for one in prices)
    if plan.series_day is not None and len(set(of_rate)) > 1:
        return BillLines(of_rate=None, of_register=None)
    is_whole = all(price % NPENCE_A_UPENCE == 0 for (price, *_) in prices)
    if plan.blocks_of(fuel) or not (is_whole or len(set(of_rate)) == 1):
        return BillLines(of_rate=of_rate, of_register=None)
    of_register: dict[Rate, tuple[int, int]] = {}
    for rate, line in zip(plan.rates, of_rate, strict=True):
        if of_register.setdefault(rate.register, (line, prices[line][0]))[0] != line:
            return BillLines(of_rate=of_rate, of_register=None)
    return BillLines(of_rate=of_rate, of_register=of_register)


@dataclass(frozen=True, kw_only=True)
class PriceList:
    """A version of all prices; in force from `effective_us` [us since the Unix epoch] until the next version is.

    Without `tariffs` it is of the three that ship, priced in whole upence: `upence_per_wh` and `standing_upence`. Else those are
    empty.
    """

    version: int  # from 1, in the order of effective_us
    effective_us: int
    upence_per_wh: tuple[tuple[tuple[int, int, int], ...], ...] = ()  # [TariffKind][fuel code][Rate]
    standing_upence: tuple[int, ...] = ()  # a day, by fuel code
    tariffs: tuple[Tariff, ...] = ()

    def __post_init__(self) -> None:
        """Raises Refused for a price that is no whole number of its unit: each reader would make something else of it."""
        for where, told in (("upence_per_wh", self.upence_per_wh), ("standing_upence", self.standing_upence)):
            for price in _flat(told):
                if isinstance(price, bool) or not isinstance(price, int | np.integer):
                    raise Refused(
                        f"price list {self.version}: {price!r} in {where} is no whole number of upence (millionths of a penny): "
                        "24.5 p a kWh are 24_500 upence a Wh"
                    )
        if self.tariffs and (self.upence_per_wh or self.standing_upence):
            raise Refused(f"price list {self.version} has tariffs and prices beside them: a tariff holds its own")

    @cached_property
    def plans(self) -> tuple[Tariff, ...]:
        """Its tariffs, by code. Raises Refused for a price that can't be."""
        return self.tariffs or _shipped_plans(_tupled(self.upence_per_wh))

    @cached_property
    def registers(self) -> tuple[NDArray[np.int8], ...]:
        """Of each tariff the registers of its rates: int8[rate]."""
        return tuple(np.array([rate.register for rate in plan.rates], np.int8) for plan in self.plans)

    @cached_property
    def npence_per_wh(self) -> tuple[NDArray[np.int64], ...]:
        """Of each tariff the prices: int64[fuel, rate]."""
        return tuple(np.array([rate.npence_per_wh for rate in plan.rates], np.int64).T for plan in self.plans)

    def plan(self, code: int) -> Tariff:
        """The tariff of a code. Raises Refused for one that this version does not have."""
        plans = self.plans
        if not 0 <= code < len(plans):
            raise Refused(f"unknown tariff {code}: price list {self.version} has {_named(plans)}")
        return plans[code]

    def lines_of(self, code: int, fuel: int) -> BillLines:
        """By which lines a bill tells what a fuel comes to. Raises Refused for a tariff that it does not have."""
        if (code, fuel) not in self._lines:
            self._lines[code, fuel] = _bill_lines(self.plan(code), fuel)
        return self._lines[code, fuel]

    @cached_property
    def _lines(self) -> dict[tuple[int, int], BillLines]:
        return {}

    def standing_of(self, code: int, fuel: int) -> int:
        """The standing charge of a tariff and fuel code [upence a day]. Raises Refused for a tariff that it does not have."""
        return self.plan(code).standing_upence[fuel] if self.tariffs else self.standing_upence[fuel]


@lru_cache(maxsize=1_024)  # lists are read again for each display, and a tariff is checked whole when it is made
def _shipped_plans(upence_per_wh: tuple[tuple[tuple[int, int, int], ...], ...]) -> tuple[Tariff, ...]:
    """The tariffs that ship at prices [TariffKind][fuel code][Rate]. Raises Refused for a price that can't be."""
    try:
        return tuple(
            _shipped(
                kind,
                [
                    NamedRate(
                        name=rate.name.lower(),
                        register=rate,
                        npence_per_wh=(
                            int(by_fuel[ELECTRICITY][rate]) * NPENCE_A_UPENCE,
                            int(by_fuel[GAS][rate]) * NPENCE_A_UPENCE,
                            int(by_fuel[EXPORT][rate]) * NPENCE_A_UPENCE,
                        ),
                    )
                    for rate in Rate
                ],
            )
            for kind, by_fuel in zip(TariffKind, upence_per_wh, strict=True)
        )
    except TariffError as error:
        raise Refused(str(error)) from error


def _tupled(nested: Any) -> Any:
    return tuple(_tupled(one) for one in nested) if isinstance(nested, tuple | list) else nested


def _named(plans: Sequence[Tariff]) -> str:
    return ", ".join(f"{code} '{one.name}'" for code, one in enumerate(plans))


def _flat(nested: Any) -> Iterator[Any]:
    if isinstance(nested, tuple | list):
        for one in nested:
            yield from _flat(one)
    else:
        yield nested


# Of the order of British prices in 2026: flat 24.5 p, at night 12 p, in the evening 36 p; gas 6 p a kWh; export 15 p.
FIRST_PRICES = PriceList(
    version=1,
    effective_us=0,
    upence_per_wh=(
        ((24_500, 24_500, 24_500), (6_000, 6_000, 6_000), (-15_000, -15_000, -15_000)),
        ((12_000, 25_500, 36_000), (6_000, 6_000, 6_000), (-9_000, -15_000, -22_000)),
        ((9_500, 24_000, 41_000), (5_800, 5_800, 5_800), (-6_000, -14_000, -28_000)),
    ),
    standing_upence=(54_000_000, 32_000_000, 0),
)


def _all_flat(premises: NDArray[np.int64], _: NDArray[np.int64]) -> NDArray[np.uint8]:
    return np.full(len(premises), TariffKind.FLAT, np.uint8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Book:
    """What days are priced and divided by: all price lists, the kind of tariff that each home is on, the customers' calendar."""

    prices: Sequence[PriceList] = (FIRST_PRICES,)  # none: nothing can be priced
    # premises int64[n], instants int64[n] [us since the Unix epoch] -> uint8[n] TariffKind, or UNKNOWN_TARIFF
    kind_of: Callable[[NDArray[np.int64], NDArray[np.int64]], NDArray[np.uint8]] = _all_flat
    calendar: Calendar = UTC_CALENDAR

    def kinds_of_days(
        self, premises: NDArray[np.int64], day_start_us: NDArray[np.int64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The tariffs of homes on UTC days, before and after the local midnight within: int64[n] twice -> uint8[n] twice.

        UNKNOWN_TARIFF without prices, or where nobody has said it; the same twice where no local day begins within.
        """
        if not self.prices:
            unknown = np.full(len(premises), UNKNOWN_TARIFF, np.uint8)
            return unknown, unknown
        midnight = self.calendar.midnight_slots(day_start_us)
        late = np.flatnonzero(midnight < self.calendar.slots_per_day)
        midnight_us = day_start_us[late] + midnight[late] * self.calendar.slot_us
        # asked at once: a keyspace reads each home's choices once then
        told = self.kind_of(np.append(premises, premises[late]), np.append(day_start_us, midnight_us))
        kind, late_kind = told[: len(premises)], told[: len(premises)].copy()
        late_kind[late] = told[len(premises) :]
        return kind, late_kind


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotals:
    """What n meters used from 00:00 UTC of a day to the end of a delivery's last half-hour, and what it costs.

    A local midnight within the UTC day divides it. What begins at it is the late part, and counts to the next local day: all of
    `late_*` is 0 where there is none, as always in UTC.
    """

    usage_wh: NDArray[np.int64]  # [n] the sum of the half-hours that are known
    low_wh: NDArray[np.int64]  # [n]
    standard_wh: NDArray[np.int64]  # [n]
    peak_wh: NDArray[np.int64]  # [n] low, standard and peak add up to usage_wh
    cost_upence: NDArray[np.int64]  # [n] without the standing charge
    tariff_version: NDArray[np.int32]  # [n] in force at the start of the last half-hour, or NO_PRICES
    late_usage_wh: NDArray[np.int64]  # [n]
    late_low_wh: NDArray[np.int64]  # [n]
    late_standard_wh: NDArray[np.int64]  # [n]
    late_peak_wh: NDArray[np.int64]  # [n]
    late_cost_upence: NDArray[np.int64]  # [n]
    late_tariff_version: NDArray[np.int32]  # [n]

    @classmethod
    def undivided(cls, **early: NDArray[Any]) -> Self:
        """Of days in which no local midnight lies: the parts before it are all there is, and what is late is 0."""
        late = {f"late_{name}": np.zeros_like(values) for name, values in early.items()}
        return cls(**early, **late)


def in_force(prices: Sequence[PriceList], instant_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """The index into `prices`, in order of effect, of the version in force: int64[n] [us since the epoch] -> int64[n]."""
    effective_us = np.array([one.effective_us for one in prices], np.int64)
    return np.searchsorted(effective_us, instant_us, side="right") - 1


def day_totals(
    prices: Sequence[PriceList],
    *,
    day_start_us: NDArray[np.int64],
    values_wh: NDArray[np.int32],
    slot_count: NDArray[np.int64],
    kind: NDArray[np.uint8],
    fuel: NDArray[np.int8],
    calendar: Calendar = UTC_CALENDAR,
    late_kind: NDArray[np.uint8] | None = None,
) -> DayTotals:
    """Totals of the first `slot_count` slots of days, half-hours or what else the calendar has.

    day_start_us: int64[n], 00:00 UTC [us since the epoch]; values_wh: int32[n, 48], or 96, MISSING_WH where lost;
    slot_count: int64[n], 1 .. 48, or 96; kind: uint8[n], the code of a tariff; fuel: int8[n] code.
    calendar: whose midnights divide the days; late_kind: uint8[n], the tariff from that midnight on, or None for the same.
    What was used before the first price list costs nothing: its tariff version is NO_PRICES.
    Raises Refused for an UNKNOWN_TARIFF, or one that a list in force does not have;
    CalendarError for a day that the calendar can't tell.
    """
    assert (day_start_us % DAY_US == 0).all(), "a day that does not start at midnight"
    midnight = calendar.midnight_slots(day_start_us)
    kinds = (kind, kind if late_kind is None else late_kind)
    if any((one == UNKNOWN_TARIFF).any() for one in kinds):
        raise Refused("a day of a home whose tariff nobody has said can't be priced: give a Book that says it")
    counted = (np.arange(calendar.slots_per_day) < slot_count[:, np.newaxis]) & (values_wh != MISSING_WH)
    known_wh = np.where(counted, values_wh, 0)
    starts, which = np.unique(day_start_us, return_inverse=True)
    priced = _price_days(prices, starts, calendar, 1 + max(int(one.max(initial=0)) for one in kinds))
    sums = np.zeros(
        (2, 1 + len(Rate) + 1, len(which)), np.int64
    )  # [before and after midnight; all, by register, cost; n]
    for rows, day in _priced_alike(priced, which, kinds, fuel, midnight):
        by_slot = known_wh[rows].T.astype(np.int64, order="C")  # sums of whole rows of memory are the fastest
        for is_late, sums_of_part in zip((False, True), sums, strict=True):
            for register in Rate:
                slots = np.flatnonzero((day.register == register) & (day.is_late == is_late))
                if len(slots):
                    used_wh = by_slot if len(slots) == len(by_slot) else by_slot[slots]
                    wh = used_wh.sum(axis=0)
                    sums_of_part[0, rows] += wh
                    sums_of_part[1 + register, rows] = wh
                    sums_of_part[-1, rows] += _cost(used_wh, wh, day.npence_per_wh[slots])
    early, late = sums
    return DayTotals(
        usage_wh=early[0],
        low_wh=early[1 + Rate.LOW],
        standard_wh=early[1 + Rate.STANDARD],
        peak_wh=early[1 + Rate.PEAK],
        cost_upence=early[-1],
        tariff_version=priced.version[which, np.minimum(slot_count, midnight) - 1],
        late_usage_wh=late[0],
        late_low_wh=late[1 + Rate.LOW],
        late_standard_wh=late[1 + Rate.STANDARD],
        late_peak_wh=late[1 + Rate.PEAK],
        late_cost_upence=late[-1],
        late_tariff_version=np.where(slot_count > midnight, priced.version[which, slot_count - 1], NO_PRICES).astype(
            np.int32
        ),
    )


def _cost(used_wh: NDArray[np.int64], wh: NDArray[np.int64], npence_per_wh: NDArray[np.int64]) -> NDArray[np.int64]:
    """What k slots of n days cost, each rounded: int64[k, n], their sums int64[n], prices int64[k] -> int64[n] [upence]."""
    first = int(npence_per_wh[0])
    if first % NPENCE_A_UPENCE == 0 and (npence_per_wh == first).all():  # nothing to round
        return wh * (first // NPENCE_A_UPENCE)
    cost: NDArray[np.int64] = whole_upence(used_wh * npence_per_wh[:, np.newaxis]).sum(axis=0)
    return cost


@dataclass(frozen=True, slots=True)
class _PricedDay:
    """What the slots of a day cost a home."""

    register: NDArray[np.int8]  # [slots]
    npence_per_wh: NDArray[np.int64]  # [slots]
    is_late: NDArray[np.bool_]  # [slots] from the local midnight on


def _priced_alike(
    priced: "_PricedDays",
    which: NDArray[np.intp],
    kinds: tuple[NDArray[np.uint8], NDArray[np.uint8]],
    fuel: NDArray[np.int8],
    midnight: NDArray[np.int64],
) -> Iterator[tuple[NDArray[np.intp], _PricedDay]]:
    """Rows whose slots all cost the same, as in most days of a month. which: each row's day; kinds: before and after midnight."""
    if not len(which):
        return
    shape = (*priced.register.shape[:2], priced.register.shape[1], len(FUEL_CODES))
    code = np.ravel_multi_index((which, *kinds, fuel), shape)
    codes, firsts, of_row = np.unique(code, return_index=True, return_inverse=True)
    slots = np.arange(priced.register.shape[2])
    alike: dict[bytes, tuple[list[int], _PricedDay]] = {}
    for number, first in enumerate(firsts.tolist()):
        day, of_fuel, (early, late) = which[first], fuel[first], (one[first] for one in kinds)
        is_late = slots >= midnight[first]
        one = _PricedDay(
            np.where(is_late, priced.register[day, late], priced.register[day, early]),
            np.where(is_late, priced.npence_per_wh[day, late, of_fuel], priced.npence_per_wh[day, early, of_fuel]),
            is_late,
        )
        key = one.register.tobytes() + one.npence_per_wh.tobytes() + is_late.tobytes()
        alike.setdefault(key, ([], one))[0].append(number)
    group = np.empty(len(codes), np.intp)
    for at, (numbers, _) in enumerate(alike.values()):
        group[numbers] = at
    order = np.argsort(group[of_row], kind="stable")
    ends = np.cumsum(np.bincount(group[of_row], minlength=len(alike)))
    for (_, one), rows in zip(alike.values(), np.split(order, ends[:-1]), strict=True):
        yield rows, one


@dataclass(frozen=True, slots=True)
class _PricedDays:
    """What the slots of d UTC days cost, by t tariffs."""

    version: NDArray[np.int32]  # [d, slots], or NO_PRICES
    register: NDArray[np.int8]  # [d, t, slots]
    npence_per_wh: NDArray[np.int64]  # [d, t, fuel, slots]; 0 before the first list


def _price_days(
    prices: Sequence[PriceList], starts_us: NDArray[np.int64], calendar: Calendar, tariffs: int
) -> _PricedDays:
    """Price days that begin at 00:00 UTC, int64[d] [us since the Unix epoch], by the tariffs of codes below `tariffs`.

    Raises Refused where a version in force has fewer.
    """
    slots = calendar.slots_per_day
    instants = starts_us[:, np.newaxis] + np.arange(slots) * calendar.slot_us
    index = in_force(prices, instants.ravel()).reshape(-1, slots)
    register = np.full((len(starts_us), tariffs, slots), Rate.STANDARD, np.int8)
    npence = np.zeros((len(starts_us), tariffs, len(FUEL_CODES), slots), np.int64)
    for day, start_us in enumerate(starts_us.tolist()):
        edges = [0, *(np.flatnonzero(np.diff(index[day])) + 1).tolist(), slots]
        for first, end in pairwise(edges):
            if index[day, first] < 0:
                continue
            held = prices[int(index[day, first])]
            held.plan(tariffs - 1)
            for code, plan in enumerate(held.plans[:tariffs]):
                rate = rates_of_day(plan, calendar, start_us)[first:end]
                register[day, code, first:end] = held.registers[code][rate]
                npence[day, code, :, first:end] = held.npence_per_wh[code][:, rate]
    versions = np.array([*(one.version for one in prices), NO_PRICES], np.int32)
    return _PricedDays(versions[index], register, npence)


def rates_of_day(plan: Tariff, calendar: Calendar, day_start_us: int) -> NDArray[np.int64]:
    """As `scenarios.tariffs.rates_of_day`. Raises Refused for a series of other slots than the calendar's."""
    try:
        return tariff_rates_of_day(plan, calendar, day_start_us)
    except TariffError as error:
        raise Refused(str(error)) from error


def whole_upence(npence: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole upence, rounded half to even: int64[...] -> int64[...]."""
    whole: NDArray[np.int64] = npence // NPENCE_A_UPENCE
    rest = npence - whole * NPENCE_A_UPENCE
    if not rest.any():
        return whole
    half = NPENCE_A_UPENCE // 2
    return np.where((rest > half) | ((rest == half) & (whole % 2 == 1)), whole + 1, whole)


# -- versions ----------------------------------------------------------------------------------------------------------------


def list_in_force(prices: Sequence[PriceList], instant_us: int) -> PriceList:
    """The version in force at an instant [us since the Unix epoch]. Raises Refused before the first is."""
    index = int(in_force(prices, np.array([instant_us], np.int64))[0])
    if index < 0:
        first = f"the first is from {prices[0].effective_us} us on" if len(prices) else "none is published"
        raise Refused(f"no price list is in force at {instant_us} us: {first}")
    return prices[index]


def list_of_version(prices: Sequence[PriceList], version: int) -> PriceList:
    """Raises Refused for a version that was never published."""
    for one in prices:
        if one.version == version:
            return one
    raise Refused(
        f"unknown tariff version {version}: there are {', '.join(str(one.version) for one in prices) or 'none'}"
    )


def check_next(published: Sequence[PriceList], new: PriceList, now_us: int) -> None:
    """May `new` be published at `now_us` after these? Raises Refused, which says why not.

    Versions count from 1, take effect in their order, and never in the past, which is billed: but for the first.
    """
    last = published[-1] if published else None
    expected = last.version + 1 if last else 1
    if new.version != expected:
        raise Refused(f"price list {new.version} can't be next: that is {expected}")
    if last and new.effective_us <= last.effective_us:
        raise Refused(f"price list {new.version} takes effect at {new.effective_us} us, not after {last.version} does")
    if last and new.effective_us < now_us:
        raise Refused(
            f"price list {new.version} would take effect in the past: at {new.effective_us} us, now is {now_us}"
        )
    if new.effective_us < 0 or new.effective_us % 1_000:
        raise Refused(f"price list {new.version} takes effect at {new.effective_us} us: give a whole millisecond")
    _check_prices(new)
    before = [plan.name for plan in last.plans] if last else []
    now = [plan.name for plan in new.plans]
    if now[: len(before)] != before:
        raise Refused(
            f"price list {new.version} has the tariffs {', '.join(now)}, after {', '.join(before)}: homes are on a tariff by its "
            "place in the list, so that those of before stay where they are, and new ones come last"
        )


def check_slots(new: PriceList, calendar: Calendar) -> None:
    """Raises Refused for a price list with a series of other slots than meters hold: nothing could be priced by it."""
    for plan in new.tariffs:
        if plan.series_day is not None:
            rates_of_day(plan, calendar, plan.series_day * DAY_US)


def _check_prices(new: PriceList) -> None:
    if new.tariffs:
        if len(new.tariffs) > TARIFFS_MAX or len({plan.name for plan in new.tariffs}) != len(new.tariffs):
            raise Refused(f"price list {new.version} needs 1 .. {TARIFFS_MAX} tariffs of different names")
        return
    shape = (len(TariffKind), len(FUEL_CODES), len(Rate))
    if np.shape(np.array(new.upence_per_wh, dtype=object)) != shape:
        raise Refused(f"price list {new.version} needs a price for each of tariff, fuel and rate: {shape}")
    if len(new.standing_upence) != len(FUEL_CODES):
        raise Refused(f"price list {new.version} needs a standing charge for each of {len(FUEL_CODES)} fuels")
    for kind, by_fuel in zip(TariffKind, new.upence_per_wh, strict=True):
        for fuel, by_rate in zip(FUEL_CODES, by_fuel, strict=True):
            low, high = -UPENCE_PER_WH_MAX, 0 if fuel == EXPORT else UPENCE_PER_WH_MAX
            if not all(low <= price <= high for price in by_rate):
                raise Refused(
                    f"price list {new.version}: {kind.name}, fuel {fuel}: prices are {low} .. {high} upence a Wh"
                )
    if not all(0 <= charge <= STANDING_UPENCE_MAX for charge in new.standing_upence):
        raise Refused(f"price list {new.version}: standing charges are 0 .. {STANDING_UPENCE_MAX} upence a day")


# -- what is shown and charged -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What a Wh costs now."""

    version: int
    rate: int  # its place among the tariff's rates; of tariffs that ship a Rate
    npence_per_wh: int
    tariff: str = ""
    rate_name: str = ""
    series_day: int | None = None  # the local day, since 1970, of whose series the price is
    is_carried_on: bool = False  # none was published for the half-hour: the price is of the last series that had one
    block: int = 0  # which one today's use has reached

    @property
    def upence_per_wh(self) -> int | Fraction:
        """The same in upence: an int where it is whole."""
        exact = Fraction(self.npence_per_wh, NPENCE_A_UPENCE)
        return int(exact) if exact.denominator == 1 else exact


def price_at(
    prices: Sequence[PriceList],
    kind: int,
    fuel: int,
    instant_us: int,
    calendar: Calendar = UTC_CALENDAR,
    *,
    before_wh: int = 0,
) -> Price:
    """The price of the slot that an instant [us since the Unix epoch] lies in: that in force at its start.

    kind: the code of a tariff; calendar: the home's, by whose clock local tariffs switch; before_wh: used by then of the local
    day, which says the block. Raises Refused before the first list, and for a tariff that the list in force does not have.
    """
    slot_us = calendar.slot_us
    start_us = instant_us // slot_us * slot_us
    held = list_in_force(prices, start_us)
    plan = held.plan(kind)
    rate = int(rates_of_day(plan, calendar, start_us // DAY_US * DAY_US)[start_us % DAY_US // slot_us])
    day = calendar.day_of(start_us)
    block = sum(one.above_wh <= before_wh for one in plan.blocks_of(fuel))
    return Price(
        version=held.version,
        rate=rate,
        npence_per_wh=plan.prices_of(rate, fuel)[block],
        tariff=plan.name,
        rate_name=plan.rates[rate].name,
        series_day=plan.series_day,
        is_carried_on=plan.is_carried_on(fuel, day, (start_us - calendar.day_start_us(day)) // slot_us),
        block=block,
    )
