"""Checkpoints of a fold's training: weights, optimizer and log, so that it can resume."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kit.core.disk import atomic, csv_text, write_text
from kit.core.paths import FoldRunFiles
from kit.data.run_files import Progress, write_progress

if TYPE_CHECKING:
    import keras


def save_epoch(
    files: FoldRunFiles,
    model: "keras.Model",
    optimizer: Any,
    live: Sequence[NDArray[Any]],
    state: Progress,
) -> None:
    """Write the epoch just trained; the marker that makes it count comes last.

    `model` is saved without optimizer state, as plain Keras weights. If those are averages, `live`
    are the trainable weights that training resumes from; otherwise it is empty. If killed at any
    moment, the previous epoch remains complete: each epoch has its own files until the marker moves
    on.
    """
    import keras

    epoch = state.log[-1].epoch
    with atomic(files.weights(epoch)) as temporary:
        model.save_weights(temporary)
    with atomic(files.state(epoch)) as temporary:
        variables = {**_seeds(model), **_optimizer_state(optimizer)}
        arrays = {name: keras.ops.convert_to_numpy(value) for name, value in variables.items()}
        arrays |= {f"live{number}": value for number, value in enumerate(live)}
        np.savez(temporary, **arrays)
    lines = [asdict(line) for line in state.log]
    rows = [[_cell(value) for value in line.values()] for line in lines]
    write_text(files.log, csv_text([list(lines[0]), *rows]))
    write_progress(files, state)
    keep = {files.weights(epoch), files.state(epoch)}
    if state.best is not None:
        keep.add(files.weights(state.best))
    _remove_others(files, keep)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def load_epoch(
    files: FoldRunFiles, model: "keras.Model", optimizer: Any, state: Progress, parts: int
) -> None:
    """Restore everything that training changes to its state after the last epoch of `state`.

    `optimizer` is None if a new phase starts with a fresh one. Batches now have `parts` parts, a
    multiple of the number with which the epoch was trained.
    """
    epoch, parts_then = state.log[-1].epoch, state.parts or parts
    model.load_weights(files.weights(epoch))
    with np.load(files.state(epoch)) as saved:
        for name, variable in _seeds(model).items():
            variable.assign(saved[name])
        if optimizer is None:
            return
        for name, variable in _optimizer_state(optimizer).items():
            if parts != parts_then and name == "iteration":
                # A step that float16 left unfinished is dropped; so are its gradients, below.
                variable.assign(saved[name] // parts_then * parts)
            elif name in saved and (parts == parts_then or not name.startswith("gathered")):
                variable.assign(saved[name])
        for number, variable in enumerate(model.trainable_variables):
            if f"live{number}" in saved:
                variable.assign(saved[f"live{number}"])


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


def remove_unfinished(files: FoldRunFiles, best: int) -> None:
    """Once a fold is done, delete what only resuming would need."""
    _remove_others(files, {files.weights(best)})


def _remove_others(files: FoldRunFiles, keep: set[Path]) -> None:
    for path in files.all_checkpoints():
        if path not in keep:
            path.unlink(missing_ok=True)
