"""Price lists of the estate, as a run publishes them."""

import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from scenarios.spec import Scenario
from scenarios.tariffs import PRICE_STEP_PERCENT, Tariff
from scenarios.tariffs.caps import regional
from scenarios.tariffs.vat import with_vat
from sim.estate.lookup import start_us_of, tariff_kinds_of
from sim.estate.model import EstateModel
from store.tariffs import FIRST_PRICES, Book, PriceList

_ESTATES_KEPT = 4
_kept: deque[tuple[EstateModel, tuple[PriceList, ...]]] = deque(maxlen=_ESTATES_KEPT)


def price_lists_of(estate: EstateModel) -> tuple[PriceList, ...]:
    """The first prices, and a version more for each instant at which others come into force.

    Those are the instants that the scenario's campaigns announce, each with prices higher by some per cent, and the local
    midnights of days of which a tariff publishes a series, or from which on a cap or another rate of VAT is in force. With caps
    a list has each tariff once for each region, no price of which is above its cap. Made once for an estate: each block of a
    storm's readings asks.
    """
    for held, lists in tuple(_kept):
        if held is estate:
            return lists
    lists = _price_lists(estate)
    _kept.append((estate, lists))
    return lists


def published_ahead(scenario: Scenario, estate: EstateModel, held_from_s: float) -> tuple[PriceList, ...]:
    """The price lists that are published when the storm begins, or when none is held up any more: all but those that come into
    force from `held_from_s` on [s, wall time of the storm], and those after them, as versions count up.

    The first one is in force before, and never held up.
    """
    lists = price_lists_of(estate)
    for count, at_s in enumerate(in_force_s(scenario, estate)):
        if at_s >= held_from_s:
            return lists[:count]
    return lists


def in_force_s(scenario: Scenario, estate: EstateModel) -> list[float]:
    """When each of the estate's price lists comes into force [s, wall time of the storm]; before it: -inf, after it: its end."""
    after_us = [one.effective_us - start_us_of(estate) for one in price_lists_of(estate)]
    return [scenario.pace.wall_s_at(at_us) if at_us > scenario.replay_from_us else -math.inf for at_us in after_us]


def _price_lists(estate: EstateModel) -> tuple[PriceList, ...]:
    p, start_us = estate.parameters, start_us_of(estate)
    announced = sorted({int(one["effective_us"]) for one in p.campaigns[: p.campaign_count]} - {-1})
    raises_us = [start_us + at_us for at_us in announced]
    midnights_us = {estate.calendar.day_start_us(day): day for of_tariff in estate.series for day in of_tariff}
    first = _first_list(estate)
    midnights_us |= {estate.calendar.day_start_us(day): day for of_tariff in estate.vat for day in of_tariff}
    midnights_us |= {estate.calendar.day_start_us(cap.from_day): cap.from_day for cap in estate.caps}
    # a list from before the span holds the first day's series, which began before it in summer
    instants = sorted({0, *raises_us, *(at_us for at_us in midnights_us if at_us > start_us)})
    lists = []
    for number, at_us in enumerate(instants, 1):
        percent = 100 + PRICE_STEP_PERCENT * sum(raised_us <= at_us for raised_us in raises_us)
        day = estate.calendar.day_of(max(at_us, start_us))
        published = tuple(
            with_vat(_of_day(tariff, series, day), vat, day)
            for tariff, series, vat in zip(first.tariffs, estate.series, estate.vat, strict=True)
        )
        held = _raised(replace(first, version=number, effective_us=at_us, tariffs=published), percent)
        if estate.caps:
            held = replace(held, tariffs=regional(held.tariffs, estate.regions, estate.caps, day))
        lists.append(held)
    return tuple(lists)


def _first_list(estate: EstateModel) -> PriceList:
    return PriceList(version=1, effective_us=0, tariffs=estate.tariffs) if estate.tariffs else FIRST_PRICES


def _of_day(tariff: Tariff, series: Mapping[int, Tariff], day: int) -> Tariff:
    """The tariff with the latest series that was published for a local day or one before it."""
    published = [one for one in series if one <= day]
    return series[max(published)] if published else tariff


def _raised(prices: PriceList, percent: int) -> PriceList:
    """All prices of energy at so many per cent, in whole numbers of their unit."""

    def raised(price: int) -> int:
        return price * percent // 100

    return replace(
        prices,
        upence_per_wh=tuple(
            tuple((raised(low), raised(standard), raised(peak)) for low, standard, peak in one)
            for one in prices.upence_per_wh
        ),
        tariffs=tuple(_tariff_raised(one, raised) for one in prices.tariffs),
    )


def _tariff_raised(tariff: Tariff, raised: Callable[[int], int]) -> Tariff:
    rates = tuple(
        replace(
            rate,
            npence_per_wh=(
                raised(rate.npence_per_wh[0]),
                raised(rate.npence_per_wh[1]),
                raised(rate.npence_per_wh[2]),
            ),
        )
        for rate in tariff.rates
    )
    blocks = tuple(replace(one, npence_per_wh=tuple(map(raised, one.npence_per_wh))) for one in tariff.blocks)
    return replace(tariff, rates=rates, blocks=blocks)


def book_of(estate: EstateModel) -> Book:
    """The estate's prices, the tariff of each of its homes, and their calendar."""
    return Book(
        prices=price_lists_of(estate),
        kind_of=lambda premises, _instant_us: tariff_kinds_of(estate, premises),
        calendar=estate.calendar,
    )
