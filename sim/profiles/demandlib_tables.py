"""The load-profile tables that the `demandlib` package ships (MIT licence), as text.

They are read where the package was installed: importing it would load pandas, which takes seconds.
"""

from importlib.metadata import distribution
from pathlib import Path


def table_of(name: str) -> list[list[str]]:
    """The lines of one of its BDEW tables, split at commas."""
    return [line.split(",") for line in lines_of(f"bdew/bdew_data/{name}")]


def lines_of(path: str, encoding: str = "utf-8") -> list[str]:
    """The lines of one of its files."""
    found = Path(str(distribution("demandlib").locate_file(f"demandlib/{path}")))
    return found.read_text(encoding=encoding).splitlines()
