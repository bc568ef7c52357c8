# Every target does its own set-up in .venv; all that is needed is Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
TORCH ?= torch==2.13.0

.PHONY: help demo lint test test-system bench docs endurance clean
.DEFAULT_GOAL := help

help:
	@echo "make demo         the whole line on this machine: synthetic sound to live labels"
	@echo "make test         every quick test (under 8 minutes on 2 cores)"
	@echo "make test-system  tests that need Debian packages or minutes; says which packages it misses"
	@echo "make lint         ruff, ruff format, mypy --strict, import-linter"
	@echo "make bench        every figure beside a peer or a limit, to bench/RESULTS.md (20 minutes on 2 idle cores)"
	@echo "make docs         the documentation as a site, to build/site"
	@echo "make endurance    ten minutes of everything at once, a fault in each part; needs what make test-system needs"
	@echo "make clean        remove .venv and caches"

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "streamdeep needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv

# What a user has: no torch, no test tools.
.venv/.engine: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

# What a developer has. torch first and by itself: on Linux the CPU build, if pip is pointed at one,
# is then not replaced by the one that brings gigabytes of CUDA.
.venv/.develop: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[heads,parquet,network,dashboard,metrics,plots,train,docs,test]'
	@touch $@ .venv/.engine

.venv/.docs: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@ .venv/.engine

demo: .venv/.engine
	$(BIN)/streamdeep demo

lint: .venv/.develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: .venv/.develop
	$(BIN)/python -m pytest -m "not system" --numprocesses auto --maxprocesses 4 --dist worksteal

test-system: .venv/.develop
	$(BIN)/python -m pytest -m system

bench: .venv/.develop
	$(BIN)/python -m bench

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet --config-file docs/site/mkdocs.yml
	@echo "the site is in build/site; open build/site/index.html"

endurance: .venv/.develop
	$(BIN)/python -m bench.endurance --minutes 10

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
