# Everything runs on a machine that has only Python 3.11 or newer and make; each target installs what it needs.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: help install demo up test test-containers chromium clamav check bench faults docs clean

help: ## Show this list.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

install: $(INSTALLED)

$(INSTALLED): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: set PYTHON to one")'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "This Python cannot make environments: install its venv module (Debian: python3-venv)" >&2; exit 1; }
	@echo "installing what requirements.txt pins (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	@touch $@

demo: $(INSTALLED) ## Start everything, play the stories, and show what happened to each message.
	@$(BIN)/python -m local demo

up: $(INSTALLED) ## Start everything and stay, until Ctrl-C.
	@$(BIN)/python -m local up

test: check chromium clamav ## Every test that proves the system, on real Kafka and PostgreSQL and in a real browser.
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile tests/browser tests/system tests/flow tests/outside
	$(BIN)/python -m pytest tests/faults

test-containers: $(INSTALLED) ## Everything in containers, on the Docker engine that answers, or on one of its own.
	$(BIN)/python -m pytest --verbose --capture=no tests/containers

chromium:
	@command -v chromium > /dev/null \
		|| { apt-get update --quiet=2 && apt-get install --yes --quiet=2 --no-install-recommends chromium; } \
		|| { echo "The browser tests need Chromium: install the package chromium" >&2; exit 1; }

clamav:
	@test -x "$$(PATH=$$PATH:/usr/sbin command -v clamd)" \
		|| { apt-get update --quiet=2 && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet=2 --no-install-recommends clamav-daemon; } \
		|| { echo "The tests of files need ClamAV: install the package clamav-daemon" >&2; exit 1; }

check: $(INSTALLED) ## Lint, types, dependencies, import contracts, tidiness and unit tests, in less than a minute.
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/deptry --no-ansi services shared portal sandbox > .venv/dependencies.log 2>&1 || { cat .venv/dependencies.log; exit 1; }
	@$(BIN)/lint-imports --no-logo > .venv/imports.log || { cat .venv/imports.log; exit 1; }
	@$(BIN)/python -m shared.events --check
	@$(BIN)/python -m pytest --quiet --numprocesses auto tests/unit

bench: $(INSTALLED) ## Figures beside their yardsticks, in one run.
	@$(BIN)/python -m benchmarks

faults: $(INSTALLED) ## The fault campaign; FAULT_SECONDS and FAULT_SEED set its length and course.
	@$(BIN)/python -m tests.faults

docs: $(INSTALLED) ## Generate docs/events from the code.
	@$(BIN)/python -m shared.events

clean: ## Remove what was installed and what runs left behind.
	rm -rf .venv .local .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
