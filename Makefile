# Everything a contributor runs. `make help` lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: .venv/.ready ## Make .venv with the locked dependencies and .venv/bin/astra-mirror

.venv/.ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is missing or older than 3.11; name another with: make setup PYTHON=python3.12" >&2; exit 1; }
	@echo "== .venv: installing the locked dependencies"
	@$(PYTHON) -m venv --clear .venv || { echo "make: $(PYTHON) has no venv module; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: lock
lock: ## Resolve the dependencies anew (writes the five lock files)
	$(BIN)/uv pip compile --quiet $(UPGRADE) $(LOCK_FLAGS) pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet $(UPGRADE) $(LOCK_FLAGS) --group dev pyproject.toml -o requirements-dev.lock
	$(BIN)/uv pip compile --quiet $(UPGRADE) $(LOCK_FLAGS) --group bench -c requirements-dev.lock pyproject.toml -o requirements-bench.lock
	$(BIN)/uv pip compile --quiet $(UPGRADE) $(LOCK_FLAGS) --group stock -c requirements-dev.lock -o requirements-stock.lock
	$(BIN)/uv pip compile --quiet $(UPGRADE) $(LOCK_FLAGS) --group fuzz -o requirements-fuzz.lock

LOCK_FLAGS := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
UPGRADE ?=

.PHONY: lint
lint: .venv/.ready ## Ruff, mypy --strict and the layers' contracts
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Most tests wait for something: on two cores, three workers, each with a control plane of its own, take a third of the time.
WORKERS ?= 3

.PHONY: test
test: lint controlplane judges ## Lint and every test, those on the real control plane included (WORKERS=0: in one process)
	$(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal $(PYTEST)

.PHONY: test-versions
# A folder in dev/controlplane/binaries for each version. The others are tested also when one fails.
VERSIONS ?= $(patsubst v%,%,$(notdir $(sort $(wildcard dev/controlplane/binaries/v*))))
test-versions: .venv/.ready ## The end-to-end tests on the oldest and the newest Kubernetes (VERSIONS=1.32: on that one)
	@failed=""; for version in $(VERSIONS); do \
	  echo "== Kubernetes $$version"; \
	  export KUBERNETES_VERSION=$$version; \
	  $(BIN)/python -m dev.controlplane path && \
	  $(BIN)/pytest --numprocesses $(WORKERS) --dist worksteal $(VERSION_TESTS) $(PYTEST) || failed="$$failed $$version"; \
	done; [ -z "$$failed" ] || { echo "make: failed on Kubernetes$$failed" >&2; exit 1; }

VERSION_TESTS := tests/controlplane tests/crd tests/e2e tests/manifests tests/privileges

.PHONY: test-cases
# OPERATOR=path/to/astra-mirror: another version on the manifests of this one. MINUTES=1: those that take minutes as well.
test-cases: controlplane ## Inputs that once failed, against an operator of your choice (OPERATOR=PATH, PYTEST="-k name")
	OPERATOR=$(if $(OPERATOR),$(abspath $(OPERATOR))) $(BIN)/pytest tests/cases $(if $(MINUTES),-m "minutes or not minutes") $(PYTEST)

.PHONY: controlplane
controlplane: .venv/.ready ## Find or build etcd, kube-apiserver and kube-controller-manager
	@$(BIN)/python -m dev.controlplane path

.PHONY: judges
judges: .venv/.ready ## Find or build what judges statuses: kstatus, Argo CD's Lua, kube-state-metrics, promtool
	@$(BIN)/python -m dev.judges

.PHONY: demo
# With a cluster of your own nothing has to be built.
demo: $(if $(CONTEXT),.venv/.ready,controlplane) ## The operator at work on a real API server (KEEP=1: leave it running; CONTEXT=name: on your cluster)
	@$(BIN)/python -m dev.demo $(if $(KEEP),--keep) $(if $(CONTEXT),--context $(CONTEXT))

.venv/.bench: requirements-bench.lock .venv/.ready
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bench.lock
	@touch $@

# What is measured has the locked dependencies alone, as in the image: httpx, which is the stock operator's, imports rich
# where a developer has it.
build/locked/.ready: requirements.lock requirements-stock.lock pyproject.toml .venv/.ready
	@$(PYTHON) -m venv --clear build/locked
	@build/locked/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock -r requirements-stock.lock
	@$(BIN)/hatchling build -t wheel:editable -d build/locked/wheel >/dev/null
	@build/locked/bin/pip install --quiet --disable-pip-version-check --no-deps build/locked/wheel/*.whl
	@touch $@

.PHONY: bench
bench: .venv/.bench build/locked/.ready controlplane ## Measure against a stock operator (about 55 minutes; BENCH="--refs 1000 --no-sweeps" for less; HOSTILE=1: a hostile tenant as well)
	$(BIN)/python -m bench $(BENCH)
	$(if $(HOSTILE),$(BIN)/python -m bench.hostile)

.venv/.fuzz: requirements-fuzz.lock .venv/.ready
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.lock
	@touch $@

.PHONY: fuzz
fuzz: .venv/.fuzz ## Feed what reads foreign bytes with inputs chosen by coverage (SECONDS=600 for each; TARGET=name: one alone)
	@$(BIN)/python -m dev.fuzz --seconds $(or $(SECONDS),600) $(addprefix --target ,$(TARGET))

.PHONY: soak
# REPLAY=FILE: the actions.jsonl that a failed run names: the same actions at the same planned times.
soak: controlplane ## A random mix of faults on a real control plane (SECONDS=600, SEED=number, REPLAY=FILE, OPERATOR=PATH)
	@$(BIN)/python -m dev.soak $(if $(REPLAY),--replay $(REPLAY),--seconds $(or $(SECONDS),600) $(if $(SEED),--seed $(SEED))) $(if $(OPERATOR),--operator $(abspath $(OPERATOR)))

# The first of these that is there; docker and podman take the same arguments as buildah here.
IMAGE_TOOL ?= $(firstword $(foreach tool,docker podman buildah,$(shell command -v $(tool))))
IMAGE ?= astra-mirror:0.1.0
BASE_IMAGE ?=

.PHONY: image
image: ## Build the container image (IMAGE_TOOL=docker|podman|buildah, IMAGE=name:tag, BASE_IMAGE=name)
	@[ -n "$(IMAGE_TOOL)" ] || { echo "make: no docker, podman or buildah found: install one, or set IMAGE_TOOL" >&2; exit 1; }
	$(IMAGE_TOOL) build $(if $(BASE_IMAGE),--build-arg BASE_IMAGE=$(BASE_IMAGE)) -t $(IMAGE) -f Dockerfile .
