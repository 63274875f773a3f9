# Each target sets itself up: `make demo` and `make test` are all that a newcomer needs.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
# Two cores feed several servers in the tests; numerical libraries must not claim them all.
export OMP_NUM_THREADS ?= 1
export OPENBLAS_NUM_THREADS ?= 1
PACKAGES := vigil detectors runbooks alerts monitor dashboards migrations

.PHONY: help setup demo serve test test-servers check lint format types layering docs bench bench-alerts bench-collector bench-collector-gpu bench-actions bench-evidence lock wheel image clean

help: ## Show what there is
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Create .venv from the lock files

# torch comes first and alone: which build is right for the machine depends on pip's index.
$(INSTALLED): requirements/torch.txt requirements/dev.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "vigil needs Python 3.11 or newer; $$($(PYTHON) --version) found. Try: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(BIN)/python || { echo "creating $(VENV)"; $(PYTHON) -m venv $(VENV) \
	  || { echo "Python's venv module is missing (Debian: apt-get install python3-venv)"; exit 1; }; }
	@echo "installing the locked packages (minutes, the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/torch.txt -c requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Three faults on real images, live: detected, paged, acted on, recovered (ARGS="--seed 7 --exit")
	@$(BIN)/vigil demo $(ARGS)

serve: setup ## Run the service on vigil.toml (ARGS="--config PATH")
	@$(BIN)/vigil serve $(ARGS)

# One more than cores: some tests mostly wait, for servers or for windows to end.
WORKERS ?= $(shell expr $$($(PYTHON) -c 'import os; print(len(os.sched_getaffinity(0)))') + 1)

test: setup ## All tests but the ones that need heavy servers (ARGS="tests/alerts -k slack")
	@bash .ci/programs
	@$(BIN)/python -m pytest -m "not servers" -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

# Servers that pin what vigil pins otherwise: each in an environment of its own.
SERVERS := mlflow label-studio nvidia-pytriton

.make/servers/%/.installed: requirements/servers/%.txt
	@echo "installing $* in an environment of its own (minutes, the first time)"
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

test-servers: setup $(SERVERS:%=.make/servers/%/.installed) ## The slow, heavy tests: Evidently's reports against our numbers, servers
	@echo "installing Evidently for the cross-check (minutes, the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements/reports.txt -c requirements/dev.txt
	@$(BIN)/python -m pytest -m servers $(ARGS)

check: setup lint types layering test ## Everything that must hold before a commit is shared

lint: setup ## ruff, and its formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: setup ## Let ruff put the code in form
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

types: setup ## mypy --strict
	@$(BIN)/mypy --strict

layering: setup ## Who imports whom, drawn and checked for forbidden arrows and circles
	@$(BIN)/python -m pytest -q tests/project/test_layering.py
	@$(BIN)/python tests/project/structure.py

docs: setup ## Write the generated pages (docs/configuration.md, cli, detectors, metrics, signals)
	@$(BIN)/python -m monitor.cli.reference docs

bench: setup ## Benchmarks (ARGS="collector" runs one)
	@$(BIN)/python -m bench $(ARGS)

bench-alerts: setup ## From a verdict to its page, and a storm of 10 000 alerts: bench/results/alerts.json
	@$(BIN)/python -m bench alerts

bench-actions: setup ## A library of faults with known answers, and the labelling loop: half an hour (goes on where it stopped; ARGS="--fresh")
	@$(BIN)/python -m bench.actions $(ARGS)

bench-evidence: setup ## False pages in a year, delays, guarantees, speed: hours (ARGS="speed --quick"; goes on where it stopped)
	@$(BIN)/python -m bench.evidence $(ARGS)

# The collector's peers, each in an environment of its own; one that does not install is left out.
PEERS := bench-whylogs bench-evidently bench-prometheus-client

bench-collector: setup ## What the collector costs, beside its peers: bench/results/collector.json (ARGS="--only caller")
	@for peer in $(PEERS); do $(MAKE) .make/servers/$$peer/.installed || echo "$$peer is left out"; done
	@$(BIN)/python -m bench.collector $(ARGS)

bench-collector-gpu: setup ## What the tap costs a model on a GPU; without one it says so (ARGS="--device cpu --quick")
	@$(BIN)/python -m bench.collector_gpu $(ARGS)

wheel: setup ## Build dist/*.whl
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .

image: ## Build the container image with docker or podman
	@$$(command -v docker || command -v podman) build --file Containerfile --tag vigil-cv .

lock: ## Resolve the newest versions that pyproject.toml allows, and pin them
	@rm -rf .make/lock && $(PYTHON) -m venv .make/lock
	@.make/lock/bin/python -m pip install --quiet --upgrade torch packaging
	@.make/lock/bin/python -m pip install --quiet --upgrade ".[server,demo,postgres,dev,reports]"
	@.make/lock/bin/python requirements/lock.py
	@for server in $(SERVERS); do \
	  rm -rf .make/lock && $(PYTHON) -m venv .make/lock && .make/lock/bin/python -m pip install --quiet --upgrade $$server; \
	  { echo "# Exact versions; written by \`make lock\`, never by hand."; .make/lock/bin/python -m pip freeze; } >requirements/servers/$$server.txt; \
	done
	@rm -rf .make/lock build

clean: ## Remove what was built; .venv and var stay
	@rm -rf build dist .make .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	@find $(PACKAGES) tests bench -name __pycache__ -type d -prune -exec rm -rf {} +
