# SPDX-License-Identifier: GPL-3.0-or-later
# Everything happens inside the checkout: .venv/ (Python), .cache/ (downloads, linters), .demo/ (the demo's records).
# Needed: git, make and Python 3.11 or newer. Another Python: make PYTHON=/path/to/python ...

SHELL := /bin/sh
.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
# Tests start servers: more processes than cores only get in each other's way.
JOBS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2); [ "$$n" -le 4 ] || n=4; [ "$$n" -ge 2 ] || n=2; echo "$$n")
export JOBS
ARGS ?=

# molecule/ at the root is what this project is asked for; newer versions look elsewhere first.
export MOLECULE_GLOB := molecule/*/molecule.yml
export ANSIBLE_HOME := $(CURDIR)/.cache/ansible

# Set-up finds a Python that really runs; it takes half a second when there is nothing to do.
define setup
	@python=$$(sh tools/find-python.sh) && "$$python" tools/bootstrap.py --venv $(VENV) $(1)
endef

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

.PHONY: demo
demo: ## Make a real PostgreSQL sick and let the incident command recover it
	$(call setup,run)
	@$(BIN)/python -m demo $(ARGS)

.PHONY: setup
setup: ## Set up the virtual environment with everything that demo, test and lint need
	$(call setup,run test lint)

.PHONY: test
test: setup ## Lint beside every test of this Python (ARGS="-k name" for pytest's own arguments)
	@$(BIN)/python -m tools.suite test $(ARGS)

.PHONY: lint
lint: setup ## Run the linters alone (ARGS="ruff mypy" for some of them)
	@$(BIN)/python tools/lint.py $(ARGS)

.PHONY: unit
unit: setup ## Run the unit and contract tests, which start no Ansible: under two minutes
	@$(BIN)/python -m tools.suite unit $(ARGS)

.PHONY: unit39
unit39: setup ## Run the tests of plugins/module_utils on Python 3.9, the oldest of a managed host
	@$(BIN)/python -m tools.matrix unit39 $(ARGS)

.PHONY: matrix
matrix: setup ## Run every test on each other supported Python here, and sanity on each other ansible-core
	@$(BIN)/python -m tools.suite matrix $(if $(RECORD),--record)

.PHONY: all
all: ## Everything: tests, drills, matrix, demo, build (RECORD=1 writes the costs into tests/costs.yml)
	$(call setup,run test lint drill)
	@$(BIN)/python -m tools.suite all $(if $(RECORD),--record)

.PHONY: ci
ci: ## CI's part of it: the fixed part, then what fits until minute 45 (BEGAN=when it began, seconds since 1970)
	$(call setup,run test lint drill)
	@$(BIN)/python -m tools.suite ci $(if $(BEGAN),--began $(BEGAN))

.PHONY: drills
drills: ## Break real systemd hosts in containers and recover them, every scenario, one at a time (root, podman)
	$(call setup,run drill)
	@$(BIN)/python -m tools.suite drills $(if $(RECORD),--record)

.PHONY: drill
drill: ## Some of the drills, seen while they happen: make drill SCENARIO=db-recovery (ARGS=--keep leaves the hosts running)
	$(call setup,run drill)
	@$(BIN)/python tools/drill.py $(ARGS) $(SCENARIO)

.PHONY: bench
bench: setup ## Run the benchmarks (ARGS="scale" for one); results go to tests/bench/RESULTS.md
	@$(BIN)/python -m tests.bench $(ARGS)

.PHONY: build
build: setup ## Build the wheel and the collection's tarball into dist/
	@$(BIN)/python -m build --wheel --no-isolation --outdir dist .
	@$(BIN)/ansible-galaxy collection build --force --output-path dist .

.PHONY: clean
clean: ## Remove everything that make made
	rm -rf .ansible .cache .collections .demo .mypy_cache .pytest_cache .ruff_cache .venv build dist tests/output
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
