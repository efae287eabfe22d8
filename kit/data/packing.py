"""Packs image files into the rows of a store: checks all of them, then decodes them."""

import math
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from kit.competitions.base import Competition
from kit.core.disk import digest
from kit.core.errors import UserError, some
from kit.core.faults import require_space
from kit.core.progress import Reporter, volume
from kit.core.store_paths import AREA, StoreFiles
from kit.core.suggest import Typed
from kit.core.threads import in_threads
from kit.data.decode import FULL_DEPTH, Decoding, decode_image
from kit.data.depth import measure_depth
from kit.data.image_checks import Findings, check_images, list_bad, refuse, tell_bad, ways_on
from kit.data.images import Source
from kit.data.store_pixels import Written, write_pixels

# What becomes of skipped images, by split; any other split has extra images, which only train.
_MEANING = {
    "train": "They are not trained on; a fold that holds one out predicts it from a black image",
    "test": "They are predicted from a black image, so that the submission has all rows",
}


class Wanted(Protocol):
    """What to pack; see `Packing`."""

    @property
    def ids(self) -> Sequence[str]: ...
    @property
    def depth(self) -> Callable[[Reporter], int | None]: ...
    @property
    def skip_bad(self) -> int: ...
    @property
    def typed(self) -> Typed | None: ...


@dataclass(frozen=True)
class Packed:
    """Rows that were written: their checksums, the skipped ids, the bits of 16-bit files if any."""

    written: Written
    skipped: tuple[str, ...]
    depth: int | None


def describe(
    competition: Competition, files: StoreFiles, ids: Sequence[str], source: Source | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """What identifies a store besides its pixels, and what shows that its inputs are the same."""
    kind = files.kind
    # Area averaging is not named, so that its stores keep the digests by which runs know them.
    resize = {} if kind.resize == AREA else {"resize": kind.resize}
    described = {
        "competition": competition.name,
        "split": files.split,
        "rows": len(ids),
        "size": kind.size,
        **resize,
        "channels": list(competition.channels),
        "ids_digest": digest(list(ids)),
    }
    return described, _describe_files(competition, source, ids)


def _describe_files(
    competition: Competition, source: Source | None, ids: Sequence[str]
) -> dict[str, Any]:
    """Digests that identify the ids' files cheaply, without opening them."""
    declared = {} if competition.bit_depth is None else {"bit_depth": competition.bit_depth}
    if source is None:
        return declared
    names = [name for image_id in ids for name in competition.images.files(image_id)]
    sizes, checksums = source.sizes(names), source.checksums(names)
    found = {**declared, "file_sizes": digest([[n, sizes.get(n)] for n in names])}
    if checksums is not None:
        found["file_checksums"] = digest([[n, checksums.get(n)] for n in names])
    return found


def pack_rows(
    competition: Competition,
    files: StoreFiles,
    source: Source,
    wanted: Wanted,
    reporter: Reporter,
) -> Packed:
    """Write the pixels of a store, and nothing else of it; replaces those of a damaged one.

    Raises UserError, before anything is written, when files are missing or of the wrong kind, or
    when there is no space for the pixels; then for damaged files, all of which it lists. Up to
    `skip_bad` such images are skipped.
    """
    ids, kind, split = wanted.ids, files.kind, files.split
    findings = check_images(competition, source, ids, reporter)
    if len(findings.ids) > wanted.skip_bad:
        skip = _skip_command(files, wanted, len(findings.ids))
        raise refuse(competition, source, split, findings, skip)
    depth = _find_depth(source, split, wanted, findings, reporter)
    shape = (len(ids), kind.size, kind.size, len(competition.channels))
    size = math.prod(shape)
    reporter.say(
        f"Packing {split} at {kind.name}: {len(ids)} images, {volume(size)}, into {files.images}"
    )
    # The marker is removed first: killed while the array is replaced, this leaves no store at all.
    # The damaged array goes, too: there may be no space for two.
    files.meta.unlink(missing_ok=True)
    files.images.unlink(missing_ok=True)
    require_space(files.folder, size, f"The {split} store at {kind.name}")
    decoder = _Decoder(competition, source, files, wanted, findings, depth)
    what = f"packing {split} at {kind.name}"
    try:
        written = write_pixels(
            files.images, shape, lambda row: decoder.decode(ids[row]), what, reporter
        )
    except _TooManyBad:
        raise decoder.refusal(reporter) from None
    decoder.report(reporter)
    return Packed(written, tuple(one for one in ids if one in decoder.bad), depth)


def _find_depth(
    source: Source, split: str, wanted: Wanted, findings: Findings, reporter: Reporter
) -> int | None:
    """The bits that the 16-bit files use; None if there are none. Says what it is."""
    if not findings.deep:
        return None
    depth = wanted.depth(reporter) or measure_depth(source, findings.deep, reporter)
    line = f"{split}: 16-bit files ({len(findings.deep)}) use {depth} bits, so values are divided "
    line += f"by {1 << depth - 8} to get 8 bits"
    if depth < FULL_DEPTH:
        line += f". To set this: bit_depth={depth} in the competition's file"
    reporter.say(f"{line}.")
    return depth


def _skip_command(files: StoreFiles, wanted: Wanted, count: int) -> str:
    """The command, or its option, that goes on without so many images; empty if that is all."""
    if count >= len(wanted.ids):
        return ""
    words = ("--skip-bad", str(count))
    if wanted.typed is None:
        return " ".join(words)
    return wanted.typed.command("pack", *files.kind.words, *words)


class _TooManyBad(Exception):
    """More images cannot be read than may be skipped."""


class _Decoder:
    """Decodes the images of a split; one that cannot be read is black, up to an allowed number."""

    def __init__(
        self,
        competition: Competition,
        source: Source,
        files: StoreFiles,
        wanted: Wanted,
        findings: Findings,
        depth: int | None,
    ) -> None:
        self._competition, self._source, self._files = competition, source, files
        self._wanted, self._split = wanted, files.split
        self._decoding = Decoding.of(competition, depth, self._note_clipped)
        self._clipped: set[str] = set()
        self._read: set[str] = set()
        self._lock = threading.Lock()
        self.bad = {
            **{
                one: UserError(f"{source.where(names[0])} does not exist.")
                for one, names in findings.missing.items()
            },
            **findings.bad,
        }

    def _note_clipped(self, name: str) -> None:
        with self._lock:
            self._clipped.add(name)

    def decode(self, image_id: str) -> NDArray[np.uint8]:
        """An image, (size, size, channels); black if it cannot be read and may be skipped.

        Raises _TooManyBad for one too many that cannot be read.
        """
        image = self._attempt(image_id)
        if len(self.bad) > self._wanted.skip_bad:
            raise _TooManyBad
        return image

    def _attempt(self, image_id: str) -> NDArray[np.uint8]:
        size, resize = self._files.kind.size, self._files.kind.resize
        if image_id not in self.bad:
            names = self._competition.images.files(image_id)
            try:
                image = decode_image(self._source, names, self._decoding, size, resize)
            except UserError as error:
                with self._lock:
                    self.bad[image_id] = error
            else:
                self._read.add(image_id)
                return image
        return np.zeros((size, size, self._decoding.channels), np.uint8)

    def refusal(self, reporter: Reporter) -> UserError:
        """The error that lists all images that cannot be read; reads the rest to find them.

        With the first alone, `--skip-bad 1` would be refused for the second.
        """
        rest = [one for one in self._wanted.ids if one not in self._read and one not in self.bad]
        with reporter.bar(f"finding all damaged images of {self._split}", len(rest)) as bar:
            for _ in in_threads(self._attempt, rest):
                bar.advance()
        bad = {one: self.bad[one] for one in self._wanted.ids if one in self.bad}
        line = tell_bad(self._competition, self._split, bad)
        return UserError(
            line + ways_on(self._competition, _skip_command(self._files, self._wanted, len(bad)))
        )

    def report(self, reporter: Reporter) -> None:
        """Say which images were skipped, and which files have values beyond their depth."""
        if self.bad:
            meaning = _MEANING.get(self._split, "They are not trained on")
            reporter.say(
                f"{self._split}: skipped ({len(self.bad)}): {list_bad(self.bad)}. {meaning}."
            )
        if self._clipped:
            reporter.say(
                f"{self._split}: values above {self._decoding.depth} bits become white in "
                f"{some(sorted(self._clipped))}."
            )
