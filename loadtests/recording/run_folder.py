"""The folder of a run, and of a search or a matrix: where each part of what it leaves behind stands.

Paths alone: nothing is read, written or made here.
"""

from dataclasses import dataclass
from pathlib import Path

RESULTS_NAME = "results.json"
RESOLVED_NAME = "scenario.resolved.toml"
PROFILE_NAME = "profile.csv"
REPORT_NAME = "report.html"


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder with the parts that a job leaves in it."""

    path: Path

    @property
    def results(self) -> Path:
        """What the job answers, for machines."""
        return self.path / RESULTS_NAME

    @property
    def scenario(self) -> Path:
        """The scenario as it was run, defaults and overrides filled in."""
        return self.path / RESOLVED_NAME

    @property
    def profile(self) -> Path:
        """The electricity profile, so that an audit needs no file of the user's."""
        return self.path / PROFILE_NAME

    @property
    def history(self) -> Path:
        """Each second's counts and histograms, of all senders; while a storm lasts, a folder of each part in it."""
        return self.path / "history"

    @property
    def ledger(self) -> Path:
        """What was sent and what was acknowledged."""
        return self.path / "ledger"

    @property
    def logs(self) -> Path:
        """The senders' logs."""
        return self.path / "logs"

    @property
    def audits(self) -> Path:
        """Every audit that was made of the run."""
        return self.path / "audits"

    @property
    def cluster(self) -> Path:
        """The local nodes: their logs, and where they are kept, their data."""
        return self.path / "cluster"

    @property
    def monitor(self) -> Path:
        """What the run's own Prometheus started from, scraped and told."""
        return self.path / "monitor"

    @property
    def analytics(self) -> Path:
        """The warehouse that was exported beside the storm, and the last answer of each of its jobs."""
        return self.path / "analytics"

    @property
    def report(self) -> Path:
        """What people read."""
        return self.path / REPORT_NAME

    @property
    def figures(self) -> Path:
        """The report's figures, each as SVG and PNG."""
        return self.path / "figures"

    @property
    def junit(self) -> Path:
        """The checks, as test cases."""
        return self.path / "junit.xml"
