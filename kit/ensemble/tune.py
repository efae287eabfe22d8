"""The stage `tune`: thresholds for predictions from anywhere."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.disk import digest_file, read_csv
from kit.core.errors import UserError, some
from kit.core.terminal import say
from kit.data.predictions import Predictions, mean_of_logits, read_predictions
from kit.ensemble.crossfit import judge_all, simplest_of_the_best
from kit.ensemble.described import candidate, class_row
from kit.ensemble.estimate import estimate, fitted_score, leave_each_out
from kit.ensemble.journal import Journal
from kit.ensemble.policies import SEARCHED, Policy, find_policies, find_policy
from kit.ensemble.sample import Sample, make_sample
from kit.ensemble.search import searched
from kit.ensemble.tables import (
    print_candidates,
    print_disagreement,
    print_noisy,
    print_outlook,
)
from kit.ensemble.thresholds import Thresholds, write_thresholds
from kit.ensemble.transfer import (
    as_averaged,
    carry,
    check_transfer,
    choose_transfer,
    classes_that_disagree,
    own_noise,
)


@dataclass(frozen=True)
class TuneInputs:
    """The files that `kit tune` reads: `folds` where the predictions have no fold column, and
    `tests` once, averaged, or once for each fold's model."""

    oof: Path
    labels: Path
    folds: Path | None = None
    tests: tuple[Path, ...] = ()


def tune_stage(
    competition: Competition,
    inputs: TuneInputs,
    out: Path,
    policy: str = "auto",
    transfer: str = "auto",
    journal: Path | None = None,
) -> None:
    """Fit thresholds to out-of-fold predictions, print what they are worth, and write them.

    `auto` chooses among all policies, the one tuned by Optuna included. With a journal, the
    studies of the final fit can be stopped, taken up again and shared.
    """
    check_transfer(transfer)
    if not inputs.tests and transfer in ("averaged", "rates"):
        raise UserError(f"--transfer {transfer} wants test predictions: --test FILE")
    truth = competition.label_format.read(inputs.labels, competition.class_keys)
    oof = read_predictions(inputs.oof, competition.class_keys).take(truth.ids)
    if inputs.folds is not None:
        oof, groups = read_fold_table(oof, inputs.folds)
    else:
        groups = None
    sample = make_sample(truth.labels, oof, groups)
    tests = [read_predictions(path, competition.class_keys) for path in inputs.tests]
    if len(tests) > 1 and len(tests) != len(sample.folds):
        raise UserError(
            f"{len(tests)} test files for {len(sample.folds)} folds: give one that is averaged, "
            "or one for each fold's model."
        )
    test = mean_of_logits(tests) if tests else None
    averaged, how = sample, "thresholds"
    if test is not None:
        how = choose_transfer(transfer, sample, test.probs, len(tests))
        if how == "averaged":
            by_fold = [one.take(test.ids).probs for one in tests]
            noise = own_noise(sample.labels.mean(axis=0), by_fold)
            probs = as_averaged(sample.labels, sample.probs, noise, len(tests))
            averaged = sample.with_probs(probs)

    policies = find_policies(policy)
    if policy == "auto":
        policies = (*policies, *(find_policy(title) for title in SEARCHED))
    judged = judge_all(averaged, policies)
    chosen = simplest_of_the_best(averaged, judged).policy if len(judged) > 1 else policies[0]
    cuts = _fit(chosen, averaged, journal)
    test_rows = len(sample.labels) if test is None else len(test.ids)
    found = estimate(
        sample.labels,
        sample.group,
        leave_each_out(sample, averaged),
        policies,
        fitted_score(sample, cuts if averaged is sample else chosen.fit(sample)),
        test_rows,
    )
    names = dict(zip(competition.class_keys, competition.class_names, strict=True))
    rows = [candidate(one.policy.title, averaged, one, test_rows) for one in judged]
    print_candidates("Policies for thresholds", rows, chosen.title)
    print_outlook(found.score, how)
    by_class = dict(zip(names, (class_row(one) for one in found.classes), strict=True))
    print_noisy(by_class, names)
    carried = cuts
    if test is not None:
        carried = carry(how, cuts, averaged, test.probs)
        apart = classes_that_disagree(cuts, averaged, carried, test.probs)
        print_disagreement([competition.class_names[column] for column in apart])
    files = [inputs.oof, inputs.labels, *([inputs.folds] if inputs.folds else []), *inputs.tests]
    digests = {str(path): digest_file(path) for path in files}
    asked = {"policy": policy, "transfer": transfer}
    by_key = dict(zip(competition.class_keys, carried.tolist(), strict=True))
    write_thresholds(
        out, Thresholds(by_key, chosen.title, how, found.score, inputs=digests, how=asked)
    )
    say(f"Wrote {out}.")


def _fit(policy: Policy, sample: Sample, journal: Path | None) -> NDArray[np.float64]:
    """The policy's cuts on all rows; those that Optuna tunes with their studies in the journal."""
    if policy.name == "tuned" and journal is not None:
        return searched(sample, Journal(journal))
    return policy.fit(sample)


def read_fold_table(oof: Predictions, path: Path) -> tuple[Predictions, tuple[str, ...] | None]:
    """Predictions with the folds of a table `Id,fold` or `Id,fold,group`, and the groups if any.

    Raises UserError for another header, ids without a fold, and folds that contradict those the
    predictions came with.
    """
    rows = read_csv(path)
    header = rows[0][1] if rows else []
    if header[:2] != ["Id", "fold"] or header[2:] not in ([], ["group"]):
        raise UserError(f"{path}: wants the header 'Id,fold' or 'Id,fold,group', got {header}.")
    table: dict[str, list[str]] = {}
    for line, row in rows[1:]:
        if len(row) != len(header) or not row[1].isdecimal():
            raise UserError(f"{path}, line {line}: wants {','.join(header)}, got {row}.")
        if row[0] in table:
            raise UserError(f"{path}, line {line}: the id {row[0]} was there before.")
        table[row[0]] = row[1:]
    if missing := [image_id for image_id in oof.ids if image_id not in table]:
        raise UserError(f"{path} has no fold for: {some(missing)}.")
    fold = np.array([int(table[image_id][0]) for image_id in oof.ids], dtype=np.int64)
    if oof.fold is not None and (oof.fold != fold).any():
        raise UserError(
            f"{path} has other folds than the predictions say, for {int((oof.fold != fold).sum())} "
            "rows. Thresholds want the folds that the models were trained on."
        )
    groups = tuple(table[image_id][1] for image_id in oof.ids) if len(header) == 3 else None
    if groups is not None:
        _check_groups(path, groups, fold.tolist())
    return replace(oof, fold=fold), groups


def _check_groups(path: Path, groups: Sequence[str], folds: Sequence[int]) -> None:
    """Raise UserError for groups in more than one fold: what is left out has been seen then."""
    first: dict[str, int] = {}
    for group, fold in zip(groups, folds, strict=True):
        if first.setdefault(group, fold) != fold:
            raise UserError(
                f"{path}: group {group} is in the folds {first[group]} and {fold}, so that its "
                "models have seen what was left out. Leave the groups out, or train on folds "
                "that keep them whole."
            )
