"""What Locust's customers want and when: pure, and drawn from the scenario's seed and the customer's number.

Open loop: a customer's whole course is fixed beforehand, so a store that is slow makes customers late, and never fewer. A
customer visits at instants that follow the scenario's daily shape (a Poisson process over the replayed span), and turns the
pages of a visit with think times between. Times are of the wall clock since the storm's start [s].
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from scenarios.domain import DAY_US
from scenarios.spec import Scenario
from sim.estate.model import EstateModel
from sim.estate.parameters import HOURS_PER_DAY

HOUR_US = DAY_US // HOURS_PER_DAY
TARIFF_SHARE = 0.1  # of the usage views, that many look the tariff up; the scenario does not tell


class JourneyPage(StrEnum):
    """One answer that a customer waits for: what is measured, under these names."""

    USAGE = "customer_usage"
    DAY = "customer_day"
    COMPARISON = "customer_comparison"
    BILL = "customer_bill"
    DISPLAY = "customer_display"
    PREFERENCE = "customer_preference"
    TARIFF = "customer_tariff"


JOURNEYS: tuple[tuple[JourneyPage, ...], ...] = (
    (JourneyPage.USAGE, JourneyPage.DAY),
    (JourneyPage.USAGE, JourneyPage.COMPARISON),
    (JourneyPage.BILL, JourneyPage.TARIFF),
    (JourneyPage.DISPLAY,),
    (JourneyPage.PREFERENCE,),
    (JourneyPage.TARIFF,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A page that a customer of home `premises` wants at `due_s`."""

    due_s: float
    page: JourneyPage
    premises: int


def journey_weights(scenario: Scenario) -> Mapping[tuple[JourneyPage, ...], float]:
    """How often each journey is taken, a premises and day, as the scenario has its questions; zeros are left out."""
    traffic = scenario.traffic
    weights = (
        traffic.usage_month_per_premises_day,
        traffic.comparison_per_premises_day,
        traffic.bill_per_premises_day,
        traffic.ihd_refresh_per_premises_day,
        sum(change.share for change in scenario.estate.schedule_changes) / scenario.run.days,
        TARIFF_SHARE * traffic.usage_month_per_premises_day,
    )
    return {journey: weight for journey, weight in zip(JOURNEYS, weights, strict=True) if weight > 0}


@dataclass(frozen=True, slots=True, kw_only=True)
class DayShape:
    """How busy the customers are: the share of all visits that fall before each edge. float64[h] [s] and float64[h], 0 ... 1."""

    edge_s: NDArray[np.float64]
    share_before: NDArray[np.float64]

    @staticmethod
    def of(scenario: Scenario, estate: EstateModel) -> "DayShape":
        """The scenario's hours, as its shape has them go by; local time shifts them as it does the trace's questions."""
        pace, from_us = scenario.pace, scenario.replay_from_us
        hours = estate.parameters.query_hour / 2**32
        edge_us = np.arange(len(hours) * HOURS_PER_DAY + 1) * HOUR_US
        days = np.arange(len(hours))[:, np.newaxis]
        before = np.append((days + hours[:, :-1]).reshape(-1), len(hours))
        inside = edge_us[(edge_us > from_us) & (edge_us < estate.span_us)]
        edge_us = np.union1d(inside, pace.simulated_us.astype(np.int64))  # within an hour the pace may change
        there = np.interp(edge_us, np.arange(len(before)) * HOUR_US, before)
        share = (there - there[0]) / (there[-1] - there[0])
        return DayShape(edge_s=pace.wall_us_of(edge_us) / 1e6, share_before=share)

    def instants_s(self, even_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Even instants of the wall time, moved to where the shape has them: float64[n] -> float64[n]."""
        instants_s: NDArray[np.float64] = np.interp(even_s / self.edge_s[-1], self.share_before, self.edge_s)
        return instants_s


def turns_of(scenario: Scenario, estate: EstateModel, shape: DayShape, customer: int) -> Iterator[Turn]:
    """All pages that one customer wants, visit by visit; a visit may begin before the one before it has ended."""
    traffic, wall_s = scenario.traffic, scenario.run.wall_s
    random = np.random.default_rng((scenario.run.seed, customer))
    weights = journey_weights(scenario)
    if not weights:
        return
    journeys = list(weights)
    chances = np.array(list(weights.values())) / sum(weights.values())
    even_s = random.exponential(traffic.customer_pause_s)
    while even_s < wall_s:
        due_s = float(shape.instants_s(np.array([even_s]))[0])
        premises = int(random.integers(estate.premises_count))
        for page in journeys[int(random.choice(len(journeys), p=chances))]:
            yield Turn(due_s=due_s, page=page, premises=premises)
            due_s += random.exponential(traffic.customer_think_s)
        even_s += random.exponential(traffic.customer_pause_s)
