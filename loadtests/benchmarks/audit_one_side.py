"""One build's audit of tables that are in a cluster, as `bench_audit` runs it by this file's path, in that build's environment.

Arguments: a scenario as JSON, a ledger's folder, a node's address, its port. Says one line of JSON: facts a second and processor
seconds of an audit, the better of three, and what was found. It asks only for what the build of before has, too.
"""

import contextlib
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

from loadtests.audit.tables import audit
from loadtests.cluster.connect import Endpoint, connect
from loadtests.recording.ledger import Ledger
from scenarios.spec import Scenario
from sim.estate.model import build_estate
from store.schemas import schema_of

AUDITS = 3


def main(scenario_path: str, ledger_folder: str, address: str, port: str) -> None:
    scenario = Scenario.model_validate_json(Path(scenario_path).read_text(encoding="utf-8"))
    estate, ledger = build_estate(scenario), Ledger.open(Path(ledger_folder))
    rates, spent_s, found = [], [], []
    with contextlib.ExitStack() as cleanup:
        for _ in range(AUDITS):
            sessions = {}
            for dc in scenario.topology.dcs:
                driver, sessions[dc.name] = connect(
                    Endpoint(contact_points=(address,), port=int(port), local_dc=dc.name)
                )
                cleanup.callback(driver.shutdown)
            began_s = time.process_time()
            report = audit(
                sessions,
                estate=estate,
                ledger=ledger,
                schema=schema_of(scenario),
                topology=scenario.topology,
                settle_s=30,
                progress=lambda _: None,
            )
            spent_s.append(time.process_time() - began_s)
            rates.append(report.facts_read / report.scan_s)
            found.append(
                {"totals": asdict(report.totals), "tables": {name: asdict(one) for name, one in report.tables.items()}}
            )
    assert all(one == found[0] for one in found), "one build found different things"
    print(json.dumps({"facts_per_s": max(rates), "cpu_s": min(spent_s), "report": found[0]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
