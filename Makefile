# Everything a newcomer needs: make demo, make test. The first call installs into .venv.
PYTHON ?= python3
BIN := .venv/bin
# Processes that tests run in, each file's in one of them.
JOBS ?= 2
# The pins are those of CI and hold for its Python; others take the newest that fits.
PINS := $(shell $(PYTHON) -c 'import sys; print("-c constraints.txt" if sys.version_info[:2] == (3, 11) else "")')

.PHONY: install demo test test-all browser latex slow notebooks lint types wheel docs linkcheck pictures check pins clean

install: .venv/installed

# lvis-api, which tests compare with, asks for another build of OpenCV, which would be laid over ours.
.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet $(PINS) --editable '.[demo,dev]'
	$(BIN)/python -m pip install --quiet $(PINS) --no-deps 'lvis>=0.5.3'
	touch $@

demo: install
	$(BIN)/sam-bench run experiment=demo --report demo

# Tests start the command dozens of times: without kept bytecode each start compiles the package.
unexport PYTHONDONTWRITEBYTECODE

PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadfile
COVERAGE := --cov --cov-report=term:skip-covered --cov-fail-under=90

# Without what is marked long: Ray, S3, notebooks, training, whole reports by the dozen, kills.
test: install
	$(PYTEST)

test-all: install
	$(PYTEST) $(COVERAGE) --durations=40 --durations-min=1
	$(PYTEST) -m 'long and not slow' --durations=40 --durations-min=1

# Chromium for the tests of a report's page; without it they are skipped.
browser:
	@if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver; \
	else echo 'install chromium and chromedriver, on Debian as root: apt-get install chromium chromium-driver' >&2; exit 1; fi

# pdflatex, booktabs and pgf for the tests of LaTeX tables and figures; without it they are skipped.
latex:
	@if command -v pdflatex >/dev/null && kpsewhich booktabs.sty pgf.sty >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && apt-get install -y -qq --no-install-recommends texlive-latex-base texlive-latex-recommended texlive-pictures; \
	else echo 'install pdflatex with booktabs and pgf, on Debian as root: apt-get install texlive-latex-base texlive-latex-recommended texlive-pictures' >&2; exit 1; fi

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

# The site, docs/_build/html/index.html. A warning, and so a broken link inside it, fails.
docs: install
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

# Links to other sites; needs the network, so it is no part of CI.
linkcheck: install
	$(BIN)/python -m sphinx -q -b linkcheck docs docs/_build/linkcheck

# The pictures of the README and the site, from a run of the demo; needs Chromium.
pictures: install
	$(BIN)/python docs/screenshots.py

check: test-all lint types wheel docs

pins: install
	$(BIN)/python -m pip freeze --exclude-editable >constraints.txt

clean:
	rm -rf .venv dist docs/_build docs/_generated .pytest_cache .mypy_cache .ruff_cache
