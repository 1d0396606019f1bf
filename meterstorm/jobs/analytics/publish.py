"""Insights of a warehouse written back into the cluster that it is of, and a home looked at there."""

from dataclasses import dataclass
from pathlib import Path

from meterstorm.display.progress import Progress
from meterstorm.jobs.analytics.analyse import JobEngine, analyse
from meterstorm.jobs.analytics.arguments import INSIGHT_JOBS, home_named, publishes
from meterstorm.jobs.analytics.source import AnalyticsSource
from scenarios.spec import ScenarioError
from store.analytics.insights import (
    HomeInsight,
    ProfileBand,
    PublishedInsights,
    edition_of,
    insights_of,
    profile_of,
    publish,
)
from store.cassandra.session import Statements


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeLookedAt:
    """What is known of a home, and of those like it."""

    insights: list[HomeInsight]
    similar: list[ProfileBand]


def publish_insights(
    source: AnalyticsSource, warehouse: Path, engine: JobEngine, progress: Progress, *, master: str = "local[*]"
) -> PublishedInsights:
    """Work `profiles` and `peaks` out on a warehouse and write them back, through the data centre that scans go through.

    Repeating it changes nothing. Raises ScenarioError for a warehouse of another estate, or one that an export changes
    meanwhile, and a design without tables for it.
    """
    publishes(warehouse, engine)(source.scenario)
    progress.phase("Asking the warehouse")
    read = edition_of(warehouse)
    profiles, peaks = (analyse(job, warehouse, engine, master=master) for job in INSIGHT_JOBS)
    if edition_of(warehouse) != read:
        raise ScenarioError(
            f"{warehouse}: an export has changed it meanwhile, and nothing was written: publish once more"
        )
    progress.phase(f"Writing {profiles.num_rows:,} bands and {peaks.num_rows:,} meters through {source.dc}")
    with source.experiment.through(source.dc).session() as session:
        statements = Statements(session, source.experiment.schema, source.scenario.topology)
        return publish(statements, read, profiles, peaks)


def look_at_home(source: AnalyticsSource, premises: int) -> HomeLookedAt:
    """What was published of a home. Raises ScenarioError for a home that there is not, or of which nothing was published."""
    home_named(premises)(source.scenario)
    with source.experiment.through(source.dc).session() as session:
        statements = Statements(session, source.experiment.schema, source.topology)
        insights = insights_of(statements, premises)
        if not insights:
            raise ScenarioError(f"home {premises}: nothing was published of it; `meterstorm analyse publish` does")
        cohorts = {one.cohort for one in insights if one.cohort is not None}
        return HomeLookedAt(
            insights=insights, similar=[band for cohort in sorted(cohorts) for band in profile_of(statements, cohort)]
        )
