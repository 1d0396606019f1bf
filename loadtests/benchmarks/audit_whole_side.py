"""One build's whole audit of a kept run, rules and all, as `bench_audit` runs it by this file's path, in its environment.

Arguments: the run's folder, a node's address, its port. Says one line of JSON: wall and processor
seconds of the audit alone, without the process's own start, and what was found. It asks only for what the build of before has.
"""

import contextlib
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtests.audit.data_loss.row_counts import sent_of
from loadtests.audit.rules.back_office_read import check_office
from loadtests.audit.rules.commands_read import check_command_rules
from loadtests.audit.rules.customers_read import check_rules
from loadtests.audit.rules.prepayment_read import check_prepayment_rules
from loadtests.audit.tables import audit
from loadtests.cluster.connect import Endpoint
from loadtests.recording.ledger import Ledger
from loadtests.recording.run_folder import RunFolder
from loadtests.workload.experiment import Experiment
from scenarios.file import load_scenario
from sim.estate.model import build_estate
from sim.profiles.stored import read_profile

SETTLE_S = 30.0


def main(run_folder: str, address: str, port: str) -> None:
    recorded = RunFolder(Path(run_folder))
    scenario = load_scenario(recorded.scenario)
    endpoint = Endpoint(contact_points=(address,), port=int(port), local_dc=scenario.topology.dcs[0].name)
    estate = build_estate(scenario, read_profile(recorded.profile))
    experiment = Experiment(scenario=scenario, estate=estate, endpoint=endpoint)
    results: dict[str, Any] = json.loads(recorded.results.read_text(encoding="utf-8"))
    office = results.get("back_office") or {}
    began_s, spent_s = time.monotonic(), time.process_time()
    report = audited(experiment, recorded, refused_count=office.get("faulty", 0))
    wall_s, cpu_s = time.monotonic() - began_s, time.process_time() - spent_s
    told = {name: report[name] for name in ("totals", "per_dc", "tables", "examples", "rules")}
    for of_dc in told["per_dc"].values():
        of_dc.pop("settled_s")
    print(json.dumps({"wall_s": wall_s, "cpu_s": cpu_s, "report": told}, default=int))


def audited(experiment: Experiment, recorded: RunFolder, *, refused_count: int) -> dict[str, Any]:
    """As `meterstorm audit` makes it of a run that went to its end: tables and rules, by their names."""
    scenario, estate = experiment.scenario, experiment.estate

    def say(_: str) -> None: ...

    with contextlib.ExitStack() as cleanup:
        sessions = {
            dc.name: cleanup.enter_context(experiment.through(dc.name).session()) for dc in scenario.topology.dcs
        }
        ledger = Ledger.open(recorded.ledger)
        report = audit(
            sessions,
            estate=estate,
            ledger=ledger,
            schema=experiment.schema,
            topology=scenario.topology,
            settle_s=SETTLE_S,
            progress=say,
            sent=sent_of(recorded.history, experiment.schema),
        )
        business = [
            cleanup.enter_context(experiment.through(dc.name).session()) for dc in scenario.topology.business_dcs
        ]
        of_rules: dict[str, Any] = {
            "estate": estate,
            "ledger": ledger,
            "schema": experiment.schema,
            "topology": scenario.topology,
            "progress": say,
            "is_closed": True,
        }
        rules = check_rules(business, **of_rules)
        rules += check_office(business, **of_rules, refused_count=refused_count)
        rules += check_command_rules(experiment, is_complete=True)
        rules += check_prepayment_rules(experiment, ledger, progress=say, is_complete=True, is_closed=True)
    return {**asdict(report), "rules": [asdict(one) for one in rules]}


if __name__ == "__main__":
    main(*sys.argv[1:])
