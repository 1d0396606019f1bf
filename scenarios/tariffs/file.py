"""`[[tariffs]]` of a scenario: how a tariff is written in TOML, and the tariff that it says."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from scenarios.calendar import SLOTS_A_DAY, Calendar, day_text
from scenarios.domain import SLOTS_PER_DAY
from scenarios.parts.base import Line, Part, Share
from scenarios.tariffs.caps import Cap, regional
from scenarios.tariffs.demand import MONTHS_MAX, DemandCharge
from scenarios.tariffs.model import (
    BANDS_MAX,
    BLOCKS_MAX,
    DAY_NAMES,
    FUELS,
    HOLIDAYS_MAX,
    NOT_PUBLISHED,
    NPENCE_DEAREST_MIN,
    TARIFFS_MAX,
    Band,
    Block,
    Half,
    Rate,
    Register,
    RoundedAt,
    Tariff,
    TariffClock,
    TariffError,
    day_number,
    kinds_of_days,
    npence_of,
    pence_text,
    permille_of,
    require_pence,
    require_room_to_rise,
    slot_of,
    upence_of,
    watts_of,
    wh_of,
    with_series,
)
from scenarios.tariffs.prepayment import PrepaymentPlan, PrepaymentSpec
from scenarios.tariffs.text import tariffs_text
from scenarios.tariffs.vat import VAT_CHANGES_MAX, VatChangeSpec, vat_by_day

_SERIES_DAYS_MAX = 400
CAPS_MAX = 400

Month = Annotated[int, Field(strict=True, ge=1, le=12)]
Price = str
"""Pence as text, so that no float stands between what was published and what is charged."""


_AS_WRITTEN = ConfigDict(validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)
"""Of fields that Python has no such name for."""


class RateSpec(Part):
    """A rate's prices [pence a kWh], and the register of the views that its energy is added to."""

    model_config = _AS_WRITTEN

    electricity: Price
    gas: Price = Field(default="0", description="absent: free, for estates without gas")
    export: Price = Field(default="0", description="what the home is paid")
    register_: Literal["low", "standard", "peak"] = Field(
        default="standard", alias="register", description="the column of usage and bills"
    )


class BandSpec(Part):
    """Half-hours that have a rate."""

    model_config = _AS_WRITTEN

    rate: Line
    from_: str = Field(alias="from", description="a half-hour by the tariff's clock, 00:30 say")
    to: str = Field(description="where it ends: 24:00 is the day's end, an earlier time than `from` is past midnight")
    days: tuple[str, ...] = Field(default=DAY_NAMES, min_length=1, max_length=len(DAY_NAMES))
    months: tuple[Month, ...] = Field(default=tuple(range(1, 13)), min_length=1, max_length=12)


class BlockSpec(Part):
    """Other prices for what a home uses of a fuel on a local day beyond so much."""

    fuel: Literal["electricity", "gas", "export"]
    above_kwh: str
    rates: dict[str, Price] = Field(min_length=1, description="by name; those left out stay as in the block before")


class StandingCharges(Part):
    """Standing charges [pence a day]."""

    electricity: Price = "0"
    gas: Price = "0"
    export: Price = "0"


class CapacityCharge(Part):
    """What each kW costs that a home's contract lets it draw, used or not: a part of electricity's standing charge."""

    contracted_kw: str
    pence_per_kw_day: Price


class DemandSpec(Part):
    """What each kW costs a day of the highest mean of a slot of electricity in the customer's local month, or last months."""

    pence_per_kw_day: Price
    at_least_kw: str = Field(default="0", description="charged for where a month's highest demand is lower")
    months: int = Field(strict=True, default=1, ge=1, le=MONTHS_MAX, description="with the one that is charged for")
    of: Literal["highest", "mean"] = Field(default="highest", description="of all, or the mean of the months' highest")


class CappedCharges(Part):
    """The most that a standing charge may be [pence a day]; absent: no cap."""

    electricity: Price | None = None
    gas: Price | None = None


class CapSpec(Part):
    """The most that a region's homes pay, from a day on until its next cap [pence a kWh]; absent: no cap."""

    model_config = _AS_WRITTEN

    region: Line
    from_: dt.date = Field(alias="from", description="the local day on which it comes into force")
    electricity: Price | None = None
    gas: Price | None = None
    standing: CappedCharges = CappedCharges()

    def cap(self) -> Cap:
        """Raises TariffError."""
        where = f"cap of region '{self.region}' from {self.from_}"
        told = self.electricity, self.gas, self.standing.electricity, self.standing.gas
        if all(one is None for one in told):
            raise TariffError(f"{where}: it caps nothing")
        electricity, gas = (
            None if one is None else npence_of(one, f"{where}, {fuel}")
            for fuel, one in zip(FUELS, told[:2], strict=False)
        )
        of_electricity, of_gas = (
            None if one is None else upence_of(one, f"{where}, standing.{fuel}")
            for fuel, one in zip(FUELS, told[2:], strict=False)
        )
        for most in (electricity, gas, of_electricity, of_gas):
            if most is not None and most < 0:
                raise TariffError(f"{where}: a cap below zero")
        for most in (electricity, gas):
            if most is not None and 0 < most < NPENCE_DEAREST_MIN:
                raise TariffError(f"{where}: {pence_text(most)} p a kWh: give pence, not pounds")
        return Cap(
            region=self.region,
            from_day=day_number(self.from_, where),
            npence_per_wh=(electricity, gas),
            standing_upence=(of_electricity, of_gas),
        )


class TariffSpec(Part):
    """A tariff on sale: what each half-hour costs, by which clock, and how many homes have it."""

    name: Line = Field(min_length=1, max_length=60)
    share: Share = Field(description="of premises; those of all tariffs add up to 1")
    clock: TariffClock = TariffClock.LOCAL
    rates: dict[str, RateSpec] = Field(min_length=1, description="by name")
    bands: tuple[BandSpec, ...] = Field(default=(), max_length=BANDS_MAX)
    blocks: tuple[BlockSpec, ...] = Field(
        default=(), max_length=len(FUELS) * BLOCKS_MAX, description="beyond the first block, each fuel's in their order"
    )
    otherwise: Line | None = Field(default=None, description="the rate of what no band has; of all, without bands")
    holidays: tuple[dt.date, ...] = Field(default=(), max_length=HOLIDAYS_MAX)
    standing: StandingCharges = StandingCharges()
    capacity: CapacityCharge | None = None
    demand: DemandSpec | None = None
    prepayment: PrepaymentSpec | None = Field(default=None, description="its homes pay before they use")
    vat_percent: str = Field(
        default="0", description="of what a bill charges; another rate comes with a new price list"
    )
    vat_changes: tuple[VatChangeSpec, ...] = Field(
        default=(), max_length=VAT_CHANGES_MAX, description="other rates from local days of the span on, in their order"
    )
    rounded_at: RoundedAt = Field(default=RoundedAt.TOTAL, description="where a printed bill becomes whole pence")
    half: Half = Field(default=Half.UP, description="what becomes of half a penny")
    series: dict[Literal["electricity", "export"], tuple[tuple[Price, ...], ...]] = Field(
        default_factory=dict,
        description="of each local day of the span a price for each half-hour (or quarter-hour, as meters hold them); none: not "
        'published, the day before holds; first ones and then "...": published in part',
    )

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        require_pence(self.tariff())
        self.prepayment_plan()
        self.vat_by_day()
        if any(len(days) > _SERIES_DAYS_MAX for days in self.series.values()):
            raise ValueError(f"tariff '{self.name}': a series of more than {_SERIES_DAYS_MAX} days")
        if self.series and self.bands:
            raise ValueError(f"tariff '{self.name}' has bands and a series: a half-hour has one price")
        if self.series and self.blocks:
            raise ValueError(f"tariff '{self.name}' has blocks and a series: a half-hour of a series has one price")
        return self

    def tariff(self) -> Tariff:
        """What is said but for the series. Raises TariffError."""
        where = f"tariff '{self.name}'"
        names = list(self.rates)

        def number(rate: str, field: str) -> int:
            if rate not in self.rates:
                raise TariffError(f"{where}, {field}: it has no rate '{rate}': there are {', '.join(names)}")
            return names.index(rate)

        otherwise = None if self.otherwise is None else number(self.otherwise, "otherwise")
        if otherwise is None and not self.bands:
            if len(names) > 1:
                raise TariffError(f"{where} has {len(names)} rates and no bands: no half-hour would have the others")
            otherwise = 0
        rates = tuple(_rate(name, spec, f"{where}, rates.{name}") for name, spec in self.rates.items())
        return Tariff(
            name=self.name,
            rates=rates,
            blocks=self._blocks(rates, where),
            bands=tuple(
                Band(
                    rate=number(band.rate, f"rate of band {at}"),
                    first_slot=slot_of(band.from_, f"{where}, from of band {at}") % SLOTS_PER_DAY,
                    end_slot=slot_of(band.to, f"{where}, to of band {at}") or SLOTS_PER_DAY,
                    days=kinds_of_days(band.days, f"{where}, days of band {at}"),
                    months=tuple(sorted(set(band.months))),
                )
                for at, band in enumerate(self.bands, 1)
            ),
            otherwise=otherwise,
            clock=self.clock,
            holidays=tuple(sorted({day_number(day, f"{where}, holidays") for day in self.holidays})),
            standing_upence=(
                upence_of(self.standing.electricity, f"{where}, standing.electricity") + self._capacity_upence(where),
                upence_of(self.standing.gas, f"{where}, standing.gas"),
                upence_of(self.standing.export, f"{where}, standing.export"),
            ),
            demand=self._demand(where),
            vat_permille=permille_of(self.vat_percent, f"{where}, vat_percent"),
            rounded_at=self.rounded_at,
            half=self.half,
            is_prepaid=self.prepayment is not None,
        )

    def vat_by_day(self) -> Mapping[int, int]:
        """Local day since 1970 -> the rate of VAT from then on [thousandths]. Raises TariffError."""
        return vat_by_day(self.vat_changes, self.tariff())

    def prepayment_plan(self) -> PrepaymentPlan | None:
        """On what terms its homes pay before they use; None: they don't. Raises TariffError."""
        return None if self.prepayment is None else self.prepayment.plan(f"tariff '{self.name}'")

    def _capacity_upence(self, where: str) -> int:
        """A day's."""
        if self.capacity is None:
            return 0
        watts = watts_of(self.capacity.contracted_kw, f"{where}, contracted_kw")
        a_kw = upence_of(self.capacity.pence_per_kw_day, f"{where}, pence_per_kw_day")
        upence, rest = divmod(watts * a_kw, 1_000)
        if watts < 0 or a_kw < 0 or rest:
            raise TariffError(
                f"{where}, capacity charge: {self.capacity.contracted_kw} kW at {self.capacity.pence_per_kw_day} p must be a "
                "sum of pence with at most 6 decimals, and not below zero"
            )
        return upence

    def _demand(self, where: str) -> DemandCharge | None:
        if self.demand is None:
            return None
        return DemandCharge(
            upence_per_kw_day=upence_of(self.demand.pence_per_kw_day, f"{where}, demand.pence_per_kw_day"),
            least_w=watts_of(self.demand.at_least_kw, f"{where}, demand.at_least_kw"),
            months=self.demand.months,
            is_mean=self.demand.of == "mean",
        )

    def _blocks(self, rates: tuple[Rate, ...], where: str) -> tuple[Block, ...]:
        blocks: list[Block] = []
        for at, spec in enumerate(self.blocks, 1):
            named = f"{where}, block {at}"
            for name in spec.rates:
                if name not in self.rates:
                    raise TariffError(f"{named}: there is no rate '{name}': there are {', '.join(self.rates)}")
            fuel = FUELS.index(spec.fuel)
            before = [one.npence_per_wh for one in blocks if one.fuel == fuel]
            prices = list(before[-1] if before else (rate.npence_per_wh[fuel] for rate in rates))
            for number, name in enumerate(self.rates):
                if name in spec.rates:
                    told = npence_of(spec.rates[name], f"{named}, rate '{name}'")
                    prices[number] = -told if spec.fuel == "export" else told
            above_wh = wh_of(spec.above_kwh, f"{where}, above_kwh of block {at}")
            blocks.append(Block(fuel=fuel, above_wh=above_wh, npence_per_wh=tuple(prices)))
        return tuple(blocks)

    def series_of_days(self, first_day: int, calendar: Calendar) -> Mapping[int, Tariff]:
        """The tariff of each local day of which a series is published: days since 1970, the span's first among them.

        Raises TariffError for a series of another length than its day's.
        """
        count = max((len(days) for days in self.series.values()), default=0)
        told: dict[int, dict[str, tuple[str, ...]]] = {
            first_day + at: {fuel: days[at] for fuel, days in self.series.items() if at < len(days) and days[at]}
            for at in range(count)
        }
        held = last = self.tariff()
        series = {}
        for day, prices in told.items():
            if prices:
                series[day] = last = with_series(held, day, prices, calendar, last)
        return series


def _rate(name: str, spec: RateSpec, where: str) -> Rate:
    return Rate(
        name=name,
        register=Register[spec.register_.upper()],
        npence_per_wh=(
            npence_of(spec.electricity, f"{where}.electricity"),
            npence_of(spec.gas, f"{where}.gas"),
            -npence_of(spec.export, f"{where}.export"),
        ),
    )


def require_caps(specs: tuple[CapSpec, ...], tariffs: Sequence[Tariff], regions: Sequence[str]) -> None:
    """Raises ValueError for caps that can't be in force together, or of what there is not.

    tariffs: as `require_tariffs` has them.
    """
    if specs and not tariffs:
        raise ValueError("caps are on the prices of [[tariffs]], and there are none: the shipped tariffs have no caps")
    caps = [spec.cap() for spec in specs]
    for cap in caps:
        if cap.region not in regions:
            raise ValueError(f"caps names region '{cap.region}'; there are {', '.join(sorted(regions))}")
    if len({(cap.region, cap.from_day) for cap in caps}) != len(caps):
        raise ValueError("two caps of one region come into force on the same day")
    if specs and len(tariffs) * len(regions) > TARIFFS_MAX:
        raise ValueError(
            f"{len(tariffs)} tariffs in {len(regions)} regions with caps are {len(tariffs) * len(regions)} on a price list: "
            f"at most {TARIFFS_MAX}"
        )
    if specs:
        tariffs_text(regional(tariffs, regions, caps, min(cap.from_day for cap in caps)))


def require_tariffs(
    specs: tuple[TariffSpec, ...], first_day: int, calendar: Calendar, announcements: int = 0
) -> list[Tariff]:
    """Each tariff as it takes most room on a price list. Raises ValueError for tariffs that can't be on sale together.

    first_day: of the span, since 1970; announcements: how many prices campaigns announce.
    """
    names = [spec.name for spec in specs]
    if len(set(names)) != len(names):
        raise ValueError("two tariffs have the same name")
    if specs and abs(sum(spec.share for spec in specs) - 1) > 1e-9:
        raise ValueError(
            f"the shares of the tariffs add up to {sum(spec.share for spec in specs):g}, not to 1: "
            + ", ".join(f"'{spec.name}' {spec.share:g}" for spec in specs)
        )
    for spec in specs:
        _require_slot_length(spec, first_day, calendar)
    longest = []  # of each tariff, as a row of the price lists has it
    for spec in specs:
        kept = [spec.tariff(), *spec.series_of_days(first_day, calendar).values()]
        for held in kept:
            require_room_to_rise(held, announcements)
        longest.append(max(kept, key=lambda one: len(tariffs_text([one]))))
    tariffs_text(longest)
    return longest


def _require_slot_length(spec: TariffSpec, first_day: int, calendar: Calendar) -> None:
    """Raises TariffError for prices of half-hours where meters hold quarter-hours, and the other way round."""
    for fuel, days in spec.series.items():
        for day, prices in enumerate(days, start=first_day):
            is_of_quarters = len(prices) > max(SLOTS_A_DAY)
            # of how long a slot the first prices of a day are, nobody can tell
            is_of_halves = len(prices) in SLOTS_A_DAY and prices[-1] != NOT_PUBLISHED
            if (is_of_quarters and calendar.slots_per_hour == 2) or (is_of_halves and calendar.slots_per_hour == 4):
                raise TariffError(
                    f"tariff '{spec.name}', {day_text(day)}: {len(prices)} prices of {fuel} are of "
                    f"{'quarter' if is_of_quarters else 'half'}-hours, and estate.slots_per_hour = {calendar.slots_per_hour}: a "
                    "series has a price for each slot that meters hold"
                )
