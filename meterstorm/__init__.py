"""meterstorm as a library: all that the command does, as functions.

from pathlib import Path
import meterstorm

scenario = meterstorm.load_scenario(Path("scenarios/smoke.toml"))
results = meterstorm.run(scenario, Path("runs/mine"), keep=True)
results = meterstorm.audit(Path("runs/mine"))
"""

from importlib.metadata import version

from meterstorm.run import audit_again as audit
from meterstorm.run import run
from scenarios.spec import Scenario, ScenarioError, load_scenario

__version__ = version("meterstorm")
__all__ = ["Scenario", "ScenarioError", "__version__", "audit", "load_scenario", "run"]
