"""A Cassandra as a target of steps: its statements prepared, its ring known, the scenario's mix encoded."""

from collections.abc import Sequence

from loadtests.capacity.target import StepTarget
from loadtests.storm.engine_setup import engine_settings, prepare_templates
from loadtests.workload.experiment import Experiment
from loadtests.workload.operations import lanes_of
from loadtests.workload.poisson_source import POOL_OPERATIONS_MAX, pool_of, shard_count_of
from loadtests.workload.trace_source import TraceSource
from scenarios.operations import operations_of

DRAIN_S_MAX = 10.0  # a step is judged by what was answered within it


def cassandra_target(experiment: Experiment, *, dcs: Sequence[str]) -> StepTarget:
    """Reach the cluster and encode the mix; the keyspace of `scenario.topology` must be there.

    dcs: the business data centres that take operations. When they are not all of the scenario's, those of the others go to
    the first of them, as their gateways would turn to it.
    Raises HarnessError when the cluster can't be reached, StoreError when a statement can't be prepared.
    """
    scenario, estate, tables = experiment.scenario, experiment.estate, experiment.schema
    topology = scenario.topology
    templates, ring = prepare_templates(experiment, topology.keyspace, dcs)
    shard_count = shard_count_of(estate.meter_count)
    pool = pool_of(
        (
            TraceSource(scenario, estate, templates, shard=shard, shard_count=shard_count)
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
        settings=engine_settings(
            experiment,
            in_flight_max=scenario.run.in_flight_max,
            drain_s_max=min(scenario.run.drain_s_max, DRAIN_S_MAX),
        ),
        pool=pool,
        seed=scenario.run.seed,
    )
