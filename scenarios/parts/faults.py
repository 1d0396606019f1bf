"""What breaks while a storm goes on, and when it is healed: `[[faults]]` of a scenario."""

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from pydantic import Field

from scenarios.parts.base import Part

FAULTS_MAX = 32


class FaultKind(StrEnum):
    """What happens to the nodes of a target."""

    KILL = "kill"  # SIGKILL; started again with their data when the fault is healed
    STOP = "stop"  # SIGTERM: they drain, and say that they leave; started again likewise
    PAUSE = "pause"  # SIGSTOP: connections stay, answers don't come; SIGCONT heals


class Fault(Part):
    """A kind of fault, its target, and when it begins and is healed, in wall time of the storm."""

    kind: FaultKind
    target: str = Field(
        pattern=r"^[a-z][a-z0-9_]{0,30}(-[1-9][0-9]?)?$", description="a data centre, or a node of it: north, north-1"
    )
    at_s: float = Field(strict=True, ge=0, le=7 * 86_400, description="from the storm's start")
    for_s: float = Field(strict=True, ge=1, le=86_400)

    @property
    def until_s(self) -> float:
        return self.at_s + self.for_s

    def __str__(self) -> str:
        return f"{self.kind} of {self.target} from {self.at_s:g} s for {self.for_s:g} s"


class DataCentre(Protocol):
    """What is asked of a data centre here."""

    @property
    def name(self) -> str: ...
    @property
    def nodes(self) -> int: ...


def node_names(dcs: Iterable[DataCentre]) -> Mapping[str, tuple[str, ...]]:
    """The names of the local nodes of each data centre, as logs and reports have them."""
    return {dc.name: tuple(f"{dc.name}-{number}" for number in range(1, dc.nodes + 1)) for dc in dcs}


def nodes_of(fault: Fault, dcs: Iterable[DataCentre]) -> tuple[str, ...]:
    """The nodes that a fault befalls; none where there is no such target."""
    by_dc = node_names(dcs)
    if fault.target in by_dc:
        return by_dc[fault.target]
    return tuple(name for names in by_dc.values() for name in names if name == fault.target)


def down_together(faults: Sequence[Fault], dcs: Sequence[DataCentre]) -> list[frozenset[str]]:
    """The nodes that are down at one time, each set once, from the first fault's beginning on."""
    sets = (
        frozenset(name for one in faults if one.at_s <= begun.at_s < one.until_s for name in nodes_of(one, dcs))
        for begun in sorted(faults, key=lambda one: one.at_s)
    )
    return list(dict.fromkeys(sets))


def require_faults(faults: Sequence[Fault], dcs: Sequence[DataCentre], wall_s: float) -> None:
    """Raises ValueError for a fault that names nothing, that outlasts the storm, or that contradicts another."""
    by_dc = node_names(dcs)
    for number, fault in enumerate(faults):
        where = f"faults[{number}]"
        if not nodes_of(fault, dcs):
            there = ", ".join([*by_dc, *(name for names in by_dc.values() for name in names)])
            raise ValueError(
                f"{where}: target '{fault.target}' is the name neither of a data centre nor of one of its nodes; "
                f"there are {there}"
            )
        if fault.until_s > wall_s:
            raise ValueError(
                f"{where}: the {fault} would be healed after the storm's end; at_s and for_s must add up to run.wall_s "
                f"{wall_s:g} at most"
            )
        for other in faults[:number]:
            both = sorted(set(nodes_of(fault, dcs)) & set(nodes_of(other, dcs)))
            if both and fault.at_s < other.until_s and other.at_s < fault.until_s:
                raise ValueError(f"{where}: the {fault} and the {other} are both of {both[0]} at one time")
