# Everything a developer does here. `make help` lists it; each target installs what it needs, and nothing twice.

.DEFAULT_GOAL := help
.PHONY: help setup dev examples test lint check format build sam-local bench lock prices clean
SHELL := /bin/sh

VENV := .venv
RUN := $(VENV)/bin/
READY := $(VENV)/.ready
export SAM_CLI_TELEMETRY := 0

# The first Python that really runs: a pyenv shim may be there and fail, and Debian's may lack venv.
# 3.13 is what the functions run on; from 3.11 on, everything but building the deployment works.
FIND_PYTHON := for python in $(PYTHON) python3.13 "$$(pyenv root 2>/dev/null)"/versions/3.13*/bin/python3.13 \
	python3.14 python3.12 python3.11 python3 python; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; done

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Create .venv with everything in it (PYTHON=... chooses the Python)

$(READY): requirements-dev.txt pyproject.toml client/pyproject.toml layers/common/requirements.in cli/requirements.in
	@$(FIND_PYTHON); \
	[ -n "$$python" ] || { echo "This needs Python 3.11 or later, with its venv module." >&2; exit 1; }; \
	echo "Setting up $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv --clear $(VENV)
	@# uv first, by its hashes, since it installs the rest in a fraction of pip's time.
	@sed -n '/^uv==/,/^[^ ]/{/^uv==/p;/--hash/p;}' requirements-dev.txt > $(VENV)/uv.txt
	@$(RUN)python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt
	@VIRTUAL_ENV=$(VENV) $(RUN)uv pip install --quiet --require-hashes -r requirements-dev.txt
	@VIRTUAL_ENV=$(VENV) $(RUN)uv pip install --quiet --no-deps --no-build-isolation -e . -e client
	@touch $@

dev: $(READY) ## Serve the API on http://127.0.0.1:8000, with sample traces (ARGS="--port 9000" passes options)
	@$(RUN)tracestore dev $(ARGS)

examples: $(READY) ## Run the examples of the client offline, and show the traces they leave (ARGS="chat" runs one)
	@$(RUN)python -m dev.examples $(ARGS)

test: $(READY) ## Run all tests (ARGS="-k name" passes options)
	@$(RUN)pytest $(EVERY_CORE) $(ARGS)

lint: $(READY) ## Lint, and check formatting and types
	@$(RUN)ruff check .
	@$(RUN)ruff format --check .
	@$(RUN)mypy

check: lint ## Lint, and run the quick tests
	@$(RUN)pytest -q $(EVERY_CORE) tests/unit tests/contract

EVERY_CORE := -n auto

format: $(READY) ## Format the code and mend what the linter can
	@$(RUN)ruff check --fix .
	@$(RUN)ruff format .

build: $(READY) ## Check the template and build what `sam deploy` uploads (needs Python 3.13)
	@[ -x $(RUN)python3.13 ] || { echo "Building needs Python 3.13: install it, then: make clean build" >&2; exit 1; }
	@find functions layers -name __pycache__ -prune -exec rm -rf {} + # else the layer's hash changes with every test run
	@$(RUN)sam validate --lint --region us-east-1
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)sam build $(ARGS)

sam-local: $(READY) ## Build, and serve it as deployed in Docker on http://127.0.0.1:3000 (ARGS passes options)
	@$(RUN)tracestore sam-local $(ARGS)

bench: $(READY) ## Measure capacity units and speed
	@$(RUN)tracestore bench capacity
	@$(RUN)tracestore bench ingest
	@$(RUN)tracestore bench analytics

lock: $(READY) ## Resolve the requirements anew (ARGS="--upgrade" for newer versions)
	@$(RUN)uv pip compile $(LOCK) requirements-dev.in -o requirements-dev.txt $(ARGS)
	@$(RUN)uv pip compile $(LOCK) -c requirements-dev.txt layers/common/requirements.in -o layers/common/requirements.txt

LOCK := --quiet --universal --generate-hashes --no-header --python-version 3.11

prices: $(READY) ## Write the price table anew, from the installed genai-prices
	@$(RUN)python -m dev.prices

clean: ## Remove everything made here, the local data and the cache included
	@rm -rf $(VENV) .aws-sam .tracestore .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache *.egg-info cli/*.egg-info client/src/*.egg-info
	@find cli client dev examples functions layers tests -name __pycache__ -prune -exec rm -rf {} +
