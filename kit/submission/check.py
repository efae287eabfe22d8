"""Finds everything that a grader would refuse in a submission, before it is sent."""

import io
from collections.abc import Sequence
from pathlib import Path

from kit.competitions.base import Competition
from kit.competitions.tables import LabelTable
from kit.core.csv_rows import split_rows
from kit.core.disk import read_csv
from kit.core.errors import Problems, UserError, brief, some
from kit.core.unpack import is_compressed

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def check_submission(competition: Competition, csv: Path, sample_ids: Sequence[str]) -> LabelTable:
    """Read a submission back as a grader would; UserError names what it would refuse.

    Checks the encoding, the header, the labels in every cell, duplicate ids, and that the ids are
    the sample's in the sample's order. Reports all problems together, one per line.
    """
    if problems := find_problems(competition, csv, sample_ids):
        raise Problems(problems)
    return competition.answer_format.read(csv, competition.class_keys)


def find_problems(
    competition: Competition, csv: Path, sample_ids: Sequence[str]
) -> tuple[str, ...]:
    """Everything that a grader would refuse in a submission, one line each, all naming the file.

    Of bad cells, names only the first: a file with one usually has them in every row.
    """
    try:
        rows = read_csv(csv)
    except UserError as error:
        return (str(error),)
    problems = []
    if csv.read_bytes().startswith(BYTE_ORDER_MARK):
        problems.append(f"{csv} starts with a byte order mark: save it as UTF-8 without one.")
    if is_compressed(csv):
        problems.append(f"{csv} is compressed: unpack it.")
    try:
        table = competition.answer_format.read(csv, competition.class_keys)
    except UserError as error:
        problems.append(str(error))
    else:
        problems += _departures(competition, csv, rows, table)
    ids = [row[0] for _, row in rows[1:]]
    if missing := sorted(set(sample_ids) - set(ids)):
        problems.append(f"{csv} is missing ids of {competition.sample_table}: {some(missing)}.")
    if extra := sorted(set(ids) - set(sample_ids)):
        problems.append(f"{csv} has ids that are not in {competition.sample_table}: {some(extra)}.")
    if sorted(ids) == sorted(sample_ids) and ids != list(sample_ids):
        problems.append(f"{csv} has the ids of {competition.sample_table} in another order.")
    return tuple(problems)


def _departures(
    competition: Competition, csv: Path, rows: list[tuple[int, list[str]]], table: LabelTable
) -> list[str]:
    """The first cell that the kit would write otherwise: a grader may be stricter than its reader.

    Labels within a cell may be in any order.
    """
    text = competition.answer(table.ids, table.labels)
    written = split_rows(io.StringIO(text, newline=""))
    for (line, found), (_, expected) in zip(rows, written, strict=True):
        if len(found) != len(expected):
            return [f"{csv}, line {line}: {len(found)} cells, expected {len(expected)}."]
        for got, wanted in zip(found, expected, strict=True):
            if sorted(got.split()) != sorted(wanted.split()):
                shown = brief(repr(got), 60)
                return [f"{csv}, line {line}: {shown}, expected {wanted!r} here."]
    return []
