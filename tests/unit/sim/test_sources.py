"""Every process of ours looks its kernels' sources up as it starts: what many of them share is looked up once."""

from collections import Counter
from pathlib import Path

import pytest

from sim.compiler.sources import sources_of


def test_what_two_sources_share_is_looked_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "leaf.py").write_text("from shop.deeper import price\n", encoding="utf-8")
    (package / "deeper.py").touch()
    callers = [package / "till.py", package / "shelf.py"]
    for caller in callers:
        caller.write_text("from shop.leaf import leaf\n", encoding="utf-8")
    asked: Counter[Path] = Counter()
    exists = Path.exists

    def counted(path: Path) -> bool:
        asked[path] += 1
        return exists(path)

    monkeypatch.setattr(Path, "exists", counted)
    shared = sources_of(callers[0]) - {callers[0]}
    assert {path.name for path in shared} == {"leaf.py", "deeper.py"}
    assert sources_of(callers[1]) - {callers[1]} == shared
    assert asked[package / "leaf.py"] == asked[package / "deeper.py"] == asked[package / "deeper" / "price.py"] == 1
