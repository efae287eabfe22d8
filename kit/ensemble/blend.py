"""The stage `blend`: runs to one set of predictions, with thresholds and their honest score."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.disk import digest, read_json, write_json
from kit.core.errors import UserError, unknown
from kit.core.paths import BlendFiles, Workspace
from kit.data.folds import Folds, digest_labels, read_folds
from kit.data.predictions import Predictions, write_predictions
from kit.data.runs import Run
from kit.ensemble.choose_runs import choose_runs
from kit.ensemble.copies import find_copies
from kit.ensemble.described import described
from kit.ensemble.extras import EXTRAS
from kit.ensemble.members import Members, Tests
from kit.ensemble.methods import find_methods
from kit.ensemble.policies import find_policies
from kit.ensemble.sample import make_sample
from kit.ensemble.solve import solve
from kit.ensemble.thresholds import Thresholds, write_thresholds
from kit.ensemble.transfer import check_transfer


@dataclass(frozen=True)
class How:
    """How to blend: by which method, policy and transfer; `auto` chooses by cross-fitting.

    `extras` are tried, and taken if they gain more than a standard error. With `all_rows` the test
    predictions are those of models trained on all rows, for which no score can be told.
    """

    method: str = "auto"
    policy: str = "auto"
    transfer: str = "auto"
    extras: tuple[str, ...] = ()
    all_rows: bool = False


AUTO = How()


def blend(
    competition: Competition,
    workspace: Workspace,
    run_names: Sequence[str] = (),
    name: str | None = None,
    how: How = AUTO,
) -> BlendFiles:
    """Blend runs, fit thresholds, and write both with what they are worth.

    Without names, every finished run on the present folds. A blend of just these predictions
    that is already there is left as it is. Raises UserError for runs that are unfinished or on
    other folds, and for unknown methods, policies and transfers.
    """
    if name is not None and not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"--name {name}: wants letters, digits, '.', '-' and '_' only.")
    for extra in how.extras:
        if extra not in EXTRAS:
            raise unknown("extra", extra, EXTRAS)
    check_transfer(how.transfer)
    methods, policies = find_methods(how.method), find_policies(how.policy)
    table = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table)
    runs = choose_runs(workspace, folds, digest_labels(table), run_names)
    inputs = {run.name: run.digest(how.all_rows) for run in runs}
    files = workspace.blend(name or f"{how.method}-{digest([inputs, asdict(how)])[:8]}")
    if files.thresholds.exists():
        made = read_json(files.thresholds)
        if made["inputs"] == inputs and made["how"] == {**asdict(how), "extras": list(how.extras)}:
            return files

    test_ids = competition.read_test_ids(workspace.source)
    members = _read_members(competition, runs, folds, table.of(folds.ids))
    test_rows = round(len(test_ids) * (competition.private_share or 1.0))
    tests = _read_tests(competition, runs, test_ids, how.all_rows)
    copies = find_copies(workspace, runs, folds.ids, test_ids) if "copies" in how.extras else None
    solved = solve(
        members,
        tests,
        methods,
        policies,
        test_rows,
        how.transfer,
        how.extras,
        copies.train if copies else None,
    )
    files.thresholds.unlink(missing_ok=True)  # the marker: no blend while its parts are replaced
    keys = competition.class_keys
    oof = Predictions(folds.ids, solved.sample.probs, keys, folds.fold)
    provenance = {"blend": files.name, "runs": inputs}
    write_predictions(files.oof, oof, provenance)
    write_predictions(files.test, Predictions(test_ids, solved.test, keys), provenance)
    about = described(solved, [run.name for run in runs], keys)
    write_json(files.weights, {**about, "all_rows": how.all_rows})
    taken = [one.name for one in solved.extras if one.taken]
    copied = {}
    if copies and "copies" in taken:
        known = np.flatnonzero(copies.test >= 0)
        copied = {test_ids[row]: folds.ids[copies.test[row]] for row in known}
    chosen = Thresholds(
        cuts=dict(zip(keys, solved.cuts.tolist(), strict=True)),
        policy=solved.policy.title,
        transfer=solved.transfer,
        score=solved.estimate.score,
        finish=solved.finish,
        copies=copied,
        inputs=inputs,
        how=asdict(how),
    )
    write_thresholds(files.thresholds, chosen)
    return files


def _read_members(
    competition: Competition, runs: Sequence[Run], folds: Folds, labels: NDArray[np.uint8]
) -> Members:
    oofs = [run.read_oof(competition).take(folds.ids) for run in runs]
    sample = make_sample(labels, oofs[0], folds.group)
    return Members(labels, np.stack([oof.probs for oof in oofs]), sample.fold, sample.group)


def _read_tests(
    competition: Competition, runs: Sequence[Run], ids: Sequence[str], all_rows: bool
) -> Tests:
    """Test probabilities of all runs for each fold; or once, if any run has them averaged only.

    With `all_rows` once as well, those of the models that were trained on all rows.
    """
    if all_rows:
        return [np.stack([run.read_all_rows(competition).take(ids).probs for run in runs])]
    by_run = [run.read_tests(competition) for run in runs]
    folds = {len(tests) for tests in by_run}
    if len(folds) > 1 or folds == {1}:
        by_run = [(run.read_test(competition),) for run in runs]
    return [
        np.stack([tests[fold].take(ids).probs for tests in by_run])
        for fold in range(len(by_run[0]))
    ]
