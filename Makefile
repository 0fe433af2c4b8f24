# A newcomer needs two: `make run` and `make test`. Both set up .venv from requirements.lock first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
VM := tests/lab/vm.sh

.PHONY: run screenshots test lint format test-v2 test-moments lock engines-up engines-down clean

run: $(READY) ## open the dashboard; where there are no containers, over a demo
	@if [ "$$(id -u)" = 0 ] && [ -z "$$($(BIN)/ctrscope ps -q)" ]; then $(BIN)/ctrscope demo; else $(BIN)/ctrscope; fi

test: $(READY) ## every test that this machine can run; names each skip with its reason
	@$(BIN)/pytest

lint: $(READY) ## format, lint, types
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy

screenshots: $(READY) ## draw the pictures of the README anew; those of the demo take root, tmux and rsvg-convert
	@$(BIN)/python -m tests.make_screenshots

format: $(READY) ## put the source in its format
	@$(BIN)/ruff format

test-v2: $(READY) ## the live comparison in a cgroup-v2 + systemd virtual machine; the first time takes 10 minutes and 2 GB
	@tests/lab/test-v2 $(BIN)/python

test-moments: $(READY) ## kill launcher, monitor or init at 200 random moments (root): nothing may be left
	@$(BIN)/python -m tests.kernel.nothing_left --moments 200

test-oci: $(READY) ## the OCI project's validation suite, against runc too (root, Go): RUNTIME_TOOLS=a checkout of opencontainers/runtime-tools
	@test -n "$(RUNTIME_TOOLS)" || { echo "make test-oci RUNTIME_TOOLS=DIR, a checkout of opencontainers/runtime-tools" >&2; exit 2; }
	@RUNTIME_TOOLS=$(RUNTIME_TOOLS) $(BIN)/pytest -s tests/against/test_oci_validation.py

engines-up: $(READY) ## one container of every kind on this machine (root), until ^C
	@$(BIN)/python -m tests.live.up

engines-down: $(READY) ## remove what a killed run of the tests left
	@$(BIN)/python -m tests.live.up --stop

# The build backend is in the lock too, so that nothing unpinned is ever fetched. Two names are left out: nsenter asks for
# `argparse` and `pathlib`, old copies of modules that Python has had since 3.4.
lock: $(READY) ## renew requirements.lock from pyproject.toml
	@$(BIN)/pip install -qq uv
	@printf 'hatchling\neditables\n' | $(BIN)/uv pip compile pyproject.toml - --group dev --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --upgrade --quiet --output-file requirements.lock \
	  --no-emit-package argparse --no-emit-package pathlib --no-emit-package colorama --no-emit-package win-inet-pton

# Compiled at once: where PYTHONDONTWRITEBYTECODE is set, every start would compile sixty modules anew.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "$(PYTHON) is %s, and 3.11 is the oldest that will do: try make PYTHON=python3.12" % sys.version.split()[0])'
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing: apt install python3-venv" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)
	@$(BIN)/pip install -qq --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/pip install -qq --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@$(BIN)/pip uninstall -qq --disable-pip-version-check --yes setuptools # of Python 3.11: imports itself at every start, 1 ms
	@$(BIN)/python -m compileall -q ctrscope
	@touch $@

clean: ## remove what the other targets made in this directory; the virtual machine: tests/lab/vm.sh clean
	@rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -prune -exec rm -rf {} +
