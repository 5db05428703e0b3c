# From a clean clone, `make demo` and `make test` each work as the only command. See `make help`.

PYTHON ?= python3
JOBS ?= 2
PYTEST_ARGS ?=
ROWS ?=
COUNT ?= 10000
SEED ?= 0
STACK ?= default
BOOTSTRAP = $(PYTHON) tools/bootstrap.py
# One thread a worker: torch's and OpenMP's own threads would fight over the cores that the workers share. A file stays
# with one worker, so that what its fixtures build (a model, an exported file) is built once. A test that hangs fails,
# with where each thread is.
run_tests = OMP_NUM_THREADS=1 $(1)/bin/python -m pytest -q -n $(JOBS) --dist loadfile --timeout 900 $(PYTEST_ARGS)
# A stack that cannot be had here is told of by bootstrap, and its tests are skipped.
stack_or_end = $(BOOTSTRAP) --stack $(1); status=$$?; \
	if [ $$status -eq 77 ]; then exit 0; elif [ $$status -ne 0 ]; then exit $$status; fi
# CI has an hour and a half for all stacks. It leaves out what takes long and has a shorter sibling, and some of the sweep
# and of the planted faults; and each test is run on one stack at least there, where by hand it is run on all.
UNLESS_CI = $(if $(CI), and not long)
share = $(if $(CI),--share $(1))
# Where mmcv's operators are at work: the other tests never call one, and are the same where these are compiled.
# The guide's full model calls the same ones as the small detectors, and single-stage ones none that two stages lack but
# corner pooling, which tests/fallback has.
WITH_OPERATORS = $(addprefix tests/,fallback graph/test_emptiness.py integration/test_exporting.py \
	integration/test_extractors.py integration/test_plugin_tools.py rewriting verifying/test_inside.py \
	verifying/test_probes.py verifying/test_regions.py codebases/test_detectors.py environment/test_ties.py \
	test_custom_ops.py test_mask_models.py test_panoptic.py test_query_models.py test_two_stage_models.py)
# Of these folders, what calls none.
WITHOUT = $(addprefix rewriting/test_,attention.py division.py functional.py torch_functions.py \
	constant_samples.py dependence.py)

.PHONY: help demo test test-compiled test-classic test-openmmlab2 matrix matrix-ends sweep fuzz mutate mutate-short lint clean
.DEFAULT_GOAL := help
.SILENT:

help: ## this list
	echo "make TARGET [JOBS=2] [PYTEST_ARGS='-k name'] [PYTHON=python3]"
	sed -n 's/^\([a-z-]*\):.*## /  \1\t/p' Makefile | expand -t 18

demo: ## export, verify and draw the digit models into work_dirs/demo/ (STACK=openmmlab2: that of OpenMMLab 2.x)
	$(BOOTSTRAP) --stack $(STACK)
	$(if $(filter default,$(STACK)),.venv,.venv-$(STACK))/bin/python tools/demo.py

test: lint ## lint, then the tests, on the default stack
	$(call run_tests,.venv) $(if $(CI),-m "not long") $(call share,1/2)

test-compiled: ## the tests that call mmcv's operators, with these compiled (the first time, 5 to 20 minutes more)
	$(call stack_or_end,compiled $(if $(CI),--no-compile)); \
	$(call run_tests,.venv-compiled) -m "not once$(UNLESS_CI)" $(call share,1/3) $(addprefix --ignore=tests/,$(WITHOUT)) $(WITH_OPERATORS)

test-classic: ## the tests on Python 3.8 and torch 1.13.1, where there is such a Python
	$(call stack_or_end,classic); \
	$(call run_tests,.venv-classic) -m "not once$(UNLESS_CI)" $(call share,2/2)

test-openmmlab2: ## the tests of OpenMMLab 2.x: mmdet 3, mmpretrain, mmengine, without a compiler
	$(BOOTSTRAP) --stack openmmlab2
	$(call run_tests,.venv-openmmlab2) tests/second tests/runtime/test_text_inputs.py

matrix: ## a short set of tests on every set of versions, old and new, and the table docs/versions.md (ROWS=...: some)
	test -x .venv-nox/bin/nox || { $(PYTHON) -m venv .venv-nox && .venv-nox/bin/pip install -q -r requirements/nox.txt; }
	.venv-nox/bin/nox $(if $(ROWS),--session $(foreach row,$(ROWS),"matrix($(row))")) -- --discard

matrix-ends: ## the quickest of these tests on the oldest and the newest set
	$(PYTHON) tools/matrix.py --short torch1.8 $(if $(CI),,newest) || [ $$? -eq 77 ]

sweep: ## export 25 full models of all kinds, and compare each with PyTorch
	$(BOOTSTRAP)
	OMP_NUM_THREADS=1 .venv/bin/python tools/zoo.py --quick $(if $(CI),--sample 8) --jobs $(JOBS) --seconds 600 --out work_dirs/sweep

fuzz: ## 10,000 hostile inputs for all entry points, then those that atheris finds in COUNT/20 seconds (COUNT=..., SEED=0)
	$(BOOTSTRAP)
	OMP_NUM_THREADS=1 .venv/bin/python tools/fuzz.py --count $(COUNT) --seed $(SEED)
	if .venv/bin/python -c "import atheris" 2>/dev/null; then \
	OMP_NUM_THREADS=1 .venv/bin/python tools/fuzz_atheris.py -rss_limit_mb=0 -max_total_time=$$(($(COUNT) / 20)); fi

mutate: ## plant faults into the files of 17 models, and tell how many the verification finds (SEED=0)
	$(BOOTSTRAP)
	OMP_NUM_THREADS=1 .venv/bin/python tools/mutate.py --jobs $(JOBS) --seed $(SEED) --json work_dirs/mutate.json

mutate-short: ## some faults into the digit models and three small others
	$(BOOTSTRAP)
	OMP_NUM_THREADS=1 .venv/bin/python tools/mutate.py --short $(if $(CI),--count 14) --jobs $(JOBS) --seed $(SEED)

lint: ## ruff, both as linter and as formatter, and mypy
	$(BOOTSTRAP)
	.venv/bin/ruff check --quiet .
	.venv/bin/ruff format --check --quiet . || { echo "not formatted; run .venv/bin/ruff format ."; exit 1; }
	if [ -x .venv/bin/mypy ]; then .venv/bin/mypy --no-error-summary; else echo "mypy wants Python 3.10"; fi

clean: ## remove the environments, the caches, what builds left, and the logs and the demo's files
	rm -rf .venv .venv-* build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	rm -rf work_dirs/logs work_dirs/demo work_dirs/matrix work_dirs/sweep
	find mmonnx tests tools configs -name __pycache__ -type d -prune -exec rm -rf {} +
