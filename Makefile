# Everything a contributor or CI runs. `make` alone lists it.

BIN := .venv/bin
READY := .venv/.ready
# The first of these that runs, is 3.11 to 3.13 and can make a virtual environment.
PYTHONS ?= python3.11 python3.12 python3.13 python3
SUITABLE := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
# One lock serves every platform and Python; no index address is written down, so any mirror will do.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header $(if $(UPGRADE),--upgrade)
COMPILE_DEV = $(COMPILE) --group dev --constraint requirements.lock

.PHONY: help setup demo test certify sabotage check lint types imports lock-check schema-check bench browser scale drills machines lock clean
.DEFAULT_GOAL := help

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | column -t -s '|'

setup: $(READY) ## make .venv with everything in it, from the hashed lock
	@echo "ready: .venv ($$($(BIN)/python --version)); the command is $(BIN)/hub"

$(READY): requirements-dev.lock pyproject.toml
	@test -x $(BIN)/python || { \
	  echo "setup: making .venv"; \
	  for python in $(PYTHONS); do \
	    if $$python -c '$(SUITABLE)' 2>/dev/null; then exec $$python -m venv .venv; fi; \
	  done; \
	  echo "setup: no suitable Python: install Python 3.11, 3.12 or 3.13 with its venv module" \
	       "(tried: $(PYTHONS)), or name one: make setup PYTHONS=/path/to/python3" >&2; \
	  exit 1; }
	@# uv installs the lock in seconds, pip alone in most of a minute; pip still checks the hashes of uv itself.
	@sed -n '/^uv==/,/# via/p' requirements-dev.lock > .venv/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r .venv/uv.lock
	@echo "setup: installing requirements-dev.lock"
	@# pip, slowly, where only pip has been told of a mirror
	@$(BIN)/uv pip sync --quiet --python $(BIN)/python --require-hashes requirements-dev.lock \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@echo "setup: installing the hub, editable"
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@# What is imported once is compiled, so that the first start is as fast as all others, also where Python is told to
	@# write no caches: a start costs half a second of processor with them and three without.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -c 'import hub.cli.serving, hub.cli.dev, hub.cli.jobs, hub.cli.events, hub.cli.keys, hub.cli.queues, hub.cli.inbox, hub.cli.check, hub.cli.webhooks, hub.infra.migrate, tests.demo.show, tests.simulators.mailbox, tests.simulators.stripe, tests.certify.hub_process, tests.certify.providers'
	@touch $@

demo: setup ## see it work: providers, jobs, failures and retries on this machine (ONCE=1: run through and stop)
	@echo "demo: starting"
	@# 130: stopped by Ctrl-C, which is how it is meant to end
	@$(BIN)/python -m tests.demo $(if $(ONCE),--once) || [ $$? -eq 130 ]

test: setup ## run the tests
	@echo "test: pytest, two workers"
	@$(BIN)/python -m pytest -n 2 --dist worksteal

certify: setup ## run the hub under faults and certify what became of the work (SEED=1 SCALE=0.08 SABOTAGE=fence REPORT=file)
	@$(BIN)/python -m tests.certify $(if $(SEED),--seed $(SEED)) $(if $(SCALE),--scale $(SCALE)) \
	  $(if $(SABOTAGE),--sabotage $(SABOTAGE)) $(if $(REPORT),--report $(REPORT))

sabotage: setup ## take the hub's safeguards away one at a time, and see that each certificate fails
	@$(BIN)/python -m tests.certify --sabotages $(if $(SEED),--seed $(SEED))

check: lint types imports lock-check schema-check ## everything that can be judged without running the hub
	@echo "check: all good"

lint: setup
	@echo "check: ruff"
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check

types: setup
	@echo "check: mypy"
	@$(BIN)/mypy

imports: setup
	@echo "check: import-linter"
	@$(BIN)/lint-imports

lock-check: setup
	@echo "check: the locks match pyproject.toml"
	@cp requirements.lock .venv/requirements.lock && $(COMPILE) pyproject.toml --output-file .venv/requirements.lock
	@cp requirements-dev.lock .venv/requirements-dev.lock && $(COMPILE_DEV) pyproject.toml --output-file .venv/requirements-dev.lock
	@cmp requirements.lock .venv/requirements.lock && cmp requirements-dev.lock .venv/requirements-dev.lock \
	  || { echo "check: the locks are out of date: run make lock" >&2; exit 1; }

schema-check: setup
	@echo "check: the migrations run up and down, and give what the models say"
	@$(BIN)/python -m migrations check

bench: setup ## measure
	@echo "bench: starting"
	@$(BIN)/python -m benchmarks

scale: setup ## make two million jobs and time every list, group and timeline (JOBS=200000 KEEP=dir: fewer, and kept)
	@echo "scale: starting"
	@$(BIN)/python -m tests.scale $(if $(JOBS),--jobs $(JOBS)) $(if $(KEEP),--keep $(KEEP))

drills: setup ## break things on purpose, and measure how soon all is well (NAMES="redis-flushed": only these)
	@echo "drills: starting"
	@$(BIN)/python -m tests.drills $(NAMES)

machines: setup ## try what is beyond one machine: failovers, a pooler, networks that break, with figures
	@echo "machines: starting"
	@$(BIN)/python -m pytest tests/machines -m "long or not long" -rPs

browser: setup ## look at every page of the console in a browser, in every way (SCREENSHOTS=1: and make the pictures of the docs)
	@echo "browser: starting"
	@$(if $(SCREENSHOTS),SCREENSHOTS=docs/images) $(BIN)/python -m pytest tests/browser -n 2 -m "long or not long"

lock: setup ## write the locks anew from pyproject.toml (UPGRADE=1: with the newest versions)
	@echo "lock: requirements.lock, requirements-dev.lock"
	@$(COMPILE) pyproject.toml --output-file requirements.lock
	@$(COMPILE_DEV) pyproject.toml --output-file requirements-dev.lock

clean: ## remove what was made: .venv and the caches (var/, which holds data, stays)
	@echo "clean: removing .venv, dist and the caches"
	@rm -rf .venv dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
