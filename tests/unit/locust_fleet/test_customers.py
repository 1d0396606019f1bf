"""Customers' courses and what is measured of their pages."""

from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

from loadtests.cluster.connect import Endpoint
from loadtests.locust_fleet import customers
from loadtests.locust_fleet.customers import CustomerDesk, CustomerLog
from loadtests.locust_fleet.journeys import DayShape, JourneyPage, journey_weights, turns_of
from loadtests.recording.history import UPPER_EDGES_US, SecondCounts
from loadtests.workload.experiment import Experiment
from scenarios.parts.pace import Shape
from scenarios.spec import parse_scenario
from sim.estate.model import build_estate
from store.ports import StoreError

TEXT = """
title = "A day in a minute"
question = "Who asks, and when?"
[estate]
premises = 50
fuels = ["electricity"]
[traffic]
usage_month_per_premises_day = 0.4
ihd_refresh_per_premises_day = 0.1
customer_pause_s = 0.05
customer_think_s = 0.01
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 240
"""
SCENARIO = parse_scenario(TEXT, "test")


def test_only_what_the_scenario_asks_is_asked() -> None:
    weights = journey_weights(SCENARIO)
    assert weights == {
        (JourneyPage.USAGE, JourneyPage.DAY): 0.4,
        (JourneyPage.DISPLAY,): 0.1,
        (JourneyPage.TARIFF,): pytest.approx(0.04),
    }


def test_a_course_is_the_same_for_the_same_customer_and_follows_the_day() -> None:
    estate = build_estate(SCENARIO)
    shape = DayShape.of(SCENARIO, estate)
    turns = list(turns_of(SCENARIO, estate, shape, 7))
    assert turns == list(turns_of(SCENARIO, estate, shape, 7))
    assert turns[:5] != list(islice(turns_of(SCENARIO, estate, shape, 8), 5))
    visits = [turn.due_s for turn in turns if turn.page in (JourneyPage.USAGE, JourneyPage.DISPLAY, JourneyPage.TARIFF)]
    assert len(visits) == pytest.approx(240 / 0.05, rel=0.1)
    assert min(visits) >= 0 and max(visits) <= 240
    hour_s = 240 * 3.6e9 / estate.span_us
    hours = estate.span_us // 3_600_000_000
    asked_at = np.histogram(visits, bins=np.arange(hours + 1) * hour_s)[0] / len(visits)
    questions = np.concatenate([np.diff(day) for day in estate.parameters.query_hour])[:hours]
    assert np.abs(asked_at - questions / questions.sum()).max() < 0.015


def test_a_replay_from_noon_has_the_shape_of_the_afternoon() -> None:
    scenario = SCENARIO.model_copy(update={"run": SCENARIO.run.model_copy(update={"replay_from_h": 12.0})})
    estate = build_estate(scenario)
    shape = DayShape.of(scenario, estate)
    assert (shape.edge_s[0], shape.edge_s[-1]) == (0.0, 240.0)
    assert (shape.share_before[0], shape.share_before[-1]) == (0.0, 1.0)
    hours = (estate.span_us - scenario.replay_from_us) / 3.6e9
    assert shape.edge_s[1] == pytest.approx(240 / hours)


def test_customers_take_part_in_a_spike_as_the_trace_does() -> None:
    even, spiked = (DayShape.of(one, build_estate(one)) for one in (SCENARIO, SCENARIO.with_shape(Shape.SPIKE)))
    wanted_s = np.linspace(0.0, SCENARIO.run.wall_s, 10_000)
    simulated_us = [
        one.pace.simulated_us_at(instant_s)
        for one, instant_s in (
            (SCENARIO, even.instants_s(wanted_s)[6_000]),
            (SCENARIO.with_shape(Shape.SPIKE), spiked.instants_s(wanted_s)[6_000]),
        )
    ]
    assert simulated_us[0] == pytest.approx(simulated_us[1], rel=1e-4)  # a page is of the same simulated instant
    inside = (spiked.instants_s(wanted_s) > 108.0) & (spiked.instants_s(wanted_s) < 132.0)  # 45 to 55 % of 240 s
    assert inside.mean() > 0.2


def test_a_page_counts_from_when_it_was_wanted() -> None:
    log = CustomerLog()
    log.record(JourneyPage.USAGE, "ok", due_s=0.9, asked_s=2.1, done_s=2.4)
    log.record(JourneyPage.USAGE, "failed", due_s=2.2, asked_s=2.2, done_s=2.3)
    assert [second.second for second in log.take(2.9)] == [0]
    (second,) = log.take(3.0)
    assert second.counts == {"customer_usage": SecondCounts(1, 2, 1, 1, 0, 0)}
    response, lateness = second.response["customer_usage"], second.lateness
    assert response[1].sum() == second.service["customer_usage"][1].sum() == lateness[1].sum() == 2
    assert UPPER_EDGES_US[response[0]].tolist() == pytest.approx([100_000, 1_500_000], rel=1e-3)
    assert UPPER_EDGES_US[lateness[0]].tolist() == pytest.approx([0, 1_200_000], rel=1e-3)


def test_what_comes_for_a_second_that_was_handed_over_counts_in_the_next() -> None:
    log = CustomerLog()
    log.record(JourneyPage.BILL, "ok", due_s=0.1, asked_s=0.1, done_s=0.2)
    log.take(1.0)
    log.record(JourneyPage.BILL, "ok", due_s=0.5, asked_s=0.5, done_s=1.5)
    (second,) = log.take(2.0)
    assert (second.second, second.counts["customer_bill"]) == (1, SecondCounts(1, 1, 1, 0, 0, 0))


def test_pages_that_the_end_overtakes_are_wanted_and_without_an_answer() -> None:
    log = CustomerLog()
    log.record(JourneyPage.USAGE, "ok", due_s=0.2, asked_s=0.2, done_s=0.4)
    assert [second.second for second in log.take(1.0)] == [0]
    log.give_up(JourneyPage.USAGE, due_s=0.9, now_s=5.5)
    log.give_up(JourneyPage.BILL, due_s=3.1, now_s=5.5)
    seconds = log.take(float("inf"))
    offered = {(second.second, name): counts.offered for second in seconds for name, counts in second.counts.items()}
    unknown = {
        (second.second, name): counts.indeterminate for second in seconds for name, counts in second.counts.items()
    }
    assert {key for key, count in offered.items() if count} == {
        (1, JourneyPage.USAGE.value),
        (3, JourneyPage.BILL.value),
    }
    assert {key for key, count in unknown.items() if count} == {
        (5, JourneyPage.USAGE.value),
        (5, JourneyPage.BILL.value),
    }
    assert all(not len(index) for second in seconds for index, _ in second.response.values())


def test_a_desk_that_could_not_look_at_its_pages_is_not_open(monkeypatch: pytest.MonkeyPatch) -> None:
    class GeventConnection:
        """As the driver names the one it uses under Locust."""

    shutdowns = []
    driver = SimpleNamespace(connection_class=GeventConnection, shutdown=lambda: shutdowns.append(1))
    monkeypatch.setattr(customers, "connect", lambda _: (driver, None))
    for made in ("CassandraStore", "CassandraCustomers"):
        monkeypatch.setattr(customers, made, lambda *_: None)
    endpoint = Endpoint(contact_points=("127.0.0.1",), local_dc="north")
    desk = CustomerDesk(Experiment(scenario=SCENARIO, estate=build_estate(SCENARIO), endpoint=endpoint))

    def fails() -> None:
        raise StoreError("a node times out")

    monkeypatch.setattr(desk, "_look_at_all", fails)
    for times in (1, 2):
        with pytest.raises(StoreError, match="a node times out"):
            desk.open()
        assert len(shutdowns) == times
    monkeypatch.setattr(desk, "_look_at_all", lambda: None)
    desk.open()
    assert desk._driver is driver
