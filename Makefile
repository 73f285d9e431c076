# From a fresh clone: `make demo`, `make test` and `make test-all`.  Each sets up what it needs.
#
#   make demo PYTHON=python3.12          another Python
#   make demo TORCH_INDEX=URL-or-FOLDER  torch from there, where it has one that fits
#   make test JOBS=4                     more tests side by side
#   make test-all ARGS='-p randomly'     more arguments for pytest

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
JOBS ?= 2
ARGS ?=
LINT ?= lint
CONSTRAINTS ?= constraints.txt
export TORCH_INDEX ?=
# A file's tests share its servers and models, so they stay together.
PYTEST := $(BIN)/pytest -n $(JOBS) --dist loadfile
INSTALL := bash .ci/install $(BIN)/python '$(CONSTRAINTS)'

# With a second busy process, spinning OpenMP threads wait on each other.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test test-all oldest newest lint clean

demo: $(VENV)/.demo
	$(BIN)/heatmap-predict examples/piece1.jpg examples/puzzle.jpg --pieces 192 --overlay demo.png
	@echo "wrote demo.png"

# What takes minutes is left out: fuzz, load, the page, whole trainings and evaluations.
test: $(VENV)/.dev $(LINT)
	$(PYTEST) -m 'not slow' $(ARGS)

test-all: $(VENV)/.all $(LINT)
	$(PYTEST) $(ARGS)

# The oldest version that pyproject.toml allows of each dependency, and the newest there is.
oldest:
	$(MAKE) test LINT= VENV=$(VENV)-oldest CONSTRAINTS=constraints-oldest.txt

newest:
	$(MAKE) test LINT= VENV=$(VENV)-newest CONSTRAINTS=

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Each takes in the one before, so that what the demo installed is not installed again.
$(VENV)/.python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.demo: $(VENV)/.python pyproject.toml $(CONSTRAINTS)
	$(INSTALL) . torch
	touch $@

$(VENV)/.dev: $(VENV)/.demo
	$(INSTALL) '.[dev]' torch torchvision
	touch $@

$(VENV)/.all: $(VENV)/.dev
	$(INSTALL) '.[dev,cluster]' torch torchvision
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-oldest $(VENV)-newest build dist demo.png
