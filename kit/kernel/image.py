"""Kaggle's notebook image: what it is assumed to contain, and whether that is enough."""

import re
import sys
from importlib.metadata import packages_distributions, version
from pathlib import Path

from kit.core.errors import UserError
from kit.core.kernel_paths import KernelDatasetFiles
from kit.kernel.marker import read_marker

# What prediction imports besides the standard library. Kaggle's image is Colab's plus
# kaggle_requirements.txt of github.com/Kaggle/docker-python. Colab's has all of these (from
# memory, untested on Kaggle), so the dataset has no wheel but the kit's own.
NEEDED = (
    "tensorflow",
    "keras",
    "h5py",
    "numpy",
    "scipy",
    "cv2",
    "PIL",
    "pyarrow",
    "pydantic",
    "rich",
)

# The oldest Keras in which weights saved by 3.15 gave bit-identical predictions on two cores. 3.10
# was also tested with the rest of such an image: Python 3.12, TensorFlow 2.19, NumPy 1.26.
OLDEST_KERAS = (3, 8)


# Test images are packed in parts of this size, one at a time: 11,702 images of four channels take
# 12 GB at 512 pixels and 49 GB at 1024, and a hidden test set may be larger than the public one.
PART_BYTES = 4_000_000_000


def versions() -> dict[str, str]:
    """The versions of Python and of each package that prediction needs; "none" if missing."""
    # By module, because TensorFlow and OpenCV have several distribution names.
    names = packages_distributions()
    found = {module: version(names[module][0]) if module in names else "none" for module in NEEDED}
    return {"python": ".".join(str(part) for part in sys.version_info[:3]), **found}


def compare_versions(dataset: Path, inputs: str) -> list[tuple[str, str, str]]:
    """Each package with its version when the dataset was made, and its version here.

    `inputs` is the digest of what the notebook was written for. Raises UserError when the dataset
    was made from something else; different versions are not an error.
    """
    marker = read_marker(KernelDatasetFiles(dataset))
    if marker.inputs != inputs:
        raise UserError(
            f"{dataset} is not the version of the dataset that this notebook was written for. "
            f"Choose the newest under Input, or push both again: {marker.push}"
        )
    here, made_with = versions(), marker.versions
    return [(name, there, here.get(name, "none")) for name, there in made_with.items()]


def require_keras() -> None:
    """Raise UserError when Keras is too old here to read the weights."""
    keras = versions()["keras"]
    if tuple(map(int, re.findall(r"\d+", keras)[:2])) < OLDEST_KERAS:
        oldest = ".".join(str(part) for part in OLDEST_KERAS)
        raise UserError(
            f"Keras {keras} is too old for these weights, which need {oldest} or newer: "
            "choose the latest environment in the notebook's settings."
        )
