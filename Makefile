SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TIERS ?= unit,local,apiserver,cluster,engines

help: ## What there is to make
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 14

run: $(VENV)/local ## Serve the quickstart on this machine
	$(BIN)/slipway up examples/quickstart.yaml

test: $(VENV)/dev ## Every test of every tier (TIERS=unit,local,… for fewer)
	TIERS=$(TIERS) bash tests/run.sh

check: $(VENV)/dev ## Format, lint, types, import layers, drift of generated files
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m slipway_crds.generate crds crds/generated --check
	$(BIN)/python -m slipway_crds.generate crds charts/slipway/files/crds --check
	$(BIN)/python -m slipway_crds.generate docs docs/reference --check
	$(BIN)/python -m slipway_runtime.reference docs/reference/engine-arguments.md --check
	$(BIN)/python -m slipway_router.api_reference docs/reference/api.md --check
	$(BIN)/python -m slipway_router.reference docs/reference/router-configuration.md --check
	$(BIN)/python -m slipway_router.chart_schema charts/slipway/values.schema.json --check
	$(BIN)/python -m slipway_operator.adapter_rules charts/slipway/files/prometheus-adapter-rules.yaml --check

generate: $(VENV)/dev ## Write the files that are made from the models
	$(BIN)/python -m slipway_crds.generate crds crds/generated
	$(BIN)/python -m slipway_crds.generate crds charts/slipway/files/crds
	$(BIN)/python -m slipway_crds.generate docs docs/reference
	$(BIN)/python -m slipway_runtime.reference docs/reference/engine-arguments.md
	$(BIN)/python -m slipway_router.api_reference docs/reference/api.md
	$(BIN)/python -m slipway_router.reference docs/reference/router-configuration.md
	$(BIN)/python -m slipway_router.chart_schema charts/slipway/values.schema.json
	$(BIN)/python -m slipway_operator.adapter_rules charts/slipway/files/prometheus-adapter-rules.yaml

lock: $(VENV)/uv ## Pin every dependency anew, with hashes
	bash requirements/compile.sh

images: $(VENV)/dev ## Build the container images
	$(BIN)/python -m tests.cluster images

cluster: $(VENV)/dev ## A Kubernetes node with Slipway installed, ready for kubectl apply
	$(BIN)/python -m tests.cluster up
	$(BIN)/python -m tests.cluster install

cluster-down: $(VENV)/dev ## Stop that node; nothing stays behind
	$(BIN)/python -m tests.cluster down

bench: $(VENV)/dev ## Router and operator beside their peers
	bash benchmarks/router/run.sh
	bash benchmarks/operator/run.sh

$(VENV)/uv: requirements/uv.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	touch $@

$(VENV)/local: $(VENV)/uv requirements/local.txt requirements/demo-embed.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/local.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements/demo-embed.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

$(VENV)/dev: $(VENV)/uv requirements/dev.txt requirements/demo-embed.txt requirements/tei-clients.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements/demo-embed.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --no-deps -r requirements/tei-clients.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@ $(VENV)/local

clean: ## Remove what was made in the checkout
	rm -rf $(VENV) .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist htmlcov

.PHONY: help run test check generate lock images cluster cluster-down bench clean
