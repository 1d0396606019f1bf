"""A public class name means one thing: whoever reads it, or searches for it, finds one class."""

import ast
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("scenarios", "sim", "store", "loadtests", "reports", "meterstorm")


def test_no_public_class_name_is_defined_twice() -> None:
    defined = Counter(
        node.name
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert defined and [name for name, count in defined.items() if count > 1] == []
