"""Of demandlib its tables alone are used, never its classes.

The constructor of its classes turns all warnings of the process into errors, and fails with the pandas that is locked; its
dynamic profile does not come to the year that was asked (3,002.04 of 3,000).
"""

import subprocess
import sys

USE = """
import sys, warnings
before = list(warnings.filters)
from scenarios.spec import parse_scenario
from sim.estate.model import build_estate
scenario = parse_scenario(sys.argv[1], "both fuels")
build_estate(scenario)
print(sorted(name for name in sys.modules if name.partition(".")[0] == "demandlib"))
print([each for each in warnings.filters if each[0] == "error" and each not in before])
"""
BOTH_FUELS = """
title = "both fuels"
[estate]
premises = 10
fuels = ["electricity", "gas"]
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 10
"""


def test_no_module_of_demandlib_is_loaded_and_no_warning_becomes_an_error() -> None:
    command = [sys.executable, "-c", USE, BOTH_FUELS]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "[]"]
