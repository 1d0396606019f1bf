"""What every sender needs before it starts: statements prepared, the ring known, the engine's settings from the scenario."""

from collections.abc import Sequence

from loadtests.cluster.connect import secure
from loadtests.sender.connection import Access, Credentials
from loadtests.sender.engine import EngineSettings
from loadtests.sender.ring import RingTable, ring_of_metadata
from loadtests.workload.experiment import Experiment
from loadtests.workload.trace_source import Templates, make_templates
from scenarios.operations import operations_of
from scenarios.parts.failover import Failover
from store.cassandra import prepare


def prepare_templates(experiment: Experiment, keyspace: str, dcs: Sequence[str]) -> tuple[Templates, RingTable]:
    """Have every statement of a scenario prepared on `keyspace`, and learn the ring of `dcs`, by cassandra-driver.

    Raises HarnessError when the cluster can't be reached, StoreError when a statement can't be prepared.
    """
    scenario, schema = experiment.scenario, experiment.schema
    with experiment.session() as session:  # ended at once: its threads would only share the interpreter with the sender
        prepared_ids = {
            statement.cql: prepare(session, statement, keyspace, scenario.topology.consistency.of(operation)).query_id
            for operation in operations_of(scenario)
            for statement in schema.statements_of(operation)
        }
        ring = ring_of_metadata(session.cluster.metadata, keyspace, dcs)
    return make_templates(scenario, schema, prepared_ids), ring


def engine_settings(
    experiment: Experiment, *, in_flight_max: int, drain_s_max: float, failover: Failover | None = None
) -> EngineSettings:
    """The scenario's limits, and how the endpoint is logged in to. Raises HarnessError for an authority that can't be read."""
    scenario, endpoint, login = experiment.scenario, experiment.endpoint, None
    if endpoint.username is not None:
        login = Credentials(username=endpoint.username, password=endpoint.password or "")
    return EngineSettings(
        in_flight_max=in_flight_max,
        operation_timeout_s=scenario.run.operation_timeout_s,
        attempts_max=scenario.run.attempts_max,
        retry_share_max=scenario.run.retry_share_max,
        speculate_after_ms=scenario.run.speculate_after_ms,
        shed_after_s={str(operation): wait_s for operation, wait_s in scenario.run.shed_after_s.items()},
        drain_s_max=drain_s_max,
        failover=failover,
        levels=frozenset(scenario.topology.consistency.of(operation) for operation in operations_of(scenario)),
        access=Access(credentials=login, tls=secure(endpoint)),
    )
