"""The canary against data centres of dictionaries: what can be written and read, and how late the others see it."""

import contextlib
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from cassandra import Unavailable

from loadtests.errors import HarnessError
from loadtests.metrics import canary
from loadtests.metrics.canary import Canary
from loadtests.metrics.clocks import ahead_s
from loadtests.metrics.instruments import ProbeProgress
from scenarios.spec import Topology

TOPOLOGY = Topology.model_validate(
    {
        "dcs": [{"name": "north", "nodes": 1, "rf": 1}, {"name": "south", "nodes": 1, "rf": 1}],
        "keyspace": "k",
        "consistency": {"operations": {"ingest_reading": "EACH_QUORUM"}},
    }
)


LOCAL_ONE = 10


class Statement:
    def __init__(self, cql: str) -> None:
        self.is_insert, self.consistency_level = cql.startswith("INSERT"), None


class Answer:
    def __init__(self, row: Any) -> None:
        self.row = row

    def one(self) -> Any:
        return self.row


class DataCentre:
    """Rows that were written anywhere, seen here `lag_s` later."""

    def __init__(self, rows: dict[int, float], lag_s: float = 0.0) -> None:
        self.rows, self.lag_s, self.is_down, self.levels = rows, lag_s, False, set[tuple[bool, Any]]()
        self.looks_s: list[float] = []  # how long each question of another data centre may take

        self.ahead_s: dict[str, float] = {}  # of each node's clock, by its address
        self.cluster = SimpleNamespace(metadata=SimpleNamespace(all_hosts=self.hosts))

    def hosts(self) -> list[Any]:
        """As the driver has them: of all data centres, in any state."""
        own = [SimpleNamespace(address=one, datacenter="north", is_up=True) for one in self.ahead_s]
        return [*own, SimpleNamespace(address="c", datacenter="south", is_up=True)]

    def prepare(self, cql: str) -> Statement:
        return Statement(cql)

    def execute(self, statement: Any, values: tuple[int] = (0,), *, timeout: float, host: Any = None) -> Answer:
        if host is not None:
            if self.is_down:
                raise Unavailable("planted")
            told = datetime.fromtimestamp(time.time() + self.ahead_s.get(host.address, 0.0), UTC).replace(tzinfo=None)
            return Answer(SimpleNamespace(at=told))
        if statement.consistency_level == LOCAL_ONE:
            self.looks_s.append(timeout)
        self.levels.add((statement.is_insert, statement.consistency_level))
        if self.is_down:
            raise Unavailable("planted")
        (row,) = values
        if statement.is_insert:
            self.rows[row] = time.monotonic()
        return Answer(row if row in self.rows and time.monotonic() >= self.rows[row] + self.lag_s else None)

    @contextlib.contextmanager
    def open(self) -> Iterator[Any]:
        yield self


@pytest.fixture
def dcs(monkeypatch: pytest.MonkeyPatch) -> dict[str, DataCentre]:
    monkeypatch.setattr(canary, "EVERY_S", 0.05)
    monkeypatch.setattr(canary, "LOOK_S_MAX", 0.03)
    monkeypatch.setattr(canary, "CLOCKS_EVERY_S", 0.02)
    rows: dict[int, float] = {}
    return {"north": DataCentre(rows), "south": DataCentre(rows, lag_s=0.012)}


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def sent_by(dcs: dict[str, DataCentre], told: ProbeProgress) -> Canary:
    return Canary(TOPOLOGY, {name: dc.open for name, dc in dcs.items()}, told)


def test_each_dc_is_written_to_and_read_from_and_the_others_are_asked(dcs: dict[str, DataCentre]) -> None:
    told = ProbeProgress()
    with sent_by(dcs, told):
        wait_until(lambda: told.outcomes["south", "read", "ok"] > 2 and len(told.lag_s) == 2)
    assert told.lag_s["north", "south"] >= 0.012 > 0.010 > told.lag_s["south", "north"]
    assert {key for key, count in told.outcomes.items() if count} == {
        (dc, action, "ok") for dc in ("north", "south") for action in ("write", "read")
    }
    each_quorum, local_quorum = 7, 6
    assert dcs["north"].levels == {(True, each_quorum), (False, local_quorum), (False, LOCAL_ONE)}


def test_a_dc_that_is_down_is_counted_and_its_lag_grows(dcs: dict[str, DataCentre]) -> None:
    told = ProbeProgress()
    with sent_by(dcs, told):
        wait_until(lambda: len(told.lag_s) == 2)
        dcs["south"].is_down = True
        wait_until(
            lambda: told.outcomes["south", "write", "failed"] > 2 and told.outcomes["south", "read", "failed"] > 2
        )
        wait_until(lambda: ("north", "south") in told.unseen_since_ns)
        since = told.unseen_since_ns["north", "south"]
        before = told.outcomes["north", "write", "ok"]
        wait_until(lambda: told.outcomes["north", "write", "ok"] > before + 2)  # it goes on, and waits for the same row
        assert told.unseen_since_ns["north", "south"] == since
        assert not told.outcomes["north", "write", "failed"]
        dcs["south"].is_down = False
        wait_until(lambda: ("north", "south") not in told.unseen_since_ns)


def test_a_dc_that_lacks_rows_is_asked_a_few_times_and_holds_up_nobody_for_longer_than_the_look(
    dcs: dict[str, DataCentre], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canary, "LOOK_S_MAX", 0.1)
    monkeypatch.setattr(canary, "EVERY_S", 0.2)
    dcs["south"].lag_s = 60.0
    told = ProbeProgress()
    with sent_by(dcs, told):
        wait_until(lambda: told.outcomes["north", "write", "ok"] > 2)
    rounds = told.outcomes["north", "write", "ok"]
    assert rounds <= len(dcs["south"].looks_s) <= rounds * 6  # in 100 ms
    assert set(dcs["south"].looks_s) == {0.1}


def test_a_dc_that_can_not_be_reached_is_left_out(dcs: dict[str, DataCentre]) -> None:
    def refused() -> contextlib.AbstractContextManager[Any]:
        raise HarnessError("nobody answers")

    told = ProbeProgress()
    with Canary(TOPOLOGY, {"north": dcs["north"].open, "south": refused}, told):  # type: ignore[dict-item]
        wait_until(lambda: told.outcomes["north", "write", "ok"] > 1)
    assert not told.lag_s and {dc for dc, _, _ in told.outcomes} == {"north"}


def test_each_node_is_asked_for_its_clock_and_one_that_does_not_answer_has_none(dcs: dict[str, DataCentre]) -> None:
    told, north = ProbeProgress(), dcs["north"]
    north.ahead_s = {"a": 0.0, "b": 60.0}
    names = {"a": "north-1", "b": "north-2"}
    with Canary(TOPOLOGY, {"north": north.open}, told, names.__getitem__):  # type: ignore[dict-item]
        wait_until(lambda: "north" in told.clocks_ahead_s)
        assert told.clocks_ahead_s["north"] == {"north-1": 0.0, "north-2": pytest.approx(60.0, abs=0.5)}
        north.is_down = True
        wait_until(lambda: told.clocks_ahead_s["north"] == {})
        north.is_down = False
        wait_until(lambda: told.clocks_ahead_s["north"] != {})
    assert told.clocks_ahead_s == {}  # nobody asks any more


@pytest.mark.parametrize(
    ("told_s", "off_s"),
    [
        (100.0, 0.0),  # asked at 100, answered at 102: somewhere between
        (102.0, 0.0),
        (99.9995, 0.0),  # a whole millisecond, cut off
        (102.5, 0.5),
        (98.0, -1.999),
        (160.0, 58.0),
    ],
)
def test_a_clock_is_off_by_what_the_time_of_the_answer_does_not_explain(told_s: float, off_s: float) -> None:
    assert ahead_s(told_s, 100.0, 102.0) == pytest.approx(off_s, abs=1e-9)
