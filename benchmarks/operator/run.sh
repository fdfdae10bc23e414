#!/usr/bin/env bash
# 200 ModelDeployments on a real API server; arguments go to `python -m benchmarks.operator`.
set -euo pipefail
cd "$(dirname "$0")/../.."
exec "${VENV:-.venv}/bin/python" -m benchmarks.operator "$@"
