"""The views that test-time augmentation averages: symmetries of an image and of its crops."""

import cv2
import numpy as np
from numpy.typing import NDArray

from kit.data.augment import SYMMETRIES, apply_symmetry
from kit.data.batches import read_batch
from kit.data.stacked import Images

# A crop's side as a share of the image's; neighbouring corners share three quarters of that side.
PART = 7 / 8
# Crop positions as shares of the remaining room: the centre, then the four corners.
_PLACES = ((0.5, 0.5), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0))
VIEWS = SYMMETRIES * (1 + len(_PLACES))


def read_view(images: Images, rows: NDArray[np.int64], view: int) -> NDArray[np.uint8]:
    """Rows of a store in one of the views, uint8 (rows, size, size, channels).

    Views 0 to 7 are the symmetries of the whole image, 8 to 15 those of the centre crop, and the
    rest those of each corner crop. Crops are enlarged to the image's size.
    """
    part, symmetry = divmod(view, SYMMETRIES)
    if part == 0:
        return read_batch(images, rows, np.full(len(rows), symmetry))
    batch = np.empty((len(rows), *images.shape[1:]), np.uint8)
    for position, row in enumerate(rows):
        batch[position] = apply_symmetry(_enlarged(images[int(row)], part), symmetry)
    return batch


def _enlarged(image: NDArray[np.uint8], part: int) -> NDArray[np.uint8]:
    size = image.shape[0]
    side = round(size * PART)
    top, left = (round(share * (size - side)) for share in _PLACES[part - 1])
    # A copy, because OpenCV does not accept a row of a memory map.
    cut = np.ascontiguousarray(image[top : top + side, left : left + side])
    larger = cv2.resize(cut, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(larger).reshape(image.shape)  # OpenCV drops the axis of a single channel
