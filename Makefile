# make twin: a real patient becomes a calibrated twin | make test: the test suite | make lint: style, types and arrows
# Needs make and Python 3.11 or newer; another interpreter: make twin PYTHON=/path/to/python
RECORD ?= configs/records/ph9/P1.json
ARGS ?=
PYTHON ?=
BIN := .venv/bin
export PIP_NO_INPUT := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: twin test lint clean
.DELETE_ON_ERROR:

twin: .venv/.installed
	@$(BIN)/hemotwin twin $(RECORD) $(ARGS)

test: .venv/.installed-test
	@$(BIN)/python -m pytest $(ARGS)

lint: .venv/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright --pythonpath $(BIN)/python

clean:
	rm -rf .venv

# Made whole or made anew: an interrupted creation leaves no stamp, and --clear starts over.
.venv/.created:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  if "$$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	    echo "Creating .venv with $$("$$python" --version)"; \
	    "$$python" -m venv --clear .venv && touch $@ && exit 0; \
	    exit 1; \
	  fi; \
	done; \
	echo "No Python 3.11 or newer with the venv module was found; install one or name it: make twin PYTHON=/path/to/python" >&2; \
	exit 2

# A changed pyproject.toml installs again; otherwise the stamp says that nothing is to be done.
.venv/.installed: pyproject.toml .venv/.created
	@echo "Installing hemotwin (once; about a minute)"
	@$(BIN)/python -m pip install --quiet --editable '.[native]' && touch $@

.venv/.installed-%: pyproject.toml .venv/.created
	@echo "Installing hemotwin with its $* tools (once; about a minute)"
	@$(BIN)/python -m pip install --quiet --editable '.[$*]' && touch $@
