# Two commands matter: `make run` and `make test`. Both install what they need first.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
STAMPS := $(VENV)/.stamps

.DEFAULT_GOAL := help
.PHONY: help run demo demo-gmail test check format lint types layers secrets audit sbom lock fuzz unit evaluate train footprint bench pictures \
	chaos chaos-bookings chaos-pushes chaos-database chaos-gmail chaos-gmail-failing chaos-service clean

help: ## What can be made
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; (3, 11) <= v <= (3, 13) or sys.exit("This project runs on Python 3.11 to 3.13, and %s is %d.%d. Say which to use: make PYTHON=python3.11" % (sys.executable, *v))'
	$(PYTHON) -m venv $(VENV)

# What is installed is what was locked: every package, at its version, with its hash.
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check --require-hashes

$(STAMPS)/run: requirements.lock | $(VENV)/bin/python
	$(INSTALL) -r requirements.lock
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: requirements-dev.lock requirements.lock | $(VENV)/bin/python
	$(INSTALL) -r requirements-dev.lock
	@mkdir -p $(STAMPS) && touch $@ $(STAMPS)/run

run: $(STAMPS)/run ## Serve on http://127.0.0.1:8000 with an embedded database and a demo clinic
	@exec $(PY) -m app serve

demo: $(STAMPS)/run ## Walk the whole loop over HTTP against a fresh service, printing each step
	@exec $(PY) -m app demo

demo-gmail: $(STAMPS)/run ## The same walk with all mail through a Gmail of our own
	@exec $(PY) -m app demo --gmail

evaluate: $(STAMPS)/run ## Measure the agent on its evaluation set
	@exec $(PY) -m app evaluate

train: $(STAMPS)/run ## Rebuild the agent's model files from the training replies
	@exec $(PY) -m app train

footprint: $(STAMPS)/dev ## Print how long a second start takes and how much memory it idles with
	@exec $(PY) -m tests.footprint

bench: $(STAMPS)/dev ## Print how fast it is, as ratios measured side by side in one run
	@exec $(PY) -m bench

pictures: $(STAMPS)/dev ## Draw every letter of a demo into ./pictures, as patients get it (needs Chromium)
	@folder=$$(mktemp -d) && $(PY) -m app demo --data-dir "$$folder" >/dev/null && $(PY) -m tests.pictures "$$folder/outbox" pictures; rm -rf "$$folder"

chaos: chaos-bookings chaos-pushes chaos-database chaos-gmail chaos-gmail-failing chaos-service ## Storm, starve and kill the service for hours, and count what was lost or doubled

# Each is the long form of a system test; a size in the environment outranks the one here.
CHAOS := $(PY) -m pytest -q -s -p no:cacheprovider

chaos-bookings: export STORM_ATTEMPTS ?= 10000
chaos-bookings: export STORM_SEEDS ?= 5
chaos-bookings: export STORM_KILLS ?= 50
chaos-bookings: $(STAMPS)/dev
	$(CHAOS) tests/system/test_storm.py

chaos-pushes: export PUSH_STORM_MESSAGES ?= 10000
chaos-pushes: export PUSH_STORM_LATEST ?= 30
chaos-pushes: $(STAMPS)/dev
	$(CHAOS) tests/system/test_push_storm.py

chaos-database: export DATABASE_DOWN_SECONDS ?= 30
chaos-database: $(STAMPS)/dev
	$(CHAOS) tests/system/test_database_down.py tests/system/test_forged_pushes.py

chaos-gmail chaos-gmail-failing chaos-service: export CHAOS_KILLS ?= 200
chaos-gmail: export CHAOS_FAILING ?= 0
chaos-gmail chaos-gmail-failing: $(STAMPS)/dev
	$(CHAOS) tests/system/test_gmail.py

chaos-gmail-failing: export CHAOS_FAILING ?= 0.3

chaos-service: $(STAMPS)/dev
	$(CHAOS) tests/system/test_kill_service.py

format: $(STAMPS)/dev ## Format the code
	$(VENV)/bin/ruff format app bench tests
	$(VENV)/bin/ruff check --fix app bench tests

lint: $(STAMPS)/dev
	$(VENV)/bin/ruff format --check app bench tests
	$(VENV)/bin/ruff check app bench tests

types: $(STAMPS)/dev
	$(VENV)/bin/mypy

layers: $(STAMPS)/dev
	$(VENV)/bin/lint-imports

unit: $(STAMPS)/dev
	$(PY) -m pytest -q -n auto -m "not mongo"

# Formats of keys, tokens and addresses with a password; what stands in lists of words or pictures is left out.
SECRET_FILES := find app bench docs tests .ci -type f -not -path '*/fixtures/*' -not -path '*/agent/data/*' -not -path '*/__pycache__/*' -print0
secrets: $(STAMPS)/dev
	@{ $(SECRET_FILES); printf '%s\0' *.md *.txt *.toml Makefile .env.example; } | xargs -0 $(VENV)/bin/detect-secrets-hook --no-verify \
		--disable-plugin HexHighEntropyString --disable-plugin Base64HighEntropyString --disable-plugin KeywordDetector \
		--exclude-lines 'hunter2|u(ser)?:p(%40)?w@|canary-secret|[.]e30[.]x'

fuzz: $(STAMPS)/dev ## Send every operation hundreds of requests, right and wrong, with and without a sign-in (FUZZ_EXAMPLES)
	@$(PY) -m tests.fuzz

audit: $(STAMPS)/dev ## Ask an advisory service about every pinned package, where one can be reached
	@$(PY) -m tests.audit

# Of another environment: make sbom SBOM_OF=/somewhere/.venv/bin/python
SBOM_OF ?= $(PY)
sbom: $(STAMPS)/dev ## Write what is installed, with versions and licences, into sbom.json (CycloneDX)
	@$(VENV)/bin/cyclonedx-py environment --output-reproducible --output-file sbom.json $(SBOM_OF)

LOCK := $(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
lock: $(STAMPS)/dev ## Lock every package that the pins need, with its hashes, for all platforms (needs the package index)
	$(LOCK) requirements.txt --output-file requirements.lock
	$(LOCK) requirements-dev.txt --constraint requirements.lock --output-file requirements-dev.lock

check: lint secrets types layers unit ## Format, lint, secrets, types, layers and the tests that need no database

# Services that are killed spend much of their time waiting: two files of them run side by side.
test: lint secrets types layers ## Everything CI runs, with branch coverage
	$(PY) -m pytest -q -n auto --dist worksteal --ignore=tests/system --cov --cov-report= --cov-fail-under=0
	$(PY) -m pytest -q -n 2 --dist loadfile tests/system --cov --cov-append --cov-report=term

clean: ## Remove the virtual environment and caches (not your data)
	rm -rf $(VENV) .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis
