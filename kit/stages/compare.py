"""The stage `compare`: runs and blends side by side, and whether their differences are clear."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from kit.compare.comparison import Comparison, compare
from kit.compare.rows import Row, Training, row_notes
from kit.competitions.base import Competition
from kit.core.paths import Workspace
from kit.core.progress import SILENT
from kit.core.terminal import TERMINAL, WIDTH, say, say_json, table
from kit.report.f1_chart import draw_f1
from kit.report.png import png_path, write_png

# How many classes to list, those that changed most.
MOST_MOVED = 8
# Characters of a name beside the columns.
NAME_WIDTH = 30
PARTS = ("train", "val")


def compare_stage(
    competition: Competition,
    workspace: Workspace,
    names: Sequence[str],
    out: Path | None = None,
    as_json: bool = False,
) -> Comparison:
    """Compare blends and runs: print tables, and write a bar chart of their F1.

    With two, the classes that changed most follow, and second minus first in macro-F1; with more,
    each minus the first. The chart is a PNG at `out`, by default in the folder of the runs. With
    `as_json`, nothing but the values is printed, as JSON. Raises UserError as
    `kit.compare.comparison.compare` does, and if `out` is not a .png file.
    """
    path = png_path(out, workspace.pictures.comparison)
    compared = compare(competition, workspace, names, SILENT if as_json else TERMINAL)
    write_png(path, draw_f1(compared.rows))
    if as_json:
        say_json(asdict(compared))
        return compared
    labels = _labels(compared.rows)
    _print_rows(compared.rows, labels)
    say(f"Bar chart of F1: {path}")
    if len(compared.differences) == 1:
        _print_two(compared)
    elif compared.differences:
        _print_differences(compared, labels)
    return compared


def _labels(rows: Sequence[Row]) -> dict[str, str]:
    """What each name is called in the tables: numbers, printed here, if a name is too long."""
    names = dict.fromkeys(row.name for row in rows)
    if max(map(len, names)) <= NAME_WIDTH:
        return {name: name for name in names}
    numbers = {name: str(number) for number, name in enumerate(names, 1)}
    for name, number in numbers.items():
        say(f"{number}: {name}")
    return numbers


def _print_rows(rows: Sequence[Row], labels: Mapping[str, str]) -> None:
    """The tables of training, F1 and size, and what is missing in them."""
    told = [(labels[row.name], row) for row in rows]
    table(
        "Training, at the epoch that predicts: means over the finished folds",
        ["", *(f"{part}\n{name}" for name in ("loss", "accuracy", "exact") for part in PARTS)],
        [[label, *_losses(row.training)] for label, row in told],
    )
    table(
        "F1: batch-wise (micro, at 0.5) in training, and the competition's macro-F1",
        ["", *(f"batch\n{part}" for part in PARTS), "cross-\nfitted", "\nexpected", "\n95% CI"],
        [[label, *_scores(row)] for label, row in told],
    )
    table(
        "Size and time",
        ["", "folds", "parameters", "minutes of training"],
        [[label, *_sizes(row)] for label, row in told],
    )
    for note in row_notes(rows):
        say(note)


def _losses(training: Training | None) -> list[str]:
    if training is None:
        return [""] * 6
    return [
        _cell(training.loss, _loss),
        _cell(training.val_loss, _loss),
        _cell(training.accuracy, _share),
        _cell(training.val_accuracy, _share),
        _cell(training.exact_match, _share),
        _cell(training.val_exact_match, _share),
    ]


def _scores(row: Row) -> list[str]:
    batches = [""] * 2
    if row.training is not None:
        batches = [_cell(row.training.batch_f1, _share), _cell(row.training.val_batch_f1, _share)]
    if row.score is None:
        return [*batches, "", "", ""]
    low, high = row.score.interval
    interval = f"{low:.3f} to {high:.3f}"
    return [*batches, _share(row.score.cross_fitted), _share(row.score.expected), interval]


def _sizes(row: Row) -> list[str]:
    parameters = "" if row.parameters is None else f"{row.parameters:,}"
    minutes = "" if row.minutes is None else f"{row.minutes:.1f}"
    return [f"{row.folds_done} of {row.folds}", parameters, minutes]


def _cell(value: float | None, shown: Callable[[float], str]) -> str:
    return "" if value is None else shown(value)


def _loss(value: float) -> str:
    return f"{value:.4f}" if value < 10 else f"{value:.4g}"


def _share(value: float) -> str:
    return f"{value:.3f}"


def _print_two(compared: Comparison) -> None:
    """The classes that changed most, both scores, and the difference."""
    (difference,) = compared.differences
    first, second = (row for row in compared.rows if row.score is not None)
    changes = compared.class_changes[:MOST_MOVED]
    names = [first.name, second.name]
    if max(len(one.name) for one in changes) + sum(2 + len(name) for name in names) > WIDTH:
        names = ["first", "second"]
    rows = [[one.name, _share(one.first), _share(one.second)] for one in changes]
    table("Classes that changed most, cross-fitted F1", ["", *names], rows)
    for row in (first, second):
        assert row.score is not None  # chosen above
        say(
            f"{row.name}: cross-fitted {row.score.cross_fitted:.4f}, expected on the test set "
            f"{row.score.expected:.4f}"
        )
    if difference.single is not None:
        _say_single(difference.single)
    low, high = difference.interval
    say(
        f"{difference.name} minus {compared.baseline} on a test set of {compared.test_rows} rows: "
        f"95% CI {low:+.3f} to {high:+.3f}: {difference.verdict}."
    )


def _print_differences(compared: Comparison, labels: Mapping[str, str]) -> None:
    """Every difference from the baseline."""
    rows = []
    for one in compared.differences:
        low, high = one.interval
        gain = f"{one.difference:+.3f} ({low:+.3f} to {high:+.3f})"
        rows.append([labels[one.name], gain, one.verdict])
    title = f"Macro-F1 minus that of {compared.baseline}, for {compared.test_rows} test rows"
    table(title, ["", "gain (95% CI)", ""], rows)
    singles = [one.single for one in compared.differences if one.single is not None]
    for name in dict.fromkeys(singles):
        if name == compared.baseline:
            _say_single(name)
        else:
            say(
                f"{name} is compared on single models' scores, because its own are not averaged "
                "over the folds."
            )


def _say_single(name: str) -> None:
    say(
        f"Compared on single models' scores, because those of {name} are not averaged over the "
        "folds."
    )
