"""One shard of the storm as a process of its own: a sender at its ticks, with nothing else in its way.

Spoken to by `loadtests.storm.coordinator` over one socket, pickled: it is given a `ShardPlan`, says `Ready`, is told
the instant to start, reports each `Second`, and ends with `ShardReport` or `Trouble`. Secrets come in the plan, never on the
command line.
"""

import gc
import logging
import mmap
import os
import sys
import threading
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from loadtests.errors import HarnessError
from loadtests.recording.history import NO_COUNTS, DcOutcomes, SecondCounts
from loadtests.recording.ledger import Ledger
from loadtests.recording.seconds import Second, sparse_of
from loadtests.sender.engine import Engine, WireOperation
from loadtests.sender.recorder import LIVE_SIZE, IntervalSnapshot, OnInterval
from loadtests.sender.ring import RingTable
from loadtests.storm.allocator import give_memory_back
from loadtests.storm.engine_setup import engine_settings, prepare_templates
from loadtests.storm.messages import Ready, ShardPlan, ShardReport, Stop, Trouble
from loadtests.workload.operations import lanes_of
from loadtests.workload.trace_source import Templates, TraceSource
from scenarios.operations import operations_of
from store.cassandra import warming_keyspace

log = logging.getLogger(__name__)


WARM_IN_FLIGHT = 128  # over all shards: enough to keep the nodes busy, and few enough for cold ones


def run_shard(connection: Connection) -> None:
    """Serve one plan, from the first message to `ShardReport`."""
    plan = connection.recv()
    assert isinstance(plan, ShardPlan)
    if plan.experiment.scenario.run.warm_nodes_s:
        _warm_nodes(plan)
    keyspace = plan.experiment.scenario.topology.keyspace
    templates, ring = _prepare(plan, keyspace)
    source = _source_of(plan, templates)
    source.prime()
    names = [str(lane.operation) for lane in lanes_of(plan.experiment.scenario)]
    dcs = [dc.name for dc in plan.experiment.scenario.topology.business_dcs]
    engine = _engine(
        plan,
        keyspace,
        ring,
        Ledger.open(plan.ledger_folder, is_writable=True),
        live=_live_counts(plan.live_path),
        on_interval=lambda snapshot: connection.send(second_of(snapshot, names, dcs)),
    )
    with engine:
        connection.send(Ready())
        start = connection.recv()
        if isinstance(start, Stop):
            return
        threading.Thread(target=_heed, args=(connection, engine), daemon=True).start()
        end_us = round(plan.experiment.scenario.run.wall_s * 1e6)
        report = engine.run(
            source, start_ns=start.at_monotonic_ns, end_us=end_us, closed_in_flight=plan.closed_in_flight
        )
    connection.send(ShardReport(report=report, cpu_s=sum(os.times()[:2])))


def _prepare(plan: ShardPlan, keyspace: str) -> tuple[Templates, RingTable]:
    dcs = [dc.name for dc in plan.experiment.scenario.topology.business_dcs]
    return prepare_templates(plan.experiment, keyspace, dcs)


def _source_of(plan: ShardPlan, templates: Templates) -> TraceSource:
    return TraceSource(
        plan.experiment.scenario, plan.experiment.estate, templates, shard=plan.shard, shard_count=plan.shard_count
    )


def _warm_nodes(plan: ShardPlan) -> None:
    """Let the nodes' JIT compilers see the load before the clock starts: a cold JVM is ten times slower than a warm one.

    The trace's first operations are sent closed loop to the tables of the warming keyspace: what the audit will read is
    not touched. Nothing of it is in the ledger or in the history.
    """
    keyspace = warming_keyspace(plan.experiment.scenario.topology)
    templates, ring = _prepare(plan, keyspace)
    in_flight = max(min(WARM_IN_FLIGHT // plan.shard_count, _in_flight_max(plan)), 1)
    source = _source_of(plan, templates)
    source.prime()  # before the timer: on a busy machine the first block, and its kernels, outlast the warming
    with _engine(plan, keyspace, ring, None, live=None, on_interval=None) as engine:
        timer = threading.Timer(plan.experiment.scenario.run.warm_nodes_s, engine.stop)
        timer.daemon = True
        timer.start()
        report = engine.run(source, closed_in_flight=in_flight)
        timer.cancel()
    log.info("warmed ok=%d indeterminate=%d late_answers=%d", report.ok, report.indeterminate, report.late_answers)


def _engine(
    plan: ShardPlan,
    keyspace: str,
    ring: RingTable,
    ledger: Ledger | None,
    *,
    live: NDArray[np.int64] | None,
    on_interval: OnInterval | None,
) -> Engine:
    schema = plan.experiment.schema
    return Engine(
        operations=[
            WireOperation(
                name=lane.operation,
                ledger_plane=ledger.plane_of(lane.plane) if ledger and lane.plane else None,
                is_idempotent=schema.statement(lane.operation).is_idempotent,
                is_read=not schema.statement(lane.operation).is_write,
            )
            for lane in lanes_of(plan.experiment.scenario)
        ],
        statements=[
            schema.statement(operation).cql.format(keyspace=keyspace)
            for operation in operations_of(plan.experiment.scenario)
        ],
        ring=ring,
        settings=engine_settings(
            plan.experiment,
            in_flight_max=_in_flight_max(plan),
            drain_s_max=plan.experiment.scenario.run.drain_s_max,
            failover=plan.experiment.scenario.run.failover,
        ),
        ledger=ledger,
        live=live,
        on_interval=on_interval,
    )


def _in_flight_max(plan: ShardPlan) -> int:
    return max(plan.experiment.scenario.run.in_flight_max // plan.shard_count, 1, plan.closed_in_flight or 0)


def _heed(connection: Connection, engine: Engine) -> None:
    """Wait for the parent's word to stop; its death is one too."""
    try:
        connection.recv()
    except (EOFError, OSError):
        log.error("the parent is gone: stopping")
    engine.stop()


def _live_counts(path: Path) -> NDArray[np.int64]:
    with path.open("r+b") as file:
        return np.frombuffer(mmap.mmap(file.fileno(), LIVE_SIZE * 8), np.int64)


def second_of(snapshot: IntervalSnapshot, names: list[str], dcs: list[str]) -> Second:
    """A second as the parent is told of it. names: the operation of each lane; lanes of one operation are added up. dcs: in the
    order of the ring's."""
    counts: dict[str, SecondCounts] = {}
    response: dict[str, NDArray[np.int64]] = {}
    service: dict[str, NDArray[np.int64]] = {}
    earliest: dict[str, NDArray[np.int64]] = {}
    by_dc: dict[str, NDArray[np.int64]] = {}
    for lane, name in enumerate(names):
        by_dc[name] = by_dc.get(name, 0) + snapshot.by_dc[lane]
        added = zip(counts.get(name, NO_COUNTS), snapshot.counts[lane], strict=True)
        counts[name] = SecondCounts(*(one + more for one, more in added))
        response[name] = response.get(name, 0) + snapshot.response[lane]
        service[name] = service.get(name, 0) + snapshot.service[lane]
        earliest[name] = earliest.get(name, 0) + snapshot.earliest[lane]
    return Second(
        second=snapshot.second,
        counts=counts,
        response={name: sparse_of(values) for name, values in response.items()},
        service={name: sparse_of(values) for name, values in service.items()},
        lateness=sparse_of(snapshot.lateness),
        earliest={name: sparse_of(values) for name, values in earliest.items()},
        by_dc={
            name: {dc: DcOutcomes(*counts) for dc, counts in zip(dcs, rows.tolist(), strict=True)}
            for name, rows in by_dc.items()
        },
    )


def main() -> None:
    """The process: one argument, the file descriptor of the socket to the parent."""
    give_memory_back()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", level=logging.INFO)
    connection = Connection(int(sys.argv[1]))
    try:
        run_shard(connection)
    except (BrokenPipeError, EOFError):
        log.error("the parent is gone")
    except Exception as error:
        log.error("shard failed\n%s", traceback.format_exc())
        is_known = isinstance(error, HarnessError)
        connection.send(
            Trouble(message=str(error) if is_known else f"a sender failed: {type(error).__name__}: {error}")
        )
    finally:
        gc.freeze()  # Python ends with a search for cycles, through all of Numba's objects: 0.2 s of a sender's 2


if __name__ == "__main__":
    main()
