# `make demo` sets up what is missing and runs the demo; `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
# A package index that torch alone is taken from, for instance one of CPU builds; empty takes torch from PyPI.
TORCH_INDEX ?=
# What to hand to `hmchain demo` and to pytest: make demo ARGS="--rounds 10"; make test ARGS="-k ledger"
ARGS ?=

BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
export PYTHON VENV TORCH_INDEX

.DEFAULT_GOAL := help
.PHONY: help demo demo-network portal-network test test-network lint format texts bench docs clean distclean

help:  ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

demo: $(STAMPS)/demo  ## Four hospitals, one ledger, one federated CNN: from raw images to an audited model
	@$(BIN)/hmchain demo $(ARGS)
	@echo "To have hmchain as a command, as it is named above: . $(BIN)/activate"

demo-network: $(STAMPS)/network cometbft  ## The same over four real nodes of a network, with one of them killed
	@$(BIN)/hmchain demo --engine cometbft $(ARGS)
	@echo "To have hmchain as a command, as it is named above: . $(BIN)/activate"

portal-network: $(STAMPS)/network cometbft  ## Four hospitals with nodes, agents, portals and people, to try it all
	@$(BIN)/python scripts/portal_network.py $(ARGS)

# Three at a time: tests of real processes wait more than they work. What Python compiled is kept, whatever this machine
# says: each of the many processes would compile torch and the other libraries again.
PYTEST := PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -n 3 --dist loadfile

test: $(STAMPS)/test  ## Run the tests, but for those of real networks: under five minutes on two cores
	$(PYTEST) -m "not network" $(ARGS)

test-network: $(STAMPS)/test  ## Run the long tests: networks of real nodes, their faults and kills
	$(PYTEST) -m network $(ARGS)

lint: $(STAMPS)/test  ## Check style, format, types and which way imports point
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMPS)/test  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

texts: $(STAMPS)/test  ## Collect what the pages of the portal say, for translation
	$(BIN)/python scripts/texts.py

bench: $(STAMPS)/test cometbft  ## Measure the figures that the documentation claims, quickly
	@for benchmark in benchmarks/*.py; do \
	  echo "== $$benchmark"; $(BIN)/python $$benchmark --quick || exit 1; \
	done

docs: $(STAMPS)/docs  ## Build the documentation into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:  ## Remove what builds and tests left (runs/ and the environment stay)
	rm -rf site dist build .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis .coverage
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## Also remove the environment
	rm -rf $(VENV)

# A stamp says that a part is installed, so an installed tree starts at once and without the network.
$(STAMPS)/%: pyproject.toml constraints.txt scripts/setup.sh
	@scripts/setup.sh $*

.PHONY: cometbft proto

cometbft:  ## Build the consensus engine that networks of many machines need
	@scripts/cometbft.sh

proto: $(STAMPS)/test  ## Generate the ABCI messages again, after a change of proto/abci.proto
	@scripts/proto.sh
