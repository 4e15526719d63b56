# Everything a newcomer needs: make demo, make test. The first call installs into .venv.
PYTHON ?= python3
BIN := .venv/bin
# Processes that tests run in, each file's in one of them.
JOBS ?= 2
# The pins are those of CI and hold for its Python; others take the newest that fits.
PINS := $(shell $(PYTHON) -c 'import sys; print("-c constraints.txt" if sys.version_info[:2] == (3, 11) else "")')

.PHONY: install demo test browser slow notebooks lint types wheel check pins clean

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(PINS) --editable '.[demo,dev]'
	touch $@

demo: install
	$(BIN)/sam-bench run experiment=demo --report demo

test: install
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --cov --cov-report=term:skip-covered --cov-fail-under=90

# Chromium for the tests of a report's page; without it they are skipped.
browser:
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver; \
	else echo 'install chromium and chromedriver, on Debian as root: apt-get install chromium chromium-driver' >&2; exit 1; fi

slow: install
	$(BIN)/python -m pytest -m slow -s

notebooks: install
	cd notebooks && ../$(BIN)/jupyter execute --inplace *.ipynb

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

wheel: install
	.ci/wheel

check: test lint types wheel

pins: install
	$(BIN)/python -m pip freeze --exclude-editable >constraints.txt

clean:
	rm -rf .venv dist .pytest_cache .mypy_cache .ruff_cache
