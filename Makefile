# `make demo` and `make test` need python3 (3.11 to 3.13) and make, and install the rest in .venv.

PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
OLDEST := .venv-oldest
FAST := not slow and not real_data and not cluster
PYTEST_WORKERS := --numprocesses logical --dist loadgroup
MODELS := mtlr fixed_moe adjustable_moe personalized_moe

.PHONY: demo test test-fast test-oldest faults check docs install lock clean

demo: $(INSTALLED)
	@for model in $(MODELS); do \
		echo "training $$model on FLCHAIN"; \
		$(BIN)/python -m survkit.train --experiment_args args/flchain.args \
			--model $$model --group demo --mode disabled > /dev/null || exit 1; \
	done
	@$(BIN)/python -m survkit.report --group demo

test: $(INSTALLED)
	$(BIN)/python -m pytest $(PYTEST_WORKERS)

# What to run while working: about a minute on two cores.
test-fast: $(INSTALLED)
	$(BIN)/python -m pytest $(PYTEST_WORKERS) -m "$(FAST)"

# All kills, damaged files, full disks and random input, of which `make test` runs a sample.
faults: $(INSTALLED)
	SURVKIT_FAULTS=full $(BIN)/python -m pytest --numprocesses logical --dist worksteal \
		-o timeout=1800 tests/faults

# The fast tests on the lowest versions that requirements*.txt allow. Old versions warn of things
# that have long been settled, so a warning is no error here.
test-oldest: $(OLDEST)/.installed
	$(OLDEST)/bin/python -m pytest $(PYTEST_WORKERS) -m "$(FAST)" -W default

check: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest --quiet -m "not slow" tests/test_package.py

# The documentation site, docs/_build/html/index.html, which opens offline.
docs: $(INSTALLED)
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --fresh-env --quiet docs docs/_build/html

install: $(INSTALLED)

$(INSTALLED): requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	@touch $@

# The indirect dependencies are those of one day, so that the environment is always the same.
# survivaleval, which only tests use, asks for a newer torch and filelock than survkit does.
$(OLDEST)/.installed: requirements.txt requirements-dev.txt | $(INSTALLED)
	$(BIN)/uv venv --quiet --clear --python 3.11 $(OLDEST)
	grep -E '^(torch|filelock)>=' requirements.txt > $(OLDEST)/overrides.txt
	$(BIN)/uv pip install --quiet --python $(OLDEST)/bin/python \
		--resolution lowest-direct --exclude-newer 2026-11-27 --overrides $(OLDEST)/overrides.txt \
		-r requirements.txt -r requirements-dev.txt
	@touch $@

# Exact versions for requirements.lock, from the lenient bounds of requirements*.txt.
lock: $(INSTALLED)
	$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
		--no-emit-index-url \
		--custom-compile-command "make lock" \
		requirements.txt requirements-dev.txt --output-file requirements.lock

clean:
	rm -rf .venv $(OLDEST) docs/_build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
