"""meterstorm from Python, cell by cell: change a scenario, look at its load, storm a cluster, read the results.

    uv run python examples/library.py SCENARIO OUT [CONTACT_POINT LOCAL_DC]

Without a contact point the run starts Cassandra nodes of its own and stops them.
"""

import sys
from pathlib import Path

import meterstorm

# %% The scenario: a file, or the name of a shipped one. It is data, so a variant of it is a copy with other fields.
path, out = Path(sys.argv[1]), Path(sys.argv[2])
scenario = meterstorm.load_scenario(path)
quick = scenario.model_copy(update={"run": scenario.run.model_copy(update={"seed": 7})})
print(f"{quick.title}: {quick.estate.meter_count:,} meters, a simulated second takes {1 / quick.speed_up:.6f} s")

# %% The run: everything that `meterstorm run` does. It returns what stands in OUT/results.json.
if len(sys.argv) > 3:
    from loadtests.cluster.connect import Endpoint

    results = meterstorm.run(quick, out, endpoint=Endpoint(contact_points=(sys.argv[3],), local_dc=sys.argv[4]))
else:
    results = meterstorm.run(quick, out)

# %% What it says, and why.
print(f"verdict: {results.verdict}")
for reason in results.reasons:
    print(f"  {reason}")

# %% The figures: by operation, and what the audit counted.
for name, operation in sorted(results.operations.items()):
    if operation.response_ms is not None:
        print(f"{name:24} {operation.ok:>9,} ok, p99 {operation.response_ms.p99:.1f} ms")
if results.audit is not None:
    print(
        f"{results.audit.verified:,} of {results.audit.acknowledged:,} acknowledged facts read back with their exact value"
    )
sys.exit(results.verdict.exit_code)
