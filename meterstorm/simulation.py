"""`meterstorm simulate`: a scenario in virtual time, and what it leaves: results.json, Parquet, report.html, an export.

Nothing is written unless a folder or an export is asked for. What is begun and does not end well (Ctrl-C, a full disk) is
taken away again: a folder that is there holds a whole simulation.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from loadtests.cluster.machine import available_memory_mib, processor_count
from loadtests.errors import HarnessError
from meterstorm.columns import choose_events, export_events, write_offered
from meterstorm.folder import RESOLVED_NAME, claim_folder, write_resolved
from meterstorm.simulation_outcome import courses_of, results_of
from reports.results import RESULTS_NAME
from reports.simulation_page import REPORT_NAME, write_simulation_report
from reports.simulation_results import SimulationResults
from scenarios.spec import Scenario, ScenarioError
from sim.estate import EstateModel, build_estate
from sim.summary import Simulation, memory_needed_bytes, summarise
from sim.summary import simulate as simulate_estate

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

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """Events to be written to a Parquet file: of a window [h since the start], of one meter, or all."""

    path: Path
    from_h: float | None = None
    until_h: float | None = None
    meter: int | None = None  # an index, or a metering point's number


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Where shards are walked: processes of this machine, or the workers of a Dask scheduler at tcp://HOST:PORT."""

    process_count: int = 2
    scheduler: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
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
) -> Done:
    """Simulate a scenario, with progress on `console`; write into the new folder `out`, and an export.

    thread_count: by default the processors that this process may use. workers: None for threads of this process; a worker
    has one thread, and the result is the same. profile_folder: as in `build_estate`. Raises
    ScenarioError for what the user can mend in the scenario or the arguments, HarnessError when there is too little memory.
    """
    threads = workers.process_count if workers is not None else thread_count or processor_count()
    require_memory(scenario, threads)
    with contextlib.ExitStack() as cleanup:
        folder = None if out is None else cleanup.enter_context(_new_folder(out))
        if export is not None:  # after the folder: it may be meant to lie in it
            _require_new(export.path)
        bar = cleanup.enter_context(_progress(console))
        estate = _step(bar, "building the estate", lambda tell: build_estate(scenario, folder=profile_folder))
        choice = None
        if export is not None:  # refused now rather than after a long simulation
            choice = choose_events(estate, from_h=export.from_h, until_h=export.until_h, meter=export.meter)
        simulation = _step(bar, "simulating", lambda tell: _simulation(scenario, estate, workers or threads, tell))
        results = results_of(scenario, simulation)
        if folder is not None:
            _write(folder, scenario, simulation, results)
        exported = None
        if export is not None and choice is not None:
            path = export.path
            exported = _step(bar, "exporting", lambda tell: export_events(estate, scenario, choice, path, tell))
    return Done(results=results, exported=exported)


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


def _simulation(
    scenario: Scenario, estate: EstateModel, by: Workers | int, tell: Callable[[float], None]
) -> Simulation:
    if isinstance(by, int):
        return simulate_estate(scenario, estate=estate, thread_count=by, progress=tell)
    from loadtests.estate_shards import walk_on_workers  # Dask takes a second to load

    tallies = walk_on_workers(estate, scenario, process_count=by.process_count, scheduler=by.scheduler, progress=tell)
    return summarise(scenario, estate, tallies)


def _write(folder: Path, scenario: Scenario, simulation: Simulation, results: SimulationResults) -> None:
    write_resolved(scenario, folder)
    write_offered(simulation, scenario, folder / OFFERED_NAME)
    write_simulation_report(folder, results, courses_of(simulation), scenario)
    results.write(folder)  # last: where it is, the rest is whole


class _Stopped(Exception):
    """Ends a worker whose main thread was interrupted."""


def _step(bar: Progress, name: str, work: Callable[[Callable[[float], None]], T]) -> T:
    """Do a piece of work in a thread of its own, with a line of progress.

    The main thread waits where Ctrl-C reaches it at once; the work then ends when it next tells how far it is. In the main
    thread it would end only when all the simulator's threads have done all their work.
    """
    task = bar.add_task(name, total=1.0)
    stop = threading.Event()

    def tell(share: float) -> None:
        if stop.is_set():
            raise _Stopped
        bar.update(task, completed=share)

    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work, tell)
        try:
            result = future.result()
        finally:
            stop.set()
    bar.update(task, completed=1.0)
    return result


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True)


@contextlib.contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """A claimed folder, which is taken away again, with what was written in it, when its making fails."""
    was_there = out.exists()
    folder = claim_folder(out)
    try:
        yield folder
    except BaseException:
        for name in _WRITTEN:
            (folder / name).unlink(missing_ok=True)
        if not was_there:
            with contextlib.suppress(OSError):  # somebody else's file is in it by now
                folder.rmdir()
        raise


def _require_new(path: Path) -> None:
    """Raises ScenarioError when a file can't be made there."""
    if path.exists():
        raise ScenarioError(f"--export {path} is already there; name a new file, or remove that one first")
    if not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise ScenarioError(f"--export {path} can't be made: {path.parent} is no folder that you may write to")
