# The tasks of a developer. `make help` lists them. Each target installs its own requirements, and only once.

.DEFAULT_GOAL := help
.PHONY: help setup dev examples unit check test test-all generated lint page format packages build sam-local bench lock prices clients clean
SHELL := /bin/sh

VENV := .venv
RUN := $(VENV)/bin/
READY := $(VENV)/.ready
export SAM_CLI_TELEMETRY := 0

# The first Python that runs: a shim of pyenv may exist and fail, and that of Debian may lack venv.
# The functions run on 3.13. From 3.11 on, everything except building the deployment works.
FIND_PYTHON := for python in $(PYTHON) python3.13 "$$(pyenv root 2>/dev/null)"/versions/3.13*/bin/python3.13 \
	python3.14 python3.12 python3.11 python3 python; do \
	"$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; python=; done

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Create .venv with all requirements (PYTHON=... chooses the Python)

$(READY): requirements-dev.txt requirements-viewer.txt pyproject.toml client/pyproject.toml layers/common/requirements.in cli/requirements.in
	@$(FIND_PYTHON); \
	[ -n "$$python" ] || { echo "This needs Python 3.11 or later, with its venv module." >&2; exit 1; }; \
	echo "Setting up $(VENV) with $$("$$python" --version)"; \
	"$$python" -m venv --clear $(VENV)
	@# uv first, with its hashes: it installs the other requirements much faster than pip.
	@sed -n '/^uv==/,/^[^ ]/{/^uv==/p;/--hash/p;}' requirements-dev.txt > $(VENV)/uv.txt
	@$(RUN)python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r $(VENV)/uv.txt
	@VIRTUAL_ENV=$(VENV) $(RUN)uv pip install --quiet --require-hashes -r requirements-dev.txt
	@VIRTUAL_ENV=$(VENV) $(RUN)uv pip install --quiet --require-hashes --no-deps -r requirements-viewer.txt
	@VIRTUAL_ENV=$(VENV) $(RUN)uv pip install --quiet --no-deps --no-build-isolation -e . -e client
	@touch $@

dev: $(READY) ## Serve the API and the page on http://127.0.0.1:8000, with sample traces (ARGS="--port 9000" passes options)
	@$(RUN)tracestore dev $(ARGS)

examples: $(READY) ## Run the examples of the client offline, and print their traces (ARGS="chat" runs one)
	@$(RUN)python -m dev.examples $(ARGS)

unit: $(READY) ## Run the tests of the domain and of ingestion: 20 s (ARGS="-k name" passes options)
	@$(RUN)pytest -q tests/unit/domain tests/unit/ingest $(ARGS)

check: lint ## Lint, check types, and run the unit and contract tests: 1 min
	@$(RUN)pytest -q tests/unit tests/contract $(ARGS)

test: $(READY) ## Run all tests that need no Docker, on all cores: 25 min on two
	@$(RUN)pytest $(EVERY_CORE) -m "not docker" $(ARGS)

test-all: $(READY) ## Run all tests, on all cores: 25 min on two
	@$(RUN)pytest $(EVERY_CORE) $(ARGS)

generated: $(READY) ## Run only the tests that send generated requests to every route: 4 min on two cores
	@$(RUN)pytest $(EVERY_CORE) tests/integration/test_generated_requests.py $(ARGS)

# unit and check run in one process: each further process would import and collect all tests again.
EVERY_CORE := -n auto

lint: $(READY) ## Lint, and check formatting and types
	@$(RUN)ruff check .
	@$(RUN)ruff format --check .
	@$(RUN)mypy
	@$(RUN)python -m dev.page_files check lint

page: $(READY) ## Build the page of web/, if its sources have changed
	@$(RUN)python -m dev.page_files

format: $(READY) ## Format the code, and fix what the linter can fix
	@$(RUN)ruff check --fix .
	@$(RUN)ruff format .
	@$(RUN)python -m dev.page_files format

packages: $(READY) ## Build the clients into dist: a wheel and an sdist for Python, a tarball for Node (needs npm)
	@VIRTUAL_ENV=$(VENV) $(RUN)uv build --quiet --no-build-isolation --python $(RUN)python --out-dir dist client
	@cd client-js && npm ci --ignore-scripts --no-audit --no-fund --silent
	@cd client-js && npm pack --silent --pack-destination ../dist >/dev/null
	@ls dist

build: $(READY) ## Check the template, and build the files that `sam deploy` uploads (needs Python 3.13; ARCHITECTURE=x86_64)
	@[ -x $(RUN)python3.13 ] || { echo "The build needs Python 3.13: install it, then run: make clean build" >&2; exit 1; }
	@find functions layers -name __pycache__ -prune -exec rm -rf {} + # else every test run changes the layer's hash
	@$(RUN)python -m dev.docs_files
	@$(RUN)python -m dev.page_files
	@$(RUN)sam validate --lint --region us-east-1
	@PATH="$(CURDIR)/$(RUN):$$PATH" $(RUN)sam build --parameter-overrides Architecture=$(ARCHITECTURE) $(ARGS)

# The processor of the functions, the parameter Architecture. The Makefile of the layer reads it as well.
export ARCHITECTURE ?= arm64

sam-local: $(READY) ## Build, and serve the deployed form in Docker on http://127.0.0.1:3000 (ARGS passes options)
	@$(RUN)tracestore sam-local $(ARGS)

bench: $(READY) ## Measure capacity units and speed
	@$(RUN)tracestore bench capacity
	@$(RUN)tracestore bench ingest
	@$(RUN)tracestore bench analytics
	@$(RUN)tracestore bench page
	@$(RUN)tracestore bench cost

lock: $(READY) ## Resolve the requirements again (ARGS="--upgrade" for newer versions)
	@$(RUN)uv pip compile $(LOCK) requirements-dev.in -o requirements-dev.txt $(ARGS)
	@$(RUN)uv pip compile $(LOCK) -c requirements-dev.txt layers/common/requirements.in -o layers/common/requirements.txt
	@$(RUN)uv pip compile $(LOCK) --no-deps requirements-viewer.in -o requirements-viewer.txt $(ARGS)
	@$(RUN)uv pip compile $(LOCK) requirements-sdks.in -o requirements-sdks.txt $(ARGS)
	@$(RUN)uv pip compile $(LOCK) requirements-langfuse.in -o requirements-langfuse.txt $(ARGS)

LOCK := --quiet --universal --generate-hashes --no-header --python-version 3.11

prices: $(READY) ## Generate the price table from the installed genai-prices
	@$(RUN)python -m dev.prices

clients: $(READY) ## Write the table of docs/clients.md from the recorded exports
	@$(RUN)python -m dev.clients

clean: ## Remove all generated files, including the local data and the cache
	@rm -rf $(VENV) .aws-sam .tracestore .cache functions/docs/static functions/page/static .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@rm -rf build dist *.egg-info cli/*.egg-info layers/common/*.egg-info client/build client/dist client/src/*.egg-info
	@rm -rf client-js/dist client-js/node_modules web/node_modules web/src/api/schema.d.ts
	@find cli client dev examples functions layers tests -name __pycache__ -prune -exec rm -rf {} +
