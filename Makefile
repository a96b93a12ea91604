# offbeat: `make demo` and `make test` set themselves up; everything they need comes from PyPI.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# TensorFlow too: larger than all the rest, and needed by some tests only
FULL := $(VENV)/.ready-tflite
LINKS := $(VENV)/src/offbeat
# MicroPython's own modules as types, of each port; they would hide CPython's, so they live apart
STUB_PORTS := unix rp2 esp32 stm32
STUB_VERSIONS := >=1.24,<2

.PHONY: help setup demo test lint types format generate models costs results bench-detection bench-speed bench-device bench-small bench-thresholds bench-learning picture journal-sweep update-sweep clean

help:            ## this list
	@grep -E '^[a-z-]+: .*##|^[a-z-]+:  *##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(FULL)  ## the virtual environment in .venv, with everything that tests and demo need

$(READY): pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "python3 is missing; install Python 3.11 or later"; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "offbeat needs Python 3.11 or later; call make with PYTHON=python3.11"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@mkdir -p $(LINKS)
	@ln -sfn $(CURDIR)/train $(LINKS)/train
	@ln -sfn $(CURDIR)/host $(LINKS)/host
	@ln -sfn $(CURDIR)/device/offbeat $(LINKS)/device
	@rm -rf $(VENV)/stubs
	@for port in $(STUB_PORTS); do $(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--target $(VENV)/stubs/$$port "micropython-$$port-stubs$(STUB_VERSIONS)" || exit 1; done
	@mkdir -p $(VENV)/board
	@ln -sfn $(CURDIR)/device/offbeat $(VENV)/board/offbeat
	@ln -sfn $(CURDIR)/device/boards $(VENV)/board/offbeat_boards
	@touch $@

$(FULL): $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[tflite]'
	@touch $@

demo: $(READY)   ## the main job from end to end, without hardware
	$(BIN)/offbeat demo --directory demo

test: $(FULL)   ## every test
	$(BIN)/python -m pytest -n auto

lint: $(READY)   ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)  ## mypy, for the host's code and for the board's on each port of MicroPython
	$(BIN)/mypy
	$(BIN)/python device/check_types.py

generate: $(READY) ## the bytecode twin of the viper kernels
	$(BIN)/python device/twin.py

format: $(READY) ## ruff, mending
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

models: $(READY) ## the models that ship, from simulated machines
	$(BIN)/python models/make.py

costs: $(READY)  ## the cost model's numbers, from compiler and emulator: after every change of device/c
	$(BIN)/python -m offbeat.train.profile.calibration

results: bench-detection bench-speed picture ## docs/results.md and docs/demo.png, by the three targets below

bench-detection: $(READY) ## every family against float originals, from the recordings of ../shared/data
	$(BIN)/python -m benchmarks.detection

bench-speed: $(READY) ## training on a day of vibration, beside float code
	$(BIN)/python -m benchmarks.speed

bench-thresholds: $(READY) ## promised against realised false alarms on simulated processes, into docs/thresholds.md
	$(BIN)/python -m benchmarks.thresholds

bench-learning: $(READY) ## docs/learning.md: what a board learns by itself beside the trainer, and thresholds beyond the data
	$(BIN)/python -W ignore -m benchmarks.learning

picture: $(READY) ## docs/demo.png
	$(BIN)/python -m benchmarks.demo_picture

bench-device: $(READY) ## docs/results-device.md: other generators' C beside offbeat's, on emulated cores
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	$(BIN)/python -W ignore -m benchmarks.device

bench-small: $(READY) ## docs/small-boards.md: heap of each profile, viper beside bytecode, 1,000 windows on the micro:bit in QEMU
	$(BIN)/python -m benchmarks.small_boards

journal-sweep: $(READY) ## every power cut of 10,000 journal records on littlefs, into docs/journal.md; half an hour
	$(BIN)/python -m benchmarks.journal_sweep

update-sweep: $(READY) ## every power cut of an update, all pairs of cuts, every bit, deltas, into docs/updates.md; half an hour
	$(BIN)/python -m benchmarks.update_sweep

clean:           ## removes what the other targets made
	rm -rf $(VENV) demo build dist *.egg-info .hypothesis .mypy_cache .ruff_cache
