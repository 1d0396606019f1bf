"""The options of `loadtests/locustfile.py`, beside Locust's own, and what they mean for master and worker."""

import hashlib
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from loadtests.cluster.connect import Endpoint, read_password_file
from loadtests.cluster.layout import NATIVE_PORT
from loadtests.locust_fleet.messages import SHARDS_MAX
from loadtests.locust_fleet.secret import SECRET_VARIABLE
from loadtests.workload.experiment import Experiment
from scenarios.file import shipped_file
from scenarios.spec import Scenario, ScenarioError, load_scenario, require_no_faults
from sim.estate.model import EstateModel, build_estate
from sim.profiles.stored import read_profile

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetOptions:
    """What a run under Locust is. The same on the master and on each worker, but for where things are."""

    scenario: Scenario
    scenario_folder: Path
    stored_profile: Path | None
    endpoint: Endpoint
    out: Path | None  # None: a new one below runs/
    shard_count: int
    closed_in_flight: int | None  # of the whole fleet
    has_tables: bool
    keeps_own_ledger: bool

    def estate(self) -> EstateModel:
        """The scenario's estate. Raises ScenarioError for a profile that can't be read."""
        if self.stored_profile is not None:
            return build_estate(self.scenario, read_profile(self.stored_profile))
        return build_estate(self.scenario, folder=self.scenario_folder)

    def experiment(self, estate: EstateModel) -> Experiment:
        """What all of the fleet take part in."""
        return Experiment(scenario=self.scenario, estate=estate, endpoint=self.endpoint)

    def digest(self, estate: EstateModel) -> str:
        """What master and worker must have in common: the resolved scenario and the values of the profile."""
        hashed = hashlib.sha256(self.scenario.model_dump_json().encode())
        hashed.update(estate.profile.share.tobytes())
        return hashed.hexdigest()[:16]


def add_arguments(parser: Any) -> None:
    """Add ours to Locust's parser. Every value can stand in a message: the master sends them all to its workers."""
    # Locust's own are every interface: neither its web UI nor its master asks anybody who he is.
    parser.set_defaults(web_host=LOOPBACK, master_bind_host=LOOPBACK)
    group = parser.add_argument_group("meterstorm", "What is sent, and where to. -u beyond --shards are customers.")
    add = group.add_argument
    add("--scenario", default="smoke", help="A scenario file, or the name of a shipped one.", metavar="SCENARIO")
    add(
        "--contact-points", default="127.0.0.1", metavar="HOST[,HOST]", help="The cluster, see `meterstorm cluster up`."
    )
    add("--port", type=int, default=NATIVE_PORT, help="Its CQL port.")
    add("--local-dc", default="", metavar="NAME", help="The DC to connect to; default the first business DC.")
    add("--username", default="", help="Log in to the cluster.")
    add("--password-file", default="", metavar="FILE", help="Its first line is the password.")
    add("--ca", default="", metavar="FILE", help="Speak TLS; trust what this PEM file's authority signed.")
    add("--cert", default="", metavar="FILE", help="Show nodes that ask for one this certificate (PEM).")
    add("--key", default="", metavar="FILE", help="Its private key (PEM), if it is not in the same file.")
    add(
        "--verify-hostname",
        default="",
        choices=("yes", "no", ""),
        help="Whether nodes' certificates must hold their names or addresses; default: where they hold any.",
    )
    add("--shards", type=int, default=0, metavar="N", help="Sender processes over all workers; default one a worker.")
    add("--closed", type=int, default=0, metavar="N", help="Closed loop for saturation: always N requests in flight.")
    add(
        "--out", default="", metavar="DIR", help="Where history and ledger go, on the master; default runs/locust-TIME."
    )
    add("--tables-exist", action="store_true", help="Don't create the tables, nor see that they are empty.")
    add("--own-ledger", action="store_true", help="Of a worker: keep a ledger and send it, as another machine does.")
    add(
        "--secret-file",
        default="",
        metavar="FILE",
        help=f"Its first line is the secret of master and workers; or {SECRET_VARIABLE}. Needed beyond loopback.",
    )
    add("--stored-profile", default="", metavar="FILE", help="The profile.csv of a run's folder, for that same run.")


def fleet_options(given: Namespace) -> FleetOptions:
    """The options as given. Raises ScenarioError, one sentence, for what the user can mend."""
    path = Path(given.scenario)
    if not path.exists():
        path = shipped_file(path)
    scenario = load_scenario(path)
    if not given.stored_profile:  # of a run, which makes the faults itself
        require_no_faults(scenario, "a storm that Locust begins by itself")
    workers = given.processes or (given.expect_workers if given.master else 1)
    shard_count = given.shards or workers
    if not 1 <= shard_count <= SHARDS_MAX:
        raise ScenarioError(f"--shards {shard_count}: must be from 1 to {SHARDS_MAX}")
    if given.closed < 0 or 0 < given.closed < shard_count:
        raise ScenarioError(f"--closed {given.closed}: must be at least 1 for each of {shard_count} shards")
    if bool(given.username) != bool(given.password_file):
        raise ScenarioError("--username and --password-file go together")
    if not given.ca and (given.cert or given.key or given.verify_hostname):
        raise ScenarioError("--cert, --key and --verify-hostname go with --ca, which makes connections speak TLS")
    if given.key and not given.cert:
        raise ScenarioError("--key goes with --cert")
    hosts = tuple(host.strip() for host in given.contact_points.split(",") if host.strip())
    if not hosts:
        raise ScenarioError("--contact-points names no host")
    return FleetOptions(
        scenario=scenario,
        scenario_folder=path.parent,
        stored_profile=Path(given.stored_profile) if given.stored_profile else None,
        endpoint=Endpoint(
            contact_points=hosts,
            local_dc=given.local_dc or scenario.topology.business_dcs[0].name,
            port=given.port,
            username=given.username or None,
            password=read_password_file(Path(given.password_file)) if given.password_file else None,
            ca=Path(given.ca) if given.ca else None,
            cert=Path(given.cert) if given.cert else None,
            key=Path(given.key) if given.key else None,
            verify_hostname=given.verify_hostname == "yes" if given.verify_hostname else None,
        ),
        out=Path(given.out).absolute() if given.out else None,
        shard_count=shard_count,
        closed_in_flight=given.closed or None,
        has_tables=given.tables_exist,
        keeps_own_ledger=given.own_ledger,
    )


def own_version() -> str:
    return version("meterstorm")


def boot_id() -> str:
    """What tells this machine, since it started, from others; empty where the system does not say."""
    path = Path("/proc/sys/kernel/random/boot_id")
    return path.read_text(encoding="ascii").strip() if path.exists() else ""


if __name__ == "__main__":  # Locust's own --help is printed before it has read a locustfile, so it can't list these
    own = ArgumentParser(prog="locust -f loadtests/locustfile.py", usage="%(prog)s [options]", add_help=False)
    add_arguments(own)
    own.print_help()
