"""What a gate may compare, and what it refuses; where sides come from, with a real repository."""

import subprocess
from pathlib import Path

import pytest

from loadtests.gate.sides import (
    GateSide,
    SideName,
    overridden,
    pair_order,
    require_comparable,
    shares_nodes,
    with_keyspace,
)
from meterstorm.jobs.gate_sides import RecordedSide, side_named
from scenarios.spec import NoBaseline, Scenario, ScenarioError, parse_scenario

TEXT = """
title = "t"
[estate]
premises = 10
[topology]
dcs = [{ name = "north", nodes = 1, rf = 1 }]
[run]
wall_s = 10
"""


def scenario(**replaced: str) -> Scenario:
    text = TEXT
    for old, new in replaced.items():
        text = text.replace(old, new)
    return parse_scenario(text, "test")


def changed(*assignments: tuple[str, object]) -> Scenario:
    return Scenario.model_validate(overridden(scenario().model_dump(mode="json", exclude_none=True), assignments))


def test_sides_may_differ_in_what_is_beneath_the_load() -> None:
    for assignment in (
        ("topology.consistency.default", "ONE"),
        ("topology.commit_log_sync", "batch"),
        ("topology.cassandra.concurrent_writes", 16),
        ("store.alterations", ["CREATE INDEX ON {keyspace}.latest_by_premises (taken)"]),
        ("run.wall_s", 20.0),
        ("run.operation_timeout_s", 2.0),
        ("run.attempts_max", 1),
        ("title", "another"),
    ):
        require_comparable(scenario(), changed(assignment))


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        (("estate.premises", 11), "estate.premises"),
        (("run.seed", 2), "different seeds"),
        (("run.days", 2), "run.days"),
        (("topology.dcs", [{"name": "south", "nodes": 1, "rf": 1}]), "different data centres"),
    ],
)
def test_sides_of_different_loads_are_refused(assignment: tuple[str, object], told: str) -> None:
    with pytest.raises(ScenarioError, match=told):
        require_comparable(scenario(), changed(assignment))


def test_what_nodes_are_started_with_asks_for_a_cluster_each() -> None:
    ours = scenario().topology
    assert shares_nodes(ours, changed(("topology.consistency.default", "ONE")).topology)
    assert not shares_nodes(ours, changed(("topology.commit_log_sync", "batch")).topology)
    assert not shares_nodes(ours, changed(("topology.cassandra.concurrent_writes", 16)).topology)
    assert not shares_nodes(ours, changed(("topology.cassandra_version", "5.0.8")).topology)


def test_pairs_turn_round_and_each_side_is_first_as_often() -> None:
    orders = [pair_order(pair, 5) for pair in range(40)]
    assert sum(order[0] is SideName.CANDIDATE for order in orders) == 20
    assert all(orders[pair] == orders[pair + 1][::-1] for pair in range(0, 40, 2))
    assert len({orders[pair] for pair in range(0, 40, 2)}) == 2
    assert orders == [pair_order(pair, 5) for pair in range(40)]


def test_each_side_has_a_keyspace_of_its_own() -> None:
    names = {
        with_keyspace(GateSide(name=name, told="", scenario=scenario())).scenario.topology.keyspace for name in SideName
    }
    assert names == {"meterstorm_baseline", "meterstorm_candidate"}
    long = changed(("topology.keyspace", "k" * 31))
    assert (
        with_keyspace(GateSide(name=SideName.BASELINE, told="", scenario=long)).scenario.topology.keyspace
        == "gate_baseline"
    )


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with a scenario in a folder, changed in its second commit, and a file that is there only then."""

    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=A", "-c", "user.email=a@example.invalid"]
        subprocess.run(["git", "-C", str(tmp_path), *identity, *arguments], check=True, capture_output=True, timeout=60)

    git("init", "-q", "-b", "main")
    folder = tmp_path / "scenarios"
    folder.mkdir()
    (folder / "own.toml").write_text(TEXT)
    git("add", "-A")
    git("commit", "-q", "-m", "first")
    git("tag", "v1")
    (folder / "own.toml").write_text(TEXT.replace("nodes = 1", "nodes = 2"))
    (folder / "new.toml").write_text(TEXT)
    git("add", "-A")
    git("commit", "-q", "-m", "second")
    return folder


def test_a_revision_is_the_scenarios_file_as_it_was(repository: Path) -> None:
    own = repository / "own.toml"
    before = side_named(SideName.BASELINE, ["v1"], own, None)
    now = side_named(SideName.CANDIDATE, [], own, 7)
    assert isinstance(before, GateSide) and isinstance(now, GateSide)
    assert (before.scenario.topology.node_count, now.scenario.topology.node_count) == (1, 2)
    assert before.told.startswith("v1 (") and now.scenario.run.seed == 7
    both = side_named(SideName.BASELINE, ["v1", "topology.commit_log_sync=batch"], own, None)
    assert isinstance(both, GateSide) and both.scenario.topology.commit_log_sync == "batch"


def test_what_is_no_revision_or_was_not_there_is_told(repository: Path) -> None:
    with pytest.raises(ScenarioError, match="nor a revision of the repository"):
        side_named(SideName.BASELINE, ["v9"], repository / "own.toml", None)
    with pytest.raises(ScenarioError, match="is no revision"):
        side_named(SideName.BASELINE, ["--output=x"[:2] + "help"], repository / "own.toml", None)
    with pytest.raises(NoBaseline, match=r"new\.toml is not there in"):
        side_named(SideName.BASELINE, ["v1"], repository / "new.toml", None)
    with pytest.raises(ScenarioError, match="no file of a repository"):
        side_named(SideName.BASELINE, ["v1"], Path("smoke"), None)


def test_overrides_are_toml_or_text_and_wrong_ones_are_told(repository: Path) -> None:
    own = repository / "own.toml"
    found = side_named(SideName.CANDIDATE, ["topology.cassandra.concurrent_writes=16", "title=Mine"], own, None)
    assert isinstance(found, GateSide)
    assert found.scenario.topology.cassandra == {"concurrent_writes": 16} and found.scenario.title == "Mine"
    for word, told in (
        ("topology.consistency.default=SOME", "--candidate: topology.consistency.default"),
        ("store.nothing=1", "there is no such field"),
        ("title.deep=1", "title is no table"),
        ("=1", "is no field"),
        ("topology.cassandra.listen_address=here", "set by the local cluster itself"),
        ("store.alterations=['DROP TABLE {keyspace}.x']", "must be ALTER TABLE"),
    ):
        with pytest.raises(ScenarioError, match=told):
            side_named(SideName.CANDIDATE, [word], own, None)
    with pytest.raises(ScenarioError, match="both say where it comes from"):
        side_named(SideName.CANDIDATE, ["v1", "main"], own, None)


def test_recorded_runs_are_folders_with_commas_and_must_be_there(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    found = side_named(SideName.BASELINE, [f"{tmp_path / 'a'},{tmp_path / 'a'}"], Path("smoke"), None)
    assert isinstance(found, RecordedSide) and len(found.paths) == 2
    with pytest.raises(NoBaseline, match="there is no such run"):
        side_named(SideName.BASELINE, [f"{tmp_path / 'a'},{tmp_path / 'b'}"], Path("smoke"), None)
    with pytest.raises(ScenarioError, match="a recorded run is as it was"):
        side_named(SideName.BASELINE, [str(tmp_path / "a"), "run.seed=1"], Path("smoke"), None)
