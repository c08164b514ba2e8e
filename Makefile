# Commands for a fresh machine: `make quickstart`, `make real`, `make test`. Each sets up .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: setup quickstart real check test test-real results fields models coverage power weaknesses notebook \
	scale bench

setup: .venv/.ok

.venv/.ok: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "tellme needs Python 3.11 or newer; set PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch .venv/.ok

quickstart: .venv/.ok
	$(BIN)/tellme run configs/quickstart.yaml

# The same on a real language model, which is fetched once.
real: .venv/.ok
	$(BIN)/tellme run configs/real.yaml

check: .venv/.ok
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: .venv/.ok
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not real" -n 2 --dist loadfile

# Real browser, kill -9 in mid-training, whole studies: nothing in it may skip.
test-real: .venv/.ok
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m real --durations 5

# docs/results.md and the heads of the quick configs, from the quick studies: some fifteen minutes
# on 2 cores. RUNS=DIR is another run folder.
RUNS ?= runs
results: .venv/.ok
	$(BIN)/python tools/write_results.py --runs $(RUNS)

# The list of library fields that a study may set, from the installed classes.
fields: .venv/.ok
	$(BIN)/python tools/write_fields.py > lab/config/fields.yaml

# docs/models.md: every family through the lab.
models: .venv/.ok
	PYTHONPATH=tests $(BIN)/python tools/write_models.py

# The table of docs/statistics.md: coverage of every interval on planted data.
coverage: .venv/.ok
	PYTHONPATH=tests $(BIN)/python tools/write_coverage.py

# The table of docs/verdict.md: how often the rule says yes or no on planted scores.
power: .venv/.ok
	PYTHONPATH=tests $(BIN)/python tools/write_power.py

# The table of docs/insecure-code.md: what bandit finds in 6,000 pairs.
weaknesses: .venv/.ok
	PYTHONPATH=tests $(BIN)/python tools/write_weaknesses.py

# docs/rows.ipynb, executed: it runs the quickstart where that is not finished.
notebook: .venv/.ok
	$(BIN)/python tools/write_notebook.py

# docs/scale.md: memory and time on paper.
scale: .venv/.ok
	PYTHONPATH=tests $(BIN)/python tools/write_scale.py > docs/scale.md

# docs/performance.md: training and scoring beside TRL, lm-eval, Inspect and sampling; half an hour
# on 2 cores.
bench: .venv/.ok
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,bench]'
	$(BIN)/python -m bench
