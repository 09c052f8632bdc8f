# `make quickstart` and `make test` are all that a fresh machine needs; both make the virtual environment first.

PYTHON ?= python3
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest

.PHONY: help quickstart test lint bench schema clean

help: ## Show this.
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' Makefile | expand -t 20

quickstart: .venv/installed ## Build, check and tag recipes/quickstart.yaml (7 GB; an engine is installed if need be).
	.ci/programs mmdebstrap
	.ci/engine
	$(BIN)/builder build quickstart

test: .venv/developer ## Run every test; those with containers only where an engine answers.
	$(PYTEST) --numprocesses 2 tests/unit
	$(PYTEST) --numprocesses 2 --dist loadfile tests/network
	$(PYTEST) tests/checks tests/e2e

lint: .venv/developer ## Check style, types, imports, shell scripts, rendered files, and that every test can be collected.
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/shellcheck .ci/run .ci/engine .ci/programs
	$(BIN)/hadolint images/*/Dockerfile
	$(BIN)/builder render --all --check
	@found=$$($(PYTEST) --collect-only -qq -m "" tests) || { echo "$$found"; exit 1; }

bench: .venv/developer ## Measure against the plain Dockerfile; EMPTIES the engine's build cache (BENCH=--yes).
	$(BIN)/python -m tests.bench $(BENCH)

schema: .venv/installed ## Write the JSON Schema of recipes again.
	$(BIN)/builder schema > builder/data/recipe.schema.json

clean: ## Remove the virtual environment and what tools left.
	rm -rf .venv .builder .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/installed: pyproject.toml
	.ci/programs python3-venv
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/developer: .venv/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --group dev
	touch $@
