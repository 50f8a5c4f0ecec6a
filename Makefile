# Firstbell. Each target sets itself up first; `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DATABASE_URL ?=
WORKERS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
ARGS ?=
# What is compiled once is kept: the tests start many processes, and each would compile everything anew.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup run test check contracts bench lock

help: ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(READY) ## Make .venv from nothing but python3

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

run: $(READY) ## Run the demo district: database, API and worker
	$(BIN)/firstbell up --demo $(ARGS)

test: $(READY) ## Run every test (DATABASE_URL=postgresql://… to use another PostgreSQL)
	$(if $(DATABASE_URL),FIRSTBELL_DATABASE_URL=$(DATABASE_URL)) $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder $(ARGS)

check: $(READY) ## Format, lint, types, import contracts, and the doors' contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/firstbell contracts --check

contracts: $(READY) ## Write openapi.yaml, schema.graphql and playbook.schema.json from the code
	$(BIN)/firstbell contracts

bench: $(READY) ## Compare with bare endpoints; prints ratios
	$(BIN)/python -m bench $(ARGS)

lock: $(READY) ## Pin the newest versions that fit pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-find-links --no-emit-index-url \
	  --custom-compile-command "make lock" --extra dev --upgrade pyproject.toml -o requirements.lock
