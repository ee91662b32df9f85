# One virtual environment, made by the first target that needs it; `make help` lists the targets.
PYTHON ?= python3
VENV   ?= .venv
# PyTorch's own CPU wheel index, for machines where `pip install torch` would fetch the CUDA build. May be empty.
TORCH_INDEX ?=
# Extra arguments for pytest, e.g. `make test ARGS="-k scores -x"`.
ARGS ?=

BIN   := $(VENV)/bin
READY := $(VENV)/.ready
# Measurements and tests share small machines: one thread per numerical library.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup lint types test test-all serve demo protos docs fmt clean bench-search bench-profiler bench-quality bench-latency bench-scheduler bench-labels test-gpu pictures bench-report

help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make the virtual environment with everything in it

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "msearch needs Python 3.11 or newer; name one with: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (a few minutes the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
	  $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX) --retries 0 --timeout 15) torch
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt hatchling editables
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --no-build-isolation \
	  --editable ".[service,agent,onnx,openvino,torch,tensorrt,plots,search,postgres,s3,tokenizers,examples,benchmarks,dev]"
	@# Older than the runtime on purpose: what it generates runs under protobuf 6.31 and grpcio 1.80 and all later ones.
	@# Of Triton's client only the messages are used, in tests; it asks for an older ml-dtypes than ONNX.
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps grpcio-tools==1.80.0 tritonclient==2.73.0
	@touch $(READY)

lint: $(READY) ## Formatting, style, import rules, protos, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PATH=$(CURDIR)/$(BIN):$$PATH $(BIN)/lint-imports
	$(BIN)/buf lint
	$(MAKE) --no-print-directory types

types: $(READY) ## Strict type checking
	$(BIN)/mypy

test: $(READY) ## The fast tests, on SQLite and a real PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not gpu" $(ARGS)

test-all: $(READY) ## Every test but those that need a GPU; builds the example zoo first
	$(BIN)/python -m examples.zoo build
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not gpu" $(ARGS)

test-gpu: $(READY) ## The tests that need an NVIDIA GPU
	$(BIN)/python -m pytest -m gpu tests/gpu $(ARGS)

serve: $(READY) ## Start the search service on loopback
	$(BIN)/msearch-cli serve

demo: $(READY) ## Build the example zoo, register it, ask five questions
	$(BIN)/python -m examples.demo

protos: $(READY) ## Generate the Python code of the protos
	$(BIN)/python -m protos.generate

docs: $(READY) ## Regenerate the reference pages
	$(BIN)/python -m docs.generate

pictures: $(READY) ## Draw the example pictures of the documentation again
	$(BIN)/python -m docs.pictures

fmt: $(READY) ## Format the code
	$(BIN)/ruff check --fix --select I --quiet .
	$(BIN)/ruff format .

bench-search: $(READY) ## Speed and memory of sketching, index and search, beside the peers
	$(BIN)/python -m benchmarks.bench_search

bench-profiler: $(READY) ## The load generator beside LoadGen, overhead of a job, many agents on PostgreSQL
	$(BIN)/python -m benchmarks.bench_profiler

bench-labels: $(READY) ## How few labels find the best candidate; drift and ensembles, on the zoo
	$(BIN)/python -m benchmarks.bench_labels
	$(BIN)/python -m benchmarks.bench_drift
	$(BIN)/python -m benchmarks.bench_ensembles

bench-quality: $(READY) ## How well scores and predictors choose, on all workloads of the zoo
	$(BIN)/python -m benchmarks.bench_quality
	$(BIN)/python -m benchmarks.bench_text_features

bench-report: $(READY) ## Size and opening time of the HTML report of 1,000 profiles
	$(BIN)/python -m benchmarks.bench_report

bench-latency: $(READY) ## How far predicted latencies are off on models never seen
	$(BIN)/python -m benchmarks.bench_latency_prediction

bench-scheduler: $(READY) ## The scheduler: simulated, deciding in a database, with real agents and jobs, and keeping them apart
	$(BIN)/python -m benchmarks.bench_scheduler

clean: ## Remove caches and the virtual environment, keep downloads
	rm -rf $(VENV) .venv-mlserver .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis var build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
