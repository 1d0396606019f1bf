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
from typing import Self

import psutil
from pydantic import AwareDatetime, BaseModel, ValidationError

from loadtests.locust_fleet.launch import FOLDER_NAME, bring_together_left
from loadtests.recording.parts import add_up_left, has_sum, parts_in
from loadtests.recording.run_folder import RunFolder
from loadtests.sites.enclosure import outer_process
from meterstorm.jobs.run_folder import CLAIM_NAME, LOCAL_NODES, START_NAME, read_resolved, stored_data
from meterstorm.outcomes.run import assemble_results, judge_again
from reports.results.run import AuditResult, FleetResult, ProfileImport, Undone, load_results
from scenarios.domain import CommitLogSync
from scenarios.spec import Scenario, ScenarioError
from scenarios.texts.outside import UnreadableText, read_text, why_refused
from store.cassandra import warming_keyspace

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
    are_workers_elsewhere: bool = False  # with ledgers of their own, which they send when they are done

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
    """Number and time of creation of the process that calls; in namespaces of its own, as it is known outside."""
    return outer_process() or (os.getpid(), psutil.Process().create_time())


def recover(run_folder: Path) -> None:
    """Write the results of a run that died without any, and what its death has done to those that it has.

    Nothing is done for a folder of a run that ended in order, or of no run. Raises ScenarioError when the run is still going on,
    or died before anything was sent.
    """
    folder = RunFolder(run_folder)
    if not (run_folder / START_NAME).exists():
        if not folder.results.exists() and (run_folder / CLAIM_NAME).exists() and folder.scenario.exists():
            raise ScenarioError(
                f"{run_folder}: what was to be made there ended before it sent anything, so there is nothing to judge; "
                "remove the folder, or name another"
            )
        return
    start = RunStart.read(run_folder)
    if start.is_running:
        raise ScenarioError(f"{run_folder}: its run is still going on, as process {start.pid}; wait until it has ended")
    if folder.results.exists():
        _tell_of_killed_nodes(run_folder, start)
    else:
        _write_results(run_folder, start)


def _tell_of_killed_nodes(run_folder: Path, start: RunStart) -> None:
    """A run that died between its storm and its own audit took its nodes with it: what they acknowledged last may be gone."""
    results = load_results(run_folder)
    scenario = read_resolved(run_folder)
    if results.audit is not None or Undone.NODES in results.undone or not _are_nodes_killed(start, scenario):
        return
    undone = (*results.undone, Undone.NODES)
    data = stored_data(run_folder, start.where)
    judge_again(results.model_copy(update={"undone": undone}), scenario, None, (), data=data).write(run_folder)


def _are_nodes_killed(start: RunStart, scenario: Scenario) -> bool:
    """Did the nodes of a run that is over die with it, and with what was not on their disks?"""
    return start.nodes_die_with_it and scenario.topology.commit_log_sync is CommitLogSync.PERIODIC


def _write_results(run_folder: Path, start: RunStart) -> None:
    """Of a run that died in its storm."""
    folder, scenario = RunFolder(run_folder), read_resolved(run_folder)
    ended = _last_written(run_folder)
    if start.fleet is None:
        add_up_left(parts_in(folder.history), folder.history, ended)
    else:
        bring_together_left(folder, ended, has_whole_ledger=not start.are_workers_elsewhere)
    if not has_sum(folder.history):
        raise ScenarioError(
            f"{run_folder}: the run died before it sent anything, so there is nothing to judge{_left(start, scenario)}"
        )
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
        are_nodes_killed=_are_nodes_killed(start, scenario),
        data=data,
        finished=max(ended, start.started),
    )
    audit = _last_audit(run_folder)
    if audit is not None:
        results = judge_again(results, scenario, audit, (), data=data)
    results.write(run_folder)


def _left(start: RunStart, scenario: Scenario) -> str:
    """What a run that sent nothing has made on a cluster that outlives it; local nodes go with its folder."""
    if start.where == LOCAL_NODES:
        return ""
    keyspaces = [scenario.topology.keyspace]
    if scenario.run.warm_nodes_s:
        keyspaces.append(warming_keyspace(scenario.topology))
    return f"; what it made on {start.where} can be dropped: keyspace {' and '.join(keyspaces)}"


def _last_written(run_folder: Path) -> datetime:
    """When the run wrote its last: it can't tell any more when it ended. Audits may have been made long after."""
    folder = RunFolder(run_folder)
    recorded = (folder.history, folder.ledger, run_folder / FOLDER_NAME)
    of_the_run = [run_folder / START_NAME, *(path for one in recorded for path in one.rglob("*"))]
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
