"""A Cassandra as a target of steps: its statements prepared, its ring known, the scenario's mix encoded."""

from collections.abc import Sequence
from pathlib import Path

from loadtests.cluster.connect import Endpoint, connect, tls_context
from loadtests.rate_source import POOL_OPERATIONS_MAX, pool_of, shard_count_of
from loadtests.shard_messages import ShardPlan
from loadtests.steps import StepTarget
from loadtests.wire.connection import Access, Credentials
from loadtests.wire.engine import EngineSettings
from loadtests.wire.ring import ring_of_metadata
from loadtests.workload import Workload, lanes_of, make_templates, operations_of
from scenarios.spec import Scenario
from sim.estate import EstateModel
from store.cassandra import prepare
from store.schemas import SCHEMAS

DRAIN_S_MAX = 10.0  # a step is judged by what was answered within it


def cassandra_target(
    scenario: Scenario, estate: EstateModel, endpoint: Endpoint, *, schema: str, dcs: Sequence[str]
) -> StepTarget:
    """Reach the cluster and encode the mix; the keyspace of `scenario.topology` must be there.

    dcs: the business data centres that take operations. When they are not all of the scenario's, those of the others go to
    the first of them, as their gateways would turn to it.
    Raises HarnessError when the cluster can't be reached, StoreError when a statement can't be prepared.
    """
    topology, tables = scenario.topology, SCHEMAS[schema]
    driver, session = connect(endpoint)
    try:
        prepared_ids = {
            operation: prepare(
                session, tables.statement(operation), topology.keyspace, topology.consistency.of(operation)
            ).query_id
            for operation in operations_of(scenario)
        }
        ring = ring_of_metadata(driver.metadata, topology.keyspace, dcs)
    finally:
        driver.shutdown()  # its threads would only share the interpreter with the sender
    templates = make_templates(scenario, tables, prepared_ids)
    shard_count = shard_count_of(estate.meter_count)
    pool = pool_of(
        (
            Workload(_plan(scenario, estate, endpoint, schema, shard, shard_count), templates)
            for shard in range(shard_count)
        ),
        POOL_OPERATIONS_MAX,
    )
    if len(dcs) < len(topology.business_dcs):
        pool = pool.sent_to(0)
    lanes = lanes_of(scenario)
    return StepTarget(
        operations=tuple(str(lane.operation) for lane in lanes),
        idempotent=tuple(tables.statement(lane.operation).is_idempotent for lane in lanes),
        statements=tuple(
            tables.statement(operation).cql.format(keyspace=topology.keyspace) for operation in operations_of(scenario)
        ),
        ring=ring,
        settings=_settings(scenario, endpoint),
        pool=pool,
        seed=scenario.run.seed,
    )


def _plan(
    scenario: Scenario, estate: EstateModel, endpoint: Endpoint, schema: str, shard: int, shard_count: int
) -> ShardPlan:
    """What a workload asks of a plan; nothing of it is in a ledger or a live count."""
    return ShardPlan(
        scenario=scenario,
        estate=estate,
        schema=schema,
        endpoint=endpoint,
        shard=shard,
        shard_count=shard_count,
        ledger_folder=Path(),
        live_path=Path(),
    )


def _settings(scenario: Scenario, endpoint: Endpoint) -> EngineSettings:
    run = scenario.run
    login = None
    if endpoint.username is not None:
        login = Credentials(username=endpoint.username, password=endpoint.password or "")
    return EngineSettings(
        in_flight_max=run.in_flight_max,
        operation_timeout_s=run.operation_timeout_s,
        attempts_max=run.attempts_max,
        drain_s_max=min(run.drain_s_max, DRAIN_S_MAX),
        access=Access(credentials=login, tls=tls_context(endpoint.ca) if endpoint.ca else None),
    )
