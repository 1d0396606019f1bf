"""The scenario that a recorded job keeps beside its results."""

from pathlib import Path
from typing import Literal

from loadtests.recording.run_folder import RESOLVED_NAME, RunFolder
from reports.results.file import Kind, require_no_other
from scenarios.spec import Scenario, ScenarioError, load_scenario

COMMANDS = {"run": "run", "simulation": "simulate"}


def load_resolved(folder: Path, thing: Literal["run", "simulation"]) -> Scenario:
    """The scenario of a recorded run or simulation. Raises ScenarioError when the folder holds none, or another job's results."""
    require_no_other(folder, Kind(thing))
    path = RunFolder(folder).scenario
    if not path.is_file():
        raise ScenarioError(
            f"{folder} holds no {thing} ({RESOLVED_NAME} is missing): name a folder that `meterstorm {COMMANDS[thing]}` made"
        )
    return load_scenario(path)
