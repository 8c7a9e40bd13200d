# Two commands do everything: `make demo` and `make test`. `make check` is the fast lane.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE ?= localhost/opssight-operator:$(VERSION)
SOURCES := operator detectors localcluster demo node tests benchmarks charts image

.PHONY: help demo test alone check lint types layers generated unit setup cluster tools e2e e2e-kind chaos soak generate clean
.PHONY: locks audit image image-check sbom release

help: ## Show what can be made
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## Make the Python environment

$(STAMP): requirements/dev.txt pyproject.toml
	@echo "==> Python environment in $(VENV) (once, about a minute)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Set PYTHON=..."; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

cluster: $(STAMP) ## Build the servers of the local cluster (once, about 10 minutes)
	@$(BIN)/python -m localcluster build

demo: cluster ## Run the whole loop on this machine; ONCE=1 exits when everything was seen
	@$(BIN)/python -m demo $(if $(ONCE),--once)

lint: $(STAMP)
	@echo "==> lint"
	@$(BIN)/ruff check --quiet $(SOURCES)
	@$(BIN)/ruff format --quiet --check $(SOURCES)

types: $(STAMP)
	@echo "==> types"
	@$(BIN)/mypy

layers: $(STAMP)
	@echo "==> layers"
	@$(BIN)/lint-imports --no-cache >/tmp/opssight-layers.$$$$ 2>&1 && rm -f /tmp/opssight-layers.$$$$ || { cat /tmp/opssight-layers.$$$$; rm -f /tmp/opssight-layers.$$$$; exit 1; }

unit: $(STAMP)
	@echo "==> unit"
	@$(BIN)/python -m pytest -q -n 2 tests/unit tests/contract

check: ## Lint, types, layers and unit tests, in under a minute
	@$(MAKE) --no-print-directory -j2 lint layers types
	@$(MAKE) --no-print-directory unit

tools: $(STAMP) # the tests need them, the demo does not
	@$(BIN)/python -m localcluster build --with helm --with argocd --with kstatus --with alertmanager

test: tools ## Everything that can be checked on one machine
	@$(MAKE) --no-print-directory -j2 lint layers types
	@echo "==> tests, on real servers"
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder tests; s=$$?; \
	  if [ $$s -eq 1 ]; then $(MAKE) --no-print-directory alone; else exit $$s; fi  # most of them wait for servers

alone: $(STAMP) # what failed beside other tests, perhaps for want of time: it is named, and has to pass by itself
	@echo "==> what failed above, once more and by itself"
	@timeout 900 $(BIN)/python -m pytest -v --last-failed --last-failed-no-failures none --maxfail 3 tests

e2e: $(STAMP) ## The whole product on a real node: needs root and Debian packages, and names those that are missing
	@$(BIN)/python -m node missing || { echo "make e2e: this machine lacks what is named above; nothing was tested"; exit 1; }
	@$(BIN)/python -m node images
	@echo "==> the whole product, on a node of this machine"
	@$(BIN)/python -m pytest -v -s --durations=15 tests/e2e

e2e-kind: $(STAMP) ## The same on a cluster by kind, in Docker or podman; names what is missing for it
	@$(BIN)/python -m node.kind missing || { echo "make e2e-kind: this machine lacks what is named above; nothing was tested"; exit 1; }
	@$(BIN)/python -m node.kind images
	@echo "==> the whole product, on a cluster by kind"
	@OPSSIGHT_E2E_ON=kind $(BIN)/python -m pytest -v -s --durations=15 tests/e2e

chaos: cluster ## The faults of make test for a minute each, and a hundred kills (about half an hour)
	@OPSSIGHT_CHAOS_SECONDS=60 OPSSIGHT_KILLS=100 $(BIN)/python -m pytest tests/component/test_faults.py tests/component/test_crash.py

soak: cluster ## 5,000 resources at 30 s for a quarter of an hour, beside kopf timers (about 25 minutes), 1 when a goal is missed; SOAK= for options
	@$(BIN)/python -m benchmarks.soak $(SOAK)

generate: $(STAMP) ## Write crds/, deploy/, the chart's tables and the generated docs anew
	@$(BIN)/python -m opssight_operator.api.schema
	@$(BIN)/python -m opssight_operator.api.docs
	@$(BIN)/python -m opssight_operator.adapters.kubernetes.manifests
	@$(BIN)/python -m charts.build

locks: $(STAMP) ## Pin what the image is built of, by hash; needs uv
	@uv pip compile pyproject.toml --no-emit-index-url --generate-hashes --python-version 3.11 --no-header -q -o requirements/runtime.txt
	@echo hatchling | uv pip compile - --no-emit-index-url --generate-hashes --python-version 3.11 --no-header -q -o requirements/build.txt

audit: ## Ask the advisories of PyPI about what the image is built of; needs uv and the network
	@uv tool run pip-audit --strict --disable-pip --require-hashes -r requirements/runtime.txt

image: ## Build the image by podman, buildah or docker; BASE=, IMAGE=, BUILDER= and BUILD_FLAGS= choose
	@image/build.sh $(IMAGE)

image-check: $(STAMP) ## Look into the built image: user, isolation, nothing that installs, size, start-up time
	@$(BIN)/python -m image.check $(IMAGE)

sbom: $(STAMP) ## Write dist/sbom.cdx.json from the lock
	@mkdir -p dist && $(BIN)/python -m image.attest sbom >dist/sbom.cdx.json && echo dist/sbom.cdx.json

release: audit sbom tools ## Everything that a release carries, for IMAGE that was pushed as DIGEST, built on BASE by digest
	@$(BIN)/python -m image.attest provenance --image $(IMAGE) --digest '$(DIGEST)' --base '$(BASE)' \
	  --revision "$$(git rev-parse HEAD)" --repository '$(REPOSITORY)' --builder '$(BUILDER_ID)' >dist/provenance.json
	@$(BIN)/python -m charts.release dist $(IMAGE) '$(DIGEST)'

clean: ## Remove what was made in the checkout
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis
