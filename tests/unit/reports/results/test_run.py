"""results.json: written whole, read back equal, refused in plain words, and its schema is the published one."""

import json
from pathlib import Path

import pytest

from loadtests.recording.run_folder import RESULTS_NAME
from reports.results.file import Kind, kind_of, schema_text
from reports.results.parts import Verdict
from reports.results.run import Results, load_results
from reports.results.simulation import load_simulation
from scenarios.spec import ScenarioError
from tests.support.synthetic_run import Story, write_synthetic_run

REPOSITORY = Path(__file__).parents[4]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("run")
    return folder, write_synthetic_run(folder, wall_s=10)


def test_published_schema_is_the_models() -> None:
    published = (REPOSITORY / "docs" / "results.schema.json").read_text(encoding="utf-8")
    assert published == schema_text(Results), "uv run python -m reports.results.run > docs/results.schema.json"


def test_written_results_are_read_back_equal(run: tuple[Path, Results]) -> None:
    folder, results = run
    assert load_results(folder) == results
    assert not list(folder.glob("*.partial"))


def has(part: dict[str, object], names: str) -> bool:
    return set(names.split()) <= part.keys()


def test_fields_that_others_rely_on_are_there(run: tuple[Path, Results]) -> None:
    data = json.loads((run[0] / RESULTS_NAME).read_text(encoding="utf-8"))
    top = "scenario seed digest versions machine topology verdict reasons operations generator audit started finished profile"
    assert has(data, top)
    operation = data["operations"]["ingest_reading"]
    assert has(operation, "attempted ok failed indeterminate retries rate_per_s errors")
    assert has(operation["response_ms"], "p50 p95 p99 p999 max")
    assert has(operation["service_ms"], "p50 p95 p99 p999 max")
    assert has(operation["generator_error"], "p50 p95 p99 p999")
    assert has(operation["generator_error"]["p50"], "ms percent")
    assert has(data["generator"], "valid scheduling late_ms blocked cpu_s ops_per_cpu_s")
    assert has(data["generator"]["late_ms"], "p50 p99 max")
    faults = "acknowledged verified lost wrong phantom duplicate"
    assert has(data["audit"], f"attempted {faults} indeterminate per_dc tables examples")
    assert has(data["audit"]["per_dc"]["north"], f"coordinated {faults} settled_s")
    assert has(data["audit"]["tables"]["events_by_meter"], faults)
    assert set(data["audit"]["per_dc"]) == {"north", "south"}


def test_unknown_fields_survive(run: tuple[Path, Results], tmp_path: Path) -> None:
    data = json.loads((run[0] / RESULTS_NAME).read_text(encoding="utf-8")) | {"of_a_later_version": 3}
    (tmp_path / RESULTS_NAME).write_text(json.dumps(data), encoding="utf-8")
    load_results(tmp_path).write(tmp_path)
    assert json.loads((tmp_path / RESULTS_NAME).read_text(encoding="utf-8"))["of_a_later_version"] == 3


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"holds no results\.json; name the folder of a run"):
        load_results(tmp_path)


def test_a_file_that_is_no_results_is_named(tmp_path: Path) -> None:
    (tmp_path / RESULTS_NAME).write_text('{"scenario": 3}', encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"results\.json: scenario: "):
        load_results(tmp_path)


def test_the_other_kinds_results_are_named_so(run: tuple[Path, Results], tmp_path: Path) -> None:
    assert kind_of(run[0]) is Kind.RUN
    (tmp_path / RESULTS_NAME).write_text('{"offered_bin_s": 1}', encoding="utf-8")
    assert kind_of(tmp_path) is Kind.SIMULATION
    with pytest.raises(ScenarioError, match=r"results\.json: is a simulation's; name the folder of a run"):
        load_results(tmp_path)
    with pytest.raises(ScenarioError, match=r"results\.json: is a run's; name the folder of a simulation"):
        load_simulation(run[0])


def test_a_file_says_its_kind_and_version_first(run: tuple[Path, Results]) -> None:
    written = json.loads((run[0] / RESULTS_NAME).read_text(encoding="utf-8"))
    assert list(written)[:2] == ["kind", "schema_version"]
    assert (written["kind"], written["schema_version"]) == ("run", 1)


def test_a_kind_that_is_said_is_believed_before_any_field(tmp_path: Path) -> None:
    (tmp_path / RESULTS_NAME).write_text('{"kind": "search", "verdict": "pass", "cells": []}', encoding="utf-8")
    assert kind_of(tmp_path) is Kind.CAPACITY
    with pytest.raises(ScenarioError, match=r"is a search's; name the folder of a run"):
        load_results(tmp_path)


def test_an_older_file_without_kind_is_still_read(run: tuple[Path, Results], tmp_path: Path) -> None:
    older = json.loads((run[0] / RESULTS_NAME).read_text(encoding="utf-8"))
    del older["kind"], older["schema_version"]
    (tmp_path / RESULTS_NAME).write_text(json.dumps(older), encoding="utf-8")
    assert kind_of(tmp_path) is Kind.RUN
    assert load_results(tmp_path).verdict is run[1].verdict


def test_a_newer_schema_is_refused_by_its_version(run: tuple[Path, Results], tmp_path: Path) -> None:
    newer = json.loads((run[0] / RESULTS_NAME).read_text(encoding="utf-8")) | {"schema_version": 2}
    (tmp_path / RESULTS_NAME).write_text(json.dumps(newer), encoding="utf-8")
    with pytest.raises(ScenarioError, match="has schema version 2, and this meterstorm knows 1 at most"):
        load_results(tmp_path)


@pytest.mark.parametrize("text", ["{}", "[]", "3", '["verdict"]', '{"kind": "diary", "verdict": "pass"}', "", "{"])
def test_what_nobody_made_is_of_neither_kind(tmp_path: Path, text: str) -> None:
    (tmp_path / RESULTS_NAME).write_text(text, encoding="utf-8")
    with pytest.raises(ScenarioError, match=r"results\.json: holds the results of no job that there is"):
        kind_of(tmp_path)


@pytest.mark.parametrize(
    ("story", "verdict"),
    [(Story.CALM, Verdict.PASS), (Story.LOST, Verdict.FAIL), (Story.LATE, Verdict.INCONCLUSIVE)],
)
def test_each_story_gets_its_verdict(tmp_path: Path, story: Story, verdict: Verdict) -> None:
    assert write_synthetic_run(tmp_path, story=story, wall_s=20).verdict is verdict
