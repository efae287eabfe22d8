"""The stage `compare`: whether one blend, or run, is better than another or only luckier."""

from kit.competitions.base import Competition
from kit.competitions.metrics import f1_per_class
from kit.core.disk import read_json
from kit.core.errors import UserError
from kit.core.paths import Workspace
from kit.core.terminal import say, table
from kit.data.folds import Folds, digest_labels, read_folds
from kit.data.predictions import Predictions, read_predictions
from kit.data.runs import open_run
from kit.ensemble.crossfit import judge
from kit.ensemble.interval import Counts, difference_interval
from kit.ensemble.policies import Policy, find_policy
from kit.ensemble.sample import make_sample

# A run has no policy of its own: this one is steady, and the same for all runs.
_OF_RUNS = "fold-mean"


def compare_stage(
    competition: Competition, workspace: Workspace, first: str, second: str
) -> tuple[float, float]:
    """Print second minus first in macro-F1 on one new test set, and the classes that moved most.

    Either may be a blend or a run on the present folds. Returns the 95 % interval of the
    difference. Both are decided by thresholds fitted without the fold, and resampled together, so
    that what is hard for both cancels. Raises UserError for unknown names and other folds.
    """
    truth = competition.read_labels(workspace.source)
    folds = read_folds(workspace.folds, truth)
    labels = truth.of(folds.ids)
    decisions, counts = [], []
    for name in (first, second):
        oof, policy = _find(competition, workspace, folds, digest_labels(truth), name)
        sample = make_sample(labels, oof.take(folds.ids), folds.group)
        decisions.append(judge(sample, policy).decisions)
        counts.append(Counts.of(labels, decisions[-1], sample.group))
    test_rows = len(competition.read_test_ids(workspace.source))
    test_rows = round(test_rows * (competition.private_share or 1.0))
    low, high = difference_interval(counts[0], counts[1], test_rows / len(labels))
    before, after = (f1_per_class(labels, one) for one in decisions)
    moved = sorted(range(len(before)), key=lambda column: -abs(after[column] - before[column]))
    rows = [
        [competition.class_names[one], f"{before[one]:.3f}", f"{after[one]:.3f}"]
        for one in moved[:8]
    ]
    table("Classes that moved most, cross-fitted F1", ["", first, second], rows)
    verdict = "better" if low > 0 else "worse" if high < 0 else "not to be told apart"
    say(f"{first} {before.mean():.4f}, {second} {after.mean():.4f}, both cross-fitted.")
    say(
        f"On one test set of {test_rows} rows {second} scores {low:+.3f} to {high:+.3f} against "
        f"{first}, 95 times in 100: {verdict}."
    )
    return low, high


def _find(
    competition: Competition, workspace: Workspace, folds: Folds, labels_digest: str, name: str
) -> tuple[Predictions, Policy]:
    """Out-of-fold predictions and policy of a blend or a run."""
    if name in workspace.blend_names():
        files = workspace.blend(name)
        oof = read_predictions(files.oof, competition.class_keys)
        made_on = None if oof.fold is None else dict(zip(oof.ids, oof.fold.tolist(), strict=True))
        if made_on != dict(zip(folds.ids, folds.fold.tolist(), strict=True)):
            raise UserError(f"{name} was made on other folds. Make it anew: kit blend")
        return oof, find_policy(read_json(files.thresholds)["policy"])
    if name in workspace.run_names():
        run = open_run(workspace, name)
        if reason := run.misfit(folds.digest, labels_digest):
            raise UserError(f"{name}: {reason}. Train it again to compare it.")
        return run.read_oof(competition), find_policy(_OF_RUNS)
    known = ", ".join([*workspace.blend_names(), *workspace.run_names()]) or "none"
    raise UserError(f"No blend or run '{name}'. There are: {known}.")
