"""Which cells there are, which of them this machine can host, on which nodes, and in which order they are measured. Pure.

Words: a *cell* is one number of data centres, one replication factor (in each of them), one consistency level, and one distance
between the DCs where several were asked for. A *group* is the cells of one number of DCs: they share nodes, each with a keyspace
of its own, which it shares with the same cell at other distances. A *block* is one measurement of every cell of a group, in an
order drawn from the seed: what drifts while a group is measured favours no cell.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from loadtests.cluster.sizing import size_nodes
from loadtests.errors import HarnessError
from scenarios.domain import ConsistencyLevel, Operation
from scenarios.parts.site_wan import DELAY_MS_MAX
from scenarios.spec import Consistency, Dc, Scenario, ScenarioError, Topology
from scenarios.texts.outside import whole_number
from scenarios.texts.printable import shortened

DCS_MAX = 8  # as many as a topology may have
RF_MAX = 32
WAN_MS_MAX = int(DELAY_MS_MAX)
# Six nodes on two processors were seen to start and to work (November 2026); with more of them what is measured is how
# the machine switches between JVMs.
NODES_PER_PROCESSOR_MAX = 3
_ORDER_DRAW = 0x6D61  # keeps these draws apart from others of the same seed


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Cell:
    """`level` is asked of writes; of reads too, where reads can have it.

    wan_ms: one way, between every two DCs; None: as the scenario has it.
    """

    dcs: int
    rf: int
    level: ConsistencyLevel
    wan_ms: int | None = None

    @property
    def stored(self) -> "Cell":
        """The cell whose tables it uses: itself, at no distance in particular."""
        return replace(self, wan_ms=None)

    @property
    def read_level(self) -> ConsistencyLevel:
        """EACH_QUORUM is for writes only; a read at LOCAL_QUORUM sees what such a write has acknowledged, in every DC."""
        return ConsistencyLevel.LOCAL_QUORUM if self.level is ConsistencyLevel.EACH_QUORUM else self.level

    @property
    def keyspace(self) -> str:
        return f"matrix_rf{self.rf}_{self.level.lower()}"

    @property
    def name(self) -> str:
        """'2 DCs, RF 3, LOCAL_QUORUM, 80 ms'."""
        distance = "" if self.wan_ms is None else f", {self.wan_ms} ms"
        return f"{self.dcs} {'DC' if self.dcs == 1 else 'DCs'}, RF {self.rf}, {self.level}{distance}"


@dataclass(frozen=True, slots=True, kw_only=True)
class UnfitCell:
    """A cell that can't be hosted here, and why: half a sentence."""

    cell: Cell
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Cells that share the nodes of one cluster, in the order in which they were asked for."""

    dcs: int
    nodes_per_dc: int
    cells: tuple[Cell, ...]

    @property
    def stored(self) -> tuple[Cell, ...]:
        """The cells that have tables of their own, in the same order."""
        return tuple(dict.fromkeys(cell.stored for cell in self.cells))


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """What the machine has: processors, and memory that is free [MiB]."""

    processors: int
    memory_mib: int

    def refusal(self, node_count: int) -> str | None:
        """Why so many nodes can't be hosted; None when they can."""
        most = self.processors * NODES_PER_PROCESSOR_MAX
        if node_count > most:
            return (
                f"{node_count} nodes are too many for {self.processors} processors, which host {most} at most "
                f"({NODES_PER_PROCESSOR_MAX} each)"
            )
        try:
            size_nodes(node_count, self.memory_mib)
        except HarnessError as error:
            return str(error).partition(";")[0]
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixPlan:
    """heap_mib: of every node of every group, so that groups differ in nothing but what is asked for."""

    groups: tuple[Group, ...]
    refused: tuple[UnfitCell, ...]
    heap_mib: int


def numbers_of(text: str, option: str, most: int, *, least: int = 1) -> tuple[int, ...]:
    """'1,3' -> (1, 3). Raises ScenarioError naming `option` for no number, one beyond `least` ... `most`, or one named twice."""
    numbers = []
    for part in _parts(text, option):
        number = whole_number(part)
        if number is None or not least <= number <= most:
            raise ScenarioError(
                f"{option} {shortened(text)}: '{shortened(part)}' is not a whole number from {least} to {most}"
            )
        numbers.append(number)
    _require_once(numbers, option, text)
    return tuple(numbers)


def require_distant(dc_counts: Sequence[int], distances_ms: Sequence[int]) -> None:
    """Raises ScenarioError for distances where no cell has two data centres between which they could be."""
    if distances_ms and max(dc_counts) < 2:
        raise ScenarioError(
            "--wan-ms: a distance is between two data centres, and --dcs has 1 alone; add 2, or leave it out"
        )


def levels_of(text: str, option: str) -> tuple[ConsistencyLevel, ...]:
    """'LOCAL_ONE,QUORUM' -> levels. Raises ScenarioError naming `option` for an unknown one, none, or one named twice."""
    levels = []
    for part in _parts(text, option):
        if part.upper() not in ConsistencyLevel.__members__:
            raise ScenarioError(f"{option} {text}: there is no level '{part}'; there are {', '.join(ConsistencyLevel)}")
        levels.append(ConsistencyLevel[part.upper()])
    _require_once(levels, option, text)
    return tuple(levels)


def _parts(text: str, option: str) -> list[str]:
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise ScenarioError(
            f"{option} '{text}' is empty, or has an empty place between its commas: list what to measure"
        )
    return parts


def _require_once(values: Sequence[object], option: str, text: str) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ScenarioError(f"{option} {text}: names {value} twice; --repeats says how often each is measured")


def plan_matrix(
    rfs: Sequence[int],
    levels: Sequence[ConsistencyLevel],
    dc_counts: Sequence[int],
    room: Room,
    distances_ms: Sequence[int] = (),
) -> MatrixPlan:
    """The groups that the machine can host, and each cell that it can't with the reason.

    distances_ms: between every two DCs; every cell of more than one is measured at each. None: as the scenario has it.

    The nodes of a DC are as many as the greatest hosted replication factor needs, so that cells of other factors differ
    from it in nothing else. Raises HarnessError when nothing at all can be hosted, ScenarioError as `require_distant`.
    """
    require_distant(dc_counts, distances_ms)
    groups, refused = [], []
    for dcs in dc_counts:
        nodes_per_dc = max((rf for rf in rfs if room.refusal(dcs * rf) is None), default=0)
        cells = []
        for rf in rfs:
            for level in levels:
                cell = Cell(dcs=dcs, rf=rf, level=level)
                reason = _reason_against(cell, room)
                if reason is None:
                    cells += [replace(cell, wan_ms=each) for each in (distances_ms if dcs > 1 else ()) or (None,)]
                else:
                    refused.append(UnfitCell(cell=cell, reason=reason))
        if cells:
            groups.append(Group(dcs=dcs, nodes_per_dc=nodes_per_dc, cells=tuple(cells)))
    if not groups:
        raise HarnessError(f"this machine can host none of the cells: {refused[0].reason}")
    node_count = max(group.dcs * group.nodes_per_dc for group in groups)
    return MatrixPlan(
        groups=tuple(groups), refused=tuple(refused), heap_mib=size_nodes(node_count, room.memory_mib).heap_mib
    )


def _reason_against(cell: Cell, room: Room) -> str | None:
    needs = {ConsistencyLevel.TWO: 2, ConsistencyLevel.THREE: 3}.get(cell.level, 1)
    if needs > cell.dcs * cell.rf:
        return f"{cell.level} needs {needs} replicas, and there are {cell.dcs * cell.rf}"
    refusal = room.refusal(cell.dcs * cell.rf)
    if refusal is None:
        return None
    return f"RF {cell.rf} needs {cell.rf} {'node' if cell.rf == 1 else 'nodes'} a DC, and {refusal}"


def group_order(plan: MatrixPlan, seed: int) -> tuple[Group, ...]:
    """The groups in the order in which their clusters are started, drawn from the seed."""
    order = np.random.default_rng([_ORDER_DRAW, seed]).permutation(len(plan.groups))
    return tuple(plan.groups[index] for index in order)


def block_order(group: Group, repeat: int, seed: int) -> tuple[Cell, ...]:
    """All cells of a group once, in the order in which block `repeat` measures them, drawn from the seed."""
    order = np.random.default_rng([_ORDER_DRAW, seed, group.dcs, repeat]).permutation(len(group.cells))
    return tuple(group.cells[index] for index in order)


def scenario_of(scenario: Scenario, group: Group, cell: Cell, reads: Sequence[Operation]) -> Scenario:
    """The scenario on the cell's topology: the same estate and traffic, its homes spread over the cell's DCs.

    reads: the operations that read. DCs keep the scenario's names, and all of them take traffic.
    """
    consistency = Consistency(default=cell.level, operations=dict.fromkeys(reads, cell.read_level))
    names, wan = dc_names(scenario, cell.dcs), scenario.topology.wan
    topology = Topology(
        commit_log_sync=scenario.topology.commit_log_sync,
        dcs=tuple(Dc(name=name, nodes=group.nodes_per_dc, rf=cell.rf) for name in names),
        wan=None if wan is None else wan.among(names),
        consistency=consistency,
        keyspace=cell.keyspace,
    )
    return scenario.model_copy(update={"topology": topology})


def dc_names(scenario: Scenario, count: int) -> tuple[str, ...]:
    """The scenario's own names first, then dc3, dc4, ..."""
    names = [dc.name for dc in scenario.topology.dcs]
    names += [
        name for number in range(1, DCS_MAX * 2 + 1) if (name := f"dc{number}") not in names and number > len(names)
    ]
    return tuple(names[:count])
