# Everything a contributor types. `make` alone lists the targets.

UV_VERSION := 0.13.8
UV := $(shell test -x .tools/bin/uv && echo .tools/bin/uv || command -v uv || echo .tools/bin/uv)
UV_FOLDER := $(abspath $(dir $(UV)))
LIBRARY := databricks-shared-utilities
PYTHON := .venv/bin/python
DATA ?= sample
RATE ?= 500
HOUSEHOLDS ?= 500
# Tests run on every core: one Spark of two cores leaves half of them idle. A file stays with one process, since its
# tests share what they have baked or written. Files keep their order, long ones before short ones: sorted by their
# number of tests, as xdist would, the longest come last and end alone.
SIDE_BY_SIDE := --numprocesses auto --dist loadfile --no-loadscope-reorder

# The hooks of the templates and the generated projects look for uv on the path; an active environment is not theirs.
export PATH := $(CURDIR)/.venv/bin:$(UV_FOLDER):$(PATH)
unexport VIRTUAL_ENV
# Containers set it to stay small. The tests start hundreds of processes, and each would compile its modules anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help doctor prerequisites setup demo demo-streaming demo-ml test test-fast test-library test-sparks test-matrix harness bench lint expected snapshots sync lock clean actionlint

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

doctor:  ## show what this machine has and what it lacks
	@sh tools/prerequisites.sh --verbose

prerequisites:
	@sh tools/prerequisites.sh

setup: prerequisites .venv/ready  ## install everything the repository needs into .venv/

demo: setup  ## bake the batch template into build/demo/ and run it (DATA=sample or DATA=full)
	@$(PYTHON) tools/demo.py --data $(DATA)

demo-streaming: setup  ## run the streaming template for a minute on a real broker, without Docker (RATE=500)
	@$(PYTHON) tools/demo_streaming.py --rate $(RATE)

demo-ml: setup  ## take the ML template from raw purchases to a champion, scores and a page (HOUSEHOLDS=500)
	@$(PYTHON) tools/demo_models.py --households $(HOUSEHOLDS)

test: lint test-library harness  ## run everything: linters, the library's tests, the harness
	@echo "All tests passed."

test-fast: setup actionlint  ## run what needs neither Spark nor an installation
	$(PYTHON) -m pytest $(SIDE_BY_SIDE) $(LIBRARY)/tests/unit $(LIBRARY)/tests/contract
	$(PYTHON) -m pytest -m "not slow" $(SIDE_BY_SIDE)

test-library: setup  ## run the library's tests
	cd $(LIBRARY) && ../$(PYTHON) -m pytest -m "not matrix" $(SIDE_BY_SIDE) --spark-lifetime=long

test-sparks: setup .venv-3.5/ready .venv-4.0/ready  ## run the library's tests over Spark Connect and on Spark 3.5 and 4.0
	cd $(LIBRARY) && ../$(PYTHON) -m pytest --spark-lifetime=long tests/integration --spark-mode=connect -m "not broker and not matrix"
	cd $(LIBRARY) && ../.venv-4.0/bin/python -m pytest --spark-lifetime=long tests/unit tests/integration -m "not broker and not matrix"
	cd $(LIBRARY) && ../.venv-3.5/bin/python -m pytest --spark-lifetime=long tests/unit tests/integration -m "not broker and not matrix"

test-matrix: test-sparks actionlint  ## run test-sparks, and whole suites of baked projects (an hour or more)
	cd $(LIBRARY) && ../$(PYTHON) -m pytest -m "broker or matrix"
	$(PYTHON) -m pytest -m matrix

harness: setup actionlint  ## bake the templates and run what they generate
	$(PYTHON) -m pytest -m "not matrix" $(SIDE_BY_SIDE)

bench: .venv-bench/ready  ## measure the pipeline against other ways, into docs/benchmarks.md (half an hour)
	.venv-bench/bin/python -m benchmarks $(EXPERIMENTS)

lint: setup  ## check style, types, workflows and that the copies are identical
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy $(LIBRARY)/src tools hooks/pre_gen_project.py tests sample-data benchmarks
	$(PYTHON) -m mypy hooks/post_gen_project.py
	$(PYTHON) -m yamllint --strict .
	$(PYTHON) -m check_jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	.venv/bin/zizmor --offline --quiet .github/workflows
	$(PYTHON) tools/sync.py --check
	$(PYTHON) tools/snapshots.py --check
	$(PYTHON) tools/releases.py --check
	$(PYTHON) tools/template_docs.py --check

expected: setup  ## write the lists of generated files anew (look at the difference before you commit it)
	$(PYTHON) -m pytest tests/test_bake.py tests/test_streaming_bake.py tests/test_ml_bake.py --update-expected

snapshots: setup  ## write the library's public surface, the configuration schema and the template's documents anew
	$(PYTHON) tools/snapshots.py
	$(PYTHON) tools/template_docs.py

sync:  ## copy hooks/ and project-files/ into every template
	python3 tools/sync.py

lock: | $(UV)  ## resolve requirements/*.in anew
	sh tools/lock.sh $(UV)

clean:  ## remove everything that make has made
	rm -rf .venv .venv-* .tools build dist

.tools/bin/uv: | prerequisites
	@sh tools/install_uv.sh .tools $(UV_VERSION)

actionlint: setup
	@sh tools/install_actionlint.sh .tools/bin

.venv/ready: requirements/dev.txt $(LIBRARY)/pyproject.toml tools/install.sh | prerequisites $(UV)
	@sh tools/install.sh $(UV) .venv requirements/dev.txt $(LIBRARY)

.venv-bench/ready: requirements/bench.txt $(LIBRARY)/pyproject.toml tools/install.sh | prerequisites $(UV)
	@sh tools/install.sh $(UV) .venv-bench requirements/bench.txt $(LIBRARY) '>=3.10,<3.14'

.venv-%/ready: requirements/spark-%.txt $(LIBRARY)/pyproject.toml tools/install.sh | prerequisites $(UV)
	@sh tools/install.sh $(UV) .venv-$* requirements/spark-$*.txt $(LIBRARY) '>=3.10,<3.13'
