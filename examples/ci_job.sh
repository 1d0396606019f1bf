#!/usr/bin/env bash
# A step of a CI job: fail the build when the change breaks an objective or loses data, and keep what explains it.
#
#   bash examples/ci_job.sh SCENARIO OUT [options of `meterstorm run`]
#
# Without --contact-points the run starts Cassandra nodes of its own: the runner needs Python and uv, no Docker and no root.
# Publish OUT/junit.xml as test results and OUT as an artifact.
set -euo pipefail
scenario=$1 out=$2
shift 2

uv run meterstorm doctor --quiet   # exits with 3 when this runner can't hold the nodes, and says how to mend it

code=0
uv run meterstorm run "$scenario" --out "$out" --quiet "$@" || code=$?

case $code in
    0) echo "pass" ;;
    1) echo "fail: an objective is broken, or data is lost" ;;
    4) echo "inconclusive: the runner was too busy or too slow to tell; not a pass, and not the change's fault" ;;
    *) echo "no verdict: exit code $code" ;;
esac
exit "$code"
