"""What data centres see of each other, against data centres of dictionaries: late, down, and refused."""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from cassandra import Unavailable

from loadtests.errors import HarnessError
from loadtests.monitoring import visibility
from loadtests.monitoring.visibility import Pair, VisibilityProbe, VisibilityWatch, watched_pairs
from scenarios.parts.faults import Fault, FaultKind
from scenarios.spec import Topology

TOPOLOGY = Topology.model_validate(
    {"dcs": [{"name": name, "nodes": 1, "rf": 1} for name in ("north", "south", "west")], "keyspace": "k"}
)
BOTH_WAYS = (("south", "north"), ("north", "south"))


class Statement:
    def __init__(self, cql: str) -> None:
        self.is_insert, self.consistency_level = cql.startswith("INSERT"), None


class Row(NamedTuple):
    id: int


class DataCentre:
    """Rows of all data centres, each seen here `lag_s` after it was written, unless nothing comes through."""

    def __init__(self, rows: dict[tuple[str, int], float], lag_s: float) -> None:
        self.rows, self.lag_s = rows, lag_s
        self.is_down = self.is_parted = False
        self.questions = 0

    def prepare(self, cql: str) -> Statement:
        return Statement(cql)

    def execute(self, statement: Statement, values: tuple[str, int], timeout: float) -> list[Row]:
        if self.is_down:
            raise Unavailable("planted")
        if statement.is_insert:
            self.rows[values] = time.monotonic()
            return []
        self.questions += 1
        dc, oldest = values
        now_s = time.monotonic()
        return [
            Row(number)
            for (of, number), at_s in list(self.rows.items())
            if of == dc and number >= oldest and now_s >= at_s + self.lag_s and not self.is_parted
        ]

    @contextlib.contextmanager
    def open(self) -> Iterator[Any]:
        yield self


@pytest.fixture
def dcs(monkeypatch: pytest.MonkeyPatch) -> dict[str, DataCentre]:
    monkeypatch.setattr(visibility, "WRITE_EVERY_S", 0.02)
    monkeypatch.setattr(visibility, "FINISH_S_MAX", 0.3)
    rows: dict[tuple[str, int], float] = {}
    return {"north": DataCentre(rows, lag_s=0.03), "south": DataCentre(rows, lag_s=0.0)}


def watch(dcs: dict[str, DataCentre]) -> VisibilityWatch:
    return VisibilityWatch(TOPOLOGY, {name: dc.open for name, dc in dcs.items()}, BOTH_WAYS, wall_s=60.0)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def lags_ms(probes: tuple[VisibilityProbe, ...]) -> list[float]:
    return [(one.seen_ns - one.acknowledged_ns) / 1e6 for one in probes if one.seen_ns and one.acknowledged_ns]


def test_each_row_is_seen_once_it_is_there_and_no_sooner(dcs: dict[str, DataCentre]) -> None:
    with watch(dcs) as watching:
        wait_until(lambda: len(dcs["north"].rows) > 10)
    to_north, to_south = watching.probes["south", "north"], watching.probes["north", "south"]
    assert len(to_north) > 3 < len(to_south)
    assert all(one.seen_ns is not None for one in (*to_north, *to_south))
    assert min(lags_ms(to_north)) >= 29.0  # an insert is timed within the request, before its acknowledgement
    assert min(lags_ms(to_south)) < 29.0


def test_rows_that_were_acknowledged_before_a_partition_are_seen_after_it(dcs: dict[str, DataCentre]) -> None:
    with watch(dcs) as watching:
        wait_until(lambda: len(dcs["north"].rows) > 6)
        dcs["north"].is_parted = True
        parted_ns = time.monotonic_ns()
        time.sleep(0.2)
        asked = dcs["north"].questions
        healed_ns = time.monotonic_ns()
        dcs["north"].is_parted = False
    late = [one for one in watching.probes["south", "north"] if one.sent_ns > parted_ns and one.sent_ns < healed_ns]
    assert len(late) > 3 and all(one.seen_ns is not None and one.seen_ns > healed_ns for one in late)
    assert asked < 200  # not in a storm of its own


def test_what_a_data_centre_refused_is_not_awaited_and_one_that_is_down_is_asked_again(
    dcs: dict[str, DataCentre], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(visibility, "FINISH_S_MAX", 3.0)
    with watch(dcs) as watching:
        wait_until(lambda: len(dcs["north"].rows) > 4)
        dcs["south"].is_down = True
        time.sleep(0.1)
        dcs["south"].is_down = False
        time.sleep(0.15)
        ended_s = time.monotonic()
    assert time.monotonic() - ended_s < 2  # nobody waits for what was refused
    refused_free = watching.probes["south", "north"]
    assert all(one.acknowledged_ns is not None and one.seen_ns is not None for one in refused_free)
    caught_up = lags_ms(watching.probes["north", "south"])
    assert max(caught_up) > 50.0  # those of the outage
    assert all(one.seen_ns is not None for one in watching.probes["north", "south"])


def test_what_never_came_is_told_as_unseen_and_not_waited_for_long(dcs: dict[str, DataCentre]) -> None:
    dcs["north"].is_parted = True
    with watch(dcs) as watching:
        wait_until(lambda: len(dcs["north"].rows) > 6)
        begun_s = time.monotonic()
    assert time.monotonic() - begun_s < 3
    assert all(one.seen_ns is None for one in watching.probes["south", "north"])


def test_a_data_centre_that_can_not_be_reached_at_the_start_ends_it() -> None:
    @contextlib.contextmanager
    def unreachable() -> Iterator[Any]:
        raise HarnessError("planted")
        yield

    rows: dict[tuple[str, int], float] = {}
    sessions = {"north": DataCentre(rows, 0.0).open, "south": unreachable}
    with pytest.raises(HarnessError, match="planted"), VisibilityWatch(TOPOLOGY, sessions, BOTH_WAYS, 60.0):
        pass


@pytest.mark.parametrize(
    ("kind", "target", "pairs"),
    [
        ("kill", "south", [("south", "north"), ("north", "south"), ("south", "west"), ("west", "south")]),
        ("power_cut", "south-1", [("south", "north"), ("north", "south"), ("south", "west"), ("west", "south")]),
        ("slow", "south", []),  # it answers
        ("restart", "south", []),  # in turns, and of a data centre of one node drained
        ("schema_change", "states_by_home", []),
    ],
)
def test_only_a_data_centre_that_is_lost_whole_is_watched(kind: str, target: str, pairs: list[Pair]) -> None:
    fault = Fault(kind=FaultKind(kind), target=target, at_s=5.0, for_s=5.0)
    assert watched_pairs([fault, fault], TOPOLOGY) == tuple(pairs)


def test_of_a_partition_the_data_centres_that_lose_each_other_are_watched() -> None:
    parted = Fault(kind=FaultKind.PARTITION, target="south", peers=("north", "field"), at_s=5.0, for_s=5.0)
    assert watched_pairs([parted], TOPOLOGY) == (("south", "north"), ("north", "south"))
    inwards = Fault.model_validate({**parted.model_dump(), "direction": "in"})
    assert watched_pairs([inwards], TOPOLOGY) == ()  # what south acknowledges goes out
