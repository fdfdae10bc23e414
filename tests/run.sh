#!/usr/bin/env bash
# Runs the tiers named in TIERS (comma-separated) and the coverage bound. A test of a named tier that skips is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."
python=.venv/bin/python
tiers=${TIERS:-unit,local,apiserver,cluster,engines}

# ONNX Runtime reports to its vendor unless told not to; the runtime itself tells it.
export ORT_DISABLE_TELEMETRY=1

# Two runs side by side, since tests mostly wait. The one with nodes and heavy engines gives way to the other, whose tests
# have the tighter times; what it says comes whole, afterwards. Arguments name tests: then it is one run.
first=() second=()
IFS=, read -ra asked <<<"$tiers"
for tier in "${asked[@]}"; do
    if [[ $# == 0 && $tier =~ ^(cluster|engines)$ ]]; then second+=("$tier"); else first+=("$tier"); fi
done

pytest() { # ARGUMENT… TIER,… — with "=": alone, "local" would be taken for a folder to find tests in
    $python -m coverage run -m pytest --durations 25 --durations-min 5 "${@:1:$#-1}" --tiers="${*: -1}"
}

# Minutes when nothing is cached: done before the tests that need it, outside their time limits, and side by side, since one
# computes while another downloads.
prepare() { # TIER…
    local tier preparation preparations=()
    for tier in "$@"; do
        case $tier in
            local) $python -m tests.clients_environment & ;;
            apiserver) $python -m tests.cluster bin & ;;
            cluster) $python -m tests.cluster bin & preparations+=($!); $python -m tests.cluster images & ;;
            engines) $python -m tests.engines_environment & ;;
            *) continue ;;
        esac
        preparations+=($!)
    done
    for preparation in "${preparations[@]}"; do wait "$preparation"; done
}

comma() { (IFS=,; echo "$*"); }

rm -f .coverage .coverage.*
trap 'exit 130' INT # pytest takes an interrupt for itself, and the next step would follow
status=0 beside="" output=""
if ((${#second[@]})); then
    output=$(mktemp)
    set -m # a process group of its own, or it would not heed an interrupt
    (
        set +m
        trap 'exit 130' INT
        prepare "${second[@]}"
        renice --priority 10 --pid $BASHPID >/dev/null
        pytest "$(comma "${second[@]}")"
    ) >"$output" 2>&1 &
    set +m
    beside=$!
    trap 'kill -INT -- "-$beside"; wait "$beside"; cat "$output"; rm "$output"' EXIT
fi
if ((${#first[@]})); then
    prepare "${first[@]}"
    (pytest "$@" "$(comma "${first[@]}")") || status=$?
fi
if [[ -n $beside ]]; then
    wait "$beside" || status=$?
    trap - EXIT
    cat "$output"
    rm "$output"
fi
if ((status)); then exit "$status"; fi

if [[ $tiers == *unit* && $tiers == *local* && $tiers == *apiserver* ]]; then
    $python -m coverage combine --quiet
    $python -m coverage report
fi
