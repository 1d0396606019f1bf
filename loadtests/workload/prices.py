"""Price lists of the estate, as a run publishes them."""

from sim.estate.lookup import start_us_of, tariff_kinds_of
from sim.estate.model import EstateModel
from store.tariffs import FIRST_PRICES, Book, PriceList

_PRICE_STEP_PERCENT = 4  # by which each price announcement of a scenario raises all prices


def price_lists_of(estate: EstateModel) -> tuple[PriceList, ...]:
    """The first prices, and a version more for each instant at which the scenario's campaigns bring a price into force."""
    p = estate.parameters
    instants = sorted({int(one["effective_us"]) for one in p.campaigns[: p.campaign_count]} - {-1})
    lists = [FIRST_PRICES]
    for number, at_us in enumerate(instants, 1):
        percent = 100 + _PRICE_STEP_PERCENT * number
        raised = tuple(
            tuple(
                (low * percent // 100, standard * percent // 100, peak * percent // 100) for low, standard, peak in one
            )
            for one in FIRST_PRICES.upence_per_wh
        )
        lists.append(
            PriceList(
                version=number + 1,
                effective_us=start_us_of(estate) + at_us,
                upence_per_wh=raised,
                standing_upence=FIRST_PRICES.standing_upence,
            )
        )
    return tuple(lists)


def book_of(estate: EstateModel) -> Book:
    """The estate's prices, the kind of tariff of each of its homes, and their calendar."""
    return Book(
        prices=price_lists_of(estate),
        kind_of=lambda premises, _instant_us: tariff_kinds_of(estate, premises),
        calendar=estate.calendar,
    )
