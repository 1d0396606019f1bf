"""The fidelity table: each figure as counted one by one from the estate, and how near is near enough."""

import json
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from meterstorm.display.simulation import print_simulation
from meterstorm.outcomes.fidelity import fidelity_of
from meterstorm.outcomes.simulation import results_of
from reports.results.simulation import FidelityRow
from reports.simulation.fidelity import fidelity_lines, fidelity_told
from reports.simulation.page import simulation_html
from scenarios.domain import Fuel, MeterMode
from scenarios.parts.published import FIGURES
from scenarios.spec import Scenario, parse_scenario
from sim.estate.lookup import are_in_smart_mode
from sim.estate.model import EstateModel, build_estate
from sim.trace.blocks import trace_blocks
from sim.trace.messages import MessageKind
from sim.virtual_time.summary import Simulation, simulate

HOMES, DAYS = 3_000, 3
SCENARIO = f"""
title = "a small nation"
[estate]
premises = {HOMES}
fuels = ["gas", "electricity"]
regions = [
    {{ name = "north", share = 0.4, wan = "long_range_radio" }},
    {{ name = "south", share = 0.6 }},
]
[estate.metering]
gas = 0.8
smart = 0.7
traditional_mode = 0.1
[estate.read_schedules]
daily = 0.6
half_hourly = 0.4
[[estate.schedule_changes]]
to = "half_hourly"
fuel = "electricity"
share = 0.3
until_h = 72.0
per_day_max = 400
[wan.hub_swaps]
share = 0.2
until_h = 72.0
[alerts]
per_hub_day = 2.0
[[campaigns]]
name = "prices"
kind = "update_price"
at_h = 5.0
[topology]
dcs = [{{ name = "one", nodes = 1, rf = 1 }}]
[run]
days = {DAYS}
wall_s = 60
"""
PUBLISHED = "".join(
    f'\n[[published]]\nfigure = "{name}"\nvalue = 1\nunit = "{figure.unit}"\nsource = "s"\ndate = "2026"\n'
    for name, figure in FIGURES.items()
)


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    return parse_scenario(SCENARIO + PUBLISHED, "test")


@pytest.fixture(scope="module")
def estate(scenario: Scenario) -> EstateModel:
    return build_estate(scenario)


@pytest.fixture(scope="module")
def simulation(scenario: Scenario, estate: EstateModel) -> Simulation:
    return simulate(scenario, estate=estate)


@pytest.fixture(scope="module")
def figures(scenario: Scenario, simulation: Simulation) -> dict[str, float]:
    rows = fidelity_of(scenario, simulation)
    assert [row.figure for row in rows] == list(FIGURES)
    return {row.figure: row.simulated for row in rows if row.simulated is not None}


def test_every_figure_is_counted(figures: dict[str, float]) -> None:
    assert set(figures) == set(FIGURES) and all(value > 0 for value in figures.values())


def test_metering_points_are_those_of_each_home(
    figures: dict[str, float], estate: EstateModel, simulation: Simulation
) -> None:
    reached = are_in_smart_mode(estate, np.arange(estate.meter_count))
    assert figures["homes"] == figures["meters_electricity"] == HOMES
    assert (
        simulation.points(MeterMode.SMART)
        == reached.sum()
        == simulation.points(MeterMode.SMART, fuel=Fuel.GAS) + simulation.points(MeterMode.SMART, fuel=Fuel.ELECTRICITY)
    )
    assert figures["meters_gas"] == pytest.approx(0.8 * HOMES, rel=0.05)
    assert figures["hubs"] == pytest.approx(0.7 * HOMES, rel=0.05)
    assert figures["smart_meters"] == pytest.approx(0.7 * 1.8 * HOMES, rel=0.05)
    assert figures["traditional_mode_share"] == pytest.approx(0.1, rel=0.15)
    assert figures["smart_mode_share"] == reached.sum() / figures["meters"]
    assert simulation.meter_count == figures["meters"] < estate.meter_count
    regions = estate.region_of(np.arange(HOMES))
    assert figures["homes_long_range_radio"] == (regions == 0).sum() == HOMES - figures["homes_cellular"]
    assert figures["hubs_long_range_radio"] + figures["hubs_cellular"] == figures["hubs"]


def test_messages_are_those_of_the_trace(
    figures: dict[str, float], estate: EstateModel, simulation: Simulation
) -> None:
    kinds, meters = [], []
    for block in trace_blocks(estate):
        kinds.append(block.kind)
        meters.append(block.meter)
    kind, meter = np.concatenate(kinds), np.concatenate(meters)

    def count(*wanted: MessageKind) -> int:
        return int(np.isin(kind, wanted).sum())

    readings = count(MessageKind.PUSH_HALF_HOUR, MessageKind.UPLOAD_DAY)
    commands = count(MessageKind.SEND_COMMAND, MessageKind.ANSWER_COMMAND)
    months = DAYS / (365.25 / 12)
    assert figures["messages_per_month"] == pytest.approx((readings + commands) / months)
    assert figures["reading_messages_per_meter_month"] == pytest.approx(readings / months / figures["smart_meters"])
    assert figures["alerts_per_hub_day"] == pytest.approx(count(MessageKind.ALERT) / DAYS / figures["hubs"])
    assert figures["alerts_per_hub_day"] == pytest.approx(2.0, rel=0.05)
    assert figures["readings_per_day"] == simulation.reading_count / DAYS
    assert 0.9 < figures["half_hourly_share"] <= 1.0
    changed = meter[kind == MessageKind.CHANGE_PREFERENCE]
    assert figures["schedule_changes_per_day"] == len(changed) / DAYS
    assert (changed % 2 == 1).all() and are_in_smart_mode(estate, changed).all()
    assert figures["schedule_changes_per_day"] <= figures["schedule_changes_busiest_day"] <= 400
    assert figures["hub_swaps_per_day"] * DAYS == pytest.approx(0.2 * figures["hubs_cellular"], rel=0.15)


def test_what_is_not_in_smart_mode_sends_nothing_and_is_only_commanded_in_vain(estate: EstateModel) -> None:
    sent: dict[int, set[int]] = {}
    for block in trace_blocks(estate):
        for one in MessageKind:
            sent.setdefault(int(one), set()).update(block.meter[block.kind == one].tolist())
    reached = set(np.flatnonzero(are_in_smart_mode(estate, np.arange(estate.meter_count))).tolist())
    for kind in (MessageKind.PUSH_HALF_HOUR, MessageKind.UPLOAD_DAY, MessageKind.ANSWER_COMMAND):
        assert sent[kind] and sent[kind] <= reached
    in_vain = sent[MessageKind.SEND_COMMAND] - reached
    assert len(in_vain) == pytest.approx(0.7 * 0.1 * HOMES, rel=0.3)


def test_a_years_use_is_that_of_all_meters(figures: dict[str, float], simulation: Simulation) -> None:
    assert figures["electricity_kwh_per_meter_year"] == pytest.approx(3_290, rel=0.05)  # the mean of the knots
    assert figures["gas_kwh_per_meter_year"] == pytest.approx(13_310, rel=0.05)
    for fuel in ("electricity", "gas"):
        whole = figures[f"{fuel}_kwh_per_meter_year"] * figures[f"meters_{fuel}"]
        assert figures[f"{fuel}_twh_year"] == pytest.approx(whole / 1e9)


def test_a_rollout_shows_no_years_use() -> None:
    text = SCENARIO.replace("[alerts]", "[estate.rollout]\nover_days = 2\n[alerts]").replace("3000", "50") + PUBLISHED
    scenario = parse_scenario(text, "test")
    rows = {row.figure: row for row in fidelity_of(scenario, simulate(scenario))}
    assert rows["gas_twh_year"].simulated is None and rows["gas_twh_year"].deviation is None
    assert not rows["gas_twh_year"].is_within


def row(simulated: float | None, published: float = 100.0, why_not: str | None = None) -> FidelityRow:
    deviation = None if simulated is None else simulated / published - 1
    return FidelityRow(
        figure="hubs_cellular", unit="hubs", simulated=simulated, published=published, source="a census", date="2025",
        deviation=deviation, is_within=deviation is not None and abs(deviation) <= 0.05, why_not=why_not,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([row(104.0)], "1 of 1 published figure is within 5 %."),
        ([row(104.0), row(90.0, why_not="snow")], "1 of 2 published figures is within 5 %; each other one has its reason."),
        ([row(104.0), row(95.1), row(None)], "2 of 3 published figures are within 5 %; 1 other without a reason."),
    ],
)  # fmt: skip
def test_what_is_told_of_a_table(rows: list[FidelityRow], told: str) -> None:
    assert fidelity_told(tuple(rows)) == told


def test_a_line_gives_its_reason_only_where_it_needs_one() -> None:
    near, far, none = fidelity_lines((row(104.0, why_not="snow"), row(1_200.0, 1_000, "snow"), row(None)))
    assert (near.simulated, near.published, near.deviation, near.why_not) == ("104", "100", "+4.0 %", "")
    assert (far.simulated, far.deviation, far.why_not) == ("1,200", "+20.0 %", "snow")
    assert (none.simulated, none.deviation, none.why_not) == ("–", "–", "no reason is given")


def test_terminal_page_and_json_show_the_table(scenario: Scenario, simulation: Simulation) -> None:
    results = results_of(scenario, simulation)
    out = StringIO()
    print_simulation(Console(file=out, width=100), results)
    html = simulation_html(results, scenario)
    assert fidelity_told(results.fidelity) in out.getvalue()
    assert "hubs cellular: s, 2026; no reason is given" in out.getvalue()
    assert '<section id="fidelity">' in html and "Hubs cellular [hubs]" in html
    rows = json.loads(results.model_dump_json())["fidelity"]
    assert {each["figure"] for each in rows} == set(FIGURES)
    assert any("Published figure hubs cellular is not within 5 %" in sentence for sentence in results.warnings)
    assert results.meters_by_mode["gas"]["absent"] == HOMES - results.meters_by_mode["gas"]["not_smart"] - sum(
        results.meters_by_mode["gas"][mode] for mode in ("smart", "traditional")
    )
    assert results.hubs == simulation.hubs()


def test_without_published_figures_there_is_no_table(simulation: Simulation) -> None:
    scenario = parse_scenario(SCENARIO, "test")
    results = results_of(scenario, simulation)
    out = StringIO()
    print_simulation(Console(file=out, width=100), results)
    assert results.fidelity == () and "Fidelity" not in out.getvalue()
    assert 'id="fidelity"' not in simulation_html(results, scenario)
