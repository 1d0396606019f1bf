"""The command `meterstorm`: one thin function a subcommand; the work is done by the functions that it calls."""

import contextlib
import errno
import json
import logging
import signal
import sys
import time
import webbrowser
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from enum import IntEnum
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, NoReturn

import typer
from typer.core import TyperGroup

from loadtests.errors import HarnessError
from meterstorm.cli import scenarios
from meterstorm.display.terminal import PlainConsole
from meterstorm.jobs.run_folder import CLUSTER_NAME, claim_folder, read_resolved
from scenarios.file import resolve_scenario
from scenarios.pace import Shape
from scenarios.printable import printable
from scenarios.spec import Scenario, ScenarioError
from store.ports import StoreError

if TYPE_CHECKING:  # drivers and kernels take seconds to load: each command loads what it needs, and --help nothing
    from loadtests.cluster.connect import Endpoint
    from loadtests.cluster.supervisor import SupervisorState
    from loadtests.fleet.launch import FleetPlan
    from meterstorm.display.progress import Progress
    from reports.capacity.results import CapacityResults
    from reports.matrix.results import MatrixResults
    from reports.run.results import Results


INTERRUPT_APART_S = 1.0


class ExitCode(IntEnum):
    """What the command's exit status says; the verdict's own codes are in `reports.run.results`."""

    USAGE = 2
    HARNESS = 3
    INTERRUPTED = 130


class _Commands(TyperGroup):
    """The commands, each ending with one clear sentence when it fails: typer itself is silent about Ctrl-C."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (ScenarioError, HarnessError, StoreError, OSError, KeyboardInterrupt) as error:
            _fail(error)
        except Exception as error:
            if type(error).__module__.partition(".")[0] in ("typer", "click"):  # wrong usage, and the way out
                raise
            logging.getLogger(__name__).exception("unexpected")  # exit code 1 would say that data was lost
            _fail(HarnessError(f"{type(error).__name__}: {error}; this is a defect of meterstorm: please report it"))


def _tell_version(is_asked: bool) -> None:
    if is_asked:
        print(f"meterstorm {version('meterstorm')}")
        raise typer.Exit


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Storm a real multi-data-centre Cassandra with a simulated nation of smart meters, "
    "and prove that nothing acknowledged was lost.",
    epilog="Exit codes: 0 pass, 1 fail, 2 wrong usage or scenario, 3 environment or harness error, 4 inconclusive, "
    "130 interrupted.",
)


@app.callback()
def _of_all(
    _version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_tell_version, help="Print the version and end.")
    ] = False,
) -> None:
    """What goes before a subcommand."""


scenarios.add_to(app)
cluster_app = typer.Typer(no_args_is_help=True, help="The local cluster alone: up, status, down.")
app.add_typer(cluster_app, name="cluster")

ScenarioPath = Annotated[
    Path,
    typer.Argument(metavar="SCENARIO", help="A scenario file, or the name of a shipped one (smoke, first_utility)."),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")]
Out = Annotated[Path | None, typer.Option("--out", metavar="DIR", help="The folder to make; default runs/NAME-TIME.")]
AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON on stdout; progress stays on stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, max=2**32 - 1, help="Instead of the scenario's seed.")]
ContactPoints = Annotated[
    str | None,
    typer.Option("--contact-points", metavar="HOST[,HOST]", help="Use an existing cluster instead of a local one."),
]
PORT_DEFAULT = 9042
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="The existing cluster's CQL port.")]
LocalDc = Annotated[
    str | None, typer.Option("--local-dc", metavar="NAME", help="The DC to connect to; default the first business DC.")
]
Username = Annotated[str | None, typer.Option("--username", help="Log in to the existing cluster.")]
PasswordFile = Annotated[
    Path | None, typer.Option("--password-file", metavar="FILE", help="Its first line is the password.")
]
CaFile = Annotated[
    Path | None, typer.Option("--ca", metavar="FILE", help="Speak TLS; trust what this PEM file's authority signed.")
]
CertFile = Annotated[
    Path | None, typer.Option("--cert", metavar="FILE", help="Show nodes that ask for one this certificate (PEM).")
]
KeyFile = Annotated[
    Path | None, typer.Option("--key", metavar="FILE", help="Its private key (PEM), if it is not in the same file.")
]
VerifyHostname = Annotated[
    bool | None,
    typer.Option(
        "--verify-hostname/--no-verify-hostname",
        help="Whether nodes' certificates must hold their names or addresses; default: where they hold any.",
    ),
]
SettleS = Annotated[
    float, typer.Option("--settle-s", min=0, max=3600, help="How long to wait for a DC that lags behind.")
]


class TlsOptions(NamedTuple):
    """How an existing cluster is spoken to by TLS, as the options say; the fields are those of an Endpoint."""

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    verify_hostname: bool | None = None

    def require_whole(self) -> None:
        """Raises ScenarioError for options without those that they go with."""
        if self.ca is None and self != TlsOptions():
            raise ScenarioError("--cert, --key and --verify-hostname go with --ca, which makes connections speak TLS")
        if self.key is not None and self.cert is None:
            raise ScenarioError("--key goes with --cert")


@app.command("run", epilog="Example: `meterstorm run scenarios/smoke.toml --out runs/first --keep`")
def run_command(
    scenario: ScenarioPath,
    out: Out = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the nodes' data in the run's folder.")] = False,
    shape: Annotated[
        Shape | None,
        typer.Option("--shape", help="Instead of the scenario's: the trace squeezed and stretched to a ramp, say."),
    ] = None,
    shards: Annotated[int, typer.Option("--shards", min=1, max=64, help="Sender processes.")] = 1,
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=64, help="Send by so many Locust workers (docs/locust.md).")
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", metavar="HOST:PORT", help="Wait here for workers on other machines.")
    ] = None,
    customers: Annotated[
        int, typer.Option("--customers", min=0, max=100_000, help="With --workers: customers beside the meters.")
    ] = 0,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    contact_points: ContactPoints = None,
    port: Port = PORT_DEFAULT,
    local_dc: LocalDc = None,
    username: Username = None,
    password_file: PasswordFile = None,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
    verify_hostname: VerifyHostname = None,
    settle_s: SettleS = 30.0,
) -> None:
    """The main job: cluster, schema, simulate, storm, drain, audit, report."""
    from meterstorm.jobs.run import run

    def job(progress: "Progress") -> "Results":
        resolved = resolve_scenario(scenario, seed)
        if shape is not None:
            resolved = resolved.with_shape(shape)
        folder = out or default_out(scenario)
        tls = TlsOptions(ca=ca, cert=cert, key=key, verify_hostname=verify_hostname)
        endpoint = _endpoint(resolved, contact_points, port, local_dc, username, password_file, tls)
        results = run(
            resolved,
            folder,
            keep=keep,
            endpoint=endpoint,
            shard_count=shards,
            fleet=_fleet(workers, listen, customers),
            settle_s=settle_s,
            profile_folder=scenario.parent,
            progress=progress,
        )
        _tell(results, folder, as_json=as_json)
        if open_report:
            webbrowser.open((folder / "report.html").absolute().as_uri())
        return results

    _exit_with_verdict(job, quiet)


@app.command("audit", epilog="Example: `meterstorm audit runs/first`")
def audit_command(
    run: RunFolder,
    as_json: AsJson = False,
    quiet: Quiet = False,
    contact_points: ContactPoints = None,
    port: Port = PORT_DEFAULT,
    local_dc: LocalDc = None,
    username: Username = None,
    password_file: PasswordFile = None,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
    verify_hostname: VerifyHostname = None,
    settle_s: SettleS = 5.0,
) -> None:
    """Audit a recorded run again: on its kept nodes, or on the existing cluster that it ran against."""
    from meterstorm.jobs.run import audit_again

    def job(progress: "Progress") -> "Results":
        tls = TlsOptions(ca=ca, cert=cert, key=key, verify_hostname=verify_hostname)
        endpoint = _endpoint(read_resolved(run), contact_points, port, local_dc, username, password_file, tls)
        results = audit_again(run, endpoint=endpoint, settle_s=settle_s, progress=progress)
        _tell(results, run, as_json=as_json)
        return results

    _exit_with_verdict(job, quiet)


@app.command(
    "simulate",
    epilog="Examples: `meterstorm simulate regional_outage --out runs/outage --open`, "
    "`meterstorm simulate regional_outage --replications 10`",
)
def simulate_command(
    scenario: ScenarioPath,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="A new folder for report, results and Parquet; default: none written."
        ),
    ] = None,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in a browser; with --out.")] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="FILE", help="Write the trace's events to a new Parquet file.")
    ] = None,
    from_h: Annotated[float | None, typer.Option("--from-h", min=0, help="Export from this simulated hour on.")] = None,
    until_h: Annotated[
        float | None, typer.Option("--until-h", min=0, help="Export what is due before this simulated hour.")
    ] = None,
    meter: Annotated[
        int | None, typer.Option("--meter", min=0, metavar="INDEX|MPXN", help="Export one meter's events.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, max=256, help="Default: one a processor. Results are the same.")
    ] = None,
    processes: Annotated[
        int | None, typer.Option("--processes", min=1, max=256, help="Processes of one thread instead of threads.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option("--scheduler", metavar="tcp://HOST:PORT", help="The workers of a running Dask scheduler instead."),
    ] = None,
    replications: Annotated[
        int | None,
        typer.Option(
            "--replications",
            metavar="N",
            help="Simulate N times, with the seeds from the scenario's on, for means with 95 % intervals.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            "--against",
            metavar="SCENARIO",
            help="Replicate this one too, with the same seeds, and tell the differences.",
        ),
    ] = None,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Virtual time alone: what the estate sends and is sent, when, how commands end, and the digest of the trace."""
    from meterstorm.display.simulation import print_simulation
    from meterstorm.jobs.replicate import Replications, Workers
    from meterstorm.jobs.simulate import Export, simulate
    from reports.simulation.page import REPORT_NAME

    if export is None and (from_h is not None or until_h is not None or meter is not None):
        raise ScenarioError("--from-h, --until-h and --meter go with --export")
    if sum(option is not None for option in (threads, processes, scheduler)) > 1:
        raise ScenarioError("--threads, --processes and --scheduler exclude each other")
    if open_report and out is None:
        raise ScenarioError("--open goes with --out, which says where the report is written")
    repeated = None
    if replications is not None:
        other = None if against is None else resolve_scenario(against)
        repeated = Replications(count=replications, against=other, against_folder=against.parent if against else None)
    elif against is not None:
        raise ScenarioError("--against goes with --replications, which says how many pairs to simulate")
    console = PlainConsole(stderr=True, quiet=quiet)
    done = simulate(
        resolve_scenario(scenario, seed),
        console,
        out=out,
        export=None if export is None else Export(path=export, from_h=from_h, until_h=until_h, meter=meter),
        thread_count=threads,
        workers=Workers(process_count=processes or 1, scheduler=scheduler) if processes or scheduler else None,
        profile_folder=scenario.parent,
        replications=repeated,
    )
    told = console if as_json else PlainConsole()
    print(done.results.model_dump_json(indent=2)) if as_json else print_simulation(told, done.results)
    if done.exported is not None:
        told.print(f"exported: {done.exported:,} events to {export}", highlight=False, soft_wrap=True)
    if out is not None:
        page = out / REPORT_NAME
        told.print(f"report: {page}", highlight=False, soft_wrap=True)
        if open_report:
            webbrowser.open(page.absolute().as_uri())


@app.command(
    "find-max",
    epilog="Examples: `meterstorm find-max smoke --out runs/max`, `meterstorm find-max smoke --with-dc-down --precision 0.1`",
)
def find_max_command(
    scenario: ScenarioPath,
    out: Out = None,
    low: Annotated[
        float | None,
        typer.Option(
            "--low", min=0.1, metavar="PER_S", help="The first rate; default a quarter of what warming reaches."
        ),
    ] = None,
    high: Annotated[
        float | None, typer.Option("--high", min=0.1, metavar="PER_S", help="Try no rate above it; default any.")
    ] = None,
    precision: Annotated[
        float, typer.Option("--precision", min=0.01, max=0.5, help="Rates nearer than this share are one.")
    ] = 0.03,
    step_s: Annotated[
        int, typer.Option("--step-s", min=20, max=3600, help="How long a step may last [s]; what is clear ends sooner.")
    ] = 120,
    steps: Annotated[int, typer.Option("--steps", min=3, max=500, help="Steps at most.")] = 40,
    with_dc_down: Annotated[
        bool,
        typer.Option(
            "--with-dc-down", help="With the first business DC's nodes stopped, its traffic sent to the next."
        ),
    ] = False,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    contact_points: ContactPoints = None,
    port: Port = PORT_DEFAULT,
    local_dc: LocalDc = None,
    username: Username = None,
    password_file: PasswordFile = None,
    ca: CaFile = None,
    cert: CertFile = None,
    key: KeyFile = None,
    verify_hostname: VerifyHostname = None,
) -> None:
    """The highest rate at which the scenario's objectives hold, with its interval, in meters, and what binds."""
    from meterstorm.display.capacity import print_capacity
    from meterstorm.jobs.find_max import SearchOptions, find_max

    def job(progress: "Progress") -> "CapacityResults":
        resolved = resolve_scenario(scenario, seed)
        folder = out or default_out(scenario)
        tls = TlsOptions(ca=ca, cert=cert, key=key, verify_hostname=verify_hostname)
        endpoint = _endpoint(resolved, contact_points, port, local_dc, username, password_file, tls)
        options = SearchOptions(
            low_per_s=low,
            high_per_s=high,
            precision=precision,
            step_s=step_s,
            steps_max=steps,
            dc_down=with_dc_down,
        )
        results = find_max(
            resolved, folder, options, endpoint=endpoint, profile_folder=scenario.parent, progress=progress
        )
        if as_json:
            print(results.model_dump_json(indent=2))
        else:
            print_capacity(PlainConsole(), results, str(folder / "report.html"))
        if open_report:
            webbrowser.open((folder / "report.html").absolute().as_uri())
        return results

    _exit_with_verdict(job, quiet)


@app.command(
    "matrix",
    epilog="Examples: `meterstorm matrix smoke --dcs 1,2 --rf 1 --cl LOCAL_ONE,QUORUM --out runs/matrix`, "
    "`meterstorm matrix smoke --rf 1,3 --repeats 5 --seconds 10 --rate 300`",
)
def matrix_command(
    scenario: ScenarioPath,
    rf: Annotated[str, typer.Option("--rf", metavar="N[,N]", help="Replication factors, in each DC.")] = "1,3",
    cl: Annotated[
        str, typer.Option("--cl", metavar="LEVEL[,LEVEL]", help="Consistency levels.")
    ] = "LOCAL_ONE,LOCAL_QUORUM,QUORUM,EACH_QUORUM",
    dcs: Annotated[str, typer.Option("--dcs", metavar="N[,N]", help="Numbers of data centres.")] = "1,2,3",
    repeats: Annotated[int, typer.Option("--repeats", min=1, max=1_000, help="How often each cell is measured.")] = 3,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=3_600, help="Of each loop of a visit.")] = 5.0,
    rate: Annotated[float, typer.Option("--rate", min=1, max=1_000_000, help="Operations/s of the open loop.")] = 500.0,
    out: Out = None,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    seed: Seed = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    contact_points: ContactPoints = None,
) -> None:
    """The same load on every replication factor, consistency level and number of DCs that fit this machine."""
    from loadtests.matrix.cells import DCS_MAX, RF_MAX, levels_of, numbers_of
    from meterstorm.display.matrix import print_matrix
    from meterstorm.jobs.matrix import Asked, matrix

    if contact_points is not None:
        raise ScenarioError("--contact-points: a matrix starts and stops nodes of its own; leave it out")
    asked = Asked(
        rfs=numbers_of(rf, "--rf", RF_MAX),
        levels=levels_of(cl, "--cl"),
        dc_counts=numbers_of(dcs, "--dcs", DCS_MAX),
        repeats=repeats,
        seconds=seconds,
        rate_per_s=rate,
    )
    folder = out or default_out(Path(f"{scenario.stem}-matrix"))

    def job(progress: "Progress") -> "MatrixResults":
        results = matrix(
            resolve_scenario(scenario, seed), asked, folder, profile_folder=scenario.parent, progress=progress
        )
        page = folder / "report.html"
        print(results.model_dump_json(indent=2)) if as_json else print_matrix(PlainConsole(), results, str(page))
        if open_report:
            webbrowser.open(page.absolute().as_uri())
        return results

    _exit_with_verdict(job, quiet)


@app.command(
    "report",
    epilog="Examples: `meterstorm report runs/before runs/after --out runs/comparison`, `meterstorm report runs/outage`",
)
def report_command(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN [RUN ...]", help="Folders of runs; or the folder of one simulation, search or matrix."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where several runs' comparison goes; a new folder.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Write a report again: a run's with its figures, a simulation's, a search's or a matrix's.

    Of several runs: one page with them side by side.
    """
    from reports import write_comparison, write_report

    if len(runs) == 1:
        if out is not None:
            raise ScenarioError("--out goes with several runs; the report of one is written into its own folder")
        write_report(runs[0])
        page = runs[0] / "report.html"
    else:
        folder = claim_folder(out or default_out(Path("comparison")))
        page = folder / "comparison.html"
        try:
            write_comparison(runs, page)
        except ScenarioError:
            with contextlib.suppress(OSError):
                folder.rmdir()  # empty, as it was claimed
            raise
    if as_json:
        print(json.dumps({"report": str(page)}))
    elif not quiet:
        print(f"report: {page}")


@app.command("doctor", epilog="Example: `meterstorm doctor --nodes 6`")
def doctor_command(
    nodes: Annotated[int, typer.Option("--nodes", min=1, max=32, help="For so many local nodes.")] = 2,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Where runs will be written.")] = None,
    as_json: AsJson = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what needs mending.")] = False,
) -> None:
    """What this machine can and can't do, and how to mend it."""
    from loadtests.cluster.doctor import Grade, examine
    from meterstorm.display.run import print_checks

    checks = examine(nodes, out)
    if as_json:
        print(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        print_checks(PlainConsole(), checks, only_trouble=quiet)
    if any(check.grade is Grade.FAIL for check in checks):
        raise typer.Exit(ExitCode.HARNESS)


ClusterOut = Annotated[Path, typer.Option("--out", metavar="DIR", help="The cluster's folder.")]
CLUSTER_FOLDER = Path("runs") / "cluster"


@cluster_app.command("up", epilog="Examples: `meterstorm cluster up smoke`, `meterstorm cluster up runs/first`")
def cluster_up_command(
    scenario: Annotated[
        Path, typer.Argument(metavar="[SCENARIO|RUN]", help="Whose topology; of a run with --keep, its nodes and data.")
    ] = Path("smoke"),
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="The cluster's folder; default runs/cluster, or the run's."),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Start a local cluster in the background; it serves until `cluster down`."""
    from loadtests.cluster import supervisor

    is_run = scenario.is_dir()
    topology = (read_resolved(scenario) if is_run else resolve_scenario(scenario)).topology
    folder = out or (scenario / CLUSTER_NAME if is_run else CLUSTER_FOLDER)
    _tell_cluster(supervisor.up(topology, folder, _lines(quiet)), folder, as_json)


@cluster_app.command("status", epilog="Example: `meterstorm cluster status --out runs/first/cluster`")
def cluster_status_command(out: ClusterOut = CLUSTER_FOLDER, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """How a background cluster stands; exit code 0 when it serves, else 3."""
    from loadtests.cluster import supervisor

    state = supervisor.status(out)
    if not quiet or as_json:
        _tell_cluster(state, out, as_json)
    if state.phase is not supervisor.Phase.SERVING:
        raise typer.Exit(ExitCode.HARNESS)


@cluster_app.command("down", epilog="Example: `meterstorm cluster down --out runs/first/cluster`")
def cluster_down_command(out: ClusterOut = CLUSTER_FOLDER, as_json: AsJson = False, quiet: Quiet = False) -> None:
    """Stop a background cluster; its data stays in its folder."""
    from loadtests.cluster import supervisor

    _tell_cluster(supervisor.down(out, _lines(quiet)), out, as_json)


def _lines(quiet: bool) -> Callable[[str], None]:
    from meterstorm.display.run import Display

    return (lambda _: None) if quiet else Display(PlainConsole(stderr=True)).detail


def _tell_cluster(state: "SupervisorState", folder: Path, as_json: bool) -> None:
    if as_json:
        print(state.model_dump_json(indent=2))
        return
    print(f"cluster {folder}: {state.phase.value} {printable(state.message)}".rstrip())
    for node in state.nodes:
        print(f"  {node.name} in {node.dc}: {node.address}, process {node.pid}")


def default_out(scenario: Path) -> Path:
    """runs/NAME-TIME, new each second."""
    return Path("runs") / f"{scenario.stem}-{datetime.now(UTC):%Y%m%d-%H%M%S}"


def main() -> None:
    """The entry point."""
    logging.basicConfig(format="%(levelname)s %(name)s %(message)s", level=logging.WARNING)
    logging.getLogger("cassandra").setLevel(logging.CRITICAL)  # what matters of it comes back as an exception
    interrupt = _Interrupt()
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)  # `kill` cleans up like Ctrl-C does
    app()


class _Interrupt:
    """A signal handler: KeyboardInterrupt, once a second at most.

    `uv run` and `timeout` pass a signal on that the process group was sent already; that is one Ctrl-C, not two.
    """

    def __init__(self) -> None:
        self._last_s = 0.0

    def __call__(self, _signal: int, _frame: Any) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s > INTERRUPT_APART_S:
            self._last_s = now_s
            raise KeyboardInterrupt


def _exit_with_verdict(job: "Callable[[Progress], Results | MatrixResults | CapacityResults]", quiet: bool) -> NoReturn:
    from meterstorm.display.progress import Silent
    from meterstorm.display.run import Display

    display = Display(PlainConsole(stderr=True))
    try:
        results = job(Silent() if quiet else display)
    finally:
        display.close()
    raise typer.Exit(results.verdict.exit_code)


def _tell(results: "Results", folder: Path, *, as_json: bool) -> None:
    from meterstorm.display.run import print_results

    if as_json:
        print(results.model_dump_json(indent=2))
    else:
        print_results(PlainConsole(), results, str(folder / "report.html"))


def _endpoint(
    scenario: Scenario,
    contact_points: str | None,
    port: int,
    local_dc: str | None,
    username: str | None,
    password_file: Path | None,
    tls: TlsOptions,
) -> "Endpoint | None":
    """The existing cluster that the options name, or None for a local one. Raises ScenarioError for half a login."""
    from loadtests.cluster.connect import Endpoint, read_password_file

    if contact_points is None:
        if username or password_file or local_dc or port != PORT_DEFAULT or tls != TlsOptions():
            raise ScenarioError(
                "--port, --local-dc, --username, --password-file, --ca, --cert, --key and --verify-hostname go with "
                "--contact-points"
            )
        return None
    tls.require_whole()
    if (username is None) != (password_file is None):
        raise ScenarioError("--username and --password-file go together")
    hosts = tuple(host.strip() for host in contact_points.split(",") if host.strip())
    if not hosts:
        raise ScenarioError("--contact-points names no host")
    return Endpoint(
        contact_points=hosts,
        local_dc=local_dc or scenario.topology.business_dcs[0].name,
        port=port,
        username=username,
        password=read_password_file(password_file) if password_file else None,
        **tls._asdict(),
    )


def _fleet(workers: int | None, listen: str | None, customers: int) -> "FleetPlan | None":
    """The Locust workers that the options ask for, or None. Raises ScenarioError for options that go with --workers."""
    from loadtests.fleet.launch import FleetPlan

    if workers is None:
        if listen or customers:
            raise ScenarioError("--listen and --customers go with --workers")
        return None
    where = None
    if listen is not None:
        host, _, port = listen.rpartition(":")
        if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
            raise ScenarioError(f"--listen {listen}: must be HOST:PORT, 0.0.0.0:5557 say")
        where = host, int(port)
    return FleetPlan(worker_count=workers, customer_count=customers, listen=where)


def _fail(error: BaseException) -> NoReturn:
    match error:
        case KeyboardInterrupt():
            message, code = "interrupted; nothing that it started is left running", ExitCode.INTERRUPTED
        case ScenarioError():
            message, code = str(error), ExitCode.USAGE
        case OSError() if error.errno == errno.ENOSPC:
            message = f"the disk is full ({error.filename or 'while writing'}): free some, or name another with --out"
            code = ExitCode.HARNESS
        case _:
            message, code = str(error), ExitCode.HARNESS
    PlainConsole(stderr=True).print(f"meterstorm: {message}", style="red", highlight=False, soft_wrap=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
