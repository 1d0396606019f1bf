"""Questions over all homes beside a storm: `[[analytics]]` of a scenario, one round after another, each in a process of its own.

A round that fails is told, and ends nothing: business does not depend on it. One that is late is not made up for: the next begins
when it is due again. None begins after the storm, and one that is under way then is waited for.
"""

import heapq
import subprocess
import threading
import time
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from loadtests.errors import how_it_ended, last_words
from loadtests.recording.run_folder import RunFolder
from loadtests.storm.messages import AnalyticsPlan, RoundAnswered, RoundExported, Trouble
from loadtests.storm.shard_process import start_process
from loadtests.workload.experiment import Experiment
from scenarios.parts.analytics import PlannedAnalytics

MODULE = "loadtests.storm.analytics_process"
LOOK_EVERY_S = 0.1
END_S_MAX = 5.0


@dataclass(slots=True, kw_only=True)
class AnalyticsRound:
    """What became of a round, in wall time of the storm [s]. None: it did not come to that."""

    job: str
    dc: str
    begun_s: float
    exported_s: float | None = None  # the warehouse was whole
    ended_s: float | None = None  # the job was done
    half_hours: int | None = None  # in the warehouse
    files_written: int | None = None
    rows: int | None = None  # of the job's answer
    wrong: int | None = None  # of a check's
    cpu_s: float | None = None  # of the process that exported and asked
    trouble: str | None = None  # why it could not go on


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyticsRounds:
    """Carries rounds out and remembers them. folder: the run's own."""

    experiment: Experiment
    folder: RunFolder
    rounds: list[AnalyticsRound] = field(default_factory=list)

    def carry_out(self, zero_ns: int, over: threading.Event, stop: threading.Event) -> None:
        """Until the storm is over. zero_ns: its start [monotonic]; stop: what is under way is ended, set after or with `over`."""
        planned = self.experiment.scenario.analytics
        due = [(one.at_s, number) for number, one in enumerate(planned)]
        heapq.heapify(due)
        while due:
            at_s, number = heapq.heappop(due)
            if over.wait(max(at_s - _now_s(zero_ns), 0.0)):
                return
            self._carry_out(planned[number], zero_ns, stop)
            every_s = planned[number].every_s
            if every_s is not None:
                missed = int((_now_s(zero_ns) - at_s) // every_s)
                heapq.heappush(due, (at_s + (missed + 1) * every_s, number))

    def _carry_out(self, planned: PlannedAnalytics, zero_ns: int, stop: threading.Event) -> None:
        dc = planned.dc_of(self.experiment.topology.dcs)
        assert dc is not None, "the scenario was checked"
        done = AnalyticsRound(job=planned.job, dc=dc, begun_s=_now_s(zero_ns))
        self.rounds.append(done)
        try:
            self._ask(done, planned, zero_ns, stop)
        except OSError as error:  # a disk that is full, or no file or process more: the storm goes on
            done.trouble = f"it could not go on: {error}"
        finally:
            done.ended_s = _now_s(zero_ns) if done.ended_s is None else done.ended_s

    def _ask(self, done: AnalyticsRound, planned: PlannedAnalytics, zero_ns: int, stop: threading.Event) -> None:
        """Raises OSError."""
        self.folder.analytics.mkdir(exist_ok=True)
        self.folder.logs.mkdir(exist_ok=True)  # the senders' own may be on other machines
        log_path = self.folder.logs / "analytics.log"
        process, connection = start_process(MODULE, log_path)
        try:
            connection.send(
                AnalyticsPlan(
                    experiment=self.experiment,
                    dc=done.dc,
                    job=planned.job,
                    warehouse=self.folder.analytics / "warehouse",
                    answer=self.folder.analytics / f"{planned.job}.parquet",
                )
            )
            self._follow(done, process, connection, zero_ns, stop)
        except (EOFError, ConnectionError):
            how = how_it_ended(_end(process))
            done.trouble = f"its process ended ({how}), saying: {last_words(log_path)}"
        finally:
            connection.close()
            _end(process)

    def _follow(
        self,
        done: AnalyticsRound,
        process: "subprocess.Popen[bytes]",
        connection: Connection,
        zero_ns: int,
        stop: threading.Event,
    ) -> None:
        while True:
            if stop.is_set():
                done.trouble = "the storm was ended before it was done"
                process.kill()
                return
            if not connection.poll(LOOK_EVERY_S):
                continue
            match connection.recv():
                case RoundExported(half_hours=half_hours, files_written=files_written, cpu_s=cpu_s):
                    done.exported_s, done.cpu_s = _now_s(zero_ns), cpu_s
                    done.half_hours, done.files_written = half_hours, files_written
                case RoundAnswered(rows=rows, wrong=wrong, cpu_s=cpu_s):
                    done.ended_s, done.cpu_s, done.rows, done.wrong = _now_s(zero_ns), cpu_s, rows, wrong
                    return
                case Trouble(message=message):
                    done.trouble = message
                    return


def _now_s(zero_ns: int) -> float:
    return (time.monotonic_ns() - zero_ns) / 1e9


def _end(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a process that has nothing more to do, or kill it; its return code."""
    try:
        return process.wait(END_S_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
