"""Near-duplicates: copies of an image, re-encoded, rotated, mirrored or slightly shifted."""

from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.core.progress import SILENT, Reporter
from kit.data.stacked import Images

# Images are compared as grids with this many cells per side; a finer grid is more sensitive to
# shifts by a pixel.
SIDE = 16
# The correlation that separates random likeness from a copy. Among 500 synthetic fields at 128
# pixels no two correlated above 0.49, those of one antibody not above 0.40; among 250 fields at
# 512, 0.52 and 0.34. Copies stayed above 0.96 when shifted by one pixel at 128 or four at 512,
# above 0.98 when darkened to 0.3, brightened or saved as JPEG at quality 50, and above 0.97 under
# noise of 20 grey levels. Small images tolerate less: shifted by one pixel, copies had at least
# 0.87 at 64 pixels, 0.61 at 32.
LEAST = 0.85
# In grey levels: a channel that varies less than this is mostly noise and is scaled down.
FAINT = 1.0
# Query images per block: against 31,072 known ones, their correlations take 64 MB.
BLOCK = 512

Prints = NDArray[np.float32]


def find_twins(
    known: Prints, asked: Prints, least: float = LEAST, reporter: Reporter = SILENT
) -> NDArray[np.int64]:
    """For each asked image, the row of the known image that is its near-duplicate, or -1.

    Both are `fingerprints`; the images may differ in size. Images are near-duplicates when their
    fingerprints correlate by more than `least` under any of the eight symmetries of the square; the
    most similar one is returned. An image cropped by a twentieth or more is not a near-duplicate.
    Raises UserError when the channels differ.
    """
    _refuse_other_channels(known, asked)
    return _most_alike(known, asked, least, itself=True, reporter=reporter)


def find_twins_within(
    prints: Prints, least: float = LEAST, reporter: Reporter = SILENT
) -> NDArray[np.int64]:
    """For each image, the row of another image here that is its near-duplicate, or -1.

    As `find_twins` of the images with themselves, where none matches itself.
    """
    return _most_alike(prints, prints, least, itself=False, reporter=reporter)


def find_all_twins(
    known: Prints, asked: Prints, least: float = LEAST, reporter: Reporter = SILENT
) -> NDArray[np.int64]:
    """All pairs of an asked image and a known near-duplicate.

    As `find_twins`, but an image may have several. Returns int (pairs, 2), a row of `asked` and a
    row of `known`, in ascending order.
    """
    _refuse_other_channels(known, asked)
    by_value = _by_value(known)
    pairs: list[NDArray[np.int64]] = [np.empty((0, 2), np.int64)]
    with reporter.bar("comparing images", total=len(asked), lines=True) as progress:
        for start in range(0, len(asked), BLOCK):
            block = asked[start : start + BLOCK]
            alike = np.zeros((len(block), by_value.shape[1]), dtype=bool)
            for turned in _symmetries(block):
                alike |= turned.reshape(len(block), len(by_value)) @ by_value > least
            pairs.append(np.argwhere(alike) + np.array([start, 0]))
            progress.advance(len(block))
    return np.concatenate(pairs)


def _refuse_other_channels(known: Prints, asked: Prints) -> None:
    if known.shape[-1] != asked.shape[-1]:
        raise UserError(
            f"Images of {known.shape[-1]} and of {asked.shape[-1]} channels cannot be compared: "
            "pack both for the same competition."
        )


def fingerprints(
    images: Images, rows: NDArray[np.int64] | None = None, reporter: Reporter = SILENT
) -> Prints:
    """Small copies whose dot products are correlations: float32 (rows, SIDE, SIDE, channels).

    `images` is uint8 (images, size, size, channels); `rows` picks and orders them, None takes all.
    Images are read one at a time, so a memory map may be larger than memory. Each channel is
    shrunk by area averaging and standardized, then the whole is scaled to length 1. A channel
    without contrast is 0; an image without contrast matches none.
    """
    rows = np.arange(len(images)) if rows is None else rows
    prints = np.empty((len(rows), SIDE, SIDE, images.shape[-1]), np.float32)
    with reporter.bar("fingerprints", total=len(rows), lines=True) as progress:
        for position, row in enumerate(rows):
            prints[position] = _fingerprint(images[row])
            progress.advance()
    return prints


def _fingerprint(image: NDArray[np.uint8]) -> Prints:
    # In floats: rounding to grey levels would leave little of a dim channel.
    small: Prints = cv2.resize(
        image.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA
    ).reshape(SIDE, SIDE, -1)  # OpenCV drops the axis of a single channel
    small = small - small.mean(axis=(0, 1))
    small = small / np.hypot(small.std(axis=(0, 1)), FAINT)
    length = float(np.linalg.norm(small))
    return small / length if length > 0 else small


def _most_alike(
    known: Prints, asked: Prints, least: float, itself: bool, reporter: Reporter
) -> NDArray[np.int64]:
    """The row of the known print most similar to each asked one, if by more than `least`; else -1.

    Without `itself`, both are the same prints, and none is compared with itself.
    """
    rows = np.full(len(asked), -1, np.int64)
    if not len(known):
        return rows
    by_value = _by_value(known)
    with reporter.bar("comparing images", total=len(asked), lines=True) as progress:
        for start in range(0, len(asked), BLOCK):
            block = asked[start : start + BLOCK]
            own = np.arange(len(block))
            best = np.full(len(block), least, np.float32)
            for turned in _symmetries(block):
                alike = turned.reshape(len(block), len(by_value)) @ by_value
                if not itself:
                    alike[own, start + own] = -1
                nearest = alike.argmax(axis=1)
                better = alike[own, nearest] > best
                best[better] = alike[own, nearest][better]
                rows[start + own[better]] = nearest[better]
            progress.advance(len(block))
    return rows


def _by_value(prints: Prints) -> Prints:
    """Prints as columns, (values per print, rows), for matrix products with rows of others."""
    return prints.reshape(len(prints), SIDE * SIDE * prints.shape[-1]).T


def _symmetries(prints: Prints) -> Iterator[Prints]:
    """The prints, (rows, SIDE, SIDE, channels), under each of the eight symmetries."""
    for mirrored in (prints, prints[:, :, ::-1]):
        for quarters in range(4):
            yield np.rot90(mirrored, quarters, axes=(1, 2))
