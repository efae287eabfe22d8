"""Import predictions made by another framework, as a run like any other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.disk import digest, remove_leftovers
from kit.core.errors import UserError
from kit.core.owner import Held, own
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.core.seal import seal
from kit.data.fold_damage import damage_of_finished
from kit.data.folds import Folds, digest_labels, read_folds
from kit.data.given import read_oof, read_tests
from kit.data.predictions import Predictions, write_predictions
from kit.data.run_files import (
    BESIDE_FOLDS,
    Done,
    RunInputs,
    find_copy,
    read_done,
    read_inputs,
    read_recipe,
    write_done,
)
from kit.data.run_records import find_exchanged, run_name, write_run
from kit.data.runs import Run, open_run


@dataclass(frozen=True)
class Imported:
    """A run of imported predictions, and what is known about them.

    `folds_checked`: whether the file named the fold of each row. `tests` counts the test
    predictions: 0, 1 if they are averaged already, or one per fold.
    """

    run: Run
    folds_checked: bool
    tests: int


def import_predictions(
    competition: Competition,
    workspace: Workspace,
    name: str,
    oof: Path,
    tests: Sequence[Path] = (),
    reporter: Reporter = SILENT,
) -> Imported:
    """Import predictions made elsewhere, as a run with all folds done.

    Files are Parquet or CSV, compressed or not: a column of ids, a column of probabilities per
    class, named by class key or class name, and in `oof` the fold if known. `tests` is one file
    of averaged predictions, or one file per fold in fold order; without it, the run can be
    compared but not blended. The run's name ends in eight digits of a digest of folds, labels and
    predictions: importing the same files again changes nothing; other files make another run.
    Raises UserError for invalid ids, folds or values, and then writes nothing.
    """
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"NAME {name!r}: use only letters, digits, '.', '-' and '_'.")
    labels = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, labels, workspace.typed)
    if len(tests) not in (0, 1, folds.n):
        raise UserError(
            f"--test was given {len(tests)} times. Give it once, for predictions averaged over "
            f"the folds, or {folds.n} times, one per fold in fold order."
        )
    held_out, has_folds = _read_oof(oof, competition, folds, workspace.folds)
    answers = _read_tests(tests, competition, workspace)

    made = {"oof": str(oof), "tests": [str(test) for test in tests], "folds_checked": has_folds}
    recipe = {"name": name, "size": None, "imported": made}
    predictions = {"oof": _digest(held_out), "tests": [_digest(test) for test in answers]}
    inputs = RunInputs(folds.n, folds.digest, digest_labels(labels), predictions=predictions)
    files = workspace.run(run_name(recipe, inputs))
    run = Run(files, recipe, inputs, workspace.typed)
    if not _is_complete(run):
        # A finished import needs no lock, so a workspace that cannot be written still opens.
        with own(files.folder, f"Import {files.name}", workspace.wait, reporter) as held:
            write_run(files, recipe, inputs)
            _write_missing(run, held_out, answers, held, reporter)
    return Imported(open_run(workspace, files.name), has_folds, len(answers))


def _is_complete(run: Run) -> bool:
    """Whether an import is finished, with every file as its markers say."""
    try:
        known = read_recipe(run.files), read_inputs(run.files)
    except UserError:
        return False
    if known[1] != run.inputs or run.missing_folds() or run.find_damage():
        return False
    if find_copy(run.files) is None or find_exchanged(run.files):
        return False
    return bool(read_done(run.files.fold(0)).files)


def _read_oof(
    path: Path, competition: Competition, folds: Folds, table: Path
) -> tuple[Predictions, bool]:
    """The predictions in fold-table order, and whether their folds could be checked."""
    read = read_oof(path, competition, folds.ids, table)
    if read.fold is not None:
        _check_folds(path, read.fold, folds, table)
    held_out = Predictions(read.ids, read.probs, read.class_keys, folds.fold)
    return held_out, read.fold is not None


def _read_tests(
    paths: Sequence[Path], competition: Competition, workspace: Workspace
) -> list[Predictions]:
    if not paths:
        return []
    ids = competition.read_test_ids(workspace.source)
    tests = read_tests(paths, competition, ids, workspace.source / competition.sample_table)
    first: dict[str, Path] = {}
    for path, test in zip(paths, tests, strict=True):
        mark = _digest(test)
        if mark in first:
            raise UserError(
                f"{first[mark]} and {path} hold identical predictions, which models of two folds "
                "never make. Give each fold's own, or --test once if they are averaged."
            )
        first[mark] = path
    return tests


def _check_folds(path: Path, found: NDArray[np.int64], folds: Folds, table: Path) -> None:
    differ = np.flatnonzero(found != folds.fold)
    if not len(differ):
        return
    row = int(differ[0])
    wrong = (
        f"{path}: {len(differ)} of {len(found)} rows have another fold than in {table}; the first "
        f"is {folds.ids[row]}, {found[row]} instead of {folds.fold[row]}"
    )
    pairs = sorted(set(zip(found.tolist(), folds.fold.tolist(), strict=True)))
    if len(pairs) == len(set(found.tolist())) == folds.n:
        renumbered = ", ".join(f"{ours} for {theirs}" for theirs, ours in pairs)
        raise UserError(
            f"{wrong}. The folds are the same but numbered differently: write {renumbered}."
        )
    raise UserError(
        f"{wrong}. Models trained on other folds have seen rows that these hold out. Train on the "
        f"folds of {table} and predict again."
    )


def _write_missing(
    run: Run,
    held_out: Predictions,
    tests: Sequence[Predictions],
    held: Held,
    reporter: Reporter,
) -> None:
    """Write what is missing or damaged: the averaged test first, then each fold, its marker last.

    Fold 0 stands for the averaged test, too. Folds without seals, of earlier versions, get them.
    """
    for damage in run.find_damage():
        reporter.say(f"{damage}. The fold is imported again.")
    averaged = run.files.averaged_test
    for fold in range(run.folds):
        files = run.files.fold(fold)
        if files.done.exists() and not damage_of_finished(files) and read_done(files).files:
            continue
        held.require()
        remove_leftovers(files.folder)
        files.done.unlink(missing_ok=True)
        provenance = {"run": run.name, "fold": fold}
        write_predictions(files.oof, _only(held_out, fold), provenance)
        written = [files.oof]
        if len(tests) > 1:
            write_predictions(files.test, tests[fold], provenance)
            written.append(files.test)
        seals = seal(files.folder, written)
        if len(tests) == 1 and fold == 0:
            write_predictions(averaged, tests[0], {"run": run.name})
            seals[BESIDE_FOLDS + averaged.name] = seal(run.files.folder, [averaged])[averaged.name]
        write_done(files, Done(imported=True, files=seals))


def _only(held_out: Predictions, fold: int) -> Predictions:
    assert held_out.fold is not None
    rows = np.flatnonzero(held_out.fold == fold)
    ids = tuple(held_out.ids[row] for row in rows)
    return Predictions(ids, held_out.probs[rows], held_out.class_keys, held_out.fold[rows])


def _digest(predictions: Predictions) -> str:
    return digest([predictions.ids, predictions.probs.tolist()])
