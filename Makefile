# Everything a person or CI runs. Each target sets up .venv by itself.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: serve test check release shared bench browser clean

serve: .venv/ready
	$(BIN)/understudy serve

test: check
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n auto --maxprocesses 4 --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report
	$(MAKE) release

# Lint, then types on what ships: import hooks hide the editable packages from type checkers.
check: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/hadolint examples/Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec examples/compose.yaml
	rm -rf build
	$(BIN)/python -m build --wheel --no-isolation --outdir build/wheel . >build.log 2>&1 || { cat build.log; exit 1; }
	rm -rf build.log build/lib build/bdist.*
	$(BIN)/python -m zipfile -e build/wheel/*.whl build/types
	MYPYPATH=build/types $(BIN)/mypy --python-executable $(BIN)/python -p understudy
	MYPYPATH=build/types:tests $(BIN)/mypy --python-executable $(BIN)/python conftest.py tests examples
	MYPYPATH=benchmarks:build/types $(BIN)/mypy --python-executable $(BIN)/python benchmarks

# The second stage: what ships, installed in a fresh environment outside the tree.
release: .venv/ready
	$(BIN)/python -m pytest -q tests/release.py

# All that is tested over the wire, with the store in Redis or Valkey.
shared: .venv/ready
	TEST_STORE=redis $(BIN)/python -m pytest tests

# Needs wrk and two idle cores: docs/benchmarks.md.
bench: .venv/ready
	$(BIN)/python benchmarks/cycle.py --check
	$(BIN)/python benchmarks/serving.py --check
	$(BIN)/python benchmarks/images.py --check
	$(BIN)/python benchmarks/scale.py
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench
	$(BIN)/python benchmarks/plugin.py --check
	$(BIN)/python benchmarks/contract.py --check

# The tests that need a browser, which `make test` leaves out where there is none: PyPI has none that is kept up to date.
browser: .venv/ready
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -qq --yes --no-install-recommends chromium; }
	$(BIN)/python -m pytest tests/test_browser.py

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[all]' --group dev
	touch $@

clean:
	rm -rf .venv build .coverage *.egg-info
