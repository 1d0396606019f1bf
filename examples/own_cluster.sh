#!/usr/bin/env bash
# Storm a cluster of your own, audit it, and audit it again a little later.
#
#   bash examples/own_cluster.sh SCENARIO OUT --contact-points 10.0.0.1,10.0.0.2 --local-dc dc1 \
#       --username storm --password-file secret.txt --ca ca.pem
#
# SCENARIO's [topology] names the cluster's own data centres, and a keyspace that does not exist yet: begin with
# `meterstorm new-scenario mine.toml`. Only that keyspace is written. OUT is a new folder.
set -euo pipefail
scenario=$1 out=$2
shift 2

# What the scenario will send, in virtual time: seconds, and nothing reaches the cluster.
uv run meterstorm simulate "$scenario"

# 0 pass, 1 fail, 4 inconclusive: the report is worth reading in each of them, so go on.
code=0
uv run meterstorm run "$scenario" --out "$out" "$@" || code=$?

# What was acknowledged must still be there when hints and repairs have gone by.
uv run meterstorm audit "$out" "$@"

echo "first verdict: exit code $code; read $out/report.html"
exit "$code"
