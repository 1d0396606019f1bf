"""The storm under real Locust processes, headless, against a stub node that answers everything."""

import contextlib
import csv
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from loadtests.locust_fleet.record import StormRecord
from loadtests.recording.history import RunHistory, read_history
from loadtests.recording.ledger import Ledger, SlotState
from loadtests.stubs.fast_node import BulkStub
from tests.support.forked_locust import ForkedLocust, LocustForks

SCENARIO = """
title = "Two thousand homes on one node"
question = "Does every operation arrive, whoever sends it?"
[estate]
premises = 2_000
fuels = ["electricity"]
upload_window_h = 24.0
[estate.read_schedules]
daily = 0.5
half_hourly = 0.5
[topology]
dcs = [{{ name = "north", role = "business", nodes = 1, rf = 1 }}]
[run]
start = 2026-01-15
wall_s = {wall_s}
warm_up_s = 1
warm_nodes_s = {warm_nodes_s}
"""
LOCUSTFILE = Path(__file__).parents[3] / "loadtests" / "locustfile.py"
WAIT_S = 1_000.0  # the kernels may have to be compiled, beside whatever else the machine does
MARK = "METERSTORM_TEST_RUN"  # in the environment of all of a run's processes
pytestmark = pytest.mark.timeout(2 * WAIT_S)


@dataclass
class Run:
    """A Locust of ours in a session of its own, and its output."""

    out: Path
    process: "subprocess.Popen[str] | ForkedLocust"

    def processes(self) -> list[psutil.Process]:
        """All of its processes that there are: those of its session, and the senders, which have their own."""
        return [each for each in psutil.process_iter() if self._has(each)]

    def _has(self, process: psutil.Process) -> bool:
        try:
            is_dead = process.status() == psutil.STATUS_ZOMBIE
            is_ours = os.getsid(process.pid) == self.process.pid or process.environ().get(MARK) == str(self.out)
            return is_ours and not is_dead
        except (psutil.NoSuchProcess, psutil.AccessDenied, ProcessLookupError):
            return False

    def until(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not holds():
            assert time.monotonic() < deadline, "it did not happen"
            assert self.process.poll() is None, self.text()
            time.sleep(0.1)

    def has_begun(self) -> bool:
        record = StormRecord.read(self.out)
        return record is not None and record.zero_ns is not None and record.offered > 0

    def is_answered(self, shard_count: int) -> bool:
        """Has every sender had answers? Before that, on a busy machine, what is due may never be sent if the run is ended."""
        parts = [self.out / "history" / f"shard-{shard}" for shard in range(shard_count)]
        return all((part / "ingest_reading.service.hlog").exists() for part in parts)

    def end(self) -> int:
        return self.process.wait(WAIT_S)

    def text(self) -> str:
        return (self.out.parent / f"{self.out.name}.log").read_text()

    def record(self) -> StormRecord:
        record = StormRecord.read(self.out)
        assert record is not None
        return record

    def left_behind(self) -> list[psutil.Process]:
        deadline = time.monotonic() + 15
        while (left := self.processes()) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


@pytest.fixture(scope="module")
def stub() -> Iterator[BulkStub]:
    with BulkStub(keyspace="meterstorm") as stub:
        yield stub


@pytest.fixture(scope="module")
def forks() -> Iterator[LocustForks]:
    with LocustForks() as forks:
        yield forks


Locust = Callable[..., Run]


@contextlib.contextmanager
def starter(stub: BulkStub, forks: LocustForks, folder: Path) -> Iterator[Locust]:
    """Starts Locusts, and ends what is left of them. They are forks, but for those that need the command itself."""
    runs: list[Run] = []

    def start(
        *options: str,
        name: str = "run",
        wall_s: int = 3,
        warm_nodes_s: int = 0,
        to: BulkStub = stub,
        has_page: bool = False,
        has_tables: bool = True,
        is_fork: bool = True,
        under: Sequence[str] = (),
    ) -> Run:
        scenario = folder / f"{name}.toml"
        scenario.write_text(SCENARIO.format(wall_s=wall_s, warm_nodes_s=warm_nodes_s))
        out = folder / name
        if "--processes" in options:
            port = free_port()
            options = (*options, "--master-bind-port", port, "--master-port", port)
        given = ["--scenario", str(scenario), "--port", str(to.port), "--out", str(out), *options]
        given += ["--tables-exist"] if has_tables else []
        temporary = folder / "temporary"  # a worker that a test kills leaves its folder
        temporary.mkdir(exist_ok=True)
        shown = [] if has_page else ["--headless", "--only-summary"]
        arguments = ["-f", str(LOCUSTFILE), *shown, *given]
        environment = {"COLUMNS": "80", "TMPDIR": str(temporary), MARK: str(out)}
        log_path = folder / f"{name}.log"
        process: subprocess.Popen[str] | ForkedLocust
        if is_fork:
            process = forks.start(arguments, environment, log_path)
        else:
            with log_path.open("w") as log:
                process = subprocess.Popen(
                    [*under, sys.executable, "-m", "locust", *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    text=True,
                    start_new_session=True,
                    env=os.environ | environment,
                )
        runs.append(Run(out, process))
        return runs[-1]

    try:
        yield start
    finally:
        for run in runs:
            for process in run.processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            run.process.wait(WAIT_S)


@pytest.fixture
def locust(stub: BulkStub, forks: LocustForks, tmp_path: Path) -> Iterator[Locust]:
    with starter(stub, forks, tmp_path) as start:
        yield start


def free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return str(free.getsockname()[1])


def completed(history: RunHistory, operation: str) -> int:
    columns = history.counts[operation]
    return int(sum(columns[name].sum() for name in ("ok", "failed", "indeterminate")))


@dataclass
class WholeRun:
    """A run of two workers that keep ledgers of their own, with tables; and how many operations the node answered."""

    run: Run
    answered: int
    exit_code: int

    @property
    def table(self) -> Path:
        return self.run.out.parent / "table_stats.csv"


@pytest.fixture(scope="module")
def whole(forks: LocustForks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WholeRun]:
    folder = tmp_path_factory.mktemp("whole")
    with BulkStub(keyspace="meterstorm") as stub, starter(stub, forks, folder) as locust:
        run = locust("--processes", "2", "--own-ledger", "--csv", str(folder / "table"))
        exit_code = run.end()
        yield WholeRun(run=run, answered=stub.stop(), exit_code=exit_code)


def added_up(run: Run) -> RunHistory:
    """The history of a run that has ended whole: it holds all that was offered, and all of it was answered well."""
    record, history = run.record(), read_history(run.out / "history")
    assert record.offered == record.ok > 10_000
    assert sum(completed(history, name) for name in history.operations) == record.ok
    for name in history.operations:
        for counts in (history.response_counts(name), history.service_counts(name)):
            assert sum(int(one.sum()) for _, one in counts) == completed(history, name)
    assert sum(int(one.sum()) for _, one in history.lateness_counts()) == record.ok
    written = {int(second): index for index, second in enumerate(history.seconds)}
    assert len(record.seconds) >= 3  # for the live view
    for second in record.seconds:
        at = written[second.second]
        assert second.ok == sum(int(history.counts[name]["ok"][at]) for name in history.operations)
    return history


def test_what_two_workers_measured_is_added_up_without_loss(whole: WholeRun) -> None:
    run = whole.run
    assert whole.exit_code == 0, run.text()
    record, history = run.record(), added_up(run)
    assert record.shard_count == record.worker_count == 2
    assert record.ok == whole.answered
    with whole.table.open() as file:
        table = {row["Name"]: int(row["Request Count"]) for row in csv.DictReader(file)}
    assert table == {name: completed(history, name) for name in history.operations} | {"Aggregated": whole.answered}
    assert run.left_behind() == []
    assert list((run.out.parent / "temporary").glob("meterstorm-*")) == []


def test_a_worker_elsewhere_sends_its_ledger(whole: WholeRun, locust: Locust) -> None:
    near = locust(name="near", is_fork=False)
    assert (near.end(), whole.exit_code) == (0, 0), near.text()
    ledgers = [Ledger.open(run.out / "ledger") for run in (near, whole.run)]
    assert ledgers[0].counts(0)[SlotState.ACKNOWLEDGED] > 0
    assert np.array_equal(ledgers[0].states, ledgers[1].states)


def test_a_lost_worker_makes_the_run_inconclusive(locust: Locust) -> None:
    run = locust("--processes", "2", wall_s=12)
    run.until(run.has_begun)
    worker = psutil.Process(run.process.pid).children()[0]
    worker.kill()
    assert run.end() == 4, run.text()
    record = run.record()
    assert record.has_ended and record.ok > 0
    (lack,) = record.lacks
    assert "was lost in second" in lack and lack in run.text()
    assert "The run is inconclusive" in run.text()
    assert run.left_behind() == []


@pytest.mark.parametrize("has_workers", [False, True])
def test_ctrl_c_leaves_nothing_behind(locust: Locust, has_workers: bool) -> None:
    run = locust(*(["--processes", "2"] if has_workers else []), wall_s=60)
    run.until(lambda: run.is_answered(2 if has_workers else 1))
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.end() == 4, run.text()
    assert "Traceback" not in run.text()
    record, history = run.record(), read_history(run.out / "history")
    assert record.is_interrupted and record.has_ended and not record.lacks
    assert sum(completed(history, name) for name in history.operations) == record.ok > 0
    assert run.left_behind() == []


def test_a_worker_of_another_scenario_is_refused(locust: Locust) -> None:
    port = free_port()
    master = locust("--master", "--expect-workers", "1", "--master-bind-port", port, name="master")
    # whichever of the two is there first: the stranger's coming and going is nothing to the master
    stranger = locust("--worker", "--master-port", port, name="stranger", wall_s=6)
    assert stranger.end() == 2
    refusals = [line for line in stranger.text().splitlines() if "the master refuses this worker" in line]
    assert len(refusals) == 1 and "start both with the same --scenario file" in refusals[0]
    assert master.process.poll() is None, master.text()
    friend = locust("--worker", "--master-port", port, name="friend")
    assert (friend.end(), master.end()) == (0, 0), master.text()
    assert master.record().worker_count == 1
    assert "last worker" not in master.text().partition("every shard is ready")[0]


def test_a_start_that_is_refused_leaves_no_folder(locust: Locust) -> None:
    run = locust("--port", free_port(), has_tables=False)  # where no node is
    assert run.end() == 3
    assert not run.out.exists()


def test_ctrl_c_and_sigterm_before_the_start_leave_no_folder(locust: Locust) -> None:
    signals = (signal.SIGINT, signal.SIGTERM)
    waiting = ("--master", "--expect-workers", "1", "--master-bind-port")
    runs = [locust(*waiting, free_port(), name=number.name) for number in signals]
    for run, number in zip(runs, signals, strict=True):
        run.until(run.out.exists)
        run.process.send_signal(number)
    for run in runs:
        assert run.end() == -signal.SIGINT  # which a shell calls 130
        assert not run.out.exists() and "Traceback" not in run.text()


@pytest.mark.parametrize("has_workers", [False, True])
def test_ctrl_c_between_the_start_and_the_first_operation_leaves_no_folder(locust: Locust, has_workers: bool) -> None:
    options = ["--processes", "2"] if has_workers else []
    run = locust(*options, warm_nodes_s=60)  # the storm does not begin before that
    run.until(lambda: "goes to worker" in run.text())
    os.killpg(run.process.pid, signal.SIGINT)
    assert run.end() == 3, run.text()
    assert "nothing was sent" in run.text() and "Traceback" not in run.text()
    assert not run.out.exists()
    assert run.left_behind() == []


def test_beyond_loopback_only_who_knows_the_secret_is_heard(locust: Locust, tmp_path: Path) -> None:
    secret, another = tmp_path / "secret", tmp_path / "another"
    for path in (secret, another):
        path.touch(mode=0o600)
        path.write_text(f"of {path.name}, and long enough\n")
    port = free_port()
    bare = locust("--master", "--expect-workers", "1", "--master-bind-host", "0.0.0.0", name="bare")
    assert bare.end() == 2 and "share a secret" in bare.text() and not bare.out.exists()
    here = ("--master", "--expect-workers", "1", "--master-bind-host", "127.0.0.1", "--master-bind-port", port)
    master = locust(*here, "--secret-file", str(secret), name="master")
    there = ("--worker", "--master-port", port)
    strangers = [locust(*there, name="nobody"), locust(*there, "--secret-file", str(another), name="guesser")]
    friend = locust(*there, "--secret-file", str(secret), name="friend")
    assert (friend.end(), master.end()) == (0, 0), master.text()
    assert master.record().worker_count == 1
    for stranger in strangers:
        assert "welcomed" not in stranger.text() and "Traceback" not in stranger.text()
        assert stranger.process.poll() is None or "have both the same secret" in stranger.text()  # or it still looks
    said = "".join(run.text() for run in (master, friend))
    assert "and long enough" not in said and "and long enough" not in (master.out / "storm.json").read_text()


ANOTHER_CLOCK = ("unshare", "--time", "--fork", "--kill-child", "--monotonic", "5000")


@pytest.mark.long
@pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run([*ANOTHER_CLOCK, "true"], capture_output=True).returncode != 0,
    reason="time namespaces are not allowed here",
)
def test_a_worker_whose_clock_is_another_starts_with_the_others(locust: Locust) -> None:
    """As on another machine: its monotonic clock is 5,000 s ahead, and its ledger its own."""
    port = free_port()
    master = locust("--master", "--expect-workers", "2", "--master-bind-port", port, name="master")
    near = locust("--worker", "--master-port", port, name="near")
    far = locust("--worker", "--master-port", port, "--own-ledger", name="far", is_fork=False, under=ANOTHER_CLOCK)
    assert (near.end(), far.end(), master.end()) == (0, 0, 0), master.text()
    record, history = master.record(), read_history(master.out / "history")
    assert record.worker_count == record.shard_count == 2
    assert record.offered == record.ok > 0
    assert Ledger.open(master.out / "ledger").counts(0)[SlotState.ACKNOWLEDGED] == 2_000 * 48  # both shards' half-hours
    assert max(second for second, _ in history.lateness_counts()) < WAIT_S  # and not after 5,000 s


@dataclass
class Page:
    """A web UI whose storm of two workers is over, and what its table of requests shows."""

    run: Run
    url: str
    shown: list[Any]


@pytest.fixture(scope="module")
def page(stub: BulkStub, forks: LocustForks, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    url = f"http://127.0.0.1:{free_port()}"
    with starter(stub, forks, tmp_path_factory.mktemp("page")) as locust:
        run = locust("--processes", "2", "--web-port", url.rpartition(":")[2], has_page=True, is_fork=False)
        run.until(lambda: is_served(url))
        run.until(lambda: bool(started(url)["success"]))  # while no worker is welcome it says so, and is asked again
        run.until(lambda: (record := StormRecord.read(run.out)) is not None and record.has_ended)
        run.until(lambda: json.loads(asked(f"{url}/stats/requests"))["state"] == "stopped")
        yield Page(run=run, url=url, shown=json.loads(asked(f"{url}/stats/requests"))["stats"])


def test_the_web_ui_shows_the_storm_and_is_served_on_loopback(page: Page) -> None:
    assert {each.laddr.ip for each in listening(page.run)} == {"127.0.0.1"}  # unless somebody asks for more
    assert {row["name"]: row["num_requests"] for row in page.shown}["Aggregated"] == page.run.record().ok > 0
    added_up(page.run)  # of workers that share the master's ledger


def test_a_second_start_is_refused_and_clears_no_statistics(page: Page) -> None:
    again = started(page.url)
    assert not again["success"] and "this storm was sent: start Locust again" in again["message"]
    assert json.loads(asked(f"{page.url}/stats/requests"))["stats"] == page.shown


def test_sigterm_ends_the_web_ui_and_leaves_nothing_behind(page: Page) -> None:
    page.run.process.send_signal(signal.SIGTERM)  # the page's last test
    assert page.run.end() == 0, page.run.text()
    assert page.run.left_behind() == []


def asked(url: str, form: str | None = None) -> str:
    with urllib.request.urlopen(url, form.encode() if form else None, timeout=30) as answer:
        return str(answer.read().decode())


def started(page: str) -> Any:
    return json.loads(asked(f"{page}/swarm", "user_count=2&spawn_rate=2"))


def is_served(page: str) -> bool:
    with contextlib.suppress(urllib.error.URLError):
        return "Locust" in asked(page)
    return False


def listening(run: Run) -> list[Any]:
    every = run.processes()
    return [each for process in every for each in process.net_connections() if each.status == psutil.CONN_LISTEN]
