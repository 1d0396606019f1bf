#!/usr/bin/env bash
# Gate the scenario of this folder against a revision: bash gate.sh [REVISION] [OUT]
# Exit code 0: no change that matters, or better. 1: slower, or data lost. 4: it can't be told. 5: nothing to compare with.
set -euo pipefail
cd "$(dirname "$0")"
revision=${1:-HEAD~1}
out=${2:-gate-results}
meterstorm gate storm.toml --baseline "$revision" --config gate.toml --out "$out" || code=$?
cat "$out/gate.md" 2>/dev/null || true # a comment for the pull request
exit "${code:-0}"
