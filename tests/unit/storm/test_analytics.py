"""Rounds of analytics beside a storm: when each begins, what is remembered of it, and that none outlives the storm's end."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from socket import socketpair
from typing import Any

import pytest

from loadtests.recording.run_folder import RunFolder
from loadtests.storm import analytics
from loadtests.storm.analytics import AnalyticsRounds
from loadtests.storm.messages import AnalyticsPlan, RoundAnswered, RoundExported, Trouble
from loadtests.storm.side_tasks import BesideStorm
from loadtests.workload.experiment import Experiment
from scenarios.parts.analytics import PlannedAnalytics
from tests.unit.scenarios.parts.test_analytics import scenario

Serve = Callable[[Connection, AnalyticsPlan], None]
EXPORTED = RoundExported(half_hours=48, files_written=1, cpu_s=0.5)


def rounds_of(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    serve: Serve,
    planned: tuple[PlannedAnalytics, ...],
    program: str = "",
) -> AnalyticsRounds:
    """Rounds whose process is a thread; `program` is what runs in its place, to be waited for or killed."""
    asked = scenario("").model_copy(update={"analytics": planned})
    experiment = Experiment(scenario=asked, estate=None, endpoint=None)  # type: ignore[arg-type]

    def start(_module: str, log: Path) -> tuple["subprocess.Popen[bytes]", Connection]:
        log.open("ab").close()
        ours, theirs = socketpair()
        connection = Connection(theirs.detach())

        def answer() -> None:
            serve(connection, connection.recv())
            connection.close()

        threading.Thread(target=answer, daemon=True).start()
        return subprocess.Popen([sys.executable, "-c", program]), Connection(ours.detach())

    monkeypatch.setattr(analytics, "start_process", start)
    return AnalyticsRounds(experiment=experiment, folder=RunFolder(folder))


def carry_out(rounds: AnalyticsRounds, for_s: float) -> tuple[list[Any], float]:
    over, stop = threading.Event(), threading.Event()
    threading.Timer(for_s, over.set).start()
    started = time.monotonic()
    rounds.carry_out(time.monotonic_ns(), over, stop)
    return rounds.rounds, time.monotonic() - started


def planned(**fields: Any) -> PlannedAnalytics:
    return PlannedAnalytics(**{"job": "settlement", "at_s": 0.0} | fields)


def well(connection: Connection, plan: AnalyticsPlan) -> None:
    connection.send(EXPORTED)
    connection.send(RoundAnswered(rows=len(plan.job), wrong=None, cpu_s=0.7))


def test_rounds_begin_when_they_are_due_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rounds, took_s = carry_out(
        rounds_of(
            tmp_path,
            monkeypatch,
            well,
            (planned(at_s=0.2, every_s=1.0), planned(job="profiles", at_s=0.6), planned(job="peaks", at_s=60.0)),
        ),
        1.9,
    )
    assert [one.job for one in rounds] == ["settlement", "profiles", "settlement"]
    assert [int(one.begun_s * 5) for one in rounds] == [1, 3, 6] and took_s < 5
    first = rounds[0]
    assert (first.dc, first.half_hours, first.files_written, first.rows, first.cpu_s) == ("warehouse", 48, 1, 10, 0.7)
    assert first.begun_s <= first.exported_s <= first.ended_s and first.trouble is None


def test_a_round_that_is_late_is_not_made_up_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(connection: Connection, plan: AnalyticsPlan) -> None:
        time.sleep(1.2)
        well(connection, plan)

    every = PlannedAnalytics.model_construct(job="peaks", at_s=0.0, every_s=0.5, dc=None, misdirected=False)
    rounds, _ = carry_out(rounds_of(tmp_path, monkeypatch, slow, (every,)), 2.0)
    assert [round(one.begun_s, 1) for one in rounds] == [0.0, 1.5] and rounds[-1].rows == 5  # the last is waited for


def test_trouble_is_told_and_the_next_round_comes_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def troubled(connection: Connection, plan: AnalyticsPlan) -> None:
        if plan.job == "settlement":
            connection.send(Trouble(message="scan of events_by_home: the data centre is down"))
        elif plan.job == "profiles":
            connection.send(EXPORTED)  # and no more
        else:
            well(connection, plan)

    jobs = tuple(planned(job=job, at_s=at) for job, at in (("settlement", 0.0), ("profiles", 0.1), ("peaks", 0.2)))
    rounds, _ = carry_out(rounds_of(tmp_path, monkeypatch, troubled, jobs, "raise SystemExit(7)"), 1.5)
    assert [one.trouble and one.trouble[:20] for one in rounds] == [
        "scan of events_by_ho",
        "its process ended (e",
        None,
    ]
    assert rounds[1].half_hours == 48 and rounds[1].rows is None and "exit code 7" in str(rounds[1].trouble)


def test_a_round_that_can_not_begin_is_trouble_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rounds = rounds_of(tmp_path, monkeypatch, well, (planned(), planned(job="peaks", at_s=0.3)))
    start, started = analytics.start_process, []

    def once(module: str, log: Path) -> Any:
        started.append(log)
        if len(started) == 1:
            raise OSError("Too many open files")
        return start(module, log)

    monkeypatch.setattr(analytics, "start_process", once)
    [first, second], _ = carry_out(rounds, 1.0)
    assert (first.trouble, second.trouble) == ("it could not go on: Too many open files", None) and second.rows == 5
    assert first.ended_s is not None and started[0] == tmp_path / "logs" / "analytics.log"
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "analytics").write_text("a file in its way")
    [one], _ = carry_out(rounds_of(tmp_path / "taken", monkeypatch, well, (planned(),)), 0.5)
    assert "File exists" in str(one.trouble)


def test_a_process_that_says_no_more_and_lives_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analytics, "END_S_MAX", 0.2)
    rounds = rounds_of(tmp_path, monkeypatch, lambda *_: None, (planned(),), "import time; time.sleep(30)")
    [one], took_s = carry_out(rounds, 0.5)
    assert one.trouble == "its process ended (signal SIGKILL), saying: " and took_s < 10


def test_a_storm_in_a_folder_of_its_own_leaves_answers_in_the_runs(tmp_path: Path) -> None:
    experiment = Experiment(scenario=scenario(""), estate=None, endpoint=None)  # type: ignore[arg-type]
    run, of_storm = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run" / "locust")
    assert BesideStorm(experiment, of_storm, run_folder=run)._rounds.folder == run
    assert BesideStorm(experiment, run)._rounds.folder == run


def test_the_storms_end_by_hand_ends_a_round(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = rounds_of(tmp_path, monkeypatch, lambda *_: time.sleep(30), (planned(),), "import time; time.sleep(30)")
    over, stop = threading.Event(), threading.Event()
    threading.Timer(0.5, stop.set).start()
    started = time.monotonic()
    done.carry_out(time.monotonic_ns(), over, stop)
    [one] = done.rounds
    assert time.monotonic() - started < 3 and one.trouble == "the storm was ended before it was done"
    assert one.rows is None and one.ended_s is not None
