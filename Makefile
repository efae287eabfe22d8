# One line per target, each calls a stage of the kit. Variables: MODEL SIZE FOLDS SEEDS EXTRA SET RUN TTA
# COMPETITION DATA NAME MESSAGE.
PYTHON ?= python3
COMPETITION ?= hpa
KIT = .venv/bin/python -m kit
# A test keeps one core busy, so they run side by side; each of the processes takes about 2 GB.
PYTEST = .venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal
WHERE = --competition $(COMPETITION) $(if $(DATA),--data $(DATA))

.DEFAULT_GOAL := help
.PHONY: help setup demo data folds pack train look blend submit ledger kernel status report models test test-slow test-all test-backends lint format lock clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: .venv/.ready  ## create .venv from the lock if it is missing or out of date

.venv/.ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; ok = (3, 11) <= v < (3, 14); sys.exit(None if ok else f"expected Python 3.11 to 3.13, got {v[0]}.{v[1]}. Choose another: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## every stage on synthetic cells, in five to eight minutes on two cores
	$(KIT) demo

data: setup  ## download the competition's files, or generate those of COMPETITION=cells
	$(KIT) data --competition $(COMPETITION)

folds: setup  ## stratified folds
	$(KIT) folds $(WHERE)

pack: setup  ## SIZE=512: decode all images once (train does it if needed)
	$(KIT) pack $(WHERE) --size $(SIZE)

train: setup  ## MODEL=gapnet [SIZE=512] [FOLDS=0,1 or all] [SEEDS=0,1,2] [EXTRA=CSV:IMAGES] [SET="epochs=3 batch=16"]
	$(KIT) train $(MODEL) $(WHERE) $(if $(SIZE),--size $(SIZE)) $(if $(FOLDS),--folds $(FOLDS)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(EXTRA),--extra '$(EXTRA)') $(foreach s,$(SET),--set '$(s)')

predict: setup  ## RUN=gapnet [TTA=8]: predict again, averaging several views of each image
	$(KIT) predict $(RUN) $(WHERE) $(if $(TTA),--tta $(TTA))

look: setup  ## MODEL=gapnet [SIZE=512] [SET="augment=crop+rotate(15)"]: draw training images with augmentation
	$(KIT) look $(MODEL) $(WHERE) $(if $(SIZE),--size $(SIZE)) $(foreach s,$(SET),--set '$(s)')

blend: setup  ## blend all finished runs, fit thresholds, write the submission
	$(KIT) blend $(WHERE)

submit: setup  ## [NAME=blend] [MESSAGE="..."]: check the newest submission, upload it, wait for its score
	$(KIT) submit $(NAME) $(WHERE) $(if $(MESSAGE),--message "$(MESSAGE)")

ledger: setup  ## every submission, its scores, and which two to select as final
	$(KIT) ledger $(WHERE)

kernel: setup  ## an offline notebook that reproduces the newest blend, checked here without network
	$(KIT) kernel $(WHERE) --check

status: setup  ## what exists, what it scored, what to type next
	$(KIT) status $(WHERE)

report: setup  ## write an HTML report on the newest blend
	$(KIT) report $(WHERE)

models: setup  ## every recipe with its parameters
	$(KIT) models --competition $(COMPETITION)

test: setup  ## every stage, fault and house rule on small networks, in about five minutes on two cores
	$(PYTEST) -m "not slow"

test-slow: setup  ## what make test skips: larger backbones, further variants of the line
	$(PYTEST) -m slow

test-all: test test-slow  ## all tests

test-backends: .venv-backends/.ready  ## training without TensorFlow, under JAX and under torch
	KERAS_BACKEND=jax .venv-backends/bin/python -m pytest tests/backends
	KERAS_BACKEND=torch .venv-backends/bin/python -m pytest tests/backends

.venv-backends/.ready: requirements-backends.txt
	$(PYTHON) -m venv --clear .venv-backends
	.venv-backends/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-backends.txt
	@touch $@

lint: setup  ## ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: setup  ## fix and format the code with ruff
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

lock: setup  ## resolve pyproject.toml again into requirements.txt and requirements-backends.txt
	.venv/bin/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --upgrade --no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements.txt
	.venv/bin/uv pip compile pyproject.toml --extra dev --extra backends --override requirements-backends.in --constraint requirements.txt --universal --python-version 3.11 --upgrade --no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet --output-file requirements-backends.txt
	sed "/sys_platform == 'none'/d" requirements-backends.txt > requirements-backends.tmp && mv requirements-backends.tmp requirements-backends.txt

clean:  ## remove the demo's files; your runs and submissions stay
	rm -rf data/cells runs/cells folds/cells.* submissions/cells-*
