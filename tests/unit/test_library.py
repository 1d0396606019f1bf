"""`import meterstorm` has what the command has, and takes a scenario as the command does: by name, by path, or as it is."""

import re
from pathlib import Path

import pytest

import meterstorm
from meterstorm.cli.app import SUBCOMMANDS
from tests.support.synthetic_run import write_synthetic_run
from tests.unit.cli.test_app import SMALL

# lists, what has a life of its own, and what has another name: a module `schemas` would say less than `compare_schemas`
NOT_JOBS = {"scenarios", "cluster", "monitor", "doctor", "schemas"}


def test_every_job_of_the_command_is_a_function() -> None:
    jobs = {module.__name__.rpartition(".")[2] for module in SUBCOMMANDS} - NOT_JOBS
    assert jobs <= set(meterstorm.__all__)
    assert all(callable(getattr(meterstorm, job)) for job in jobs)


def test_what_the_first_lines_show_is_there() -> None:
    shown = set(re.findall(r"meterstorm\.(\w+)\(", meterstorm.__doc__ or ""))
    assert {"run", "audit", "simulate", "find_max", "compare_schemas", "report"} <= shown <= set(meterstorm.__all__)


@pytest.mark.parametrize("named", ["smoke", "scenarios/smoke.toml", Path("scenarios/smoke.toml")])
def test_a_scenario_is_named_as_the_command_names_it(named: str | Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    assert meterstorm.load_scenario(named, seed=7).run.seed == 7
    assert meterstorm.load_scenario(named) == meterstorm.load_scenario("smoke")


def test_a_simulation_is_the_same_by_path_and_by_scenario(tmp_path: Path) -> None:
    path = tmp_path / "small.toml"
    path.write_text(SMALL)
    by_path = meterstorm.simulate(str(path), out=str(tmp_path / "kept"))
    assert by_path.digest == meterstorm.simulate(meterstorm.load_scenario(path)).digest
    assert (tmp_path / "kept" / "results.json").exists()


def test_a_report_is_written_again(tmp_path: Path) -> None:
    write_synthetic_run(tmp_path / "run", wall_s=20)
    page = meterstorm.report(str(tmp_path / "run"))
    assert page == tmp_path / "run" / "report.html" and page.exists()


def test_what_can_be_mended_is_a_scenario_error(tmp_path: Path) -> None:
    wrong = {
        "did you mean smoke": lambda: meterstorm.run("smoek", tmp_path / "out"),
        "name its folder": lambda: meterstorm.report(),
        "goes with replications": lambda: meterstorm.simulate("smoke", against="smoke"),
        "levels": lambda: meterstorm.matrix("smoke", tmp_path / "out", levels=("MOST",)),
        "above": lambda: meterstorm.find_max("smoke", tmp_path / "out", low_per_s=9.0, high_per_s=1.0),
    }
    for said, call in wrong.items():
        with pytest.raises(meterstorm.ScenarioError, match=said):
            call()
    assert not (tmp_path / "out").exists()
