"""The run folder: claimed once, never written over, and what stands where in it."""

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import tomli_w

from loadtests.cluster.record import ClusterRecord
from loadtests.errors import HarnessError
from loadtests.recording.dated_folder import make_folder
from loadtests.recording.run_folder import PROFILE_NAME, RESOLVED_NAME, RunFolder
from reports.results.resolved import load_resolved
from reports.verdict.auditable import StoredData
from scenarios.spec import Scenario, ScenarioError

START_NAME = "start.json"  # what was known before the storm: the results of a run that dies are made of it
CLAIM_NAME = ".claimed"  # while a folder has nothing else in it that says so
LOCAL_NODES = "local nodes on loopback addresses"  # where a run stormed, if not on an existing cluster
DISK_FREE_BYTES_MIN = 512 * 1024 * 1024


def claim_folder(out: Path) -> Path:
    """Make `out` a new run's folder, as an absolute path; of several processes that claim it one gets it. See `release`.

    Raises ScenarioError when it is in use or can't be made, HarnessError when its disk is nearly full.
    """
    out = out.absolute()
    try:
        if out.exists() and not out.is_dir():
            raise ScenarioError(f"--out {out} is a file; name a new folder")
        out.mkdir(parents=True, exist_ok=True)
        if any(out.iterdir()):
            raise FileExistsError
        (out / CLAIM_NAME).touch(exist_ok=False)
        if len(list(out.iterdir())) > 1:  # whoever had claimed it was done between our look and our claim
            release(out)
            raise FileExistsError
        free = shutil.disk_usage(out).free
    except FileExistsError as error:
        raise ScenarioError(
            f"--out {out} already holds something; name a new folder, or remove that one first"
        ) from error
    except OSError as error:
        raise ScenarioError(
            f"--out {out} can't be made: {error.strerror}; name a folder that you may write to"
        ) from error
    if free < DISK_FREE_BYTES_MIN:
        release(out)
        raise HarnessError(
            f"the disk of {out} has {free // 2**20:,} MiB free and a run needs at least "
            f"{DISK_FREE_BYTES_MIN // 2**20:,}: free some, or name a folder on another disk with --out"
        )
    return out


def release(out: Path) -> None:
    """Take the mark of `claim_folder` away: what the folder holds by now says itself that it is in use."""
    (out / CLAIM_NAME).unlink(missing_ok=True)


@contextlib.contextmanager
def claimed_folder(out: Path, undo: Callable[[Path, BaseException], None]) -> Iterator[Path]:
    """A claimed folder. undo: what takes away from it, and of what error, when its making fails.

    Raises what `claim_folder` does.
    """
    folder = claim_folder(out)
    try:
        yield folder
        release(folder)
    except BaseException as error:
        release(folder)
        undo(folder, error)
        raise


@contextlib.contextmanager
def named_folder(out: Path | None, stem: str) -> Iterator[Path]:
    """`out`; or where none was named a new runs/STEM-TIME of this process's own, taken away again when it stays empty."""
    if out is not None:
        yield out
        return
    folder = make_folder(stem)
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):  # not empty, or gone already
            folder.rmdir()


def write_resolved(scenario: Scenario, out: Path) -> None:
    """Keep the scenario as it was run, defaults and overrides filled in."""
    RunFolder(out).scenario.write_text(resolved_text(scenario), encoding="utf-8")


def resolved_text(scenario: Scenario) -> str:
    """The scenario as TOML, with every default that is not none filled in."""
    return tomli_w.dumps(scenario.model_dump(mode="json", exclude_none=True))


@contextlib.contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A claimed folder, which is taken away again when the making ends before anything was measured, so that the same
    --out serves the next try. Logs of nodes that did not start stay, and with them the folder; after Ctrl-C, and where the
    scenario is at fault, nobody needs them.

    Raises what `claim_folder` does.
    """

    def undo(out: Path, error: BaseException) -> None:
        if _holds_measurements(out):
            return
        if isinstance(error, KeyboardInterrupt | ScenarioError):
            shutil.rmtree(out, ignore_errors=True)
        for name in (RESOLVED_NAME, PROFILE_NAME, START_NAME):
            (out / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # not empty
            out.rmdir()

    with claimed_folder(out, undo) as folder:
        yield folder


def _holds_measurements(out: Path) -> bool:
    return RunFolder(out).results.exists() or any(RunFolder(out).history.rglob("*.hlog"))


def read_resolved(out: Path) -> Scenario:
    """The scenario of a recorded run. Raises ScenarioError when the folder holds none."""
    return load_resolved(out, "run")


def stored_data(out: Path, where: str) -> StoredData:
    """Where the data of a recorded run are by now. where: on what it stormed, as its results say.

    Raises HarnessError when the record of its nodes can't be read.
    """
    cluster = RunFolder(out).cluster
    if ClusterRecord.exists(cluster):
        return StoredData.KEPT if ClusterRecord.read(cluster).holds_data(cluster) else StoredData.GONE
    return StoredData.GONE if where == LOCAL_NODES else StoredData.EXISTING_CLUSTER


def require_kept(out: Path, where: str) -> None:
    """Raises ScenarioError, before anything is started, where no nodes of the run's own can be started with its data."""
    match stored_data(out, where):
        case StoredData.GONE:
            raise _gone(out)
        case StoredData.EXISTING_CLUSTER:
            raise ScenarioError(f"{out}: it ran on an existing cluster ({where}); name that one with --contact-points")
        case StoredData.KEPT:
            return


def require_nodes_data(out: Path) -> None:
    """Raises ScenarioError when the folder has had nodes of its own, and their data are gone."""
    cluster = RunFolder(out).cluster
    if ClusterRecord.exists(cluster) and not ClusterRecord.read(cluster).holds_data(cluster):
        raise _gone(out)


def _gone(out: Path) -> ScenarioError:
    return ScenarioError(
        f"{out}: the data of its nodes are gone with the run, so nothing can be read back: they stay only where "
        "`meterstorm run` is given --keep"
    )
