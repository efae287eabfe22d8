"""What would make a grader refuse a submission, found before it is sent."""

from collections.abc import Sequence
from pathlib import Path

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.errors import UserError, some


def check_submission(competition: Competition, csv: Path, sample_ids: Sequence[str]) -> LabelTable:
    """Read a submission back as a grader would; UserError names what a grader would refuse.

    Checked are the header, every cell's labels, duplicate ids, and that the ids are the sample's
    in the sample's order.
    """
    answer = competition.answer_format.read(csv, competition.class_keys)
    if missing := sorted(set(sample_ids) - set(answer.ids)):
        raise UserError(f"{csv} lacks ids of {competition.sample_table}: {some(missing)}.")
    if extra := sorted(set(answer.ids) - set(sample_ids)):
        raise UserError(f"{csv} has ids that {competition.sample_table} lacks: {some(extra)}.")
    if answer.ids != tuple(sample_ids):
        raise UserError(f"{csv} has the ids of {competition.sample_table} in another order.")
    return answer
