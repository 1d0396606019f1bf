"""The folder that a command writes: claimed once, and taken away again when nothing was measured."""

from pathlib import Path

import pytest

from loadtests.errors import HarnessError
from loadtests.recording.run_folder import RESOLVED_NAME
from meterstorm.jobs.run_folder import claim_folder, new_folder
from scenarios.spec import ScenarioError


def test_an_empty_folder_may_become_a_run(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert claim_folder(tmp_path / "empty") == tmp_path / "empty"


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ScenarioError, match="already holds something"), new_folder(tmp_path):
        pytest.fail("it was claimed")
    assert (tmp_path / "mine").read_text() == "mine"


@pytest.mark.parametrize(
    ("error", "left"),
    [
        (KeyboardInterrupt(), set()),  # nobody needs the logs of nodes that were coming up
        (HarnessError("node north-1 died"), {"cluster", "cluster/system.log"}),
    ],
)
def test_what_ends_before_anything_was_measured_frees_its_folder(
    tmp_path: Path, error: BaseException, left: set[str]
) -> None:
    out = tmp_path / "out"
    with pytest.raises(type(error)), new_folder(out):
        (out / RESOLVED_NAME).write_text("")
        (out / "cluster").mkdir()
        (out / "cluster" / "system.log").write_text("its last words")
        (out / "history" / "shard-0").mkdir(parents=True)
        raise error
    left |= {"history", "history/shard-0"} if left else set()
    assert {str(path.relative_to(out)) for path in out.rglob("*")} == left
    assert out.exists() == bool(left)


@pytest.mark.parametrize("name", ["results.json", "history/shard-0/lateness.hlog"])
def test_what_was_measured_stays_whatever_ends_it(tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt), new_folder(out):
        (out / RESOLVED_NAME).write_text("")
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("")
        raise KeyboardInterrupt
    assert (out / name).exists() and (out / RESOLVED_NAME).exists()
