#!/usr/bin/env bash
# Runs the tiers named in TIERS (comma-separated) and the coverage bound. A test of a named tier that skips is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
tiers=${TIERS:-unit,local,apiserver,cluster,engines}

# Minutes when nothing is cached: done here, outside the time limit of a test, and side by side, since one computes while
# another downloads.
preparations=()
prepare() {
    $python -m "$@" &
    preparations+=($!)
}
if [[ $tiers == *apiserver* || $tiers == *cluster* ]]; then prepare tests.cluster bin; fi
if [[ $tiers == *cluster* ]]; then prepare tests.cluster images; fi
if [[ $tiers == *engines* ]]; then prepare tests.engines_environment; fi
if [[ $tiers == *local* ]]; then prepare tests.clients_environment; fi
for preparation in "${preparations[@]}"; do wait "$preparation"; done

# ONNX Runtime reports to its vendor unless told not to; the runtime itself tells it.
export ORT_DISABLE_TELEMETRY=1

set -- --durations 25 --durations-min 5 "$@"
rm -f .coverage .coverage.*
# With "=": pytest would take a tier of its own, such as "local", for a folder to find tests in.
$python -m coverage run -m pytest --tiers="$tiers" "$@"
if [[ $tiers == *unit* && $tiers == *local* && $tiers == *apiserver* ]]; then
    $python -m coverage combine --quiet
    $python -m coverage report
fi
