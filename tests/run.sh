#!/usr/bin/env bash
# Runs the tiers named in TIERS (comma-separated) and the coverage bound. A test of a named tier that skips is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
tiers=${TIERS:-unit,local,apiserver,cluster,engines}

# Minutes when nothing is cached: done here, outside the time limit of a test.
if [[ $tiers == *apiserver* || $tiers == *cluster* ]]; then
    $python -m tests.cluster bin
fi
if [[ $tiers == *cluster* ]]; then
    $python -m tests.cluster images
fi
if [[ $tiers == *engines* ]]; then
    $python -m tests.engines_environment
fi

# ONNX Runtime reports to its vendor unless told not to; the runtime itself tells it.
export ORT_DISABLE_TELEMETRY=1

rm -f .coverage .coverage.*
$python -m coverage run -m pytest --tiers "$tiers" "$@"
if [[ $tiers == *unit* && $tiers == *local* && $tiers == *apiserver* ]]; then
    $python -m coverage combine --quiet
    $python -m coverage report
fi
