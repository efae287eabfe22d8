"""Checks of all image files before any is decoded: missing ones, and those of another kind."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path, PurePosixPath

from kit.competitions.base import Competition
from kit.core.errors import Advised, Problems, UserError, some
from kit.core.progress import SILENT, Reporter
from kit.core.threads import in_threads
from kit.data.decode import Decoding, mismatch, read_file_header
from kit.data.headers import COLOUR, GREY
from kit.data.images import Source

# How many bad images a message lists.
LISTED = 20
# How many names of a folder are looked at for one that is missing, how many of them are compared
# letter by letter, and how many are shown.
_LOOKED_AT, _COMPARED, _SHOWN = 200_000, 2_000, 3


@dataclass(frozen=True)
class Findings:
    """What is wrong with the images of some ids, by id, and which files have 16 bits.

    `missing` holds the names of missing files; `bad` the error that names the file and says what
    is wrong with it; `deep` the names of files with more than 8 bits.
    """

    missing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    bad: Mapping[str, UserError] = field(default_factory=dict)
    deep: Sequence[str] = ()

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all images that cannot be packed."""
        return (*self.missing, *self.bad)


def check_images(
    competition: Competition, source: Source, ids: Sequence[str], reporter: Reporter = SILENT
) -> Findings:
    """Look for the files of these ids, and read their headers."""
    missing = find_missing(competition, source, ids)
    there = [one for one in ids if one not in missing]
    bad: dict[str, UserError] = {}
    deep: list[str] = []

    def check(image_id: str) -> tuple[UserError | None, list[str]]:
        return _check_headers(competition, source, image_id)

    with reporter.bar("checking image files", total=len(there), lines=True) as progress:
        for image_id, (error, names) in zip(there, in_threads(check, there), strict=True):
            if error is not None:
                bad[image_id] = error
            deep += names
            progress.advance()
    return Findings(missing, bad, deep)


def find_missing(
    competition: Competition, source: Source, ids: Sequence[str]
) -> dict[str, list[str]]:
    """The names of the missing files of each id that has any."""
    files = {image_id: competition.images.files(image_id) for image_id in ids}
    sizes = source.sizes(name for names in files.values() for name in names)
    absent = {one: [name for name in names if name not in sizes] for one, names in files.items()}
    return {image_id: names for image_id, names in absent.items() if names}


def _check_headers(
    competition: Competition, source: Source, image_id: str
) -> tuple[UserError | None, list[str]]:
    """What is wrong with an image's files, and which of them have more than 8 bits."""
    files = competition.images.files(image_id)
    decoding = Decoding.of(competition, None)
    deep = []
    for name in files:
        try:
            header = read_file_header(source, name)
        except UserError as error:
            return error, []
        if header is None:
            continue
        if reason := mismatch(header.colours, decoding.channels_of(files), decoding.convert):
            return UserError(f"{source.where(name)} {reason}."), []
        if header.bits > 8:
            deep.append(name)
    return None, deep


def refuse(
    competition: Competition,
    source: Source,
    split: str,
    findings: Findings,
    skip: str = "",
) -> UserError:
    """The error for unusable images: one line for the missing, one for the others.

    `skip` is the command that goes on without them, if there is one.
    """
    lines = []
    if findings.missing:
        lines.append(tell_missing(competition, source, split, findings.missing))
    if findings.bad:
        lines.append(tell_bad(competition, split, findings.bad))
    lines[-1] += ways_on(competition, skip)
    return Problems(lines)


def tell_bad(competition: Competition, split: str, bad: Mapping[str, UserError]) -> str:
    """One line that lists unusable images with their reasons, and says what can be done."""
    reasons = [one.problem for one in bad.values()]
    if len(reasons) == 1:
        line = reasons[0]
    else:
        line = f"{split}: {len(reasons)} images cannot be packed: {list_bad(bad)}."
    # They are from one source, so all that have advice have the same.
    advised = [one.advice for one in bad.values() if isinstance(one, Advised)]
    if advised and competition.prepare is None:
        line += f" {advised[0]}"
    convertible = (f"instead of {GREY}.", f"instead of {COLOUR}.")
    if competition.file is not None and all(reason.endswith(convertible) for reason in reasons):
        line += f" To convert such files, set convert=True in {competition.file}."
    return line


def list_bad(bad: Mapping[str, UserError]) -> str:
    """The problems of unusable images, the first of many."""
    return some((one.problem.rstrip(".") for one in bad.values()), LISTED)


def ways_on(competition: Competition, skip: str) -> str:
    """How to generate unusable images, and the command that goes on without them, if any."""
    if competition.prepare is None:
        return f" Or go on without: {skip}" if skip else ""
    generate = f" {competition.how_to_get(Path())}"
    return f"{generate}; or go on without: {skip}" if skip else generate


def tell_missing(
    competition: Competition, source: Source, split: str, missing: Mapping[str, Sequence[str]]
) -> str:
    """One line that lists missing images, where they were looked for, and the nearest there."""
    whole = [one for one, names in missing.items() if _lacks_all(competition, one, names)]
    if whole:
        line = f"{split}: ids in the table without an image: {some(map(_quoted, whole))}."
        wanted = missing[whole[0]]
    else:
        names = [name for absent in missing.values() for name in absent]
        line = f"{split}: missing channel files: {some(names)}."
        wanted = names
    near = _nearest(wanted[0], source.names())
    there = f"the nearest there: {', '.join(near)}" if near else "there is none like it"
    return f"{line} Looked for {_quoted(wanted[0])} in {source.place}; {there}."


def _lacks_all(competition: Competition, image_id: str, absent: Sequence[str]) -> bool:
    return len(absent) == len(competition.images.files(image_id))


def _quoted(name: str) -> str:
    """A name as it is, or in quotes if it has blanks or signs that do not show."""
    return name if name.isprintable() and " " not in name else repr(name)


def _nearest(wanted: str, names: Iterable[str]) -> list[str]:
    """The names most like a missing one, the nearest first; none that have nothing in common."""
    ranked = sorted((-rank, name) for rank, name in _rank(wanted, islice(names, _LOOKED_AT)))
    return [_quoted(name) for _, name in ranked[:_SHOWN]]


def _rank(wanted: str, names: Iterable[str]) -> Iterator[tuple[float, str]]:
    """Each name that resembles the missing one, with how much.

    First the same name in another folder or case, then with another ending, then similar ones.
    """
    path = PurePosixPath(wanted)
    stem, whole = path.stem.strip().casefold(), path.name.casefold()
    compared, beginning = 0, stem[: max(1, len(stem) // 3)]
    for name in names:
        other = PurePosixPath(name)
        if other.name.casefold() == whole:
            yield 3, name
        elif other.stem.strip().casefold() == stem:
            yield 2, name
        elif compared < _COMPARED and other.stem.casefold().startswith(beginning):
            compared += 1
            ratio = SequenceMatcher(None, stem, other.stem.casefold()).ratio()
            if ratio > 0.6:
                yield ratio, name
