# One entry point for people and for CI. `make help` lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS += --no-print-directory

# Python 3.11 to 3.13; another one: make PYTHON=python3.12 …
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
TESTS ?= tests
# Test processes side by side; a file's tests stay together.
JOBS ?= 2
# Where `make bench-drift` finds the labelled data, and which split of it is judged.
DATA ?= ../shared/data/drift_bench
SPLIT ?= dev

.PHONY: help
help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: $(STAMP) ## Create .venv from requirements.lock

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"make: Python 3.11 to 3.13 is needed, {sys.executable} is {v[0]}.{v[1]}; choose another with PYTHON=…")'
	@$(PYTHON) -c 'import venv, ensurepip' || { echo "make: $(PYTHON) has no venv module; install it (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@test -x $(BIN)/python || { echo "make: creating .venv"; $(PYTHON) -m venv .venv; }
	@echo "make: installing requirements.lock (about two minutes with a warm package cache)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: demo
demo: $(STAMP) ## Find the flaws of a retail data set: Postgres, warehouse, services, gateway, a run, its verdict
	@$(BIN)/chalkandduster demo

.PHONY: up
up: $(STAMP) ## Run the suite on the standard ports (gateway 8000) until Ctrl-C
	@$(BIN)/chalkandduster up

.PHONY: test
test: $(STAMP) ## Run all tests (TESTS=tests/unit for a part)
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(TESTS)

.PHONY: bench
bench: $(STAMP) ## Measure quality runs against soda scan, warm Soda and the raw SQL; writes bench/out/quality.json
	@$(BIN)/python -m bench.quality

.PHONY: bench-drift
bench-drift: $(STAMP) ## Measure drift detection on labelled data (DATA=folder SPLIT=dev); writes bench/out/drift.json
	@$(BIN)/python -m bench.drift --data $(DATA) --split $(SPLIT)

.PHONY: lint
lint: $(STAMP) ## Style, types, import rules, protos, generated code
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/buf format --diff --exit-code proto
	@$(BIN)/buf lint
	@tools/check_breaking.sh
	@tools/check_gen.sh

.PHONY: gen
gen: $(STAMP) ## Generate stubs, the gateway's descriptor and openapi.json from the protos
	@tools/gen.sh

.PHONY: lock
lock: ## Resolve requirements.lock anew (needs uv)
	@uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --output-file requirements.lock
