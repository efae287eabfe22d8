"""Import predictions made by another framework, as a run like any other."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.disk import digest
from kit.core.errors import UserError, some
from kit.core.paths import Workspace
from kit.data.folds import Folds, digest_labels, read_folds
from kit.data.predictions import Predictions, as_probabilities, write_predictions
from kit.data.run_files import Done, RunInputs, write_done, write_run
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
    files = workspace.run(f"{name}-imported-{digest([name, inputs.content()])[:8]}")
    if not files.inputs.exists():
        write_run(files, recipe, inputs)
    run = open_run(workspace, files.name)
    _write_missing(run, held_out, answers)
    return Imported(run, has_folds, len(answers))


def _read_oof(
    path: Path, competition: Competition, folds: Folds, table: Path
) -> tuple[Predictions, bool]:
    """The predictions in fold-table order, and whether their folds could be checked."""
    read = _read(path, competition, ("fold",))
    _check_ids(path, read.ids, folds.ids, table)
    aligned = read.take(folds.ids)
    if aligned.fold is not None:
        _check_folds(path, aligned.fold, folds, table)
    held_out = Predictions(aligned.ids, aligned.probs, aligned.class_keys, folds.fold)
    return held_out, aligned.fold is not None


def _read_tests(
    paths: Sequence[Path], competition: Competition, workspace: Workspace
) -> list[Predictions]:
    if not paths:
        return []
    ids = competition.read_test_ids(workspace.source)
    tests = []
    for path in paths:
        read = _read(path, competition, ())
        _check_ids(path, read.ids, ids, workspace.source / competition.sample_table)
        tests.append(read.take(ids))
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


def _check_ids(path: Path, found: Sequence[str], wanted: Sequence[str], table: Path) -> None:
    missing = sorted(set(wanted) - set(found))
    extra = sorted(set(found) - set(wanted))
    lacks = f"lacks ids of {table}, {len(missing)} in all: {some(missing)}"
    brings = f"has ids that {table} lacks, {len(extra)} in all: {some(extra)}"
    if wrong := [text for text, ids in ((lacks, missing), (brings, extra)) if ids]:
        raise UserError(f"{path} {'; it '.join(wrong)}. Expected one row per id of {table}.")


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


def _write_missing(run: Run, held_out: Predictions, tests: Sequence[Predictions]) -> None:
    """Write what is missing: the averaged test first, then each fold with its marker last."""
    averaged = run.files.averaged_test
    if len(tests) == 1 and not averaged.exists():
        write_predictions(averaged, tests[0], {"run": run.name})
    for fold in run.missing_folds():
        files = run.files.fold(fold)
        provenance = {"run": run.name, "fold": fold}
        write_predictions(files.oof, _only(held_out, fold), provenance)
        if len(tests) > 1:
            write_predictions(files.test, tests[fold], provenance)
        write_done(files, Done(imported=True))


def _only(held_out: Predictions, fold: int) -> Predictions:
    assert held_out.fold is not None
    rows = np.flatnonzero(held_out.fold == fold)
    ids = tuple(held_out.ids[row] for row in rows)
    return Predictions(ids, held_out.probs[rows], held_out.class_keys, held_out.fold[rows])


def _digest(predictions: Predictions) -> str:
    return digest([predictions.ids, predictions.probs.tolist()])


def _read(path: Path, competition: Competition, besides: Sequence[str]) -> Predictions:
    """Read ids, classes and, if present, the optional columns `besides`."""
    import pyarrow as pa

    table = _read_table(path, competition.id_column)
    found = table.column_names
    ids, classes = _find_columns(path, competition, found, besides)
    try:
        probs = np.column_stack([_column(table, name, pa.float64()) for name in classes])
        fold = _column(table, "fold", pa.int64()) if "fold" in found else None
        names = tuple(_column(table, ids, pa.string()).tolist())
        keys = competition.class_keys
        return Predictions(names, as_probabilities(names, probs, keys), keys, fold)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _read_table(path: Path, id_column: str) -> Any:
    """An Arrow table from Parquet, or from CSV with the ids kept as text."""
    import pyarrow as pa
    from pyarrow import csv, parquet

    if not path.is_file():
        raise UserError(f"{path} does not exist.")
    texts = {"Id": pa.string(), id_column: pa.string()}
    with path.open("rb") as file:
        is_parquet = file.read(4) == b"PAR1"
    try:
        if is_parquet:
            return parquet.read_table(path)
        # Only an empty cell is null: `nan` is a number, refused later with its row and class.
        options = csv.ConvertOptions(column_types=texts, null_values=[""])
        table = csv.read_csv(path, convert_options=options)
        _ = table.column_names  # Arrow decodes names only here, so other encodings fail here
        return table
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        kind = "a complete Parquet file" if is_parquet else "a Parquet file or UTF-8 CSV"
        raise UserError(f"{path} is not {kind} ({reason}).") from None


def _find_columns(
    path: Path, competition: Competition, found: Sequence[str], besides: Sequence[str]
) -> tuple[str, tuple[str, ...]]:
    """The id column, and the class columns in the order of the class keys."""
    if twice := sorted({name for name in found if found.count(name) > 1}):
        raise UserError(f"{path} has duplicate columns: {some(twice)}.")
    id_names = tuple(dict.fromkeys(("Id", competition.id_column)))
    id_column = next((name for name in id_names if name in found), None)
    if id_column is None:
        raise UserError(f"{path} lacks an id column, named {' or '.join(id_names)}.")
    keys, names = competition.class_keys, competition.class_names
    # Class names are free text: they identify columns only if unique and different from these.
    taken = {"Id", competition.id_column, "fold"}
    are_clear = len(taken | set(names)) == len(taken) + len(names)
    by_name = are_clear and not set(keys) <= set(found) and bool(set(names) & set(found))
    classes = names if by_name else keys
    if missing := [name for name in classes if name not in found]:
        raise UserError(
            f"{path} lacks class columns: {some(missing)}. Expected one per class, named by its "
            f"key ({some(keys, 3)}) or by its name ({some(names, 3)})."
        )
    if extra := [name for name in found if name not in (id_column, *classes, *besides)]:
        raise UserError(
            f"{path} has unexpected columns: {some(map(repr, extra))}. Expected "
            f"{', '.join([id_column, *besides])} and the classes; pandas writes no index with "
            "index=False."
        )
    return id_column, classes


def _column(table: Any, name: str, kind: Any) -> NDArray[Any]:
    import pyarrow as pa

    column = table.column(name)
    try:
        values: NDArray[Any] = column.cast(kind, safe=not pa.types.is_floating(kind)).to_numpy()
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"the column '{name}' cannot be read as {kind} ({reason}).") from None
    if column.null_count or (pa.types.is_string(kind) and "" in values):
        raise UserError(f"the column '{name}' has empty cells.")
    return values
