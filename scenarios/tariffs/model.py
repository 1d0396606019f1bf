"""A tariff as data: its rates, and which of them each half-hour has. Pure.

A tariff switches by the clock on the wall, as customers are promised, or by UTC, as meters do. Its bands give a rate to
half-hours of kinds of days in some months; what no band covers has the rate that `otherwise` names. Or it has a series: a price
for each half-hour of one local day, in their order, 46 or 50 of them where the clocks change, or for each quarter-hour where
meters hold those: 96 a day, 92 or 100. On a day for which no series was published the last one stays in force, by the clock on
the wall. Bands are of half-hours, whatever meters hold.
Blocks give what a home uses of a fuel on a local day beyond so much other prices, rate by rate.

Prices are integers in billionths of a penny a Wh (npence): 26.4159 p a kWh are 26,415,900. Those of export are negative.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from enum import IntEnum, StrEnum
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from scenarios.calendar import FIRST_YEAR, LAST_YEAR, SLOTS_A_DAY, Calendar, day_text
from scenarios.domain import DAY_US, SLOTS_PER_DAY
from scenarios.tariffs.demand import MONTHS_MAX, DemandCharge

TARIFFS_MAX = 32  # of a price list
RATES_MAX = 50  # of a tariff: as many as a day can have half-hours
QUARTERS_MAX = 100  # of a series: as many quarter-hours as a day can have
BANDS_MAX = 64
HOLIDAYS_MAX = 400
BLOCKS_MAX = 3  # of a fuel, beyond the first: British smart meters have four with it (SMETS2, tariff block prices)
BLOCK_WH_MAX = 1_000_000  # a thousand kWh a day: what is beyond was written in Wh

FUELS = ("electricity", "gas", "export")
"""What has a price, in the order of the fuel codes."""
_EXPORT = FUELS.index("export")

PENCE_DECIMALS = 6  # of a price a kWh
NPENCE_A_UPENCE = 1_000
PRICE_STEP_PERCENT = 4  # by which each price announcement of a scenario raises all prices
NPENCE_PER_WH_MAX = (
    1_000_000_000  # 10 pounds a kWh: ten times the dearest price that a British household was asked in 2022
)
STANDING_UPENCE_MAX = 2_000_000_000  # 20 pounds a day
DEMAND_W_MAX = 1_000_000  # what a house can't draw
NPENCE_DEAREST_MIN = 1_000_000  # a penny a kWh: what is never dearer was written in pounds

HOLIDAY = 7
DAY_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun", "holiday")
DAY_GROUPS: Mapping[str, tuple[int, ...]] = {
    "weekday": (0, 1, 2, 3, 4),
    "weekend": (5, 6),
    **{name: (at,) for at, name in enumerate(DAY_NAMES)},
}
"""What a band may say of days -> kinds of days, indices into DAY_NAMES. A holiday is of no other kind."""

_EPOCH = date(1970, 1, 1)


class TariffError(ValueError):
    """A tariff that can't be: the message names it, the day and the half-hour, and the mend."""


class TariffClock(StrEnum):
    """By which clock a tariff's bands begin and end."""

    LOCAL = "local"
    UTC = "utc"


class Register(IntEnum):
    """The counter of the views that a rate's energy is added to: views have three, whatever the number of rates."""

    LOW = 0
    STANDARD = 1
    PEAK = 2


class RoundedAt(StrEnum):
    """Where money becomes whole pence on a printed bill."""

    LINE = "line"  # each line, and the VAT of their sum
    TOTAL = "total"  # once, with VAT


class Half(StrEnum):
    """What becomes of half a penny."""

    UP = "up"  # away from zero
    EVEN = "even"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A named price. npence_per_wh: by fuel code."""

    name: str
    register: Register
    npence_per_wh: tuple[int, int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """Half-hours of a tariff's clock that have a rate: from `first_slot` up to `end_slot`, past midnight where that is smaller.

    What lies after midnight is of the kind of its own day.
    """

    rate: int  # an index into the tariff's rates
    first_slot: int  # 0 .. 47
    end_slot: int  # 1 .. 48
    days: tuple[int, ...] = tuple(range(len(DAY_NAMES)))
    months: tuple[int, ...] = tuple(range(1, 13))

    def slots(self) -> Iterator[int]:
        """Its half-hours of a day."""
        if self.first_slot < self.end_slot:
            yield from range(self.first_slot, self.end_slot)
        else:
            yield from range(self.end_slot)
            yield from range(self.first_slot, SLOTS_PER_DAY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """Prices of what a home uses of a fuel beyond so much of a local day."""

    fuel: int  # its code
    above_wh: int
    npence_per_wh: tuple[int, ...]  # of each of the tariff's rates


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """Raises TariffError for bands that overlap or leave a gap, and for prices that can't be."""

    name: str
    rates: tuple[Rate, ...]
    bands: tuple[Band, ...] = ()
    otherwise: int | None = None  # the rate of what no band covers; without bands: of all
    clock: TariffClock = TariffClock.LOCAL
    holidays: tuple[int, ...] = ()  # days since 1970
    series_day: int | None = None  # the local day whose slots the rates are, in their order; then there are no bands
    # of a series: how many of its first slots were published, by fuel code; the others' prices are those of before
    published: tuple[int, int, int] | None = None
    blocks: tuple[Block, ...] = ()  # beyond the first, whose prices are those of the rates; a fuel's by what is above
    standing_upence: tuple[int, int, int] = (0, 0, 0)  # a day, by fuel code
    demand: DemandCharge | None = None  # of electricity
    vat_permille: int = 0  # of what a bill charges; 5 % are 50
    rounded_at: RoundedAt = RoundedAt.TOTAL
    half: Half = Half.UP
    is_prepaid: bool = False  # electricity and gas are taken from an account that is paid into before

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise TariffError("a tariff without a name")
        self._check_rates()
        if self.series_day is not None:
            if self.bands or self.otherwise is not None or self.clock is not TariffClock.LOCAL:
                raise TariffError(f"{self}: a series has no bands, and is of a local day")
        else:
            self._check_bands()
        if self.published is not None and self.series_day is None:
            raise TariffError(f"{self}: only a series is published in part")
        self._check_blocks()
        if not 0 <= self.vat_permille <= 1_000:
            raise TariffError(f"{self}: VAT is 0 .. 1,000 thousandths, not {self.vat_permille}")
        if not all(0 <= charge <= STANDING_UPENCE_MAX for charge in self.standing_upence):
            raise TariffError(f"{self}: standing charges are 0 .. {STANDING_UPENCE_MAX // 1_000_000} p a day")
        if self.is_prepaid and (self.vat_permille or self.demand is not None or self.rounded_at is not RoundedAt.TOTAL):
            raise TariffError(
                f"{self}: an account takes what displays show, each half-hour: give prices with VAT in them, vat_percent = 0, "
                "no charge for demand, and leave rounded_at at total"
            )
        if self.demand is not None and not (
            0 < self.demand.upence_per_kw_day <= STANDING_UPENCE_MAX
            and 0 <= self.demand.least_w <= DEMAND_W_MAX
            and 1 <= self.demand.months <= MONTHS_MAX
        ):
            raise TariffError(
                f"{self}: a charge for demand is above 0 and up to {STANDING_UPENCE_MAX // 1_000_000} p a kW and day, and for at "
                f"least 0 .. {DEMAND_W_MAX // 1_000} kW, of 1 .. {MONTHS_MAX} months"
            )

    def __str__(self) -> str:
        return f"tariff '{self.name}'"

    def _check_rates(self) -> None:
        rates_max = RATES_MAX if self.series_day is None else QUARTERS_MAX
        if not 1 <= len(self.rates) <= rates_max:
            raise TariffError(f"{self} has {len(self.rates)} rates: 1 .. {rates_max} are possible")
        if len({rate.name for rate in self.rates}) != len(self.rates):
            raise TariffError(f"{self}: two rates have the same name")
        for rate in self.rates:
            for fuel, price in enumerate(rate.npence_per_wh):
                self._check_price(rate, fuel, price)

    def _check_price(self, rate: Rate, fuel: int, price: int, where: str = "") -> None:
        high = 0 if fuel == _EXPORT else NPENCE_PER_WH_MAX
        if not -NPENCE_PER_WH_MAX <= price <= high:
            raise TariffError(
                f"{self}: rate '{rate.name}' of {FUELS[fuel]}{where}: {pence_text(price)} p a kWh can't be"
            )

    def _check_blocks(self) -> None:
        if self.blocks and self.series_day is not None:
            raise TariffError(f"{self} has a series and blocks: a half-hour of a series has one price")
        for fuel, name in enumerate(FUELS):
            limits = [one.above_wh for one in self.blocks if one.fuel == fuel]
            if len(limits) > BLOCKS_MAX:
                raise TariffError(
                    f"{self} has {len(limits) + 1} blocks of {name}: at most {BLOCKS_MAX + 1} are possible"
                )
            for before, limit in zip([0, *limits], limits, strict=False):
                if not before < limit <= BLOCK_WH_MAX:
                    raise TariffError(
                        f"{self}: a block of {name} above {kwh_text(limit)} kWh a day can't follow one above "
                        f"{kwh_text(before)} kWh: give them in their order, up to {kwh_text(BLOCK_WH_MAX)} kWh"
                    )
        for block in self.blocks:
            if not 0 <= block.fuel < len(FUELS) or len(block.npence_per_wh) != len(self.rates):
                raise TariffError(f"{self}: a block is of a fuel, and has a price for each of {len(self.rates)} rates")
            for rate, price in zip(self.rates, block.npence_per_wh, strict=True):
                self._check_price(rate, block.fuel, price, f" above {kwh_text(block.above_wh)} kWh")

    def _check_bands(self) -> None:
        if len(self.bands) > BANDS_MAX or len(self.holidays) > HOLIDAYS_MAX:
            raise TariffError(
                f"{self} has {len(self.bands)} bands and {len(self.holidays)} holidays: at most {BANDS_MAX} and "
                f"{HOLIDAYS_MAX} are possible"
            )
        for number in (*(band.rate for band in self.bands), *(() if self.otherwise is None else (self.otherwise,))):
            if not 0 <= number < len(self.rates):
                raise TariffError(f"{self} has no rate {number}: there are {len(self.rates)}")
        held = np.full((len(DAY_NAMES), 12, SLOTS_PER_DAY), -1, np.int64)  # the band of each half-hour
        for at, band in enumerate(self.bands):
            _require_band(self, at, band)
            for day, month, slot in product(band.days, band.months, band.slots()):
                if (before := int(held[day, month - 1, slot])) >= 0:
                    raise TariffError(
                        f"{self}: bands {before + 1} and {at + 1} both have {_where(day, month, slot)}: "
                        "bands of a tariff may not overlap"
                    )
                held[day, month - 1, slot] = at
        if self.otherwise is None:
            kinds = len(DAY_NAMES) if self.holidays else HOLIDAY
            for day, month, slot in np.argwhere(held[:kinds] < 0).tolist()[:1]:
                raise TariffError(
                    f"{self}: no band has {_where(day, month + 1, slot)}; name in `otherwise` the rate of what no band has"
                )

    @property
    def is_flat(self) -> bool:
        """Has every half-hour of every day the same rate?"""
        return not self.bands and self.series_day is None

    def blocks_of(self, fuel: int) -> tuple[Block, ...]:
        """The blocks of a fuel code beyond the first, by what is above."""
        return tuple(one for one in self.blocks if one.fuel == fuel)

    def prices_of(self, rate: int, fuel: int) -> tuple[int, ...]:
        """What a Wh of a fuel costs by one of the rates, in each block from the first on [npence]."""
        return (self.rates[rate].npence_per_wh[fuel], *(one.npence_per_wh[rate] for one in self.blocks_of(fuel)))

    def is_of_series(self, fuel: int) -> bool:
        """Has a fuel several prices of a day's series?"""
        return self.series_day is not None and len({rate.npence_per_wh[fuel] for rate in self.rates}) > 1

    @property
    def series_slots_per_hour(self) -> int:
        """How many of a series' prices an hour has."""
        return series_slots_per_hour(len(self.rates))

    def rate_at(self, day: int, slot: int, *, ordinal: int | None = None) -> int:
        """The rate of a slot of the tariff's clock, an index into `rates`. Of a series a slot is as long as its prices are for.

        day: since 1970; slot: as the clock shows it, 0 .. 47, or 95; ordinal: which of its day it is, 0 .. 49, or 99; absent: as
        `slot`.
        """
        if self.series_day is not None:
            if day == self.series_day:
                return min(slot if ordinal is None else ordinal, len(self.rates) - 1)
            return _series_rates(tuple(rate.name for rate in self.rates), self.series_slots_per_hour)[slot]
        of_day = _EPOCH + timedelta(days=day)
        kind = HOLIDAY if day in self.holidays else of_day.weekday()
        for band in self.bands:
            if kind in band.days and of_day.month in band.months and slot in band.slots():
                return band.rate
        assert self.otherwise is not None, "bands with a gap"
        return self.otherwise

    def is_carried_on(self, fuel: int, day: int, ordinal: int) -> bool:
        """Is the price of the slot, the day's `ordinal`-th from 0, one of before, as none was published for it?"""
        if self.series_day is None or day != self.series_day:
            return self.series_day is not None
        return self.published is not None and ordinal >= self.published[fuel]


def series_slots_per_hour(count: int) -> int:
    """How many prices an hour has in a day's series: no day has so few quarter-hours that they could be half-hours."""
    return 4 if count > max(SLOTS_A_DAY) else 2


@lru_cache(maxsize=1_024)
def _series_rates(names: tuple[str, ...], slots_per_hour: int) -> tuple[int, ...]:
    """Of each slot of the clock on the wall, the rate that a series of another day has for it, by the rates' names.

    Of two that the clock showed the same the first; where it showed none, as the clocks went forward, the one before.
    """
    shown = {name: at for at, name in reversed(list(enumerate(names)))}
    rates = [0]
    for slot in range(24 * slots_per_hour):
        rates.append(shown.get(slot_text(slot, slots_per_hour), rates[-1]))
    return tuple(rates[1:])


def require_pence(tariff: Tariff) -> None:
    """Raises TariffError where prices of import are so low that they must have been written in pounds."""
    for at, fuel in enumerate(FUELS[:_EXPORT]):
        dearest = max(abs(price) for rate in range(len(tariff.rates)) for price in tariff.prices_of(rate, at))
        if 0 < dearest < NPENCE_DEAREST_MIN:
            raise TariffError(
                f"{tariff}: its dearest price of {fuel} is {pence_text(dearest)} p a kWh: give pence, not pounds"
            )


def require_room_to_rise(tariff: Tariff, announcements: int) -> None:
    """Raises TariffError where so many price announcements would bring a price above what any may be."""
    percent = 100 + PRICE_STEP_PERCENT * announcements
    told = [rate.npence_per_wh for rate in tariff.rates] + [block.npence_per_wh for block in tariff.blocks]
    dearest = max(abs(price) for prices in told for price in prices)
    if dearest * percent // 100 > NPENCE_PER_WH_MAX:
        raise TariffError(
            f"{tariff}: {pence_text(dearest)} p a kWh, {PRICE_STEP_PERCENT} % dearer with each of {announcements} price "
            f"announcements, would be above {pence_text(NPENCE_PER_WH_MAX)} p"
        )


def _require_band(tariff: Tariff, at: int, band: Band) -> None:
    if not (0 <= band.first_slot < SLOTS_PER_DAY and 1 <= band.end_slot <= SLOTS_PER_DAY) or (
        band.first_slot == band.end_slot
    ):
        raise TariffError(f"{tariff}: band {at + 1} has no half-hour: from 00:00 to 24:00 is a whole day")
    if not band.days or not band.months:
        raise TariffError(f"{tariff}: band {at + 1} has no days")


def _where(day: int, month: int, slot: int) -> str:
    name = "a holiday" if day == HOLIDAY else DAY_NAMES[day].capitalize()
    return f"{slot_text(slot)} of {name} in {date(2000, month, 1):%B}"


@lru_cache(maxsize=65_536)
def _rates_of_day(tariff: Tariff, calendar: Calendar, day_start_us: int) -> NDArray[np.int64]:
    if tariff.series_day is not None and tariff.series_slots_per_hour != calendar.slots_per_hour:
        raise TariffError(
            f"{tariff}: its prices of {day_text(tariff.series_day)} are {len(tariff.rates)}, so {tariff.series_slots_per_hour} "
            f"an hour, and meters hold {calendar.slots_are}"
        )
    instants = day_start_us + np.arange(calendar.slots_per_day, dtype=np.int64) * calendar.slot_us
    clock = calendar if tariff.clock is TariffClock.LOCAL else calendar.in_utc()
    days, slots = clock.wall_slots(instants)
    ordinals = (instants - clock.day_starts_us(days)) // calendar.slot_us
    if tariff.series_day is None:
        slots = slots // calendar.slots_per_half_hour  # bands are of half-hours
    rates = np.array(
        [
            tariff.rate_at(day, slot, ordinal=ordinal)
            for day, slot, ordinal in zip(days.tolist(), slots.tolist(), ordinals.tolist(), strict=True)
        ],
        np.int64,
    )
    rates.flags.writeable = False
    return rates


def rates_of_day(tariff: Tariff, calendar: Calendar, day_start_us: int) -> NDArray[np.int64]:
    """The rate of each slot of a UTC day: its 00:00 UTC [us since the Unix epoch] -> int64[48], or 96, indices into `rates`.

    Raises TariffError for a series of other slots than the calendar's.
    """
    if tariff.is_flat:
        return np.full(calendar.slots_per_day, tariff.otherwise, np.int64)
    assert day_start_us % DAY_US == 0, "a day that does not start at midnight"
    return _rates_of_day(tariff, calendar, day_start_us)


NOT_PUBLISHED = "..."
"""Ends a series of which no more than what stands before it was published."""


def with_series(
    tariff: Tariff,
    day: int,
    pence_per_kwh: Mapping[str, Sequence[str]],
    calendar: Calendar,
    last: Tariff | None = None,
) -> Tariff:
    """The tariff with the prices of one local day, as they are published on the day before.

    day: since 1970; pence_per_kwh: fuel -> a price for each slot of the day, in their order, as text; one that ends with
    NOT_PUBLISHED is of the day's first slots only. last: what was in force before, whose prices the others have by the clock
    on the wall, and all of a fuel that is not named; absent: the tariff's first rate.
    Raises TariffError for a series of another length than its day's.
    """
    from_us, before_us = calendar.day_start_us(day), calendar.day_start_us(day + 1)
    instants = np.arange(from_us, before_us, calendar.slot_us, dtype=np.int64)
    published = {
        fuel: _published_count(tariff, day, fuel, told, len(instants), calendar) for fuel, told in pence_per_kwh.items()
    }
    slots = calendar.wall_slots(instants)[1].tolist()
    names = series_names(slots, calendar.slots_per_hour)

    def carried(slot: int) -> Rate:
        if last is None:
            return tariff.rates[0]
        # what has bands is of half-hours
        return last.rates[
            last.rate_at(day, slot if last.series_day is not None else slot // calendar.slots_per_half_hour)
        ]

    def price(fuel: str, at: int) -> int:
        if at >= published.get(fuel, 0):
            return carried(slots[at]).npence_per_wh[FUELS.index(fuel)]
        told = npence_of(
            pence_per_kwh[fuel][at], f"{tariff}, {day_text(day)} {slot_text(slots[at], calendar.slots_per_hour)}"
        )
        return -told if fuel == FUELS[_EXPORT] else told

    counts = [
        published.get(fuel, len(instants) if last is None or not last.is_of_series(number) else 0)
        for number, fuel in enumerate(FUELS)
    ]
    return Tariff(
        name=tariff.name,
        rates=tuple(
            Rate(
                name=name,
                register=Register.STANDARD,
                npence_per_wh=(price(FUELS[0], at), price(FUELS[1], at), price(FUELS[2], at)),
            )
            for at, name in enumerate(names)
        ),
        series_day=day,
        published=None if min(counts) == len(instants) else (counts[0], counts[1], counts[2]),
        standing_upence=tariff.standing_upence,
        demand=tariff.demand,
        vat_permille=tariff.vat_permille,
        rounded_at=tariff.rounded_at,
        half=tariff.half,
    )


def series_names(slots: Sequence[int], slots_per_hour: int) -> tuple[str, ...]:
    """What the rates of a series are called, by the slots that the clock shows: the second of two alike is "01:00b"."""
    return tuple(slot_text(slot, slots_per_hour) + ("b" if slot in slots[:at] else "") for at, slot in enumerate(slots))


def _published_count(tariff: Tariff, day: int, fuel: str, told: Sequence[str], slots: int, calendar: Calendar) -> int:
    """Of how many of a day's slots a series has prices."""
    what = calendar.slots_are
    if fuel not in FUELS:
        raise TariffError(f"{tariff} has no prices of {fuel}: there are {', '.join(FUELS)}")
    of_zone = f" in {calendar.zone}" if slots != calendar.slots_per_day else ""
    if told and told[-1] == NOT_PUBLISHED:
        if not 1 <= len(told) - 1 < slots:
            raise TariffError(
                f'{tariff}: {len(told) - 1} prices of {fuel} before "{NOT_PUBLISHED}" for {day_text(day)}, which has '
                f"{slots} {what}{of_zone}: a day published in part has some of them, one that is not published an "
                "empty list"
            )
        return len(told) - 1
    if len(told) != slots:
        raise TariffError(
            f"{tariff}: {len(told)} prices of {fuel} for {day_text(day)}, which has {slots} {what}{of_zone}"
            + (f'; where only the first were published, end with "{NOT_PUBLISHED}"' if len(told) < slots else "")
        )
    return slots


# -- texts ---------------------------------------------------------------------------------------------------------------------


def npence_of(text: str, where: str) -> int:
    """A price a kWh in pence, as text, in npence a Wh. Raises TariffError, naming `where`, for what is no such number."""
    return _scaled(text, PENCE_DECIMALS, where, "pence a kWh", "26.4159")


def upence_of(text: str, where: str) -> int:
    """A sum in pence, as text, in upence. Raises TariffError, naming `where`, for what is no such number."""
    return _scaled(text, 6, where, "pence", "54.75")


def wh_of(text: str, where: str) -> int:
    """Energy in kWh, as text, in Wh. Raises TariffError, naming `where`, for what is no such number."""
    return _scaled(text, 3, where, "kWh", "8.5")


def watts_of(text: str, where: str) -> int:
    """Power in kW, as text, in W. Raises TariffError, naming `where`, for what is no such number."""
    return _scaled(text, 3, where, "kW", "4.6")


def permille_of(text: str, where: str) -> int:
    """A percentage, as text, in thousandths. Raises TariffError, naming `where`, for what is no such number."""
    return _scaled(text, 1, where, "per cent", "5")


def _scaled(text: str, decimals: int, where: str, unit: str, example: str) -> int:
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or abs(value) > 10**9:
        raise TariffError(f"{where}: '{text}' is no number of {unit}: write it as in \"{example}\"")
    scaled = value.scaleb(decimals)
    if scaled != scaled.to_integral_value():
        raise TariffError(f"{where}: {text} {unit} has more than {decimals} decimals")
    return int(scaled)


def pence_text(npence_per_wh: int) -> str:
    """A price in pence a kWh, as people write it."""
    return _unscaled(npence_per_wh, PENCE_DECIMALS)


def kwh_text(wh: int) -> str:
    """Energy in kWh, as people write it."""
    return _unscaled(wh, 3)


def _unscaled(parts: int, decimals: int) -> str:
    text = f"{Decimal(parts).scaleb(-decimals):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def slot_text(slot: int, slots_per_hour: int = 2) -> str:
    """A slot by its start on the clock: of half-hours 33 is 16:30."""
    return f"{slot // slots_per_hour:02d}:{slot % slots_per_hour * 60 // slots_per_hour:02d}"


def slot_of(text: str, where: str) -> int:
    """The half-hour that begins at a time of day, 24:00 being the day's end. Raises TariffError, naming `where`."""
    hours, _, minutes = text.partition(":")
    is_time = len(text) == 5 and hours.isascii() and hours.isdigit() and minutes in ("00", "30")
    if not is_time or int(hours) > 24 or text == "24:30":
        raise TariffError(f"{where}: '{text}' is no half-hour: give hours and minutes, 00:00, 00:30 .. 24:00")
    return int(hours) * 2 + (minutes == "30")


def kinds_of_days(names: Iterable[str], where: str) -> tuple[int, ...]:
    """Kinds of days by what a band calls them. Raises TariffError, naming `where`, for a name that is none."""
    kinds: set[int] = set()
    for name in names:
        if name not in DAY_GROUPS:
            raise TariffError(f"{where}: there is no day '{name}': there are {', '.join(DAY_GROUPS)}")
        kinds |= set(DAY_GROUPS[name])
    return tuple(sorted(kinds))


def day_number(day: date, where: str) -> int:
    """A date in days since 1970. Raises TariffError, naming `where`, for one that no calendar here can tell."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise TariffError(f"{where}: {day} is not within {FIRST_YEAR} .. {LAST_YEAR}")
    return (day - _EPOCH).days
