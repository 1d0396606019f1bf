"""`meterstorm simulate`: a scenario in virtual time, and what it leaves: results.json, Parquet, report.html, an export.

Nothing is written unless a folder or an export is asked for. What is begun and does not end well (Ctrl-C, a full disk) is
taken away again: a folder that is there holds a whole simulation.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from loadtests.cluster.machine import available_memory_mib, processor_count
from loadtests.errors import HarnessError
from loadtests.recording.run_folder import REPORT_NAME, RESOLVED_NAME, RESULTS_NAME
from meterstorm.display.heartbeat import Heartbeat
from meterstorm.jobs.export import choose_events, export_events, write_offered
from meterstorm.jobs.replicate import (
    Built,
    Replications,
    Tell,
    Workers,
    build,
    part,
    replicate,
    replication_seeds,
    walk,
)
from meterstorm.jobs.run_folder import claim_folder, claimed_folder, release, write_resolved
from meterstorm.outcomes.simulation import results_of
from reports.results.simulation import SimulationResults
from reports.simulation.page import write_simulation_report
from scenarios.spec import Scenario, ScenarioError
from sim.virtual_time.summary import memory_needed_bytes

OFFERED_NAME = "offered.parquet"
_WRITTEN = (
    RESULTS_NAME,
    f"{RESULTS_NAME}.partial",
    RESOLVED_NAME,
    OFFERED_NAME,
    f"{OFFERED_NAME}.partial",
    REPORT_NAME,
)
_MIB = 2**20
LEFT_AFTER_S = 60.0  # before that nobody needs to know how long it will take
HEARD_EVERY_S = 0.2  # Ctrl-C, where a library has its signal restart waits: polars 2.1, once it is imported

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Events to be written to a Parquet file: of a window [h since the start], of one meter, or all."""

    path: Path
    from_h: float | None = None
    until_h: float | None = None
    meter: int | None = None  # an index, or a metering point's number


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulationDone:
    """What a simulation answers, and how many events were exported; None without an export."""

    results: SimulationResults
    exported: int | None


def simulate(
    scenario: Scenario,
    console: Console,
    *,
    out: Path | None = None,
    export: Export | None = None,
    thread_count: int | None = None,
    workers: Workers | None = None,
    profile_folder: Path | None = None,
    replications: Replications | None = None,
    checkpoint: Path | None = None,
) -> SimulationDone:
    """Simulate a scenario, with progress on `console`; write into the new folder `out`, and an export.

    thread_count: by default the processors that this process may use. workers: None for threads of this process; a worker
    has one thread, and the result is the same. profile_folder: as in `build_estate`. replications: of several, all but
    `results.replications` is of the first, whose seed is the scenario's. checkpoint: a file that keeps what was walked, of one
    walk on threads; where it is there, the walk goes on from it, and at the end it is removed.
    Raises ScenarioError for what the user can mend in the scenario or the arguments, HarnessError when memory is too little.
    """
    by = workers or thread_count or processor_count()
    seeds = (scenario.run.seed,) if replications is None else replication_seeds(scenario, replications.count)
    for each in (scenario, None if replications is None else replications.against):
        if each is not None:
            require_memory(each, by if isinstance(by, int) else by.process_count)
    with contextlib.ExitStack() as cleanup:
        if out is not None and checkpoint is not None:
            _require_claimable(out)  # claimed after the walk: a kill leaves no folder that is in the way of going on
        folder = None if out is None or checkpoint is not None else cleanup.enter_context(_new_folder(out))
        if export is not None:  # after the folder: it may be meant to lie in it
            _require_new(export.path)
        bar = cleanup.enter_context(_progress(console))
        built = _step(bar, "building the estate", lambda tell: build(scenario, profile_folder))
        other = None
        if replications is not None and (against := replications.against) is not None:
            its_folder = replications.against_folder
            other = _step(bar, "building the other estate", lambda tell: build(against, its_folder))
        choice = None
        if export is not None:  # refused now rather than after a long simulation
            choice = choose_events(built.estate, from_h=export.from_h, until_h=export.until_h, meter=export.meter)
        name = "simulating" if replications is None else f"simulating {len(seeds)} replications"
        if checkpoint is None:
            results = _step(bar, name, lambda tell: _answers(built, other, seeds, by, folder, tell))
        else:
            _require_writable(checkpoint)
            if checkpoint.exists():
                bar.console.print(f"going on from {checkpoint}", highlight=False, soft_wrap=True)
            simulation = _step(bar, name, lambda tell: walk(built, by, tell, checkpoint))
            results = results_of(scenario, simulation)
            if out is not None:
                folder = cleanup.enter_context(_new_folder(out))
                write_offered(simulation, scenario, folder / OFFERED_NAME)
        if folder is not None:
            write_resolved(scenario, folder)
            write_simulation_report(folder, results, scenario)
            results.write(folder)  # last: where it is, the rest is whole
        exported = None
        if export is not None and choice is not None:
            path = export.path
            exported = _step(bar, "exporting", lambda tell: export_events(built.estate, scenario, choice, path, tell))
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return SimulationDone(results=results, exported=exported)


def require_memory(scenario: Scenario, thread_count: int) -> None:
    """Raises HarnessError, with both numbers and the mend, when a simulation needs more memory than is free."""
    available_mib = available_memory_mib()
    needed_mib = _needed_mib(scenario, thread_count)
    if needed_mib <= available_mib:
        return
    fewer = next((n for n in range(thread_count - 1, 0, -1) if _needed_mib(scenario, n) <= available_mib), None)
    mend = (
        f"give --threads {fewer}, which needs {_needed_mib(scenario, fewer):,} MiB"
        if fewer
        else "simulate fewer run.days, regions or campaigns, or free some memory"
    )
    raise HarnessError(
        f"the scenario needs about {needed_mib:,} MiB of memory with {thread_count} threads, and this machine has "
        f"{available_mib:,} MiB free: {mend}"
    )


def _needed_mib(scenario: Scenario, thread_count: int) -> int:
    return -(-memory_needed_bytes(scenario, thread_count) // _MIB)


def _answers(
    built: Built, other: Built | None, seeds: Sequence[int], by: Workers | int, folder: Path | None, tell: Tell
) -> SimulationResults:
    """Walk with each seed. The first walk's offered load is written at once: it need not be held while others are walked."""
    walk_count = len(seeds) if other is None else 2 * len(seeds)
    simulation = walk(built, by, part(tell, 0, 1, walk_count))
    results = results_of(built.scenario, simulation)
    if folder is not None:
        write_offered(simulation, built.scenario, folder / OFFERED_NAME)
    del simulation
    if len(seeds) == 1:
        return results
    replications = replicate(results, built, other, seeds, by, part(tell, 1, walk_count, walk_count))
    return results.model_copy(update={"replications": replications})


class _Stopped(Exception):
    """Ends a worker whose main thread was interrupted."""


def _step(bar: Progress, name: str, work: Callable[[Tell], T]) -> T:
    """Do a piece of work in a thread of its own, with a line of progress.

    The main thread waits where Ctrl-C reaches it at once; the work then ends when it next tells how far it is. In the main
    thread it would end only when all the simulator's threads have done all their work.
    """
    task = bar.add_task(name, total=1.0)
    stop = threading.Event()
    done = 0.0
    begun = None  # more than 0 where it goes on

    def tell(share: float) -> None:
        nonlocal begun, done
        if stop.is_set():
            raise _Stopped
        begun = share if begun is None else begun
        done = share
        bar.update(task, completed=share)

    def line(doing: str, for_s: float) -> None:
        here = done - (begun or 0.0)
        left = f", some {for_s * (1 - done) / here / 60:,.0f} min left" if here > 0 and for_s >= LEFT_AFTER_S else ""
        bar.console.print(f"{doing}: {done:.0%} after {for_s:.0f} s{left}", highlight=False, soft_wrap=True)

    log = None if bar.console.is_terminal else Heartbeat(line)  # a bar is drawn on terminals alone
    try:
        if log is not None:
            log.begin(name)
        with ThreadPoolExecutor(max_workers=1) as pool:
            try:  # Ctrl-C may come within `submit` too, when the work has begun, and the pool waits for its end
                future = pool.submit(work, tell)
                while not wait([future], timeout=HEARD_EVERY_S).done:
                    pass
                result = future.result()
            finally:
                stop.set()
    finally:
        if log is not None:
            log.stop()
    bar.update(task, completed=1.0)
    return result


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


@contextlib.contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A claimed folder, which is taken away again, with what was written in it, when its making fails."""
    was_there = out.exists()

    def undo(folder: Path, _: BaseException) -> None:
        for name in _WRITTEN:
            (folder / name).unlink(missing_ok=True)
        if not was_there:
            with contextlib.suppress(OSError):  # somebody else's file is in it by now
                folder.rmdir()

    with claimed_folder(out, undo) as folder:
        yield folder


def _require_claimable(out: Path) -> None:
    """Raises what `claim_folder` does, and leaves nothing."""
    was_there = out.exists()
    folder = claim_folder(out)
    release(folder)
    if not was_there:
        folder.rmdir()


def _require_writable(checkpoint: Path) -> None:
    """Raises ScenarioError when a checkpoint can't be kept there."""
    folder = checkpoint.absolute().parent
    if checkpoint.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise ScenarioError(f"--checkpoint {checkpoint} can't be made: name a file in a folder that you may write to")


def _require_new(path: Path) -> None:
    """Raises ScenarioError when a file can't be made there."""
    if path.exists():
        raise ScenarioError(f"--export {path} is already there; name a new file, or remove that one first")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ScenarioError(f"--export {path} can't be made: {path.parent} is no folder that you may write to")
