"""Compares a valid submission with out-of-fold labels and with earlier submissions."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.disk import digest_file
from kit.core.errors import some
from kit.core.paths import Workspace
from kit.ensemble import LabelCounts
from kit.submission.record import Upload

# The significance level of the warnings about rates, all classes together.
CHANCE = 0.05


@dataclass(frozen=True)
class Changed:
    """How a submission differs from an earlier one: rows with another answer, labels changed."""

    name: str
    upload: Upload
    rows: int
    labels: int


def describe(test: LabelCounts, oof: LabelCounts) -> str:
    """How many labels the submission sets, and how many the same thresholds set out of fold."""
    return (
        f"{test.rows} rows, {test.labels_per_row:.2f} labels per row (out of fold "
        f"{oof.labels_per_row:.2f}), {test.empty_rows} rows without labels (out of fold "
        f"{oof.empty_rows} of {oof.rows})"
    )


def warn(competition: Competition, test: LabelCounts, oof: LabelCounts) -> list[str]:
    """What differs significantly from out of fold; one line each.

    Tests two proportions per class, with the continuity correction and Bonferroni's bound over the
    classes (Fleiss, Levin and Paik, Statistical Methods for Rates and Proportions, 2003). It
    treats rows as independent, which images of one cell culture are not, so it warns too often
    rather than too rarely.
    """
    cut = NormalDist().inv_cdf(1 - CHANCE / 2 / len(competition.class_keys))
    found = []
    for key, name in zip(competition.class_keys, competition.class_names, strict=True):
        here, there = test.positives[key], oof.positives[key]
        if (z := _z(here, test.rows, there, oof.rows)) > cut:
            rates = f"{here / test.rows:.2%}, out of fold {there / oof.rows:.2%}"
            found.append((z, f"{name} ({rates})"))
    lines = []
    if found:
        named = some((text for _, text in sorted(found, reverse=True)), 6)
        lines.append(
            f"{len(found)} classes are predicted at another rate than out of fold: {named}."
        )
    empty = _z(test.empty_rows, test.rows, oof.empty_rows, oof.rows)
    if empty > NormalDist().inv_cdf(1 - CHANCE / 2):
        rates = f"{test.empty_rows / test.rows:.2%}, out of fold {oof.empty_rows / oof.rows:.2%}"
        lines.append(f"the share of rows without labels is not that out of fold: {rates}.")
    return lines


def _z(count: int, rows: int, other_count: int, other_rows: int) -> float:
    """How many standard errors two rates are apart; 0 if neither has any count."""
    pooled = (count + other_count) / (rows + other_rows)
    share = 1 / rows + 1 / other_rows
    spread = sqrt(pooled * (1 - pooled) * share)
    gap = abs(count / rows - other_count / other_rows) - share / 2
    return gap / spread if spread > 0 else 0.0


def compare(
    competition: Competition,
    workspace: Workspace,
    table: LabelTable,
    csv_digest: str,
    earlier: Sequence[tuple[str, Upload]],
) -> list[Changed]:
    """How a submission differs from each one sent before, the most similar first.

    `table` and `csv_digest` are the submission's. If an earlier file has been overwritten, only its
    digest can be compared; unless that is the same, it is omitted.
    """
    found = []
    for name, upload in earlier:
        csv = workspace.submission(name).csv
        if upload.csv_digest == csv_digest:
            found.append(Changed(name, upload, 0, 0))
            continue
        if not csv.exists() or digest_file(csv) != upload.csv_digest:
            continue
        other = competition.answer_format.read(csv, competition.class_keys)
        if set(other.ids) != set(table.ids):
            continue  # for other test images
        changed = other.of(table.ids) != table.labels
        rows = int(changed.any(axis=1).sum())
        found.append(Changed(name, upload, rows, int(changed.sum())))
    return sorted(found, key=lambda one: (one.rows, one.labels))
