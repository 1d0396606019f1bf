"""The load-profile tables that the `demandlib` package ships (MIT licence), as text.

They are read where the package was installed: importing it would load pandas, which takes seconds.
"""

from importlib.metadata import distribution
from pathlib import Path


def table_of(name: str) -> list[list[str]]:
    """The lines of one of its BDEW tables, split at commas."""
    path = Path(str(distribution("demandlib").locate_file(f"demandlib/bdew/bdew_data/{name}")))
    return [line.split(",") for line in path.read_text(encoding="utf-8").splitlines()]
