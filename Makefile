# One line per target, each calls a command of the kit or a tool. A variable is an option of the
# command: N=5 is --n 5. `usage.TARGET` shows a target's variables with example values, the optional
# ones in brackets (there without spaces), `|` between alternatives. `make help` prints the usage, and
# the checks at the end of this file read it.
PYTHON ?= python3
KIT = .venv/bin/python -m kit
# A test keeps one core busy, so they run side by side; each of the processes takes about 2 GB.
PYTEST = .venv/bin/python -m pytest --numprocesses auto --maxprocesses 4 --dist worksteal

CHAOS = PYTHONPATH=tests .venv/bin/python -m chaos
RESOLVE = .venv/bin/uv pip compile --universal --python-version 3.11 --no-emit-index-url --no-annotate --custom-compile-command "make lock" --quiet

# The value of a variable that was typed after `make` and is not empty. Variables of the environment
# are ignored, because they may have such names for other reasons: WSL sets NAME to the machine's.
# Only PYTHON, which creates .venv, may come from there. `value` leaves a `$` alone.
typed = $(if $(and $(findstring command line,$(origin $1)),$(strip $(value $1))),$(value $1))
quote = '$(subst ','\'',$1)'
# As an argument, as an option and as a flag, whose value is 1; then the first two with each word of
# a value of several words.
argument = $(if $(call typed,$1),$(call quote,$(call typed,$1)))
option = $(if $(call typed,$2),$1 $(call quote,$(call typed,$2)))
flag = $(if $(call typed,$2),$1)
arguments = $(foreach word,$(call typed,$1),$(call quote,$(word)))
options = $(foreach word,$(call typed,$2),$1 $(call quote,$(word)))

PLACE = [COMPETITION=cells] [DATA=folder]
OF = --competition $(call quote,$(or $(call typed,COMPETITION),hpa))
WHERE = $(OF) $(call option,--data,DATA)

FLAGS = RARE SUMMARY WAIT
# What may follow `make` without being in a usage: make's own variables and those of this file, and
# environment variables of the commands.
OWN = KIT PYTEST CHAOS RESOLVE SHELL MAKE MAKEFLAGS
ENVIRONMENT = CUDA_% JAX_% KAGGLE_% KERAS_% KIT_% OMP_% PYTHON% TF_% XLA_%

.DEFAULT_GOAL := help
TARGETS = help setup demo data folds pack train predict look import-predictions blend tune score \
  compare curves report submit ledger kernel status verify models test test-slow test-all \
  test-backends chaos audit lint format lock clean
.PHONY: $(TARGETS)

help:  ## list the targets and their variables
	@$(foreach target,$(TARGETS),{ sed -n 's/^$(target):.*## //p' $(firstword $(MAKEFILE_LIST)); echo '$(filter-out $(PLACE),$(usage.$(target)))'; } | fold -s -w 60 | awk 'NF { sub(/ $$/, ""); printf "%-20s%s\n", NR == 1 ? "$(target)" : "", $$0 }';)
	@echo
	@echo 'Variables follow the target: make train MODEL=gapnet SET="epochs=3 batch=16".'
	@echo 'Those in brackets are optional. Targets that read a competition take'
	@echo 'COMPETITION=cells, and most of them DATA=folder for its files. Environment'
	@echo 'variables go before make: KERAS_BACKEND=jax make train MODEL=gapnet. Those that'
	@echo 'may also follow: $(subst %,*,$(ENVIRONMENT)).'

setup: .venv/.ready  ## create .venv from the lock if it is missing or out of date

.venv/.ready: requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; ok = (3, 11) <= v < (3, 14); sys.exit(None if ok else f"expected Python 3.11 to 3.13, got {v[0]}.{v[1]}. Choose another: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv --clear .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup  ## every stage on synthetic cells, in five to eight minutes
	$(KIT) demo

usage.data = [WAIT=1] [COMPETITION=cells]
data: setup  ## get the competition's files; COMPETITION=cells makes them
	$(KIT) data $(OF) $(call flag,--wait,WAIT)

usage.folds = [N=5] [SEED=101] [HOW=random] [FROM=team.csv] [GROUPS=groups.csv] [WAIT=1] $(PLACE)
folds: setup  ## stratified folds
	$(KIT) folds $(WHERE) $(call option,--n,N) $(call option,--seed,SEED) $(call option,--how,HOW) $(call option,--from,FROM) $(call option,--groups,GROUPS) $(call flag,--wait,WAIT)

usage.pack = SIZE=512 [RESIZE=linear] [SKIP_BAD=3] [WAIT=1] $(PLACE)
pack: setup  ## decode all images once (train does it if needed)
	$(KIT) pack $(WHERE) $(call option,--size,SIZE) $(call option,--resize,RESIZE) $(call option,--skip-bad,SKIP_BAD) $(call flag,--wait,WAIT)

usage.train = MODEL=gapnet [SIZE=512] [FOLDS=0,1] [SEEDS=0,1,2] [EXTRA=CSV:IMAGES] [SKIP_BAD=3] [SET=epochs=3] [WAIT=1] $(PLACE)
train: setup  ## train a recipe on every fold; safe to interrupt
	$(KIT) train $(call argument,MODEL) $(WHERE) $(call option,--size,SIZE) $(call option,--folds,FOLDS) $(call option,--seeds,SEEDS) $(call option,--extra,EXTRA) $(call option,--skip-bad,SKIP_BAD) $(call options,--set,SET) $(call flag,--wait,WAIT)

usage.predict = RUN=gapnet [TTA=8] [WAIT=1] $(PLACE)
predict: setup  ## predict again, averaging several views of each image
	$(KIT) predict $(call argument,RUN) $(WHERE) $(call option,--tta,TTA) $(call flag,--wait,WAIT)

usage.look = MODEL=gapnet|RUNS="gapnet vgg16" [GRID=10x5] [SIZE=512] [SET=augment=rotate] [AT=0.2] [FIRST=3] [RARE=1] [IDS=ID] $(PLACE)
look: setup  ## draw a recipe's augmentation, what its network sees (GRID), or the labels of RUNS beside the truth (AT to IDS)
	$(KIT) look $(call argument,MODEL) $(call arguments,RUNS) $(WHERE) $(call option,--grid,GRID) $(call option,--size,SIZE) $(call options,--set,SET) $(call option,--at,AT) $(call option,--first,FIRST) $(call flag,--rare,RARE) $(call options,--ids,IDS)

usage.import-predictions = NAME=other OOF=oof.parquet [TEST=test.parquet] [WAIT=1] $(PLACE)
import-predictions: setup  ## import another framework's predictions as a run
	$(KIT) import-predictions $(call argument,NAME) $(WHERE) $(call option,--oof,OOF) $(call options,--test,TEST) $(call flag,--wait,WAIT)

usage.blend = [RUNS=gapnet] [NAME=first] [METHOD=stack] [POLICY=exact] [POSTPROCESS=rules] [WAIT=1] $(PLACE)
blend: setup  ## blend runs, fit thresholds, write the submission
	$(KIT) blend $(call arguments,RUNS) $(WHERE) $(call option,--name,NAME) $(call option,--method,METHOD) $(call option,--policy,POLICY) $(call options,--postprocess,POSTPROCESS) $(call flag,--wait,WAIT)

usage.tune = OOF=oof.parquet LABELS=train.csv OUT=decision.json [FOLDS=folds.csv] [TEST=test.parquet] [POLICY=all] [WAIT=1] [COMPETITION=cells]
tune: setup  ## fit thresholds to predictions from anywhere
	$(KIT) tune $(OF) $(call option,--oof,OOF) $(call option,--labels,LABELS) $(call option,--out,OUT) $(call option,--folds,FOLDS) $(call options,--test,TEST) $(call option,--policy,POLICY) $(call flag,--wait,WAIT)

usage.score = PREDICTIONS=oof.parquet LABELS=train.csv [DECISION=decision.json] [COMPETITION=cells]
score: setup  ## score predictions from anywhere
	$(KIT) score $(OF) $(call option,--predictions,PREDICTIONS) $(call option,--labels,LABELS) $(call option,--decision,DECISION)

usage.compare = RUNS="gapnet vgg16" $(PLACE)
compare: setup  ## compare runs or blends: scores, 95% CI, what changed
	$(KIT) compare $(call arguments,RUNS) $(WHERE)

usage.curves = RUNS="gapnet vgg16" $(PLACE)
curves: setup  ## draw the learning curves of runs
	$(KIT) curves $(call arguments,RUNS) $(WHERE)

usage.report = [NAME=first] $(PLACE)
report: setup  ## write an HTML report on the newest blend, or on NAME
	$(KIT) report $(call argument,NAME) $(WHERE)

usage.submit = [NAME=first] [MESSAGE=text] $(PLACE)
submit: setup  ## check the newest submission, or NAME, and upload it
	$(KIT) submit $(call argument,NAME) $(WHERE) $(call option,--message,MESSAGE)

usage.ledger = $(PLACE)
ledger: setup  ## every submission, its scores, which two to select
	$(KIT) ledger $(WHERE)

usage.kernel = [NAME=first] [WAIT=1] $(PLACE)
kernel: setup  ## write an offline notebook of the newest blend, or of NAME, and run it here without network
	$(KIT) kernel $(call argument,NAME) $(WHERE) $(call flag,--wait,WAIT) --check

usage.status = $(PLACE)
status: setup  ## what exists, what it scored, what to type next
	$(KIT) status $(WHERE)

usage.verify = [NAMES="gapnet first"] $(PLACE)
verify: setup  ## read every file again and compare it with its digest
	$(KIT) verify $(call arguments,NAMES) $(WHERE)

usage.models = [MODEL=gapnet] [SUMMARY=1] [COMPETITION=cells]
models: setup  ## every recipe, the settings of MODEL, or its layers (SUMMARY)
	$(KIT) models $(call argument,MODEL) $(OF) $(call flag,--summary,SUMMARY)

test: setup  ## every stage, fault and rule on small networks
	$(PYTEST) -m "not slow"

test-slow: setup  ## what make test skips: larger backbones, further variants
	$(PYTEST) -m slow

test-all: test test-slow  ## all tests

test-backends: .venv-backends/.ready  ## training without TensorFlow, under JAX and under torch
	KERAS_BACKEND=jax .venv-backends/bin/python -m pytest tests/backends
	KERAS_BACKEND=torch .venv-backends/bin/python -m pytest tests/backends

.venv-backends/.ready: requirements-backends.txt
	$(PYTHON) -m venv --clear .venv-backends
	.venv-backends/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-backends.txt
	@touch $@

usage.chaos = [ONLY=damage]
chaos: setup  ## every fault on every file and command, under an hour; ONLY: events, limits, disk, kills, damage, pairs, signals
	$(CHAOS) $(call option,--only,ONLY)

audit: .venv-audit/.ready  ## known vulnerabilities of the packages in requirements.txt
	.venv-audit/bin/python bench/audit.py requirements.txt

.venv-audit/.ready: requirements-audit.txt
	$(PYTHON) -m venv --clear .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check -r requirements-audit.txt
	@touch $@

lint: setup  ## ruff and mypy
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

format: setup  ## fix and format the code with ruff
	.venv/bin/ruff check --fix .
	.venv/bin/ruff format .

lock: setup  ## resolve pyproject.toml into the requirements files again
	$(RESOLVE) pyproject.toml --extra dev --upgrade --generate-hashes --no-strip-extras --output-file requirements.txt
	.venv/bin/python bench/extras.py requirements.txt
	$(RESOLVE) pyproject.toml --extra dev --extra backends --override requirements-backends.in --constraint requirements.txt --upgrade --output-file requirements-backends.txt
	sed "/sys_platform == 'none'/d" requirements-backends.txt > requirements-backends.tmp && mv requirements-backends.tmp requirements-backends.txt
	echo pip-audit | $(RESOLVE) - --upgrade --generate-hashes --output-file requirements-audit.txt

clean:  ## remove the demo's files; your runs and submissions stay
	rm -rf data/cells runs/cells folds/cells.* submissions/cells-*

# Checked while this file is read: recipes run only after setup has installed everything. What is
# missing, what none of the goals takes, and a flag that is not 1 end in one line each.
goals = $(or $(MAKECMDGOALS),help)
# The names of the variables in a usage; what a target needs, alternatives in one word.
names = $(foreach word,$(subst |, ,$(subst [, ,$1)),$(if $(findstring =,$(word)),$(firstword $(subst =, ,$(word)))))
needed = $(filter-out [%,$(usage.$1))
space = $() $()
comma = ,
# `a, b and c` of several words.
listed = $(if $(word 2,$1),$(subst $(space),$(comma) ,$(wordlist 2,$(words $1),- $1)) and )$(lastword $1)
missing = $(foreach word,$(call needed,$1),$(if $(findstring =,$(word)),$(if $(strip $(foreach name,$(call names,$(word)),$(call typed,$(name)))),,$(subst $(space),|,$(call names,$(word))))))
example = make $1 $(subst |, or make $1 ,$(call needed,$1))
$(foreach goal,$(goals),$(if $(strip $(call missing,$(goal))),$(error make $(goal) needs $(subst |, or ,$(call listed,$(call missing,$(goal)))), for example: $(call example,$(goal)))))

known = $(sort $(foreach target,$(TARGETS),$(call names,$(usage.$(target)))))
taken = $(sort $(foreach goal,$(goals),$(call names,$(usage.$(goal)))))
given = $(sort $(foreach name,$(.VARIABLES),$(if $(findstring command line,$(origin $(name))),$(name))))
# A make inside another is given all variables of that one, so only those of other targets are wrong.
idle = $(filter-out $(taken) $(OWN) $(ENVIRONMENT),$(if $(filter 0,$(MAKELEVEL)),$(given),$(filter $(known),$(given))))
takes = it takes $(or $(call listed,$(taken)),no variables)
# make itself refuses a target that does not exist.
$(if $(filter-out $(TARGETS),$(goals)),,$(foreach name,$(idle),$(error $(name) has no effect on make $(goals); $(takes))))
$(foreach name,$(FLAGS),$(if $(filter-out 1,$(call typed,$(name))),$(error $(name)=$(call typed,$(name)): the only value is 1; omit it for no)))
