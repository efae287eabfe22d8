"""Which split of a competition an image belongs to."""

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError, some


def splits_of(
    competition: Competition, source: Path, table: LabelTable, ids: Sequence[str]
) -> dict[str, str]:
    """The split of each image, `train` or `test`, by id.

    `source` holds the competition's files; `table` is its label table. Raises UserError for an id
    of neither split, with similar ones.
    """
    train = set(table.ids)
    splits = {one: "train" if one in train else "test" for one in ids}
    if "test" in splits.values():
        test = competition.read_test_ids(source)
        both = train.union(test)
        if strange := [one for one in ids if one not in both]:
            known = (*table.ids, *test)
            near = _similar(strange[0], known)
            hint = f"Similar: {', '.join(near)}." if near else f"They list {some(known, 3)}."
            tables = f"{competition.label_table} and {competition.sample_table}"
            raise UserError(f"No image '{strange[0]}' in {tables}. {hint}")
    return splits


def _similar(got: str, known: Sequence[str], most: int = 3) -> list[str]:
    """Ids that start as `got` does, or else resemble it."""
    begun = [one for one in known if got and one.startswith(got)]
    return begun[:most] or get_close_matches(got, known, most)
