"""Files that ask for the shared cluster are named in conftest.py: on two workers there would be two of it."""

import ast
from pathlib import Path

from tests.conftest import ON_SHARED_CLUSTER

ROOT = Path(__file__).parents[2]
SHARED = {"two_dc_cluster", "session"}


def asks(path: Path) -> bool:
    """Does a function of the file ask for a fixture of the shared cluster, and not for one of the file's own?"""
    text = path.read_text(encoding="utf-8")
    functions = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.FunctionDef)]
    wanted = SHARED - {one.name for one in functions}
    fixtures_and_tests = [one for one in functions if one.name.startswith("test_") or one.decorator_list]
    return any(argument.arg in wanted for one in fixtures_and_tests for argument in one.args.args) or any(
        f'getfixturevalue("{name}")' in text for name in wanted
    )


def test_they_are_named_and_no_others() -> None:
    asking = {str(path.relative_to(ROOT)) for path in (ROOT / "tests").rglob("test_*.py") if asks(path)}
    assert asking == set(ON_SHARED_CLUSTER)
