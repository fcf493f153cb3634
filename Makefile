# Two commands for a newcomer: make run, make test. The rest is for those who change things.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-training check bench format docs pictures demo-fleet train-pinn train-soh study clean

$(VENV)/.runtime: requirements.txt
	$(PYTHON) -c "import sys; sys.exit(0 if sys.version_info >= (3, 11) else 'Python 3.11 or newer is needed: make run PYTHON=python3.11')"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.development: requirements-dev.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

run: $(VENV)/.runtime
	@$(BIN)/python entrypoint.py dev-parameters.example.json

test: $(VENV)/.development
	$(BIN)/python -m pytest

# Tests of what needs torch, which `make test` does without.
test-training: $(VENV)/.development $(VENV)/.training
	$(BIN)/python -m pytest training/checks

check: $(VENV)/.development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/bandit --configfile pyproject.toml --quiet --recursive entrypoint.py platform_interface models
	$(BIN)/lint-imports

bench: $(VENV)/.development
	$(BIN)/python -m benchmarks

docs: $(VENV)/.development
	$(BIN)/python -m documentation.generate

pictures: $(VENV)/.development
	$(BIN)/python -m documentation.pictures
	$(BIN)/python -m documentation.pages_pictures

format: $(VENV)/.development
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.training: requirements-train.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-train.txt
	touch $@

demo-fleet: $(VENV)/.training
	$(BIN)/python training/demo_fleet.py

# Data, training of the shipped seed, export and evaluation; stopped at any time, it goes on where it was.
train-pinn: $(VENV)/.training
	$(BIN)/python -m training.pinn.make

# The shipped networks of the state of health: estimate, forecast, failure modes; stopped at any time, it goes on where it was.
train-soh: $(VENV)/.training
	$(BIN)/python -m training.soh.make

# Further seeds, baselines and ablations of the networks, one after another; stopped at any time, it goes on where it was.
study: $(VENV)/.training
	$(BIN)/python -m training.pinn.study training-work/pinn/data training-work/pinn/study
	$(BIN)/python -m training.soh.study training-work/soh
	$(BIN)/python -m training.soh.report training-work/soh
	$(BIN)/python -m training.soh.forecast
	$(BIN)/python -m training.soh.forecast_make
	$(BIN)/python -m training.soh.forecast_stacked_make

clean:
	rm -rf $(VENV) twin-store twin-reports twin-pages
