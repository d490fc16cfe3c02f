# Each target sets up first (scripts/setup.sh; under a second when nothing changed), then runs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
ONLY ?=
T ?=
# Tests run side by side, a file at a time, on every core up to four (WORKERS=0: in one process).
WORKERS ?= logical
SIDE_BY_SIDE := -n $(WORKERS) --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help setup setup-test demo up test check bench screenshots soak integrations clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 16

setup: ## Set up what the demo needs
	@scripts/setup.sh demo

setup-test: ## Set up what the tests need as well
	@scripts/setup.sh test
	@tests/conformance/setup.sh

demo: setup ## Run the whole story on real mortgage decisions; writes demo/
	@.venv/bin/govern demo

up: setup ## Serve the demo's portal, worker and gate until Ctrl-C
	@.venv/bin/govern up

test: setup-test ## Run the tests (T="-k name" to choose)
	@$(PY) -m pytest $(SIDE_BY_SIDE) $(T)

check: setup-test ## Lint, types, import contracts, documents
	@$(PY) scripts/check.py

bench: setup-test ## Run the benchmarks (ONLY=gate for one group); writes bench.json
	@$(PY) -m tests.bench.run $(ONLY)

screenshots: setup-test ## Take pictures of the demo's portal into docs/images
	@$(PY) scripts/screenshots.py

soak: setup-test ## The long fuzz, crash and load runs
	@$(PY) -m pytest tests/soak -m soak $(T)

integrations: setup-test ## Install Spark and Feast apart (1 GB, kept) and run their tests
	@scripts/integrations.sh
	@$(PY) -m pytest tests/heavy -m heavy $(T)

clean: ## Remove the environment and what the commands wrote
	@rm -rf .venv demo bench.json build
