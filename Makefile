# Two commands are enough: `make run` and `make test`. Everything else is listed by `make help`.
# Needs Python >= 3.11 and make, nothing more: each target prepares its own virtual environment.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Hundreds of processes of the tests import the same modules; compiled anew by each of them that is minutes.
unexport PYTHONDONTWRITEBYTECODE
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
INSTALL := $(BIN)/python requirements/install.py

.DEFAULT_GOAL := help
.PHONY: help run test test-slow release-test image-test chart chart-test soak walks ledger bench bench-growth bench-peers bench-delivery lua-coverage docs lint format lock sbom clean

help: ## Show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.base ## Run everything on this machine: service, sandbox with a phone inbox, Valkey
	@$(BIN)/otp-service run

# Seconds for a test with its fixtures: one that hangs fails and says where, and the others go on.
LIMIT := --timeout 600
# Much of the suite waits for processes and sockets, so more workers than cores pay (4 on 2 cores). T=... runs in one.
WORKERS ?= 4
test: $(VENV)/.dev ## Run the quick tests (real Valkey, real HTTP, the sandbox as gateways; T=... for some of them)
	@$(BIN)/python -m pytest -q $(LIMIT) $(or $(T),--numprocesses $(WORKERS) --dist loadfile)

# What has to be fast may be too slow beside another test; .ci/run tries that once more, alone.
test-slow: $(VENV)/.slow ## Run the slow tests: API fuzzing, browser, long races (T=... for some, FULL=1 in full size)
	@OTP_TEST_FULL=$(FULL) $(BIN)/python -m pytest -q -m slow $(if $(FULL),,$(LIMIT)) $(or $(T),--numprocesses 3 --dist loadfile --no-loadscope-reorder)

release-test: $(VENV)/.slow ## Upgrade from the last release and roll back, process by process, under traffic
	@$(BIN)/python -m pytest -q -rs -m slow tests/chaos/test_release.py tests/chaos/test_versions.py

image-test: $(VENV)/.dev ## Build the container image and run it (root, buildah, podman, runc, debootstrap)
	@$(BIN)/python -m pytest -q -rs -m image tests/deploy/test_image.py

chart-test: $(VENV)/.chart ## Check Dockerfile, Helm chart, alert rules and dashboard
	@$(BIN)/python -m pytest -q -rs -m 'not image' tests/deploy

chart: $(VENV)/.base ## Write anew what is generated in helm/: the table of values, the dashboard
	@$(BIN)/python helm/document_values.py
	@$(BIN)/python helm/make_dashboard.py

soak: $(VENV)/.dev ## Twenty minutes at half of the capacity, with faults, and look for leaks (SECONDS_TO_RUN=1200)
	@$(BIN)/python -m tests.soak --seconds $(or $(SECONDS_TO_RUN),1200) --redis-faults $(or $(FAULTS),kill,freeze,disconnect)

ledger: $(VENV)/.dev ## 5,000 random walks under faults: what left beside what was allowed (OPTIONS='--walks 600 --plant')
	@$(BIN)/python -m tests.chaos.ledger $(OPTIONS)

walks: $(VENV)/.dev ## Freeze a process in the middle of 200 walks and more, and look for SMS that nobody knows of (FREEZES=34)
	@OTP_TEST_FREEZES=$(or $(FREEZES),34) $(BIN)/python -m pytest -q -s -m slow tests/chaos/test_walks.py

soak-faults: $(VENV)/.dev ## Twenty minutes with a poisoned key, a permission gone, a gateway or receiver gone mad each ten seconds
	@$(BIN)/python -m tests.faults.soak --seconds $(or $(SECONDS_TO_RUN),1200)

bench: $(VENV)/.dev ## Measure rates, times and processor time beside their limits (needs wrk; OPTIONS='--rounds 1 --seconds 1')
	@$(BIN)/python -m benchmarks.speed $(OPTIONS)

bench-growth: $(VENV)/.dev ## Measure what changes with up to a million live verifications (needs wrk; OPTIONS='--sizes 1000')
	@$(BIN)/python -m benchmarks.growth $(OPTIONS)

bench-peers: $(VENV)/.dev ## Measure sends and checks beside better-auth, in turns (needs npm; OPTIONS='--rounds 1 --requests 100')
	@$(BIN)/python -m benchmarks.peers $(OPTIONS)

bench-delivery: $(VENV)/.dev ## Measure who gets a code in time, at what price, four ways (needs faketime; OPTIONS='--seeds 1')
	@$(BIN)/python -m benchmarks.delivery $(OPTIONS)

lua-coverage: $(VENV)/.dev ## Print the statements of the Lua scripts that no quick test reaches (T=... for some tests)
	@$(BIN)/python -m tests.house.lua_coverage $(or $(T),--numprocesses $(WORKERS) --dist loadfile)

docs: $(VENV)/.docs ## Build the documentation site into build/site (open build/site/index.html), and check its links
	@$(BIN)/python docs/site/build.py

lint: $(VENV)/.dev ## Check style, types and the direction of imports
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

format: $(VENV)/.dev ## Let ruff format and fix what it can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

UV := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url
lock: $(VENV)/.dev ## Renew the locked requirements (UPGRADE=--upgrade for newer versions)
	@$(PIP) install uv
	@$(UV) $(UPGRADE) requirements/build.in -o requirements/build.txt
	@$(UV) $(UPGRADE) pyproject.toml --extra embedded -c requirements/build.txt -o requirements/base.txt
	@$(UV) $(UPGRADE) pyproject.toml --extra tracing -c requirements/base.txt -o requirements/tracing.txt
	@$(UV) $(UPGRADE) --group dev -c requirements/base.txt -o requirements/dev.txt
	@$(UV) $(UPGRADE) --group slow -c requirements/base.txt -c requirements/dev.txt -c requirements/tracing.txt -o requirements/slow.txt
	@$(UV) $(UPGRADE) --group docs -c requirements/base.txt -c requirements/dev.txt -o requirements/docs.txt
	@$(UV) $(UPGRADE) --group chart -c requirements/base.txt -c requirements/dev.txt -c requirements/slow.txt -o requirements/chart.txt

sbom: $(VENV)/.base ## Write what is installed for the service to sbom.json (CycloneDX)
	@$(BIN)/python requirements/sbom.py > sbom.json

clean: ## Remove the virtual environment and caches (data/ stays)
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist

# Each stamp is one layer of the environment, made anew when its lock changes.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "Python 3.11 or newer is needed; $(PYTHON) is older or missing. Try: make PYTHON=python3.12 run" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "Python's venv module is missing. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Preparing $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.base: requirements/base.txt requirements/build.txt pyproject.toml | $(VENV)/bin/python
	@$(INSTALL) "What the service needs" requirements/build.txt requirements/base.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.base
	@$(INSTALL) "What the tests need" requirements/dev.txt
	@touch $@

$(VENV)/.chart: requirements/chart.txt $(VENV)/.dev
	@$(INSTALL) "What the tests of the chart need" requirements/chart.txt
	@touch $@

$(VENV)/.docs: requirements/docs.txt $(VENV)/.dev
	@$(INSTALL) "What the documentation site needs" requirements/docs.txt
	@touch $@

$(VENV)/.slow: requirements/slow.txt requirements/tracing.txt $(VENV)/.dev
	@$(INSTALL) "What the slow tests need" requirements/tracing.txt
	@$(INSTALL) "What the slow tests need" requirements/slow.txt
	@touch $@
