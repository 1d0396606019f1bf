"""The parts that results of several kinds have: what was judged and how it came out, the machine, the topology."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt

from scenarios.spec import Topology


class ResultsPart(BaseModel):
    """A part of the results."""

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)


class Verdict(StrEnum):
    """What a run says about the cluster. Inconclusive: the run can't tell, because of the bench or of what was sent."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"

    @property
    def exit_code(self) -> int:
        """The command's exit code."""
        return EXIT_CODES[self]


EXIT_CODES: Mapping[Verdict, int] = {Verdict.PASS: 0, Verdict.FAIL: 1, Verdict.INCONCLUSIVE: 4}


class Check(ResultsPart):
    """One thing that was judged. The sentence says with its numbers why it came out as it did."""

    name: str
    group: Literal["objective", "audit", "validity"]
    outcome: Verdict
    sentence: str


class Machine(ResultsPart):
    """The machine that ran the bench (and the nodes too, when the cluster is local)."""

    cpu: str
    cpu_count: NonNegativeInt
    memory_bytes: NonNegativeInt
    system: str


class TopologyResult(Topology):
    """The scenario's topology, and where it really ran."""

    where: str = Field(default="", description="a sentence: local child processes, or an existing cluster")
    wan_emulated: bool = False
