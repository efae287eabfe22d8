"""The stage `blend`: from runs to a decision, its predictions, and the submission CSV."""

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from kit.blends.opened import BrokenBlend, blend_words, open_blend, restore_command
from kit.competitions.base import Competition
from kit.core.disk import digest, digest_file, remove_leftovers
from kit.core.errors import UserError
from kit.core.owner import own
from kit.core.paths import BlendFiles, Workspace
from kit.core.terminal import TERMINAL, say
from kit.data.blends import remember_blend, remember_command
from kit.data.folds import Folds, digest_labels, read_folds
from kit.data.predictions import Predictions, write_predictions
from kit.data.runs import Run, open_run, open_runs
from kit.data.store import open_store
from kit.data.twins import find_twins, find_twins_within, fingerprints
from kit.ensemble import (
    ALL_AUTO,
    Fitted,
    Options,
    Origin,
    Twins,
    Unseen,
    check_options,
    fit_decision,
    make_members,
    make_unseen,
)
from kit.stages.decision_tables import print_decision
from kit.submission.write import Submission, write_submission


def blend_stage(
    competition: Competition,
    workspace: Workspace,
    runs: Sequence[str],
    name: str | None,
    options: Options = ALL_AUTO,
    all_rows: bool = False,
) -> tuple[BlendFiles, Submission]:
    """Blend, print the expected score, and write the submission; returns both."""
    made = blend(competition, workspace, runs, name, options, all_rows)
    names = dict(zip(competition.class_keys, competition.class_names, strict=True))
    print_decision(made.name, open_blend(workspace, made.name).decision, names)
    written = write_submission(competition, workspace, made, TERMINAL)
    say(
        f"Wrote {written.files.csv}: {written.rows} rows, {written.labels_per_row:.2f} labels per "
        f"row, {written.empty_rows} rows without labels."
    )
    remember_blend(workspace, made)
    return made, written


def blend(
    competition: Competition,
    workspace: Workspace,
    run_names: Sequence[str] = (),
    name: str | None = None,
    options: Options = ALL_AUTO,
    all_rows: bool = False,
) -> BlendFiles:
    """Blend runs, fit the decision, and write it with its predictions.

    Without names, blends every finished run on the current folds. With `all_rows`, the test
    predictions are those of models trained on all rows, whose score is unknown. A blend of the same
    predictions with the same options is kept unchanged; a damaged one is made again. Raises
    UserError for runs that are unfinished or on other folds, and for unknown options.
    """
    if name is not None and not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"--name {name}: use only letters, digits, '.', '-' and '_'.")
    check_options(options)
    table = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table, workspace.typed)
    runs = _choose_runs(competition, workspace, folds, digest_labels(table), run_names)
    inputs = {run.name: run.digest(all_rows) for run in runs}
    asked = {
        "method": options.method,
        "policy": options.policy,
        "transfer": options.transfer,
        "postprocess": "+".join(options.steps),
    }
    if options.trust:
        asked["trust"] = "+".join(options.trust)
    origin = Origin(inputs, asked, all_rows)
    files = workspace.blend(name or f"{options.method}-{digest([inputs, asked, all_rows])[:8]}")
    if _is_made(workspace, files, origin):
        return files
    # A finished blend needs no lock, so a workspace that cannot be written still opens.
    with own(files.folder, f"Blend {files.name}", workspace.wait, TERMINAL) as held:
        if _is_made(workspace, files, origin):
            return files
        remove_leftovers(files.folder)
        fitted = _fit(competition, workspace, runs, folds, options, all_rows)
        held.require()
        _write(files, fitted, folds, competition.read_test_ids(workspace.source), origin)
    return files


def _is_made(workspace: Workspace, files: BlendFiles, origin: Origin) -> bool:
    """Whether a blend on disk was made from this and is complete; says so if it is damaged."""
    if not files.decision.exists():
        return False
    try:
        made = open_blend(workspace, files.name)
    except BrokenBlend as error:
        say(f"{error.problem} The blend is made again.")
        return False
    if replace(made.decision.origin, files={}) != origin:
        return False
    restore_command(made)
    return True


def _fit(
    competition: Competition,
    workspace: Workspace,
    runs: Sequence[Run],
    folds: Folds,
    options: Options,
    all_rows: bool,
) -> Fitted:
    """Fit the decision of a blend of these runs."""
    table = competition.read_labels(workspace.source)
    test_ids = competition.read_test_ids(workspace.source)
    oofs = [run.read_oof(competition).take(folds.ids) for run in runs]
    names = [run.name for run in runs]
    members = make_members(table.of(folds.ids), oofs, names, folds.group)
    unseen = _read_tests(competition, runs, test_ids, all_rows)
    twins = find_copies(workspace, runs, folds.ids, test_ids) if "copies" in options.steps else None
    options = replace(
        options,
        test_rows=competition.count_private(workspace.source),
        public_rows=competition.count_public(workspace.source),
    )
    return fit_decision(members, unseen, options, twins, TERMINAL)


def _write(
    files: BlendFiles, fitted: Fitted, folds: Folds, test_ids: Sequence[str], origin: Origin
) -> None:
    """Write the predictions of a decision, then the decision with their digests."""
    files.decision.unlink(missing_ok=True)  # the marker: no blend until its parts are replaced
    keys, note = fitted.decision.class_keys, {"blend": files.name, "runs": origin.inputs}
    assert fitted.test is not None  # runs without test predictions cannot be read

    def of_rows(values: NDArray[np.generic]) -> Predictions:
        return Predictions(folds.ids, values.astype(np.float32), keys, folds.fold)

    written = {
        files.oof: of_rows(fitted.sample.probs),
        files.test: Predictions(tuple(test_ids), fitted.test, keys),
        files.labels: of_rows(fitted.labels),
        files.averaged_labels: of_rows(fitted.averaged),
    }
    for path, predictions in written.items():
        write_predictions(path, predictions, note)
    digests = {path.name: digest_file(path) for path in written}
    decision = replace(fitted.decision, origin=replace(origin, files=digests))
    remember_command(files, blend_words(files.name, decision))
    decision.save(files.decision)


def _choose_runs(
    competition: Competition,
    workspace: Workspace,
    folds: Folds,
    labels_digest: str,
    names: Sequence[str],
) -> tuple[Run, ...]:
    """The named runs, or all finished ones; UserError for a run on other folds or labels."""
    if names:
        opened = [open_run(workspace, name) for name in names]
        runs = tuple({run.name: run for run in opened}.values())
        for run in runs:
            if reason := run.misfit(folds.digest, labels_digest):
                raise UserError(f"{run.name}: {reason}. Train or import it again, or omit it.")
        return runs
    finished = []
    sound, broken = open_runs(workspace)
    for one in broken:
        say(f"{one.name} is not blended: {one.reason}")
    for run in sound:
        try:
            reason = _why_not(competition, run, folds, labels_digest)
        except UserError as error:
            say(f"{run.name} is not blended: {error}")
            continue
        if reason is None:
            finished.append(run)
        else:
            say(f"{run.name} is not blended: {reason}.")
    if not finished:
        raise UserError(
            f"No finished run on the folds of {workspace.folds} in {workspace.runs}. "
            f"Train one: {workspace.typed.command('train', 'MODEL')}"
        )
    return tuple(finished)


def _why_not(competition: Competition, run: Run, folds: Folds, labels_digest: str) -> str | None:
    """Why a run is not blended unless it is named; UserError if one of its files is damaged."""
    if reason := run.misfit(folds.digest, labels_digest):
        return reason
    if missing := run.missing_folds():
        return f"folds {', '.join(map(str, missing))} are not trained"
    if not run.has_tests():
        return "it was imported without test predictions"
    run.read_oof(competition)
    run.read_tests(competition)
    return None


def _read_tests(
    competition: Competition, runs: Sequence[Run], ids: Sequence[str], all_rows: bool
) -> Unseen:
    """Test predictions of all runs per fold; or one per run, if any run has only averaged ones.

    With `all_rows`, one per run: those of the models trained on all rows.
    """
    if all_rows:
        return make_unseen([[run.read_all_rows(competition).take(ids)] for run in runs])
    by_run = [run.read_tests(competition) for run in runs]
    folds = {len(tests) for tests in by_run}
    if len(folds) > 1 or folds == {1}:
        by_run = [(run.read_test(competition),) for run in runs]
    return make_unseen([[test.take(ids) for test in tests] for tests in by_run])


def find_copies(
    workspace: Workspace, runs: Sequence[Run], ids: Sequence[str], test_ids: Sequence[str]
) -> Twins:
    """Find near-duplicates among the images of the smallest store that a run was trained on.

    `ids` and `test_ids` are the order of the rows. Raises UserError when no run has a store, which
    is so if all were imported.
    """
    kinds = [kind for run in runs if (kind := run.store_kind) is not None]
    if not kinds:
        raise UserError(
            "--postprocess copies compares images, but none of these runs was trained here. Drop "
            f"it, or train a run: {workspace.typed.command('train', 'MODEL')}"
        )
    train = open_store(workspace.store(min(kinds), "train"), workspace.typed)
    test = open_store(workspace.store(min(kinds), "test"), workspace.typed)
    known = fingerprints(train.images, train.rows(ids))
    asked = fingerprints(test.images, test.rows(test_ids))
    return Twins(find_twins_within(known), find_twins(known, asked))
