# Two commands from a fresh clone: `make demo` and `make test`.  Each sets up what it needs.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

# With a second busy process, spinning OpenMP threads wait on each other.
export OMP_WAIT_POLICY ?= PASSIVE

.PHONY: demo test clean

demo: $(READY)
	$(BIN)/heatmap-predict examples/piece1.jpg examples/puzzle.jpg --pieces 192 --overlay demo.png
	@echo "wrote demo.png"

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) build dist demo.png
