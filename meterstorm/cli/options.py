"""The options that several subcommands have, once."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_type_hints

import typer

from scenarios.spec import Scenario, ScenarioError

if TYPE_CHECKING:
    from loadtests.cluster.connect import Endpoint


def path_named(text: str | Path) -> Path:
    """A path as it was given, or an option's default, which typer hands over as well.

    An empty one, of a variable that is not set say, would be the working folder.
    """
    if not str(text).strip():
        raise typer.BadParameter("it is empty; name a file or a folder")
    return Path(text)


ScenarioPath = Annotated[
    Path,
    typer.Argument(
        metavar="SCENARIO",
        parser=path_named,
        help="A scenario file, or the name of one that ships (`meterstorm scenarios` lists them).",
    ),
]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", parser=path_named, help="The folder of a run.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", parser=path_named, help="The folder to make; default runs/NAME-TIME."),
]
AsJson = Annotated[bool, typer.Option("--json", help="The result as JSON on stdout; progress stays on stderr.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")]
Seed = Annotated[int | None, typer.Option("--seed", min=0, max=2**32 - 1, help="Instead of the scenario's seed.")]
SettleS = Annotated[
    float, typer.Option("--settle-s", min=0, max=3600, help="How long to wait for a DC that lags behind.")
]

OwnNodes = Annotated[
    str | None, typer.Option("--contact-points", hidden=True, help="Refused: such a job has nodes of its own.")
]


def require_own_nodes(contact_points: str | None, job: str) -> None:
    """Raises ScenarioError where somebody names a cluster to a job that has nodes of its own."""
    if contact_points is not None:
        raise ScenarioError(f"--contact-points: {job} starts and stops nodes of its own; leave it out")


class ReportOptions(NamedTuple):
    """Where a job's folder with its report is made, and how its results are told."""

    out: Out = None
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False
    as_json: AsJson = False
    quiet: Quiet = False


class ConnectionOptions(NamedTuple):
    """How to reach an existing cluster; without `contact_points` a local one is started."""

    contact_points: Annotated[
        str | None,
        typer.Option("--contact-points", metavar="HOST[,HOST]", help="Use an existing cluster instead of a local one."),
    ] = None
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="The existing cluster's CQL port.")] = 9042
    local_dc: Annotated[
        str | None,
        typer.Option("--local-dc", metavar="NAME", help="The DC to connect to; default the first business DC."),
    ] = None
    username: Annotated[str | None, typer.Option("--username", help="Log in to the existing cluster.")] = None
    password_file: Annotated[
        Path | None, typer.Option("--password-file", metavar="FILE", help="Its first line is the password.")
    ] = None
    ca: Annotated[
        Path | None,
        typer.Option("--ca", metavar="FILE", help="Speak TLS; trust what this PEM file's authority signed."),
    ] = None
    cert: Annotated[
        Path | None, typer.Option("--cert", metavar="FILE", help="Show nodes that ask for one this certificate (PEM).")
    ] = None
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Its private key (PEM), if it is not in the same file.")
    ] = None
    verify_hostname: Annotated[
        bool | None,
        typer.Option(
            "--verify-hostname/--no-verify-hostname",
            help="Whether nodes' certificates must hold their names or addresses; default: where they hold any.",
        ),
    ] = None

    def endpoint(self, scenario: Scenario) -> "Endpoint | None":
        """The existing cluster that the options name, or None for a local one. Raises ScenarioError for half a login."""
        from loadtests.cluster.connect import Endpoint, read_password_file

        if self.contact_points is None:
            if self != ConnectionOptions():
                raise ScenarioError(
                    "--port, --local-dc, --username, --password-file, --ca, --cert, --key and --verify-hostname go with "
                    "--contact-points"
                )
            return None
        self._require_whole()
        if (self.username is None) != (self.password_file is None):
            raise ScenarioError("--username and --password-file go together")
        hosts = tuple(host.strip() for host in self.contact_points.split(",") if host.strip())
        if not hosts:
            raise ScenarioError("--contact-points names no host")
        return Endpoint(
            contact_points=hosts,
            local_dc=self.local_dc or scenario.topology.business_dcs[0].name,
            port=self.port,
            username=self.username,
            password=read_password_file(self.password_file) if self.password_file else None,
            ca=self.ca,
            cert=self.cert,
            key=self.key,
            verify_hostname=self.verify_hostname,
        )

    def _require_whole(self) -> None:
        """Raises ScenarioError for options without those that they go with."""
        if self.ca is None and (self.cert, self.key, self.verify_hostname) != (None, None, None):
            raise ScenarioError("--cert, --key and --verify-hostname go with --ca, which makes connections speak TLS")
        if self.key is not None and self.cert is None:
            raise ScenarioError("--key goes with --cert")


def takes(**bundles: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a subcommand the options of each bundle, a NamedTuple, and hand it what was given as the argument of that name."""

    def decorated(function: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(function)
        options = [
            inspect.Parameter(
                name, inspect.Parameter.KEYWORD_ONLY, default=bundle._field_defaults[name], annotation=annotation
            )
            for bundle in bundles.values()
            for name, annotation in get_type_hints(bundle, include_extras=True).items()
        ]
        kept = [parameter for name, parameter in own.parameters.items() if name not in bundles]

        @functools.wraps(function)
        def command(**given: object) -> None:
            filled = {
                argument: bundle(**{name: given.pop(name) for name in bundle._fields})
                for argument, bundle in bundles.items()
            }
            function(**given, **filled)

        command.__signature__ = own.replace(parameters=[*kept, *options])  # type: ignore[attr-defined]
        command.__annotations__ = {parameter.name: parameter.annotation for parameter in [*kept, *options]}
        return command

    return decorated
