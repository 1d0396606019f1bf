"""What is refused of a job before any node is started for it: a warehouse, a folder, a view, a home that it can't be done on.

All of it is read from the scenario and from the disk. A job that starts looks again at what may have changed meanwhile.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from loadtests.recording.run_folder import RunFolder
from meterstorm.jobs.analytics.analyse import JobEngine, job_named
from scenarios.spec import Scenario, ScenarioError
from store.analytics.insights import has_insights
from store.analytics.warehouse import WarehouseError, files_of, require_no_other, require_renewable, whole_warehouse
from store.readings.verify import folded_views
from store.schemas import schema_of
from store.tables import Schema

Check = Callable[[Scenario], None]
"""Raises ScenarioError where a job can't be done on the estate of a scenario."""

INSIGHT_JOBS = ("profiles", "peaks")
MENDED_JOB = "reconcile"


def exports_to(out: Path, source: Path, *, is_renewal: bool) -> Check:
    """Is `out` a folder that an export, or a renewal, of what `source` holds can be written to?"""

    def check(scenario: Scenario) -> None:
        from loadtests.workload.warehouse import identity_of

        nodes = RunFolder(source).cluster.resolve()
        if out.resolve() == source.resolve() or out.resolve().is_relative_to(nodes):
            raise ScenarioError(f"--out {out} is the run's own folder, or its nodes': name a folder for the warehouse")
        if out.exists() and not out.is_dir():
            raise ScenarioError(f"--out {out} is a file; name a folder")
        try:
            if is_renewal:
                require_renewable(out)
            require_no_other(out, scenario.topology.keyspace, identity_of(scenario))
        except WarehouseError as error:
            raise ScenarioError(f"--out: {error}") from error
        _require_writable(out)

    return check


def views_named(views: Sequence[str]) -> Check:
    """Is each of them a fold of the log, in the scenario's design?"""

    def check(scenario: Scenario) -> None:
        views_asked(schema_of(scenario), views)

    return check


def views_asked(schema: Schema, views: Sequence[str]) -> Sequence[str]:
    """These folds of the log, or where none is named all that the design has. Raises ScenarioError for a name of none."""
    there = folded_views(schema)
    for view in views:
        if view not in there:
            raise ScenarioError(f"--view {view}: there is no such view; there are {', '.join(there)}")
    return views or there


def publishes(warehouse: Path, engine: JobEngine) -> Check:
    """Can insights be worked out on a warehouse, and does the scenario's design keep them?"""

    def check(scenario: Scenario) -> None:
        _require_tables(scenario)
        require_warehouse_of(scenario, warehouse, INSIGHT_JOBS)
        if engine is JobEngine.SPARK:
            from meterstorm.jobs.analytics.spark import require_pyspark

            require_pyspark()

    return check


def mends(warehouse: Path) -> Check:
    """Does a warehouse show which devices of the scenario have drifted?"""

    def check(scenario: Scenario) -> None:
        if not scenario.campaigns:
            raise ScenarioError("campaigns: the scenario has none, and so no rule by which commands are tried again")
        require_warehouse_of(scenario, warehouse, (MENDED_JOB,))

    return check


def home_named(premises: int) -> Check:
    """Is there such a home, and does the scenario's design keep insights?"""

    def check(scenario: Scenario) -> None:
        _require_tables(scenario)
        count = scenario.estate.premises
        if not 0 <= premises < count:
            raise ScenarioError(f"home {premises}: there are 0 to {count - 1:,}")

    return check


def require_warehouse_of(scenario: Scenario, warehouse: Path, jobs: Sequence[str]) -> None:
    """Raises ScenarioError for a folder that is no whole warehouse of the estate, or that lacks what a job reads."""
    from loadtests.workload.warehouse import identity_of

    try:
        manifest = whole_warehouse(warehouse)
        held, asked = manifest.source.estate, identity_of(scenario)
        if held != asked:
            raise ScenarioError(f"{warehouse} holds the estate {held}, not {asked}: export this one")
        for job in jobs:
            for data_set in job_named(job).reads:
                files_of(warehouse, manifest, data_set)
    except WarehouseError as error:
        raise ScenarioError(str(error)) from error


def _require_tables(scenario: Scenario) -> None:
    schema = schema_of(scenario)
    if not has_insights(schema):
        raise ScenarioError(f"store.schema: the design {schema.name} has no tables for insights")


def _require_writable(out: Path) -> None:
    there = next(path for path in (out.absolute(), *out.absolute().parents) if path.exists())
    if not there.is_dir():
        raise ScenarioError(f"--out {out} can't be made: {there} is a file; name another folder")
    if not os.access(there, os.W_OK):
        raise ScenarioError(f"--out {out} can't be written: name a folder that you may write to")
