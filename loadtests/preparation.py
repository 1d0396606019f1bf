"""The tables that a run writes to, made and seen to be empty before anything is sent."""

from loadtests.audit.rules import publish_prices
from loadtests.cluster.connect import Endpoint, connect
from loadtests.errors import HarnessError
from loadtests.workload import operations_of
from scenarios.spec import Scenario
from sim.estate import EstateModel
from store.cassandra import create_schema, create_warming_schema, first_table_with_rows
from store.schemas import SCHEMAS


def prepare_tables(scenario: Scenario, estate: EstateModel, endpoint: Endpoint, schema_name: str) -> str:
    """Create the tables and see that they are empty; returns the release of Cassandra that serves them.

    Raises HarnessError for a keyspace that holds rows already, and for a cluster that can't be reached.
    """
    schema = SCHEMAS[schema_name]
    driver, session = connect(endpoint)
    try:
        create_schema(session, schema, scenario.topology)
        if scenario.run.warm_nodes_s:
            create_warming_schema(session, schema, scenario.topology, operations_of(scenario))
        held = first_table_with_rows(session, schema, scenario.topology.keyspace)
        if held is not None:
            raise HarnessError(
                f"table {scenario.topology.keyspace}.{held.name} already holds rows, which the audit would call phantoms: "
                "name a new keyspace in [topology] keyspace, or drop that one"
            )
        publish_prices(session, estate, schema, scenario.topology, announced=not scenario.run.back_office)
        return str(session.execute("SELECT release_version FROM system.local").one().release_version)
    finally:
        driver.shutdown()
