"""No circle of folders: where one folder asks another, directly or through others, that one asks nothing back.

import-linter holds the order of modules; here the files at a folder's top count as that folder too.
"""

import ast
from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("scenarios", "sim", "store", "loadtests", "reports", "meterstorm")
ENTRY_POINT = "loadtests/locustfile.py"  # where Locust's users look for it, and imported by nobody


def folder_of(module: str) -> str | None:
    """The folder that holds a module's file; None for a module that is not ours."""
    path = Path(*module.split("."))
    if (ROOT / path / "__init__.py").exists():
        return str(path)
    return str(path.parent) if (ROOT / path).with_suffix(".py").exists() else None


def modules_in(source: str) -> set[str]:
    """What a file's imports name: `from a import b` is the module `a.b` where there is one, else `a`."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if folder_of(name) else node.module for name in names}
    return found


def test_no_two_folders_ask_each_other() -> None:
    asks: dict[str, set[str]] = defaultdict(set)
    for file in (path for name in PACKAGES for path in (ROOT / name).rglob("*.py")):
        if file != ROOT / ENTRY_POINT:
            here = str(file.parent.relative_to(ROOT))
            asks[here] |= {
                there for module in modules_in(file.read_text()) if (there := folder_of(module)) not in (None, here)
            }
    assert "store/readings" in asks["store/cassandra"] and "sim/estate" in asks["sim/trace"]
    try:
        TopologicalSorter(asks).prepare()
    except CycleError as error:
        raise AssertionError(f"a circle of folders: {' <- '.join(error.args[1])}") from None


def test_nobody_imports_the_entry_point() -> None:
    module = ENTRY_POINT.removesuffix(".py").replace("/", ".")
    importers = [
        path for name in PACKAGES for path in (ROOT / name).rglob("*.py") if module in modules_in(path.read_text())
    ]
    assert importers == []
