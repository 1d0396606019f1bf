"""One build's whole audit of a kept run, rules and all, as `bench_audit` runs it by this file's path, in its environment.

Arguments: the run's folder, a node's address, its port, a folder for what is left. Says one line of JSON: wall and processor
seconds of the audit alone, without the process's own start, and what was found. It asks only for what the build of before has.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from loadtests.cluster.connect import Endpoint
from loadtests.recording.run_folder import RunFolder
from loadtests.workload.experiment import Experiment
from meterstorm.display.progress import Silent
from meterstorm.jobs.audit import audit
from scenarios.file import load_scenario
from sim.estate.model import build_estate
from sim.profiles.stored import read_profile

MADE = ("finished", "slots_per_s", "number", "parts_s")  # of an audit, that say when and how it was made


def main(run_folder: str, address: str, port: str, left: str) -> None:
    recorded, folder = RunFolder(Path(run_folder)), RunFolder(Path(left))
    for part in ("ledger", "history", "cluster"):
        (folder.path / part).symlink_to(recorded.path / part)
    scenario = load_scenario(recorded.scenario)
    endpoint = Endpoint(contact_points=(address,), port=int(port), local_dc=scenario.topology.dcs[0].name)
    experiment = Experiment(
        scenario=scenario, estate=build_estate(scenario, read_profile(recorded.profile)), endpoint=endpoint
    )
    results: dict[str, Any] = json.loads(recorded.results.read_text(encoding="utf-8"))
    office = results.get("back_office") or {}
    began_s, spent_s = time.monotonic(), time.process_time()
    found = audit(
        experiment,
        folder.path,
        30.0,
        Silent(),
        is_complete=True,
        is_closed=True,
        refused_count=office.get("faulty", 0),
    )
    wall_s, cpu_s = time.monotonic() - began_s, time.process_time() - spent_s
    told = {name: value for name, value in found.model_dump(mode="json").items() if name not in MADE}
    for of_dc in told["per_dc"].values():
        of_dc.pop("settled_s")
    print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "report": told}))


if __name__ == "__main__":
    main(*sys.argv[1:])
