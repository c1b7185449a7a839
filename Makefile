# `make demo` and `make test` need Python >= 3.11 (with venv and pip), git and make; each does its own set-up.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && { echo $$p; break; }; done)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.made
JOBS ?= 3
ALONE := crash powerloss containers worker targets/test_local_keeper.py

# Lives in virtual time, killed on paper.
ENUMERATED := $(wildcard tests/crash/test_enumerated*.py) tests/crash/test_azure.py

.PHONY: demo test most unit check format docs bench crash-test soak azure-chain fuzz azurite infra-check worker worker-tests clean

demo: $(STAMP)  ## three training runs from three kinds of event
	$(BIN)/python examples/demo.py

test: most  ## every test
	$(BIN)/python -m pytest -q -n $(JOBS) $(ENUMERATED)
	$(BIN)/python -m pytest -q tests/crash $(ENUMERATED:%=--ignore=%) tests/powerloss tests/targets/test_local_keeper.py
	$(BIN)/python -m pytest -q tests/containers

# Most tests wait more than they compute, so several run at once. Those that measure out their kills run alone; so do
# those of tests/containers, whose engine would be a child of the process in which others look for children that nobody knows.
most: $(STAMP)  ## every test but those that run alone; ARGS goes to pytest
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadgroup $(ALONE:%=--ignore=tests/%) $(ARGS)

unit: $(STAMP)  ## the fast tests only
	$(BIN)/python -m pytest -q -n $(JOBS) tests/unit tests/contract -m "not slow"

check: $(STAMP)  ## style, types, the direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

docs: $(STAMP)  ## write the generated pages again
	$(BIN)/python -m runyard.cli.reference
	$(BIN)/python -m runyard.events.schema
	$(BIN)/python -m runyard.events.endings_schema

bench: $(STAMP)
	$(BIN)/python benchmarks/local.py
	$(BIN)/python benchmarks/files.py
	$(BIN)/python -m benchmarks.backlog
	$(BIN)/python -m benchmarks.environments

crash-test: $(STAMP)  ## 1,000 runs while host, supervisor and keeper are killed at random
	$(BIN)/python -m tests.crash.random_kills

soak: $(STAMP)  ## ten minutes at full rate with one write in twenty going wrong
	$(BIN)/python -m tests.crash.soak

azure-chain: $(STAMP) azurite  ## 500 runs on Azure's adapters with every fault of its services at 5 %
	$(BIN)/python -m tests.crash.azure_chain --runs 500 --rate 0.05

fuzz: $(STAMP)  ## a minute each of hostile files and hostile zips, guided by coverage
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group fuzz
	$(BIN)/python -m tests.fuzz --seconds 120

# In an environment of its own: the scanner pins packages that the product uses in other versions.
INFRA := .venv-infra

infra-check: $(INFRA)/.made  ## the templates against Azure's own models and a policy scanner
	$(INFRA)/bin/python -m tests.infra.check_types
	$(INFRA)/bin/checkov --skip-download --config-file infra/.checkov.yaml --directory infra

$(INFRA)/.made: pyproject.toml
	$(PYTHON) -m venv $(INFRA)
	$(INFRA)/bin/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(INFRA)/bin/python -m pip install --quiet --disable-pip-version-check --group infra
	@touch $@

$(STAMP): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Runyard needs Python 3.11 or newer with the venv module; set PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable . --group dev --group examples
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group broker >$(VENV)/broker.log 2>&1 \
		|| echo "python-qpid-proton cannot be built here (see $(VENV)/broker.log): the tests over Service Bus are skipped"
	@touch $@

PYTHON313 ?= $(shell for p in python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3.13; do \
	"$$p" -c 'import venv' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

worker:  ## the app in Microsoft's own worker library, as Azure loads and calls it; needs Python 3.13
	@if [ -n "$(PYTHON313)" ]; then $(MAKE) --no-print-directory worker-tests VENV=.venv-3.13 PYTHON="$(PYTHON313)"; else \
	echo "the worker suite was not run: it needs Python 3.13 with venv, and none was found; set PYTHON313=/path/to/python"; \
	[ -z "$${CI:-}" ]; fi

worker-tests: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group worker
	$(BIN)/python -m pytest -q tests/worker

azurite: .azurite/node_modules/azurite/package.json  ## the emulator of Azure Storage, for the tests that need it (Node.js)

.azurite/node_modules/azurite/package.json:
	npm install --silent --no-fund --no-audit --prefix .azurite azurite@3.35.0

clean:
	rm -rf .venv* .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .fuzz .azurite
