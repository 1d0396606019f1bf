#!/usr/bin/env bash
# Gate the scenario of this folder against a revision: bash gate.sh [REVISION] [OUT], OUT a new folder.
# meterstorm is a development dependency of this repository (`uv add --dev`), so that `uv run` finds it.
# Exit code 0: no change that matters, or better. 1: slower, or data lost. 4: it can't be told. 5: nothing to compare with.
set -euo pipefail
cd "$(dirname "$0")"
revision=${1:-HEAD~1}
out=${2:-gate-$(date -u +%Y%m%dT%H%M%SZ)}
code=0
uv run meterstorm gate storm.toml --baseline "$revision" --config gate.toml --out "$out" || code=$?
case $code in
    0 | 1 | 4) cat "$out/gate.md" ;; # a comment for the pull request; after any other code there is none of this gate
esac
exit "$code"
