"""The tables that a run writes to, made and seen to be empty before anything is sent."""

from collections.abc import Callable, Sequence

from cassandra.cluster import Session

from loadtests.errors import HarnessError
from loadtests.workload.experiment import Experiment
from loadtests.workload.prices import published_ahead
from scenarios.operations import operations_of
from scenarios.parts.faults import prices_held_from_s
from scenarios.spec import Scenario, Topology
from sim.estate.lookup import start_us_of
from sim.estate.model import EstateModel
from store.cassandra import (
    alter_tables,
    create_schema,
    create_warming_schema,
    first_table_with_rows,
    schema_statements,
    warming_statements,
)
from store.cassandra.customers import CassandraCustomers
from store.schemas import schema_of
from store.tables import Schema
from store.tariffs import PriceList


def prepare_tables(experiment: Experiment, when_made: Callable[[], object] = lambda: None) -> str:
    """Create the tables and see that they are empty; returns the release of Cassandra that serves them.

    when_made: called once they are there on all nodes, and before any row.
    Raises HarnessError for a keyspace that holds rows already, and for a cluster that can't be reached.
    """
    scenario, schema = experiment.scenario, experiment.schema
    with experiment.session() as session:
        create_schema(session, schema, scenario.topology, experiment.estate.calendar)
        alter_tables(session, scenario.store.alterations, schema, scenario.topology.keyspace)
        if scenario.run.warm_nodes_s:
            create_warming_schema(session, schema, scenario.topology, operations_of(scenario))
        when_made()
        held = first_table_with_rows(session, schema, scenario.topology.keyspace)
        if held is not None:
            raise HarnessError(
                f"table {scenario.topology.keyspace}.{held.name} already holds rows, which the audit would call phantoms: "
                "name a new keyspace in [topology] keyspace, or drop that one"
            )
        publish_prices(session, _ahead(experiment), experiment.estate, schema, scenario.topology)
        return str(session.execute("SELECT release_version FROM system.local").one().release_version)


def table_statements(scenario: Scenario) -> list[str]:
    """What `prepare_tables` asks for on new nodes; nothing where the scenario alters tables, which is not done twice."""
    schema, topology = schema_of(scenario), scenario.topology
    if scenario.store.alterations:
        return []
    warming = warming_statements(schema, topology, operations_of(scenario)) if scenario.run.warm_nodes_s else []
    return [*schema_statements(schema, topology), *warming]


def publish_prices(
    session: Session, prices: Sequence[PriceList], estate: EstateModel, schema: Schema, topology: Topology
) -> None:
    """Put price lists of an estate into the book, as of its start; also those that are only announced. Raises StoreError.

    Before the storm: a serial write asks replicas of every DC four times over, and under the load of a small machine
    each of eight tries ran into the nodes' time-out of 2 s (2026-11-28). The back office then finds them published.
    """
    customers = CassandraCustomers(session, schema, topology)
    for one in prices:
        customers.publish(one, start_us_of(estate))


def _ahead(experiment: Experiment) -> Sequence[PriceList]:
    """All price lists, but for those that a fault of the scenario holds up."""
    held_from_s = prices_held_from_s(experiment.scenario.faults)
    return published_ahead(experiment.scenario, experiment.estate, held_from_s)
