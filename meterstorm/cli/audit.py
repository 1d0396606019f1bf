"""`meterstorm audit`: the audit of a recorded run again."""

from typing import TYPE_CHECKING

import typer

from meterstorm.cli.exits import exit_with_verdict, tell_results
from meterstorm.cli.options import AsJson, ConnectionOptions, Quiet, RunFolder, SettleS, takes
from meterstorm.cli.sites import enter_sites
from meterstorm.jobs.defaults import SETTLE_S
from meterstorm.jobs.run_folder import read_resolved

if TYPE_CHECKING:
    from meterstorm.display.progress import Progress
    from reports.results.run import Results


def add_to(app: typer.Typer) -> None:
    """Add it to the command's list."""
    app.command("audit", epilog="Example: `meterstorm audit runs/first`")(audit_command)


@takes(connection=ConnectionOptions)
def audit_command(
    run: RunFolder,
    as_json: AsJson = False,
    quiet: Quiet = False,
    settle_s: SettleS = SETTLE_S,
    *,
    connection: ConnectionOptions,
) -> None:
    """Audit a recorded run again: on its kept nodes, or on the existing cluster that it ran against."""
    from meterstorm.display.run import print_results
    from meterstorm.jobs.recover import recover
    from meterstorm.jobs.run import audit_again

    recover(run)  # while the process of a run that is still going on can be seen
    recorded = read_resolved(run)
    enter_sites(recorded, connection.endpoint(recorded), quiet=quiet)

    def job(progress: "Progress") -> "Results":
        endpoint = connection.endpoint(read_resolved(run))
        results = audit_again(run, endpoint=endpoint, settle_s=settle_s, progress=progress)
        tell_results(results, print_results, run, as_json=as_json)
        return results

    exit_with_verdict(job, quiet)
