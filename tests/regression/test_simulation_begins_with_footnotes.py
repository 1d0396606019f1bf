"""A simulation's page began with three footnotes, and told of regions without any outage that they "drained: not by the end"."""

from datetime import date

import pytest
from rich.console import Console

from meterstorm.display.simulation import print_simulation
from meterstorm.outcomes.simulation import has_outage, results_of
from reports.results.simulation import SimulationResults
from reports.simulation.gallery import drain_cell, drained_told, instant, minute
from reports.simulation.headlines import replication_of
from reports.simulation.page import headline, simulation_html
from scenarios.spec import Scenario, parse_scenario
from sim.virtual_time.summary import simulate
from tests.unit.jobs.test_simulate import SCENARIO


@pytest.fixture(scope="module")
def scenario() -> Scenario:
    """Messages of both regions pile up: those of the south are held, those of the north were on the way."""
    text = SCENARIO.replace("premises = 2_000", "premises = 400").replace("for_h = 3.0", "for_h = 300.0")
    slow = "[wan.long_range_radio]\ndelay_ms_min = 3_600_000\ndelay_ms_max = 3_600_000\n[[wan.outages]]"  # the north's hubs
    return parse_scenario(text.replace("[[wan.outages]]", slow), "test")


@pytest.fixture(scope="module")
def results(scenario: Scenario) -> SimulationResults:
    return results_of(scenario, simulate(scenario))


def test_the_page_begins_with_its_answer(scenario: Scenario, results: SimulationResults) -> None:
    assert len(results.warnings) >= 2
    page = simulation_html(results, scenario)
    answer, tiles, notes = (page.index(each) for each in ('class="headline"', 'class="tiles"', 'class="notes"'))
    assert page.index("<h1>") < answer < tiles < notes
    told = page[answer : page.index("</p>", answer)]
    south = results.backlog["south"]
    assert (
        "meters offer at most" in told and "commands" in told and "have a new tariff when it comes into force" in told
    )
    assert f"Without WAN {south.peak:,} messages pile up in the hubs of south, not drained by the end." in told


def test_of_a_region_without_an_outage_nothing_was_held(scenario: Scenario, results: SimulationResults) -> None:
    console = Console(record=True, width=120)
    print_simulation(console, results)
    backlog = results.backlog
    assert {name for name, each in backlog.items() if each.has_outage} == {"south"}
    table = console.export_text().split("Backlog")[1].split("Commands")[0]
    told = {line.split()[0]: line for line in table.splitlines() if line.split()}
    page = simulation_html(results, scenario)
    rows = {name: page.split(f'<tr><th scope="row">{name}</th>')[1].split("</tr>")[0] for name in backlog}
    for name, each in backlog.items():
        words = "not by the end" if name == "south" else "no outage"
        assert each.peak > 0 and words in told[name] and words in rows[name]
        assert ("not by the end" in told[name]) == (name == "south")
    figures = replication_of(results).figures
    assert [path for path in figures if path.endswith("drain_s")] == ["backlog.south.drain_s"]


def test_what_has_an_outage() -> None:
    south = parse_scenario(SCENARIO, "test")
    none = south.model_copy(update={"wan": south.wan.model_copy(update={"outages": ()})})
    assert not has_outage(none, "south", 86_400)
    hubs = none.wan.model_copy(update={"hub_outages_per_day": 0.1})
    assert not has_outage(none.model_copy(update={"wan": hubs}), "north", 86_400)  # single hubs drain all the while
    assert has_outage(south, "south", 86_400) and not has_outage(south, "north", 86_400)
    assert not has_outage(south, "south", 3_600)  # begins when the span ends
    everywhere = parse_scenario(SCENARIO.replace('region = "south"\n', ""), "test")
    assert has_outage(everywhere, "north", 86_400)


def test_single_hubs_that_fail_are_no_outage_of_their_region(scenario: Scenario) -> None:
    """`regional_outage` told of regions that had kept their WAN that they "drained: not by the end"."""
    wan = scenario.wan.model_copy(update={"hub_outages_per_day": 0.5})
    results = results_of(hubs := scenario.model_copy(update={"wan": wan}), simulate(hubs))
    north, south = results.backlog["north"], results.backlog["south"]
    assert (north.has_outage, south.has_outage) == (False, True) and north.peak > 0
    assert drain_cell(north) == "no outage" and "no outage of the region" in drained_told(north)
    assert [path for path in replication_of(results).figures if path.endswith("drain_s")] == ["backlog.south.drain_s"]


def test_an_instant_is_told_to_the_second() -> None:
    day = date(2026, 1, 15)
    assert instant(day, 6 * 3_600) == "15 Jan 06:00:00 UTC"
    assert instant(day, 6 * 3_600 + 61) == "15 Jan 06:01:01 UTC"
    assert minute(day, 6 * 3_600) == "15 Jan 06:00 UTC"


def test_of_an_older_file_the_headline_claims_no_outage(scenario: Scenario, results: SimulationResults) -> None:
    fields = results.model_dump(mode="json")
    for region in fields["backlog"].values():
        del region["has_outage"]  # older files do not tell it
    older = SimulationResults.model_validate(fields)
    assert "Without WAN" in headline(results) and "Without WAN" not in headline(older)
    for each in older.backlog.values():  # its drain time is told as it stands there
        assert "no outage" not in drained_told(each) and "no outage" not in drain_cell(each)
    paths = [path for path in replication_of(older).figures if path.endswith("drain_s")]
    assert paths == [f"backlog.{name}.drain_s" for name in older.backlog]
