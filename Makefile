# Each target sets up what it needs: a virtual environment in .venv, and what the tests run against.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
# A process more than there are cores, for many wait; files whole, in the order of tests/support/collecting.py.
# ARGS="-n 0" for one process.
SIDE_BY_SIDE := -n auto --dist loadfile --no-loadscope-reorder
# What fails is run once more; the summary lists it as RERUN, and it is to be looked at all the same.
AGAIN := --reruns 1 -raR

# Almost a third of the bytes of code in .venv.
NEVER_IMPORTED := '/(tests|pip|setuptools|pkg_resources|mypy|mypyc|litellm/proxy)/'

.PHONY: help demo test test-compose unit matrix chaos fuzz properties simulate check format bench bench-producer bench-outage bench-dataset bench-seen-set bench-metrics bench-rules bench-cut reference clean
help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 18

demo: .venv/ready ## the whole system on an embedded broker, in about a minute
	@$(BIN)/headrace demo $(ARGS)

test: .venv/ready ## all tests; ARGS="-k name" for some
	@$(BIN)/pytest $(SIDE_BY_SIDE) $(AGAIN) $(ARGS)

unit: .venv/ready ## the tests that need no Kafka
	@$(BIN)/pytest $(SIDE_BY_SIDE) tests/unit $(ARGS)

test-compose: .venv/ready ## compose/ brought up for real, with traffic; needs Docker and docker compose
	@HEADRACE_TEST_COMPOSE=1 $(BIN)/pytest tests/compose $(ARGS)

matrix: .venv/ready ## the tests of capture and the cycle against each supported DSPy; ARGS="3.0 3.4" for some
	@$(BIN)/python -m tests.support.dspy_matrix $(ARGS)

chaos: .venv/ready ## producers, brokers and consumers stopped and killed, hundreds of rounds; make test plays a few
	@HEADRACE_TEST_CHAOS_ROUNDS=all $(BIN)/pytest tests/chaos $(ARGS)

fuzz: .venv/ready ## 1,000,000 mutated records through the commit path; HEADRACE_TEST_FUZZ_RECORDS=N for others
	@HEADRACE_TEST_FUZZ_RECORDS=$${HEADRACE_TEST_FUZZ_RECORDS:-1000000} $(BIN)/pytest tests/unit/consumers/test_fuzz.py $(ARGS)

properties: .venv/ready ## the tests of properties with 1,000 examples each; make test tries 50
	@HEADRACE_TEST_EXAMPLES=$${HEADRACE_TEST_EXAMPLES:-1000} $(BIN)/pytest $(SIDE_BY_SIDE) --timeout 3600 -m hypothesis tests/unit $(ARGS)

simulate: .venv-bench-dataset/ready ## 20,000 rollouts of good and bad candidates, decided; ARGS="--rollouts 200" for fewer; docs/rollout.md
	@.venv-bench-dataset/bin/python -m bench.rollout_simulation --plot docs/rollout.svg $(ARGS)

check: .venv/ready ## format, lint, types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: .venv/ready ## write the format and what the linter can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

reference: .venv/ready ## write what docs/reference is made of
	@$(BIN)/python -m headrace_consumers.monitoring.reference > docs/reference/metrics.md

bench: bench-producer bench-dataset bench-seen-set ## all benchmarks, a quarter of an hour

bench-producer: .venv-bench/ready ## what Headrace costs a service, beside its peers
	@.venv-bench/bin/python -m bench.producer.call_path
	@.venv-bench/bin/python -m bench.producer.routed
	@.venv-bench/bin/python -m bench.producer.broker_away
	@.venv-bench/bin/python -m bench.producer.footprint

bench-outage: .venv-bench/ready ## five minutes without Kafka under full load; needs Java 17 and Maven
	@.venv-bench/bin/python -m bench.producer.outage $(ARGS)

bench-dataset: .venv-bench-dataset/ready ## how fast the dataset job is, beside its ceilings and peers
	@.venv-bench-dataset/bin/python -m bench.dataset_job $(ARGS)

bench-seen-set: .venv/ready ## the seen-set at 10^5 to 10^8 keys: 2 GB of memory, 1 GB of disk
	@$(BIN)/python -m bench.seen_set $(ARGS)

bench-metrics: .venv/ready ## what the metrics consumer takes of a core, at 10,000 calls/s of 200 producers
	@$(BIN)/python -m bench.metrics_consumer $(ARGS)

bench-cut: .venv/ready ## a dataset version cut from a table of a million rows: 6 GB of disk
	@$(BIN)/python -m bench.cut $(ARGS)

bench-rules: .venv/ready ## how long a real Prometheus takes for the alert rules at thousands of series, 20 minutes
	@$(BIN)/python -m bench.rule_evaluation $(ARGS)

.venv/ready: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || \
	  { echo "Headrace needs Python 3.11 or newer and found none. Install one, or: make PYTHON=/path/to/python3.12 ..."; exit 1; }
	@echo "Setting up .venv (once, a minute or two) ..."
	@$(PYTHON) -m venv .venv || { echo "The venv module is missing: on Debian, apt-get install python3-venv"; exit 1; }
	@$(BIN)/pip install --quiet --no-compile --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@$(BIN)/python -m compileall -qq -j 0 -x $(NEVER_IMPORTED) .venv/lib producer consumers schemas || true # pip would on one core
	@touch $@

# MLflow's ranges exclude versions that the rest is tested with, so the benchmarks have an environment of their own.
.venv-bench/ready: pyproject.toml bench/constraints.txt
	@echo "Setting up .venv-bench (once, a minute or two) ..."
	@$(PYTHON) -m venv .venv-bench
	@.venv-bench/bin/pip install --quiet --disable-pip-version-check --constraint bench/constraints.txt --editable '.[dspy]'
	@.venv-bench/bin/pip install --quiet --disable-pip-version-check --constraint bench/constraints.txt --editable '.[bench]' || \
	  echo "The peers (MLflow, OpenInference) could not be installed; the benchmarks leave them out."
	@touch $@

# Quix Streams wants an older confluent-kafka than the rest is tested with.
.venv-bench-dataset/ready: pyproject.toml
	@echo "Setting up .venv-bench-dataset (once, a minute or two) ..."
	@$(PYTHON) -m venv .venv-bench-dataset
	@.venv-bench-dataset/bin/pip install --quiet --disable-pip-version-check --editable '.[consumers]' testcontainers
	@.venv-bench-dataset/bin/pip install --quiet --disable-pip-version-check --editable '.[bench-dataset]' || \
	  echo "Quix Streams could not be installed; the benchmark leaves it out."
	@touch $@

clean: ## remove everything that was set up or made here
	rm -rf .venv .venv-bench .venv-bench-dataset .cache .hypothesis .mypy_cache .pytest_cache .ruff_cache demo-data
