#!/usr/bin/env bash
# Runs the tiers named in TIERS (comma-separated) and the coverage bound. A test of a named tier that skips is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
tiers=${TIERS:-unit,local,apiserver,cluster,engines}

rm -f .coverage .coverage.*
$python -m coverage run -m pytest --tiers "$tiers" "$@"
if [[ $tiers == *unit* && $tiers == *local* && $tiers == *apiserver* ]]; then
    $python -m coverage combine --quiet
    $python -m coverage report
fi
