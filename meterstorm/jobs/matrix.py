"""`meterstorm matrix`: the same load on every replication factor, consistency level and number of DCs that fit this machine."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from loadtests.cluster.machine import available_memory_mib, fingerprint, processor_count
from loadtests.errors import HarnessError
from loadtests.matrix.cells import Group, MatrixPlan, Room, group_order, plan_matrix
from loadtests.matrix.group import MatrixMeasurements, Settings, measure_group
from loadtests.trials.sending import IN_FLIGHT
from meterstorm.display.progress import Progress, Silent
from meterstorm.jobs.run_folder import new_folder, write_resolved
from meterstorm.jobs.versions import versions
from meterstorm.outcomes.matrix import cell_results, refused_cells
from reports.matrix.page import write_matrix_report
from reports.results.matrix import MatrixResults
from reports.results.parts import Machine
from scenarios.domain import ConsistencyLevel
from scenarios.spec import Scenario, require_no_faults, with_network
from store.ports import StoreError
from store.schemas import schema_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is to be measured, and how. seconds: of each loop of a trial; rate_per_s: of the open loop.

    distances_ms: one way between every two DCs, each of which is measured; none: the scenario's alone.
    """

    rfs: Sequence[int]
    levels: Sequence[ConsistencyLevel]
    dc_counts: Sequence[int]
    distances_ms: Sequence[int] = ()
    repeats: int = 3
    seconds: float = 5.0
    rate_per_s: float = 500.0


def matrix(
    scenario: Scenario,
    asked: Asked,
    out: Path,
    *,
    room: Room | None = None,
    profile_folder: Path | None = None,
    progress: Progress | None = None,
) -> MatrixResults:
    """Measure every cell that the machine can host, and write results.json, report.html and figures/ into the new folder `out`.

    room: what the machine has, by default what is free now. Ctrl-C ends it early: what was measured is written, and said to
    be partial. A cluster that can't go on is told in `trouble`, and the next one is started. Raises ScenarioError for what
    the user can mend in the scenario or the arguments, HarnessError when nothing can be hosted or nothing could be measured.
    """
    schema_of(scenario)  # refused before anything is started
    require_no_faults(scenario, "a matrix")
    progress = progress or Silent()
    started = datetime.now(UTC)
    room = room or Room(processors=processor_count(), memory_mib=available_memory_mib())
    if asked.distances_ms:
        scenario = with_network(scenario)
    plan = plan_matrix(asked.rfs, asked.levels, asked.dc_counts, room, asked.distances_ms)
    with new_folder(out) as out:
        write_resolved(scenario, out)
        for refused in plan.refused:
            progress.detail(f"not measured: {refused.cell.name}: {refused.reason}")
        settings = Settings(
            repeats=asked.repeats,
            seconds=asked.seconds,
            rate_per_s=asked.rate_per_s,
            schema=scenario.store.schema_name,
            heap_mib=plan.heap_mib,
        )
        measured, trouble = MatrixMeasurements(), list[str]()

        def results(*, is_partial: bool) -> MatrixResults:
            return matrix_results(scenario, asked, plan, measured, started, trouble, is_partial=is_partial)

        try:
            for group in group_order(plan, scenario.run.seed):
                progress.phase(f"Measuring {_told(group)}")
                try:
                    folder = out / f"cluster-{group.dcs}-dcs"
                    measure_group(group, scenario, folder, settings, measured, progress.detail, profile_folder)
                except (HarnessError, StoreError) as error:
                    trouble.append(f"{_told(group)}: {error}.")
                if measured.loaded:
                    results(is_partial=True).write(out)  # a machine that dies leaves what was measured
        except KeyboardInterrupt:
            if not measured.loaded:
                raise
            trouble.append("The matrix was interrupted.")
        done = results(is_partial=bool(trouble))
        if not done.cells:
            raise HarnessError(" ".join(trouble))
        done.write(out)
    progress.phase("Writing the report")
    write_matrix_report(out)
    return done


def _told(group: Group) -> str:
    dcs = "1 data centre" if group.dcs == 1 else f"{group.dcs} data centres"
    nodes = "1 node" if group.nodes_per_dc == 1 else f"{group.nodes_per_dc} nodes"
    return f"{dcs} of {nodes}, {len(group.cells)} cells"


def matrix_results(
    scenario: Scenario,
    asked: Asked,
    plan: MatrixPlan,
    measured: MatrixMeasurements,
    started: datetime,
    trouble: Sequence[str],
    *,
    is_partial: bool,
) -> MatrixResults:
    return MatrixResults(
        scenario=scenario.title,
        seed=scenario.run.seed,
        started=started,
        finished=datetime.now(UTC),
        versions=versions(cassandra=measured.cassandra),
        machine=Machine.model_validate(fingerprint()),
        rate_per_s=asked.rate_per_s,
        seconds=asked.seconds,
        repeats=asked.repeats,
        in_flight=IN_FLIGHT,
        heap_mib=plan.heap_mib,
        wan_emulated=scenario.topology.wan is not None,
        wan_cost=None if measured.network_cost is None else str(measured.network_cost),
        is_partial=is_partial,
        trouble=tuple(trouble),
        cells=cell_results(plan, measured, rate_per_s=asked.rate_per_s, validity=scenario.run.validity),
        refused=refused_cells(plan),
    )
