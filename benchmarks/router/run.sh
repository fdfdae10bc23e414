#!/usr/bin/env bash
# The router beside nginx and the best Rust LLM router; arguments go to `python -m benchmarks.router`.
set -euo pipefail
cd "$(dirname "$0")/../.."
missing=()
command -v wrk >/dev/null || missing+=(wrk)
command -v nginx >/dev/null || missing+=(nginx-light)
if ((${#missing[@]})); then
    if [[ $(id -u) != 0 ]] || ! command -v apt-get >/dev/null; then
        echo "install first: ${missing[*]}" >&2
        exit 1
    fi
    apt-get install -y --no-install-recommends "${missing[@]}" >/dev/null
fi
exec .venv/bin/python -m benchmarks.router "$@"
