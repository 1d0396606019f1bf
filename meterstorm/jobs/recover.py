"""A run that died: what it wrote at its start, and its results from that and from what was on the disk when it did.

Rules that hold here:
- The ledger is the kernel's, so it outlives any process, and senders whose parent is gone mark their last answers in it. What it
  calls acknowledged is audited like that of any other run.
- Histories are whole up to the last second or two, so rows that are only counted may be more than the history says.
- How the generator did, and what gateway and back office counted, died with the run: it is not measured, which is doubt.
"""

import os
from datetime import UTC, datetime
from pathlib import Path
from shutil import rmtree
from typing import Self

import psutil
from pydantic import AwareDatetime, BaseModel, ValidationError

from loadtests.recording.history import merge_histories
from loadtests.recording.run_folder import RunFolder
from meterstorm.jobs.run_folder import START_NAME, read_resolved, stored_data
from meterstorm.outcomes.run import assemble_results, judge_again
from reports.results.run import AuditResult, FleetResult, ProfileImport
from scenarios.domain import CommitLogSync
from scenarios.outside_text import UnreadableText, read_text, why_refused
from scenarios.spec import ScenarioError

_FIRST_PART = "shard-0"  # the first that a finished merge removes
_INTERVALS = "intervals.csv"
DIED = "The run ended before it could tell how its storm went: it is judged by the ledger and the history that were on the disk."


class RunStart(BaseModel):
    """RUN/start.json: what is known before the storm, and by whom it is made."""

    pid: int
    pid_created_s: float  # as the system has it: a number alone may be another process by now
    started: AwareDatetime
    digest: str
    versions: dict[str, str]
    where: str
    nodes_die_with_it: bool  # until the run has ended in order
    has_ended: bool = False  # in order or by an error; of a run that was killed it is never told
    profile: ProfileImport | None
    fleet: FleetResult | None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Raises ScenarioError when the folder holds none that can be read."""
        path = folder / START_NAME
        try:
            return cls.model_validate_json(read_text(path))
        except (OSError, UnreadableText, ValidationError) as error:
            raise ScenarioError(
                f"{path}: can't be read: {why_refused(error)}; the run died before its storm"
            ) from error

    def write(self, folder: Path) -> None:
        """Whole or not at all."""
        partial = folder / f"{START_NAME}.partial"
        partial.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        partial.replace(folder / START_NAME)

    @property
    def is_running(self) -> bool:
        """Is the run's process still at it? One that calls the library may outlive its run."""
        if self.has_ended:
            return False
        try:
            return psutil.Process(self.pid).create_time() == self.pid_created_s
        except psutil.NoSuchProcess:
            return False


def this_process() -> tuple[int, float]:
    """Number and time of creation of the process that calls."""
    return os.getpid(), psutil.Process().create_time()


def recover(run_folder: Path) -> None:
    """Write the results of a run that died without any; nothing is done for a folder that holds results, or is no run's.

    Raises ScenarioError when the run is still going on, or died before anything was sent.
    """
    if RunFolder(run_folder).results.exists() or not (run_folder / START_NAME).exists():
        return
    start = RunStart.read(run_folder)
    if start.is_running:
        raise ScenarioError(f"{run_folder}: its run is still going on, as process {start.pid}; wait until it has ended")
    if start.fleet is not None and not RunFolder(run_folder).history.exists():
        raise ScenarioError(
            f"{run_folder}: its storm was Locust's and died with it; what its workers recorded is below locust/ and is not "
            "brought together, so it can't be judged"
        )
    ended = _last_written(run_folder)
    _merge_parts(RunFolder(run_folder).history, ended)
    if not (RunFolder(run_folder).history / _INTERVALS).exists():
        raise ScenarioError(f"{run_folder}: the run died before it sent anything, so there is nothing to judge")
    scenario = read_resolved(run_folder)
    data = stored_data(run_folder, start.where)
    results = assemble_results(
        scenario,
        run_folder,
        stormed=None,
        digest=start.digest,
        started=start.started,
        versions=start.versions,
        where=start.where,
        profile=start.profile,
        trouble=[DIED],
        fleet=start.fleet,
        are_nodes_killed=start.nodes_die_with_it and scenario.topology.commit_log_sync is CommitLogSync.PERIODIC,
        data=data,
        finished=max(ended, start.started),
    )
    audit = _last_audit(run_folder)
    if audit is not None:
        results = judge_again(results, scenario, audit, (), data=data)
    results.write(run_folder)


def _last_written(run_folder: Path) -> datetime:
    """When the run wrote its last: it can't tell any more when it ended. Audits may have been made long after."""
    folder = RunFolder(run_folder)
    of_the_run = [run_folder / START_NAME, *folder.history.rglob("*"), *folder.ledger.rglob("*")]
    return datetime.fromtimestamp(max(path.stat().st_mtime for path in of_the_run if path.is_file()), UTC)


def _last_audit(run_folder: Path) -> AuditResult | None:
    """The latest audit that was made of the run. Raises ScenarioError when it can't be read."""
    paths = sorted(RunFolder(run_folder).audits.glob("*.json"))
    if not paths:
        return None
    try:
        return AuditResult.model_validate_json(read_text(paths[-1]))
    except (OSError, UnreadableText, ValidationError) as error:
        raise ScenarioError(f"{paths[-1]}: can't be read: {why_refused(error)}; remove it, and audit again") from error


def _merge_parts(history: Path, ended: datetime) -> None:
    """Add up the parts that the storm's parent has left, if it did not come to it: parts are removed after they are added up.

    ended: when the run did, which the merged files go on telling.
    """
    parts = sorted(path.parent for path in history.glob(f"*/{_INTERVALS}"))
    if not any(part.name == _FIRST_PART for part in parts):
        return  # merged already, or nothing was sent
    for path in history.iterdir():
        if path.is_file():  # of a merge that was cut off
            path.unlink()
    merge_histories(parts, history)
    for path in history.iterdir():
        if path.is_file():
            os.utime(path, (ended.timestamp(), ended.timestamp()))
    for part in parts:
        rmtree(part)
