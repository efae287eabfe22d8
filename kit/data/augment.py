"""A recipe's `augment`, such as `symmetries+rotate(15)+gain(0.2)`: how training images vary."""

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from kit.core.errors import UserError
from kit.core.terms import Known, parse_terms
from kit.data.geometry import Moves, draw_placement, place
from kit.data.photometry import Light, change_light

Pixel = TypeVar("Pixel", bound=np.generic)

# These leave every image unchanged.
_STILL, _AS_LIT = Moves(), Light()

AUGMENTATIONS: Known = {
    "none": {},
    "symmetries": {},
    "flip_or_turn": {},
    "crop": {"area": 0.5},
    "shift": {"share": 0.1},
    "scale": {"change": 0.2},
    "rotate": {"degrees": 15},
    "blur": {"sigma": 1},
    "gain": {"change": 0.2},
    "gamma": {"change": 0.2},
    "noise": {"sigma": 8},
    "channel_dropout": {"rate": 0.1},
    "cutout": {"share": 0.25},
}

# The allowed range of each parameter.
_BOUNDS = {
    "crop": (0.05, 1),
    "shift": (0, 0.5),
    "scale": (0, 0.9),
    "rotate": (0, 180),
    "blur": (0, 20),
    "gain": (0, 1),
    "gamma": (0, 0.9),
    "noise": (0, 128),
    "channel_dropout": (0, 0.9),
    "cutout": (0, 1),
}

SYMMETRIES = 8
# Flips left-right and up-down, and turns by 180, 90 and 270 degrees.
FLIPS_AND_TURNS = (1, 2, 3, 5, 6)


@dataclass(frozen=True)
class Augmentation:
    """How images are varied: which symmetries, how far to move, how far to change pixel values.

    Whatever their order in the recipe, changes are applied in this one: the symmetry; crop, scale,
    rotate and shift, in one interpolation; blur, gain and gamma, noise, channel_dropout, cutout.
    Prints as the `text` it was parsed from.
    """

    turns: str = "none"
    moves: Moves = _STILL
    light: Light = _AS_LIT
    text: str = "none"

    def __str__(self) -> str:
        return self.text

    @property
    def varies(self) -> bool:
        """Whether images change by more than a symmetry."""
        return self.moves != _STILL or self.light != _AS_LIT

    def symmetries(self, count: int, seed: int, epoch: int) -> NDArray[np.int64]:
        """A symmetry for each image of an epoch, by (seed, epoch) alone: int64 (count,)."""
        if self.turns == "symmetries":
            return draw_symmetries(count, seed, epoch)
        if self.turns == "flip_or_turn":
            rng = np.random.Generator(np.random.PCG64([seed, epoch, 5]))
            return rng.choice(np.array(FLIPS_AND_TURNS, np.int64), count)
        return np.zeros(count, np.int64)

    def vary(self, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Vary an image in every way but by a symmetry: uint8 (size, size, channels) in and out.

        Does not modify the image, and returns it where there is nothing to vary.
        """
        if self.moves != _STILL:
            image = place(image, draw_placement(self.moves, rng))
        return change_light(image, self.light, rng)


def parse_augmentation(text: str) -> Augmentation:
    """Parse a text such as `symmetries+rotate(15)`; the names are in AUGMENTATIONS.

    Raises UserError for an unknown name, a parameter out of range, and names that exclude each
    other.
    """
    terms = parse_terms("augmentation", text, AUGMENTATIONS)
    numbers = {term.name: number for term in terms for number in term.numbers.values()}
    for term in terms:
        if term.weight != 1:
            raise UserError(f"augmentation '{text}': {term.name} takes no weight.")
    for name, number in numbers.items():
        least, most = _BOUNDS[name]
        if not least <= number <= most:
            raise UserError(
                f"augmentation '{text}': {name}({number:g}) is out of range "
                f"(allowed: {least:g} to {most:g})."
            )
    names = {term.name for term in terms}
    if "none" in names and len(names) > 1:
        raise UserError(f"augmentation '{text}': none excludes all others. Remove it or them.")
    if {"symmetries", "flip_or_turn"} <= names:
        raise UserError(f"augmentation '{text}': symmetries include flip_or_turn. Remove one.")
    turns = names & {"symmetries", "flip_or_turn"}
    return Augmentation(
        turns=turns.pop() if turns else "none",
        moves=Moves(**{k: v for k, v in numbers.items() if k in Moves.__dataclass_fields__}),
        light=Light(**{k: v for k, v in numbers.items() if k in Light.__dataclass_fields__}),
        text=text,
    )


def variation_rng(seed: int, epoch: int, position: int) -> np.random.Generator:
    """The generator for the image at a position of an epoch, and for no other image."""
    return np.random.Generator(np.random.PCG64([seed, epoch, position, 9]))


def apply_symmetry(image: NDArray[Pixel], symmetry: int) -> NDArray[Pixel]:
    """One of the eight symmetries of a square image (size, size, ...), as a view.

    Bit 0 flips left-right, bit 1 flips up-down, bit 2 swaps the axes, in this order; together they
    give every quarter turn and every mirror image.
    """
    if symmetry & 1:
        image = image[:, ::-1]
    if symmetry & 2:
        image = image[::-1]
    if symmetry & 4:
        image = image.swapaxes(0, 1)
    return image


def draw_symmetries(count: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """A symmetry for each of the `count` images of an epoch, by (seed, epoch) alone: (count,)."""
    rng = np.random.Generator(np.random.PCG64([seed, epoch, 8]))
    return rng.integers(0, SYMMETRIES, count)


def as_pixels(images: NDArray[np.uint8]) -> NDArray[np.generic]:
    """The same memory with the four channels of a pixel as one uint32.

    Takes (..., size, size, 4) and returns (..., size, size). Copying whole pixels is several times
    as fast as copying bytes, because the inner loop runs over a row of pixels, not over four bytes;
    `bench/speed.py` has the rate. Images with another number of channels are returned unchanged.
    """
    if images.shape[-1] == 4 and images.flags.c_contiguous:
        return images.view(np.uint32)[..., 0]
    return images
