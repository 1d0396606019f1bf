"""A run's own files, edited: results nested deeply, a ledger of no size, a converted scenario. They ended in a traceback."""

import codecs
from pathlib import Path
from types import SimpleNamespace

import pytest

from loadtests.errors import HarnessError
from loadtests.recording.ledger import Ledger
from reports.capacity import page
from reports.results.file import kind_of
from reports.results.run import load_results
from scenarios.spec import ScenarioError

DEEP = '{"kind": ' + "[" * 100_000


@pytest.mark.parametrize("read", [kind_of, load_results])
def test_results_that_are_nested_deeply_are_refused(read: object, tmp_path: Path) -> None:
    (tmp_path / "results.json").write_text(DEEP, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"results\.json"):
        read(tmp_path)  # type: ignore[operator]


@pytest.mark.parametrize(
    "about",
    [
        DEEP,
        '{"planes": ["a"], "meter_count": "4", "slot_count": 48}',
        '{"planes": ["a"], "meter_count": -4, "slot_count": -48}',
        '{"planes": ["a"], "meter_count": 4.0, "slot_count": 48}',
        '{"planes": ["a"], "meter_count": null, "slot_count": 48}',
    ],
)
def test_a_ledger_whose_size_is_none_is_refused(about: str, tmp_path: Path) -> None:
    (tmp_path / "slots.u8").write_bytes(bytes(48))
    (tmp_path / "ledger.json").write_text(about, encoding="utf-8")
    with pytest.raises(HarnessError, match="holds no readable ledger"):
        Ledger.open(tmp_path)


def test_the_converted_scenario_of_a_search_is_called_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "load_capacity", lambda _: SimpleNamespace())
    content = codecs.BOM_UTF16_LE + 'title = "x"'.encode("utf-16-le")
    (tmp_path / "scenario.resolved.toml").write_bytes(content)
    with pytest.raises(ScenarioError, match="text in UTF-16"):
        page.write_capacity_report(tmp_path)
