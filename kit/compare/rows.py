"""What the tables across models show of a run or blend: training, size, time and macro-F1."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from kit.compare.logs import RunLog, read_log
from kit.compare.model_size import run_parameters
from kit.competitions.base import Competition
from kit.core.errors import listed, some
from kit.core.paths import Workspace
from kit.data.run_files import EpochLog
from kit.data.runs import Run, open_runs
from kit.ensemble import Decision, HonestScore


@dataclass(frozen=True)
class Training:
    """Scores of the epochs that predict, each the mean over the finished folds.

    None for what a fold did not log. `val_` scores are on held-out rows; the fields are those of
    `EpochLog`.
    """

    loss: float | None
    val_loss: float | None
    accuracy: float | None
    val_accuracy: float | None
    exact_match: float | None
    val_exact_match: float | None
    batch_f1: float | None
    val_batch_f1: float | None


@dataclass(frozen=True)
class Row:
    """One run or blend. What is not known of it is None.

    `folds_done` of `folds` are finished, or imported. `training` is None for a blend, an imported
    run, and before the first fold is finished. `score` needs all folds; `macro_f1_at_half` is
    macro-F1 at threshold 0.5 on the out-of-fold rows there are, with the 95% CI that it has on a
    test set. `parameters` and `minutes` of training are summed over the members of a blend. `note`
    says why something is missing.
    """

    name: str
    folds_done: int
    folds: int
    training: Training | None = None
    score: HonestScore | None = None
    macro_f1_at_half: float | None = None
    interval_at_half: tuple[float, float] | None = None
    parameters: int | None = None
    minutes: float | None = None
    note: str | None = None
    is_imported: bool = False


def run_row(competition: Competition, run: Run, score: HonestScore | None) -> Row:
    """The row of a run with this score; UserError for a damaged log or weights file."""
    log = read_log(run)
    return Row(
        name=run.name,
        folds_done=len(run.finished_folds()),
        folds=run.folds,
        training=_training(log),
        score=score,
        parameters=run_parameters(competition, run),
        minutes=run.seconds() / 60 if log.folds else None,
        is_imported=run.is_imported,
    )


def blend_row(name: str, made: Decision, members: Sequence[Row], folds: int) -> Row:
    """The row of a blend, from those of its members that are still there."""
    rows = {row.name: row for row in members}
    sizes = {row.name: row.parameters for row in members if row.parameters is not None}
    times = {row.name: row.minutes for row in members if row.minutes is not None}
    unsized = tuple(member for member in made.members if member not in sizes)
    untimed = tuple(member for member in made.members if member not in times)
    return Row(
        name,
        folds,
        folds,
        score=made.worth.score,
        parameters=None if unsized else sum(sizes.values()),
        minutes=None if untimed else sum(times.values()),
        note=_sums_note({"parameters": unsized, "minutes": untimed}, rows),
    )


def _sums_note(lacking: Mapping[str, tuple[str, ...]], rows: Mapping[str, Row]) -> str | None:
    """Why a blend's sums are missing: the members of which a summand is unknown."""
    lines = []
    for members in dict.fromkeys(one for one in lacking.values() if one):
        sums = listed(name for name, of in lacking.items() if of == members)
        told = some(_with_reason(member, rows) for member in members)
        lines.append(f"No {sums}: unknown for {told}.")
    return " ".join(lines) or None


def _with_reason(member: str, rows: Mapping[str, Row]) -> str:
    if member not in rows:
        return f"{member} (deleted or damaged)"
    return f"{member} (imported)" if rows[member].is_imported else member


def member_rows(
    competition: Competition, workspace: Workspace, members: Sequence[str]
) -> tuple[Row, ...]:
    """The rows without scores of those of a blend's members that are still there and complete."""
    sound, _ = open_runs(workspace, members)
    there = {run.name: run for run in sound}
    return tuple(run_row(competition, there[name], None) for name in members if name in there)


def row_notes(rows: Sequence[Row]) -> tuple[str, ...]:
    """Lines below tables of rows: what is missing in them, and why."""
    each = {row.name: row for row in rows}.values()
    unlogged = [row.name for row in each if row.training and row.training.accuracy is None]
    said = [f"{row.name}: {row.note}" for row in each if row.note is not None]
    if unlogged:
        return (f"Accuracy and exact match are not in the log of {some(unlogged)}.", *said)
    return tuple(said)


def _training(log: RunLog) -> Training | None:
    """The means over the finished folds; without one, the scores of the training on all rows."""
    done = [fold for fold in log.folds if fold.is_done]
    folds = [fold for fold in done if fold.fold is not None]
    lines = [fold.kept_line for fold in folds or done]
    if not lines:
        return None
    return Training(
        loss=_mean(lines, lambda line: line.loss),
        val_loss=_mean(lines, lambda line: line.val_loss),
        accuracy=_mean(lines, lambda line: line.accuracy),
        val_accuracy=_mean(lines, lambda line: line.val_accuracy),
        exact_match=_mean(lines, lambda line: line.exact_match),
        val_exact_match=_mean(lines, lambda line: line.val_exact_match),
        batch_f1=_mean(lines, lambda line: line.batch_f1),
        val_batch_f1=_mean(lines, lambda line: line.val_batch_f1),
    )


def _mean(lines: Sequence[EpochLog], score: Callable[[EpochLog], float | None]) -> float | None:
    values = [value for line in lines if (value := score(line)) is not None]
    return sum(values) / len(values) if len(values) == len(lines) else None
