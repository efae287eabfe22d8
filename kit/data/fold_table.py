"""The fold table of a competition: split its labels and write the table once."""

from dataclasses import dataclass
from pathlib import Path

from kit.competitions.base import Competition
from kit.core.disk import digest_file, in_the_way, read_csv
from kit.core.errors import UserError
from kit.core.owner import own
from kit.core.paths import Workspace
from kit.core.progress import SILENT, Reporter
from kit.data.folds import (
    RANDOM,
    Folds,
    digest_labels,
    is_written,
    make_folds,
    require_replaceable,
    table_rows,
    was_made_by,
    write_folds,
)
from kit.data.given_folds import take_folds
from kit.data.group_folds import read_groups

# The method named in the provenance, by split and whether there are groups.
_METHODS = {
    ("stratified", False): (
        "MultilabelStratifiedKFold of iterative-stratification, rows sorted by id"
    ),
    ("stratified", True): "groups kept whole, greedy from the rarest label, then single moves",
    (RANDOM, False): (
        "train_test_split of scikit-learn, not stratified, rows in the order of the label table: "
        "fold 0 is its test part, its train part is dealt to the other folds"
    ),
    (RANDOM, True): "groups kept whole, shuffled K-fold of the groups, not stratified",
}
# In place of a group table: split images one by one, whatever the competition's own groups.
NO_GROUPS = Path("none")
# Why the same command and the same labels can make other random folds.
_REORDERED = (
    ", made by this command from the same labels in another order, or by an earlier version of the "
    "kit"
)


@dataclass(frozen=True)
class FoldOptions:
    """How to split: into `n` folds, by one of SPLITS, and where to write the table.

    `groups` is a CSV `Id,group`, or NO_GROUPS; by default the competition's own group table is
    used, if it has one. `source` is a table whose folds are taken instead. `out` overrides the
    workspace's path. `force` replaces a table of other folds.
    """

    n: int = 5
    seed: int = 0
    how: str = "stratified"
    groups: Path | None = None
    out: Path | None = None
    force: bool = False
    source: Path | None = None

    def target(self, workspace: Workspace) -> Path:
        """The path of the table."""
        return self.out or workspace.folds

    def words(self) -> list[str]:
        """The words after `kit` that request these options, without --force and defaults."""
        usual = FoldOptions()
        names = ("n", "seed", "how", "source", "groups", "out")
        asked = {name: getattr(self, name) for name in names}
        given = [(name, value) for name, value in asked.items() if value != getattr(usual, name)]
        words = {"source": "from"}
        return [
            "folds",
            *(word for name, value in given for word in (f"--{words.get(name, name)}", str(value))),
        ]


def make_fold_table(
    competition: Competition,
    workspace: Workspace,
    options: FoldOptions,
    reporter: Reporter = SILENT,
) -> Folds:
    """Make and write the folds of a competition; returns them.

    The same labels, groups and options give the same bytes; random folds without groups depend on
    the order of the label table, too. Raises UserError rather than replace a table of other folds,
    unless forced.
    """
    target = options.target(workspace)
    if target.suffix != ".csv":
        raise UserError(
            f"--out {target}: a fold table is a .csv file; its provenance is a .json next to it."
        )
    if target.is_dir():
        raise UserError(f"{target} {in_the_way(target)}.")
    if options.out is not None:
        require_replaceable(target)
    labels = competition.read_labels(workspace.source)
    group_of = _groups(competition, workspace, options.groups)
    if options.source is None:
        folds = make_folds(labels, options.n, options.seed, group_of, options.how)
        method = _METHODS[options.how, group_of is not None]
    else:
        label_table = workspace.source / competition.label_table
        folds = take_folds(options.source, labels, label_table, group_of)
        method = f"taken from {options.source}, SHA-256 {digest_file(options.source)}"
    labels_digest, command = digest_labels(labels), options.words()
    provenance = {
        "competition": competition.name,
        "method": method,
        "n": folds.n,
        "seed": options.seed,
        "rows": len(labels.ids),
        "groups": len(set(folds.group)),
        "labels_digest": labels_digest,
        "command": command,
    }
    if is_written(target, folds, provenance):
        return folds
    with own(target, f"Fold table {target}", workspace.wait, reporter) as held:
        if not options.force and _holds_other_folds(target, folds):
            by_order = options.how == RANDOM and group_of is None
            reordered = by_order and was_made_by(target, command, labels_digest)
            raise UserError(
                f"{target} holds other folds{_REORDERED if reordered else ''}. Runs trained on "
                "them could not be blended with new ones. To replace it anyway: --force; to write "
                "elsewhere: --out FILE."
            )
        held.require()
        write_folds(target, folds, provenance)
    return folds


def _groups(
    competition: Competition, workspace: Workspace, asked: Path | None
) -> dict[str, str] | None:
    """The group of each id: from a file, or the competition's own; None without groups."""
    if asked == NO_GROUPS:
        return None
    if asked is None and competition.group_table is not None:
        asked = workspace.source / competition.group_table
        competition.require(asked)
    return None if asked is None else read_groups(asked)


def _holds_other_folds(target: Path, folds: Folds) -> bool:
    if not target.exists():
        return False
    found, wanted = read_csv(target), table_rows(folds)
    # Row order does not matter.
    return sorted(row for _, row in found) != sorted(row for _, row in wanted)
