"""meterstorm as a library: all that the command does, as functions.

from pathlib import Path
import meterstorm

scenario = meterstorm.load_scenario(Path("scenarios/smoke.toml"))
results = meterstorm.run(scenario, Path("runs/mine"), keep=True)
results = meterstorm.audit(Path("runs/mine"))
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from scenarios.file import load_scenario
from scenarios.spec import Scenario, ScenarioError

if TYPE_CHECKING:
    from meterstorm.jobs.run import audit_again as audit
    from meterstorm.jobs.run import run

__version__ = version("meterstorm")
_JOBS = {"run": "run", "audit": "audit_again"}


def __getattr__(name: str) -> Any:
    """The jobs, loaded when they are first asked for: their drivers and kernels take seconds, `--help` should not."""
    if name not in _JOBS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from meterstorm.jobs import run as job

    return getattr(job, _JOBS[name])


__all__ = ["Scenario", "ScenarioError", "__version__", "audit", "load_scenario", "run"]
