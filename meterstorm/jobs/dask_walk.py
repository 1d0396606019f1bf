"""One estate in virtual time on several processes, of this machine or of many: Dask hands out the shards.

A shard owns partitions of the estate; its tallies are integers that are added up, so the result is that of one process, to the
last bit. See docs/decisions/0007 for why Dask. Whoever reaches a port of Dask's can have code run there, so processes of this
machine speak TLS, on loopback alone, with a certificate that is made for the one walk and kept in memory.
"""

import contextlib
import os
import signal
from collections.abc import Iterator

os.environ.setdefault("DASK_LOGGING__DISTRIBUTED", "error")  # read when it is imported, here and in its workers

from distributed import Client, Future, LocalCluster, Security, wait

from loadtests.errors import HarnessError
from meterstorm.jobs.scheduler_address import require_tls
from scenarios.spec import Scenario
from sim.estate.model import EstateModel, build_estate
from sim.kernels import KERNELS_STATE
from sim.profiles.demand import DemandProfile
from sim.virtual_time.parallel import Progress
from sim.virtual_time.tallies import Tallies, empty_tallies, walk

SHARDS_PER_WORKER = 4  # so that a slow worker holds up a quarter of its share at most, and progress moves
CONNECT_TIMEOUT_S = 5
POLL_S = 0.2


def walk_on_workers(
    estate: EstateModel,
    scenario: Scenario,
    *,
    process_count: int = 2,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> Tallies:
    """The tallies of a whole estate, each shard walked by one thread of a worker.

    scheduler: address of a running Dask scheduler, tls://HOST:PORT, whose workers have this version of meterstorm, with the
    certificates of Dask's own configuration; on this machine tcp:// will do. None starts `process_count` processes here and
    ends them. Raises ScenarioError for an address that is none or has no TLS, HarnessError when the workers can't be reached,
    have other kernels, or die.
    """
    if scheduler is not None:
        require_tls(scheduler)
    total = empty_tallies(estate)
    with _client(process_count, scheduler) as client:
        states = client.run(_kernels_state)
        strangers = [address for address, state in states.items() if state != KERNELS_STATE]
        if strangers or not states:
            raise HarnessError(
                f"workers with another version of meterstorm, whose values could differ: {', '.join(strangers)}; "
                "install the same one on each"
                if strangers
                else f"the scheduler {scheduler} has no workers; start some: dask worker {scheduler} --nthreads 1"
            )
        if scheduler is None:
            client.run(_leave_interrupts_to_the_parent)
        shard_count = SHARDS_PER_WORKER * len(states)
        futures = [
            client.submit(_walk_shard, scenario, estate.profile, shard, shard_count, pure=False)
            for shard in range(shard_count)
        ]
        waiting = set(futures)
        while waiting:
            for future in _finished(client, waiting):
                waiting.remove(future)
                for sum_of, more in zip(total, _result(future), strict=True):
                    sum_of += more
                future.release()
            if progress is not None:  # told all the time: it is by this that a caller stops the work
                progress(1 - len(waiting) / shard_count)
    return total


@contextlib.contextmanager
def _client(process_count: int, scheduler: str | None) -> Iterator[Client]:
    with contextlib.ExitStack() as cleanup:
        try:
            security = Security()  # as Dask's configuration says
            if scheduler is None:
                security = Security.temporary()
                scheduler = cleanup.enter_context(
                    LocalCluster(
                        n_workers=process_count,
                        threads_per_worker=1,
                        processes=True,
                        host="tls://127.0.0.1",
                        security=security,
                        dashboard_address="127.0.0.1:0",  # health and metrics on any free port: 8787 may be taken
                        silence_logs=40,
                    )
                )
            client = cleanup.enter_context(Client(scheduler, security=security, timeout=CONNECT_TIMEOUT_S))
        except (OSError, TimeoutError) as error:
            raise HarnessError(
                f"no Dask scheduler answers at {scheduler}: {error}; start one: dask scheduler"
            ) from error
        yield client


def _finished(client: Client, waiting: set[Future]) -> list[Future]:
    """Those that have finished; waits for one for a moment. Raises HarnessError when there is nobody left to walk them."""
    with contextlib.suppress(TimeoutError):
        wait(waiting, timeout=POLL_S, return_when="FIRST_COMPLETED")
    finished = [future for future in waiting if future.done()]
    # Their number, not their list: Dask's own timer may overwrite the list with an empty one before it is returned.
    if not finished and not client.scheduler_info(n_workers=0)["n_workers"]:
        raise HarnessError("all workers are gone; start them and try again")
    return finished


def _result(future: Future) -> Tallies:
    try:
        tallies: Tallies = future.result()
    except Exception as error:  # whatever a worker raises comes back as it was, or as Dask's own
        raise HarnessError(f"a shard could not be walked: {type(error).__name__}: {error}") from error
    return tallies


def _leave_interrupts_to_the_parent() -> None:
    """A terminal's Ctrl-C reaches every process; the parent stops the workers, which need not each say so."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _kernels_state() -> str:
    return KERNELS_STATE


def _walk_shard(scenario: Scenario, profile: DemandProfile, shard: int, shard_count: int) -> Tallies:
    return walk(build_estate(scenario, profile), shard, shard_count, thread_count=1)
