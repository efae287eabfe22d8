"""The stage `blend`: runs to one set of predictions, with thresholds and their honest score."""

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from kit.competitions.base import Competition
from kit.competitions.exact import exact_thresholds
from kit.core.disk import digest, read_json, write_json
from kit.core.errors import UserError
from kit.core.paths import BlendFiles, Workspace
from kit.core.progress import say
from kit.data.folds import Folds, digest_labels, read_folds
from kit.data.predictions import Predictions, mean_of_logits, write_predictions
from kit.data.runs import Run, open_run
from kit.ensemble.crossfit import HonestScore, honest_score
from kit.ensemble.thresholds import write_thresholds


@dataclass(frozen=True)
class Scored:
    """One row of the table that a blend prints: a run or the blend, and what it is worth."""

    name: str
    score: HonestScore


@dataclass(frozen=True)
class Blend:
    """A finished blend on disk, the runs in it, and their scores with the blend's own last."""

    files: BlendFiles
    runs: tuple[str, ...]
    scores: tuple[Scored, ...]


def blend(
    competition: Competition,
    workspace: Workspace,
    run_names: Sequence[str] = (),
    name: str | None = None,
) -> Blend:
    """Blend runs by the mean of their logits, and fit thresholds on the blend.

    Without names, every finished run on the present folds. A blend of just these predictions
    that is already there is left as it is. Raises UserError for runs that are unfinished or on
    other folds.
    """
    if name is not None and not re.fullmatch(r"\w[\w.-]*", name):
        raise UserError(f"--name {name}: wants letters, digits, '.', '-' and '_' only.")
    table = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, table)
    runs = _choose_runs(workspace, folds, digest_labels(table), run_names)
    inputs = {run.name: run.digest() for run in runs}
    files = workspace.blend(name or f"mean-{digest(inputs)[:8]}")

    labels = table.of(folds.ids)
    test_ids = competition.read_test_ids(workspace.source)
    test_rows = round(len(test_ids) * (competition.private_share or 1.0))

    def scored(title: str, oof: Predictions) -> Scored:
        return Scored(title, honest_score(labels, oof, folds.group, test_rows))

    members = [run.read_oof(competition).take(folds.ids) for run in runs]
    weights = {run.name: 1 / len(runs) for run in runs}
    blended = mean_of_logits(members, [*weights.values()])
    scores = tuple(scored(run.name, oof) for run, oof in zip(runs, members, strict=True))
    scores = (*scores, scored(files.name, blended))
    result = Blend(files, tuple(run.name for run in runs), scores)
    if files.thresholds.exists() and read_json(files.thresholds)["inputs"] == inputs:
        return result

    files.thresholds.unlink(missing_ok=True)  # the marker: no blend while its parts are replaced
    tests = [run.read_test(competition) for run in runs]
    test = mean_of_logits(tests, [*weights.values()]).take(test_ids)
    provenance = {"blend": files.name, "runs": inputs}
    write_predictions(files.oof, blended, provenance)
    write_predictions(files.test, test, provenance)
    by_name = {scored.name: asdict(scored.score) for scored in scores}
    write_json(files.weights, {"method": "mean", "weights": weights, "scores": by_name})
    cuts = exact_thresholds(labels, blended.probs).thresholds
    keys = competition.class_keys
    write_thresholds(files.thresholds, keys, cuts, "exact", scores[-1].score, inputs)
    return result


def _choose_runs(
    workspace: Workspace, folds: Folds, labels_digest: str, names: Sequence[str]
) -> tuple[Run, ...]:
    """The named runs, or every finished one; UserError when one does not fit folds and labels."""
    if names:
        runs = tuple(open_run(workspace, name) for name in dict.fromkeys(names))
        for run in runs:
            if reason := run.misfit(folds.digest, labels_digest):
                raise UserError(f"{run.name}: {reason}. Train it again, or leave it out.")
        return runs
    finished = []
    for name in workspace.run_names():
        run = open_run(workspace, name)
        reason = run.misfit(folds.digest, labels_digest)
        if reason is None and (missing := run.missing_folds()):
            reason = f"folds {', '.join(map(str, missing))} are not trained"
        if reason is None:
            finished.append(run)
        else:
            say(f"{name} is left out: {reason}.")
    if not finished:
        raise UserError(
            f"No finished run on the folds of {workspace.folds} in {workspace.runs}. "
            "Train one: kit train MODEL"
        )
    return tuple(finished)
