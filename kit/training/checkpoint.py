"""Checkpoints of a fold's training: weights, optimizer and log, so that it can resume."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from tokenize import TokenError
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kit.core.disk import csv_text, write_bytes, write_text
from kit.core.paths import FoldRunFiles
from kit.core.seal import Seal
from kit.core.unpack import UNREADABLE
from kit.data.run_files import EpochLog, Progress, write_progress
from kit.models.weights import weights_to_bytes

if TYPE_CHECKING:
    import keras

# The name of the progress among the arrays of a state.
RECORD = "progress"
# Bytes that it has at most: an epoch takes a few hundred.
MOST_RECORD = 2**26
# What reading a damaged array raises: NumPy parses its header as Python.
_NO_ARRAY = (KeyError, OSError, MemoryError, OverflowError, SyntaxError, TokenError, *UNREADABLE)

Arrays = Mapping[str, NDArray[Any]]


def weights_of(files: FoldRunFiles, state: Progress) -> Path:
    """The weights of the last checkpoint of this progress."""
    if state.within is not None:
        return files.weights(len(state.log), state.within.steps)
    return files.weights(state.log[-1].epoch)


def state_of(files: FoldRunFiles, state: Progress) -> Path:
    """The state of the last checkpoint of this progress."""
    if state.within is not None:
        return files.state(len(state.log), state.within.steps)
    return files.state(state.log[-1].epoch)


def save_checkpoint(
    files: FoldRunFiles, model: "keras.Model", arrays: Arrays, before: Progress, state: Progress
) -> Progress:
    """Write a checkpoint and return its progress; the marker that makes it count comes last.

    `model` is saved without optimizer state, as plain Keras weights; `arrays` are what else
    resuming needs. `before` is the progress of the checkpoint before, which is kept, too. If killed
    at any moment, that one remains complete: each checkpoint has its own files until the marker
    moves on. The state repeats the progress, to restore a damaged marker. Everything is made in
    memory first, so that a full disk is an error in one line.
    """
    weights = weights_to_bytes(model)
    kept = {
        path.name: before.files[path.name]
        for path in _kept(files, before, state)
        if path.name in before.files
    }
    state = replace(state, files={**kept, weights_of(files, state).name: _seal(weights)})
    write_bytes(weights_of(files, state), weights)
    record = np.frombuffer(json.dumps(state.content()).encode(), np.uint8)
    content = BytesIO()
    everything: dict[str, Any] = {**arrays, RECORD: record}
    np.savez(content, **everything)
    write_bytes(state_of(files, state), content.getbuffer())
    sealed = {state_of(files, state).name: _seal(content.getbuffer())}
    state = replace(state, files={**state.files, **sealed})
    if state.log:
        write_text(files.log, log_text(state.log))
    write_progress(files, state)
    _remove_others(files, state)
    return state


def _kept(files: FoldRunFiles, before: Progress, state: Progress) -> Sequence[Path]:
    """What stays of earlier checkpoints: that of the epoch before, and the best weights of both."""
    ended = state.log if state.within is not None else state.log[:-1]
    pair = [files.weights(ended[-1].epoch), files.state(ended[-1].epoch)] if ended else []
    best = {one for one in (before.best, state.best) if one is not None}
    return [*pair, *(files.weights(epoch) for epoch in best)]


def _seal(content: memoryview) -> Seal:
    return Seal(len(content), hashlib.sha256(content).hexdigest())


def log_text(log: Sequence[EpochLog]) -> str:
    """The log as CSV, numbers in six digits."""
    lines = [asdict(line) for line in log]
    rows = [[_cell(value) for value in line.values()] for line in lines]
    return csv_text([list(lines[0]), *rows])


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def training_arrays(
    model: "keras.Model", optimizer: Any, live: Sequence[NDArray[Any]], metrics: Sequence[Any]
) -> dict[str, NDArray[Any]]:
    """Everything that training changes besides the weights, by names for the state's file.

    If the model's weights are averages, `live` are the trainable weights that training continues
    from; otherwise it is empty. `metrics` are the variables of metrics inside an epoch.
    """
    import keras

    variables = {**_seeds(model), **_optimizer_state(optimizer)}
    variables |= {f"metric{number}": variable for number, variable in enumerate(metrics)}
    arrays = {name: keras.ops.convert_to_numpy(value) for name, value in variables.items()}
    return arrays | {f"live{number}": value for number, value in enumerate(live)}


def load_state(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of a state's file, the progress included."""
    with np.load(path) as saved:
        return dict(saved)


def load_record(path: Path) -> str:
    """The progress in a state's file, as JSON; the other arrays, which are large, are not read.

    Raises ValueError for a file without it, whatever is wrong with that.
    """
    try:
        with np.load(path) as saved:
            if saved.zip.getinfo(f"{RECORD}.npy").file_size > MOST_RECORD:
                raise ValueError(f"{path} has no progress")
            return str(saved[RECORD].tobytes().decode())
    except _NO_ARRAY as error:
        raise ValueError(f"{path} has no progress") from error


def restore(
    model: "keras.Model", optimizer: Any, saved: Arrays, parts_then: int, parts: int
) -> list[NDArray[Any]]:
    """Set everything that training changes, the weights aside, to its saved state.

    Returns the live weights, if the model's are averages. `optimizer` is None if a new phase starts
    with a fresh one. Batches had `parts_then` parts and now have `parts`, a multiple.
    """
    for name, variable in _seeds(model).items():
        variable.assign(saved[name])
    if optimizer is None:
        return []
    for name, variable in _optimizer_state(optimizer).items():
        if parts != parts_then and name == "iteration":
            # A step that float16 left unfinished is dropped; so are its gradients, below.
            variable.assign(saved[name] // parts_then * parts)
        elif name in saved and (parts == parts_then or not name.startswith("gathered")):
            variable.assign(saved[name])
    return numbered(saved, "live")


def numbered(saved: Arrays, name: str) -> list[NDArray[Any]]:
    """The arrays `name0`, `name1` and so on."""
    count = sum(key.removeprefix(name).isdigit() for key in saved if key.startswith(name))
    return [saved[f"{name}{number}"] for number in range(count)]


def _seeds(model: "keras.Model") -> dict[str, Any]:
    """The state of the dropout layers' random generators, which Keras weight files omit."""
    weights = {id(weight) for weight in model.weights}
    others = [variable for variable in model.variables if id(variable) not in weights]
    return {f"seed{number}": variable for number, variable in enumerate(others)}


def _optimizer_state(optimizer: Any) -> dict[str, Any]:
    """The optimizer's variables, by names that do not depend on this machine's precision.

    In float16, Keras wraps the optimizer in one that scales the loss. The wrapper's variables have
    their own names: a machine that computes in bfloat16 resumes without them, and in the other
    direction they start fresh. Gradients accumulated for an unfinished step also have their own
    names.
    """
    own = getattr(optimizer, "inner_optimizer", optimizer)
    inside = {id(variable) for variable in own.variables}
    around = [variable for variable in optimizer.variables if id(variable) not in inside]
    gathered = [one for one in own.variables if "gradient_accumulator" in one.path]
    iteration, *rest = [one for one in own.variables if "gradient_accumulator" not in one.path]
    return {
        "iteration": iteration,
        **{f"optimizer{number}": variable for number, variable in enumerate(rest)},
        **{f"gathered{number}": variable for number, variable in enumerate(gathered)},
        **{f"scale{number}": variable for number, variable in enumerate(around)},
    }


def _remove_others(files: FoldRunFiles, state: Progress) -> None:
    """Delete checkpoints that this progress does not name."""
    for path in files.all_checkpoints():
        if path.name not in state.files:
            path.unlink(missing_ok=True)


def remove_unfinished(files: FoldRunFiles, state: Progress) -> None:
    """Once a fold is predicted, delete what only resuming would need; the best weights stay."""
    if state.best is None:
        raise ValueError(f"{files.folder} has a log without a best epoch")
    best = files.weights(state.best).name
    kept = replace(state, files={name: state.files[name] for name in (best,)}, within=None)
    write_progress(files, kept)
    _remove_others(files, kept)


def remove_all(files: FoldRunFiles) -> None:
    """Delete what is left of a fold that starts again from the beginning."""
    _remove_others(files, Progress())
    for path in (files.progress, files.log, files.events):
        path.unlink(missing_ok=True)
