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
failed=0
if [[ $tiers =~ unit|local|apiserver && $tiers =~ cluster|engines ]]; then
    # Side by side: tests on a node wait for pods most of the time.
    near=$(tr , '\n' <<<"$tiers" | grep -E '^(unit|local|apiserver)$' | paste -sd ,)
    far=$(tr , '\n' <<<"$tiers" | grep -vE '^(unit|local|apiserver)$' | paste -sd ,)
    $python -m coverage run -m pytest --tiers "$far" -o cache_dir=.pytest_cache/far "$@" 2>&1 | sed -u 's/^/[far] /' &
    $python -m coverage run -m pytest --tiers "$near" "$@" || failed=1
    wait $! || failed=1
else
    $python -m coverage run -m pytest --tiers "$tiers" "$@" || failed=1
fi
if [[ $tiers == *unit* && $tiers == *local* && $tiers == *apiserver* ]]; then
    $python -m coverage combine --quiet
    $python -m coverage report || failed=1
fi
exit $failed
