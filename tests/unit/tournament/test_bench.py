"""What a node refuses of a design is the user's to mend, and told in the node's words; all else is not."""

from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cassandra import InvalidRequest
from cassandra.protocol import ConfigurationException

from loadtests.errors import HarnessError
from loadtests.tournament import bench
from loadtests.tournament.bench import TournamentEffort, TournamentMeasurements, hold_tournament, load_of
from loadtests.tournament.entrants import entrants_of
from scenarios.spec import ScenarioError
from scenarios.variant_file import PLAIN, variants_named
from store.ports import StoreError
from tests.support.gate_pairs import SCENARIO

ENTRANTS = entrants_of(SCENARIO, variants_named("textbook"))
NOTHING: Any = SimpleNamespace()


def raised_by(cause: Exception) -> StoreError:
    error = StoreError("the schema could not be created")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "name", "told"),
    [
        (InvalidRequest("Order by is only supported on clustering columns"), "textbook", ScenarioError),
        (raised_by(ConfigurationException(0, "no such compaction class", "")), "textbook", ScenarioError),
        (raised_by(OSError("the node is gone")), "textbook", StoreError),
        (raised_by(InvalidRequest("a statement of ours")), PLAIN, StoreError),
    ],
)
def test_a_refusal_of_a_designs_cql_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, error: Exception, name: str, told: type[Exception]
) -> None:
    def make_load(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(bench, "make_load", make_load)
    with pytest.raises(
        told, match="variant textbook: Cassandra refuses its CQL: .*" if told is ScenarioError else None
    ):
        load_of(ENTRANTS[name], NOTHING, NOTHING, NOTHING)


def test_a_node_that_died_is_named_whatever_was_met_first(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def died() -> None:
        raise HarnessError("node north-1 died (signal SIGKILL)")

    def counters(_: object) -> None:
        raise OSError(3, "No such process")

    cluster = SimpleNamespace(record=SimpleNamespace(cassandra="5"), require_alive=died)
    monkeypatch.setattr(bench.LocalCluster, "start", lambda *_, **__: nullcontext(cluster))
    monkeypatch.setattr(bench, "NodeCounters", counters)
    effort = TournamentEffort(rounds_max=5, minutes_max=1.0, seconds=1.0, warm_s=0.0, false_alarm=0.01)
    with pytest.raises(HarnessError, match=r"node north-1 died \(signal SIGKILL\)"):
        hold_tournament(
            ENTRANTS,
            effort,
            tmp_path,
            TournamentMeasurements(),
            lambda _: None,
            lambda: None,
            years=5,
            heap_mib=512,
            clock=lambda: 0.0,
        )
