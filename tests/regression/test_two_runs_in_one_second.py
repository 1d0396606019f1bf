"""Two runs that were started in one second, or with one --out, took the same folder and wrote into each other's."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from threading import Barrier

import pytest

from loadtests.recording import dated_folder
from meterstorm.jobs.run_folder import claim_folder, named_folder, new_folder, release
from scenarios.spec import ScenarioError


class OneSecond(datetime):
    @classmethod
    def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
        return datetime(2026, 11, 28, 8, 35, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def one_second(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dated_folder, "datetime", OneSecond)
    monkeypatch.chdir(tmp_path)


def test_each_gets_a_folder_of_its_own() -> None:
    with ExitStack() as stack:
        named = [stack.enter_context(named_folder(None, "smoke")) for _ in range(3)]
        claimed = [stack.enter_context(new_folder(folder)) for folder in named]
        assert [folder.name for folder in claimed] == [
            "smoke-20261128-083530",
            "smoke-20261128-083530-2",
            "smoke-20261128-083530-3",
        ]
        (claimed[0] / "results.json").write_text("{}")
    assert [path.name for path in sorted(Path("runs").iterdir())] == [
        "smoke-20261128-083530"
    ]  # and no empty one is left


def test_of_several_that_name_one_folder_one_gets_it(tmp_path: Path) -> None:
    gate = Barrier(8)

    def claim(_number: int) -> str:
        gate.wait()
        try:
            return str(claim_folder(tmp_path / "out"))
        except ScenarioError as error:
            return str(error)

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(claim, range(8)))
    assert told.count(str(tmp_path / "out")) == 1
    assert sum("already holds something" in each for each in told) == 7


def test_a_folder_stays_claimed_until_something_in_it_says_so(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with new_folder(out):
        with pytest.raises(ScenarioError, match="already holds something"):
            claim_folder(out)
        (out / "results.json").write_text("{}")
    assert [path.name for path in out.iterdir()] == ["results.json"]
    with pytest.raises(ScenarioError, match="already holds something"):
        claim_folder(out)
    assert claim_folder(tmp_path / "other").is_dir()
    release(tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


def test_a_place_that_is_no_folder_is_refused(tmp_path: Path) -> None:
    Path("runs").write_text("a file")
    with pytest.raises(ScenarioError, match="can't be made: Not a directory"), named_folder(None, "smoke"):
        pytest.fail("it was named")
