"""The stage `tune`: thresholds for one model's predictions, from any source."""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kit.competitions.base import Competition
from kit.core.disk import digest_file, read_csv
from kit.core.errors import UserError, brief
from kit.core.ids import positions
from kit.core.journal import Journal
from kit.core.owner import own
from kit.core.terminal import TERMINAL, say
from kit.data.folds import is_fold
from kit.data.given import read_oof, read_tests
from kit.data.group_folds import split_group
from kit.data.predictions import Predictions
from kit.ensemble import (
    ALL_AUTO,
    Decision,
    Options,
    Origin,
    check_options,
    fit_decision,
    make_members,
    make_unseen,
)
from kit.ensemble.decision import FORMAT
from kit.stages.decision_tables import print_decision


@dataclass(frozen=True)
class TuneInputs:
    """The files that `kit tune` reads.

    `folds` is needed if the predictions have no fold column. `tests` is one file, averaged, or one
    per fold model.
    """

    oof: Path
    labels: Path
    folds: Path | None = None
    tests: tuple[Path, ...] = ()

    def all(self) -> tuple[Path, ...]:
        """Every file given."""
        return (self.oof, self.labels, *((self.folds,) if self.folds else ()), *self.tests)


def tune_stage(
    competition: Competition,
    inputs: TuneInputs,
    out: Path,
    options: Options = ALL_AUTO,
    wait: bool = False,
) -> Decision:
    """Fit a decision to one model's out-of-fold predictions, print its score, and write it.

    With a journal in the options, the studies of the final fit can be stopped, resumed and shared.
    Without, `out` has one owner at a time: `wait` waits for it.
    """
    check_options(options)
    FORMAT.spare(out, Decision, f"--out {out}")
    if options.journal is not None:
        Journal(options.journal).require()
    truth = competition.label_format.read(inputs.labels, competition.class_keys)
    oof = read_oof(inputs.oof, competition, truth.ids, inputs.labels)
    groups = None
    if inputs.folds is not None:
        oof, groups = read_fold_table(oof, inputs.folds)
    members = make_members(truth.labels, [oof], [inputs.oof.stem], groups)
    tests = read_tests(inputs.tests, competition)
    if len(tests) > 1 and len(tests) != len(members.folds):
        raise UserError(
            f"{len(tests)} test files for {len(members.folds)} folds: give one, averaged, or one "
            "per fold model."
        )
    unseen = make_unseen([tests]) if tests else None
    # Processes that share a journal may share the command, and write the same file.
    alone = own(out, f"Decision {out}", wait, TERMINAL) if options.journal is None else None
    with alone or nullcontext():
        made = fit_decision(members, unseen, options, reporter=TERMINAL).decision
        asked = {"policy": options.policy, "transfer": options.transfer}
        digests = {str(path): digest_file(path) for path in inputs.all()}
        made = replace(made, origin=Origin(digests, asked))
        names = dict(zip(competition.class_keys, competition.class_names, strict=True))
        print_decision(inputs.oof.stem, made, names)
        made.save(out)
    say(f"Wrote {out}.")
    return made


def read_fold_table(oof: Predictions, path: Path) -> tuple[Predictions, tuple[str, ...] | None]:
    """Predictions with the folds of a table `Id,fold[,group]`, and the groups if any.

    Raises UserError for another header, ids without a fold, and folds that contradict those in the
    predictions.
    """
    rows = read_csv(path)
    header = rows[0][1] if rows else []
    if header[:2] != ["Id", "fold"] or header[2:] not in ([], ["group"]):
        raise UserError(
            f"{path}: expected the header 'Id,fold' or 'Id,fold,group', got {brief(header)}."
        )
    table: dict[str, list[str]] = {}
    for line, row in rows[1:]:
        if len(row) != len(header) or not is_fold(row[1]):
            raise UserError(f"{path}, line {line}: expected {','.join(header)}, got {brief(row)}.")
        if row[0] in table:
            raise UserError(f"{path}, line {line}: the id {brief(row[0])} appears twice.")
        table[row[0]] = row[1:]
    lines = list(table.values())
    found = positions(list(table), oof.ids, f"{path} has no fold for")
    fold = np.array([int(line[0]) for line in lines], dtype=np.int64)[found]
    if oof.fold is not None and (oof.fold != fold).any():
        raise UserError(
            f"{path} has other folds than the predictions, for {int((oof.fold != fold).sum())} "
            "rows. Thresholds need the folds that the models were trained on."
        )
    groups = tuple(lines[row][1] for row in found) if len(header) == 3 else None
    if groups is not None:
        _check_groups(path, groups, fold.tolist())
    return replace(oof, fold=fold), groups


def _check_groups(path: Path, groups: Sequence[str], folds: Sequence[int]) -> None:
    """Raise UserError for groups in more than one fold: models saw what they held out."""
    if split := split_group(groups, folds):
        group, one, other = split
        raise UserError(
            f"{path}: group {brief(group)} is in the folds {one} and {other}: models trained on "
            "groups they held out. Drop the groups, or train on folds that keep each in one fold."
        )
