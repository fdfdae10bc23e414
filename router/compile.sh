#!/bin/sh
# Compiles the modules that every inference request passes: compile.sh FOLDER PYTHON [OPTION…].
# They stay plain Python; mypyc makes C of them by their annotations, and what it builds is loaded in their place. FOLDER
# has the packages slipway_router and slipway_crds. PYTHON, an absolute path, has mypyc; beside it there must be a C
# compiler and Python's headers. Options are mypy's.
# Modules that define pydantic or msgspec types are left out: these read annotations that compiled classes lack.
set -eu
cd "$1"
python=$2
shift 2
domain=slipway_router/domain
adapters=slipway_router/adapters
# The modules become one library, whose functions nobody calls from outside: they need no table to find each other by.
export CFLAGS="${CFLAGS:-} -fvisibility=hidden"
"$python" -m mypyc "$@" --config-file= --ignore-missing-imports --namespace-packages --explicit-package-bases \
    $domain/exchange.py $domain/headers.py \
    $domain/callers/authentication.py $domain/callers/keys.py \
    $domain/limits/estimate.py $domain/limits/headers.py $domain/limits/memory.py $domain/limits/step.py \
    $domain/limits/verdict.py \
    $domain/metering/counts.py $domain/metering/stream_meter.py $domain/metering/stream_usage.py $domain/metering/usage.py \
    $domain/models/balancing.py $domain/models/resolving.py \
    $domain/requests/bodies.py $domain/requests/editing.py $domain/requests/parameters.py $domain/requests/parsing.py \
    $domain/requests/pictures.py $domain/requests/policy.py \
    $adapters/cache/answers.py $adapters/cut_heads.py $adapters/downstream.py \
    $adapters/engines/answer_heads.py $adapters/engines/answering.py $adapters/engines/connection.py \
    $adapters/engines/outbox.py $adapters/engines/pool.py $adapters/engines/relay.py $adapters/engines/relay_parts.py \
    $adapters/engines/request.py \
    $adapters/http/cycle.py $adapters/http/known_heads.py $adapters/http/protocol.py $adapters/http/refusing.py \
    $adapters/ledger/journal.py $adapters/ledger/ledger.py $adapters/ledger/slots.py \
    $adapters/telemetry/access_log.py $adapters/telemetry/key_metrics.py $adapters/telemetry/metrics.py \
    slipway_router/app/parts.py slipway_router/app/pipeline.py
rm -r build
