"""`MATRIX/results.json`: what a replication matrix answers, as a pydantic model; docs/matrix.schema.json is its JSON Schema.

Field names end in their units. `None` means that a figure does not exist (nothing was measured), never zero.
Regenerate the schema after a change: `uv run python -m reports.results.matrix > docs/matrix.schema.json`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import AliasChoices, Field, NonNegativeFloat, NonNegativeInt

from loadtests.stats.estimates import of_replications
from reports.results.file import Kind, MeasuredResults, load, schema_text
from reports.results.parts import ResultsPart, Verdict
from reports.results.run import Percentiles


class Figure(ResultsPart):
    """The mean of a cell's trials with its 95 % interval; without one where there was a single trial."""

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...] = Field(description="of each trial, in the order of the blocks")


class OutcomeCounts(ResultsPart):
    """How operations ended: after one attempt while nodes were down, after as many as the scenario allows else."""

    ok: NonNegativeInt
    unavailable: NonNegativeInt = Field(description="refused at once: too few replicas live")
    timed_out: NonNegativeInt
    other: NonNegativeInt

    @property
    def count(self) -> int:
        return self.ok + self.unavailable + self.timed_out + self.other


class OutageResult(ResultsPart):
    """Operations sent while nodes were stopped, and the same ones after they had returned."""

    down: Literal["node", "dc"] = Field(description="one node of the last DC, or all of it")
    writes: OutcomeCounts
    reads: OutcomeCounts
    writes_after: OutcomeCounts
    reads_after: OutcomeCounts


class StalenessResult(ResultsPart):
    """Rows written in the first DC and asked for in the last one, at LOCAL_ONE, until they were there; of all trials."""

    probes: NonNegativeInt
    unseen: NonNegativeInt = Field(description="refused, or not there when the probe gave up")
    resolution_ms: NonNegativeFloat = Field(
        description="mean time between two questions: readable is late, and stale early, by as much"
    )
    readable_ms: Percentiles | None = Field(description="from the write's sending until the answer that had the row")
    stale_ms: Percentiles | None = Field(
        description="from the write's acknowledgement until the last question that missed it was sent; 0 if none was"
    )
    stale_share: NonNegativeFloat | None = Field(
        description="of the probes that were seen, those that a question sent after the acknowledgement did not find"
    )


class CellResult(ResultsPart):
    """One number of DCs, replication factor, level and distance. Figures that were not measured are None."""

    dcs: int
    rf: int
    wan_ms: NonNegativeInt | None = Field(
        default=None, description="one way between every two DCs; None: as the scenario has it"
    )
    write_level: str
    read_level: str
    nodes_per_dc: int
    trials: NonNegativeInt = Field(validation_alias=AliasChoices("trials", "visits"))  # as older files call them
    throughput_per_s: Figure | None = Field(description="acknowledged, closed loop")
    write_p50_ms: Figure | None = Field(description="response time from when it was due, open loop at the set rate")
    write_p99_ms: Figure | None
    write_p999_ms: Figure | None
    read_p50_ms: Figure | None
    read_p99_ms: Figure | None
    read_p999_ms: Figure | None
    cpu_us_per_operation: Figure | None = Field(description="of all nodes, closed loop, until none was at work on it")
    wan_bytes_per_operation: Figure | None = Field(description="sent between DCs, closed loop; None with one DC")
    disk_bytes_per_write: NonNegativeFloat | None = Field(description="on all nodes together, flushed")
    staleness: StalenessResult | None = Field(description="None with one DC")
    late_p99_ms: NonNegativeFloat | None = Field(description="of the generator, in its latest trial")
    errors: dict[str, NonNegativeInt] = Field(default_factory=dict, description="of both loops, by kind")
    outages: tuple[OutageResult, ...] = ()
    doubts: tuple[str, ...] = Field(default=(), description="why its figures may not be the cluster's: sentences")

    @property
    def name(self) -> str:
        distance = "" if self.wan_ms is None else f" · {self.wan_ms} ms"
        return f"{self.dcs} DC · RF {self.rf} · {self.write_level}{distance}"


class RefusedCell(ResultsPart):
    """A cell that this machine can't host."""

    dcs: int
    rf: int
    level: str
    reason: str


class MatrixResults(MeasuredResults):
    """Everything that a matrix answers."""

    kind: Literal[Kind.MATRIX] = Kind.MATRIX
    rate_per_s: NonNegativeFloat = Field(description="of the open loop")
    seconds: NonNegativeFloat = Field(description="of each loop of a trial")
    repeats: NonNegativeInt
    in_flight: NonNegativeInt = Field(description="of the closed loop")
    heap_mib: NonNegativeInt = Field(description="of each node")
    wan_emulated: bool = False
    wan_cost: str | None = Field(default=None, description="of the emulation itself, measured before the nodes started")
    is_partial: bool = Field(description="interrupted, or a cluster could not go on: not all that was planned is here")
    trouble: tuple[str, ...] = ()
    cells: tuple[CellResult, ...]
    refused: tuple[RefusedCell, ...]

    @property
    def verdict(self) -> Verdict:
        """Pass: all that could be hosted was measured, by a generator that kept time; else inconclusive. Nothing can fail."""
        is_whole = not self.is_partial and not any(cell.doubts for cell in self.cells)
        return Verdict.PASS if is_whole else Verdict.INCONCLUSIVE


def figure_of(values: Sequence[float]) -> Figure | None:
    """The figure of one value a trial; None of no trial. None of these quantities can be below zero, so no interval is either:
    it holds the true mean as surely."""
    if not values:
        return None
    if len(values) == 1:
        return Figure(mean=values[0], low=None, high=None, values=tuple(values))
    estimate = of_replications(np.asarray(values, np.float64))
    return Figure(mean=estimate.mean, low=max(estimate.low, 0.0), high=estimate.high, values=tuple(values))


def load_matrix(folder: Path) -> MatrixResults:
    """Read FOLDER/results.json. Raises ScenarioError when the folder holds none, or one that isn't a matrix's."""
    return load(folder, MatrixResults, Kind.MATRIX)


if __name__ == "__main__":
    print(schema_text(MatrixResults), end="")
