# Everything a newcomer needs: `make demo` shows the main job, `make test` proves it. Each sets up what it needs.
PY := .venv/bin/python

.PHONY: demo test lint format bench fuzz pin setup parts asterisk asterisk-oldest clean

demo: setup ## real calls through a real Asterisk: verdicts shown, log verified; KEEP=1 leaves the console running
	@$(PY) -m lab.demo $(if $(KEEP),--keep)

test: setup parts asterisk asterisk-oldest ## the whole suite, real calls included, with branch coverage
	@$(PY) -m coverage erase
	@$(PY) -m coverage run -m pytest $(PYTEST_ARGS)
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage report

lint: setup ## ruff with everything on, mypy strict
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@$(PY) -m mypy

format: setup
	@$(PY) -m ruff check --fix
	@$(PY) -m ruff format

bench: setup asterisk ## the measurements of docs/, one table each
	@$(PY) -m bench.call
	@$(PY) -m bench.rules
	@$(PY) -m bench.index
	@$(PY) -m bench.audit
	@$(PY) -m bench.recovery
	@$(PY) -m bench.web

fuzz: setup ## the AGI codec against random bytes, for a minute
	@$(PY) tests/fuzz/fuzz_agi.py

pin: setup ## new versions, with hashes
	@scripts/pin

setup:
	@scripts/setup requirements-dev.txt

parts:
	@scripts/test-parts

asterisk: setup
	@$(PY) -m lab.asterisk fetch

asterisk-oldest: setup
	@$(PY) -m lab.asterisk fetch bullseye || [ -z "$$CI" ] # without it those tests skip, and fail in CI

clean:
	@rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
