"""A kernel is compiled anew after the class of its argument was renamed.

Kernels that were kept on disk name the classes of their arguments, and were read before it was seen that their source had
changed: after an update that renamed such a class every command died of an AttributeError, until somebody deleted the cache.
"""

import os
import subprocess
import sys
from pathlib import Path

SOURCE = """
from typing import NamedTuple

from sim.kernels import kernel


class {name}(NamedTuple):
    day: int


@kernel
def twice(tariff):
    return 2 * tariff.day


print(twice({name}(7)))
"""


def said(folder: Path, name: str) -> str:
    (folder / "shop.py").write_text(SOURCE.format(name=name), encoding="utf-8")
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", "import shop"],
        cwd=folder,
        env=os.environ
        | {"METERSTORM_CACHE": str(folder / "cache"), "PYTHONPATH": f"{folder}:{root}", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout or done.stderr


def test_a_renamed_class_of_an_argument_costs_a_compilation_and_nothing_else(tmp_path: Path) -> None:
    assert said(tmp_path, "Price") == "14\n"
    assert list((tmp_path / "cache").rglob("*.nbi")), "nothing was kept, so that nothing was shown"
    assert said(tmp_path, "Rates") == "14\n"
