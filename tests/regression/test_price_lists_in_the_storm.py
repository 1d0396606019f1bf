"""Announced price lists were published in the storm: serial writes to every DC, which a small machine did not answer in time.

Eight tries of eight were in doubt, and the run of the README failed for them.
"""

import pytest

from loadtests.cluster.connect import Endpoint
from loadtests.faults.office_acts import PricesLate
from loadtests.faults.own_parts import OwnParts
from loadtests.storm import tables
from loadtests.workload.experiment import Experiment
from loadtests.workload.prices import in_force_s, price_lists_of, published_ahead
from meterstorm import load_scenario
from scenarios.spec import Scenario
from sim.estate.lookup import start_us_of
from sim.estate.model import build_estate
from store.memory.customers import MemoryCustomers
from store.schemas import schema_of
from store.tariffs import PriceList


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> MemoryCustomers:
    """The book that is published into."""
    book = MemoryCustomers(schema_of(load_scenario("smoke")))
    monkeypatch.setattr(tables, "CassandraCustomers", lambda *_: book)
    return book


def publish(scenario: Scenario) -> tuple[PriceList, ...]:
    """As `prepare_tables` does; returns all lists that the scenario announces."""
    estate = build_estate(scenario)
    experiment = Experiment(scenario=scenario, estate=estate, endpoint=Endpoint(contact_points=(), local_dc="north"))
    tables.publish_prices(None, tables._ahead(experiment), estate, experiment.schema, scenario.topology)
    return price_lists_of(estate)


def test_all_price_lists_are_published_before_it(held: MemoryCustomers) -> None:
    scenario = load_scenario("smoke")
    wanted = publish(scenario)
    assert held.price_lists() == wanted
    assert any(prices.effective_us > start_us_of(build_estate(scenario)) for prices in wanted)


@pytest.mark.parametrize("others_at_s", [(), (90.0,)])
def test_before_the_storm_in_it_and_when_faults_are_checked_the_same_lists_are_late(
    held: MemoryCustomers, others_at_s: tuple[float, ...]
) -> None:
    """Three places decided it, each by itself."""
    scenario = load_scenario("tariffs_late")
    (late,) = scenario.faults
    others = tuple(late.model_copy(update={"at_s": at_s, "for_s": 1.0}) for at_s in others_at_s)
    scenario = scenario.model_copy(update={"faults": (*others, late)})
    estate = build_estate(scenario)
    publish(scenario)
    office_input = OwnParts().office_input
    acts = [PricesLate(office_input, fault) for fault in scenario.faults]
    assert published_ahead(scenario, estate, office_input.prices_held_from_s) == held.price_lists()
    late_s = [at_s for at_s in in_force_s(scenario, estate) if late.at_s <= at_s < late.until_s]
    assert len(late_s) == len(price_lists_of(estate)) - len(held.price_lists()) == 1
    acts[-1].heal()
    assert published_ahead(scenario, estate, office_input.prices_held_from_s) == price_lists_of(estate)


def test_one_that_a_fault_holds_up_is_not(held: MemoryCustomers) -> None:
    wanted = publish(load_scenario("tariffs_late"))
    assert held.price_lists() == wanted[:1] and len(wanted) == 2
