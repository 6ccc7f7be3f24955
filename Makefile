# Every target does its own set-up, in .venv, from a clean clone with Python 3.11 or newer, pip, make and git.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(PYTHON) -m pip --disable-pip-version-check --python $(BIN)/python install --quiet --no-deps

# Older pips read a proxy's certificate authority from PIP_CERT only.
ifneq ($(SSL_CERT_FILE),)
export PIP_CERT ?= $(SSL_CERT_FILE)
endif
# What we serve is on loopback: no proxy may stand between.
export NO_PROXY := $(NO_PROXY),127.0.0.1,localhost
export no_proxy := $(NO_PROXY)

.PHONY: help demo test lint format bench soak judges judges-node fidelity lock clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   the nightly run, twice, on two emulated CRMs, and a report to open"
	@echo "make test   every test (needs no network after set-up)"
	@echo "make lint   format, lint, types, import contracts"
	@echo "make bench  seconds, memory and API calls at 2,000 and 20,000 customers"
	@echo "make soak   the slow tests at full size"
	@echo "make judges strangers' clients against the emulated CRMs, each in its own environment (needs PyPI)"
	@echo "make fidelity what judges confirmed, endpoint by endpoint: docs/reference/fidelity.md"
	@echo "make judges-node  clients from npm judge the emulated CRMs (needs npm; 600 MB)"
	@echo "make lock   renew the lock files (for maintainers)"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "plansync needs Python 3.11 or newer; say which: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --without-pip $(VENV)

$(VENV)/.run: requirements.lock pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.run
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@

demo: $(VENV)/.run
	$(BIN)/plansync demo

test: $(VENV)/.dev
	$(BIN)/python -m pytest -m "not soak and not judges"

soak: $(VENV)/.dev
	$(BIN)/python -m pytest -m soak

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks

JUDGES := tap-salesforce tap-hubspot backlot
RECORD := $(BIN)/python -m pytest tests/contract tests/judges tests/flows/test_fidelity.py tests/flows/test_provision.py --ignore tests/judges/test_judging.py

# What cannot be installed is skipped, and says so.
judges: $(VENV)/.dev
	-$(MAKE) --keep-going $(JUDGES:%=$(VENV)/judges-%/.done)
	PLANSYNC_KEEP_JUDGEMENTS=all $(RECORD) -rs
	$(BIN)/python -m tests.judges.fidelity

fidelity: $(VENV)/.dev
	PLANSYNC_KEEP_JUDGEMENTS=some $(RECORD) -m "not judges"
	$(BIN)/python -m tests.judges.fidelity

$(VENV)/judges-%/.done: tests/judges/requirements-%.txt | $(BIN)/python
	rm -rf $(@D)
	$(PYTHON) -m venv --without-pip $(@D)
	$(PYTHON) -m pip --disable-pip-version-check --python $(@D)/bin/python install --quiet --no-deps -r $<
	@touch $@

NODE_JUDGES := tests/judges/node

$(NODE_JUDGES)/node_modules/.package-lock.json: $(NODE_JUDGES)/package.json $(NODE_JUDGES)/package-lock.json $(NODE_JUDGES)/.npmrc
	cd $(NODE_JUDGES) && npm ci
	@touch $@

judges-node: $(VENV)/.dev $(NODE_JUDGES)/node_modules/.package-lock.json
	PLANSYNC_JUDGES=node $(BIN)/python -m pytest $(NODE_JUDGES)

LOCK := $(VENV)/lock/bin/uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-header --no-emit-index-url --no-annotate pyproject.toml

lock:
	$(PYTHON) -m venv --without-pip $(VENV)/lock
	$(PYTHON) -m pip --python $(VENV)/lock/bin/python install --quiet uv
	$(LOCK) --extra report --extra sandbox --extra postgres --extra install --output-file requirements.lock
	$(LOCK) --all-extras --constraint requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) $(NODE_JUDGES)/node_modules demo
