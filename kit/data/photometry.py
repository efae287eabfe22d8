"""Changes of pixel values: blur, brightness, noise, blacked-out channels and squares."""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

# Listing recipes must not need OpenCV and SciPy, so functions import them.
_GREYS = np.arange(256) / 255


@cache
def _quantiles() -> NDArray[np.float64]:
    """65,536 quantiles of the normal distribution, equally probable."""
    from scipy.special import ndtri

    quantiles: NDArray[np.float64] = ndtri((np.arange(65_536) + 0.5) / 65_536)
    return quantiles


@dataclass(frozen=True)
class Light:
    """How far pixels may be changed at most; by default not at all.

    `blur` is a Gaussian's sigma in pixels, `gain` and `gamma` the relative change of a factor and
    an exponent (0.2: from 0.8 to 1.2), `noise` a Gaussian's sigma in grey levels, `channel_dropout`
    the probability that a channel becomes black, `cutout` the side of a black square as a share of
    the image's side (DeVries and Taylor 2017, arXiv:1708.04552).
    """

    blur: float = 0.0
    gain: float = 0.0
    gamma: float = 0.0
    noise: float = 0.0
    channel_dropout: float = 0.0
    cutout: float = 0.0


def change_light(
    image: NDArray[np.uint8], light: Light, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Draw and apply every change that `light` allows to an image, uint8 (size, size, channels).

    In the order of a microscope: the optics blur, stain and lamp set the brightness of each
    channel, and the camera adds noise; channels and squares are blacked out last.
    """
    if light.blur > 0:
        image = blur(image, rng.uniform(0, light.blur))
    if light.gain > 0 or light.gamma > 0:
        channels = image.shape[-1]
        gains = np.add(1, rng.uniform(-light.gain, light.gain, channels))
        gammas = np.add(1, rng.uniform(-light.gamma, light.gamma, channels))
        image = brighten(image, gains, gammas)
    if light.noise > 0:
        image = add_noise(image, rng.uniform(0, light.noise), rng)
    if light.channel_dropout > 0:
        image = image * ~draw_dropped(image.shape[-1], light.channel_dropout, rng)
    if light.cutout > 0:
        image = cut_out(image, light.cutout, rng)
    return image


def blur(image: NDArray[np.uint8], sigma: float) -> NDArray[np.uint8]:
    """Blur with a Gaussian of this sigma in pixels; the border is reflected.

    Below 0.2 pixels, neighbours would contribute less than half a grey level: the image is returned
    unchanged.
    """
    import cv2

    if sigma < 0.2:
        return image
    # (0, 0): OpenCV chooses the kernel size from sigma.
    blurred: NDArray[np.uint8] = cv2.GaussianBlur(image, (0, 0), sigma, hint=cv2.ALGO_HINT_ACCURATE)
    return blurred.reshape(image.shape)


def brighten(
    image: NDArray[np.uint8], gains: NDArray[np.float64], gammas: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Each channel as 255 * gain * (pixel / 255) ** gamma, rounded and clipped at 255.

    `gains` and `gammas` are (channels,). One table of 256 entries per channel applies both.
    """
    import cv2

    tables = np.rint(255 * np.minimum(gains * _GREYS[:, None] ** gammas, 1)).astype(np.uint8)
    changed: NDArray[np.uint8] = cv2.LUT(image, tables[:, None])
    return changed.reshape(image.shape)


def add_noise(
    image: NDArray[np.uint8], sigma: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Add Gaussian noise of this sigma in grey levels, independent in every channel."""
    # Rounding the noise first gives the same result as rounding the sum. Drawing it from a table of
    # 65,536 quantiles is more than twice as fast as drawing floats.
    levels = np.rint(sigma * _quantiles()).astype(np.int16)
    noise = levels[rng.integers(0, len(levels), image.shape, np.uint16)]
    noise += image
    return np.clip(noise, 0, 255, out=noise).astype(np.uint8)


def draw_dropped(channels: int, chance: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Draw which channels become black, (channels,): each with this probability, never all."""
    kept = rng.integers(channels)
    dropped = rng.random(channels) < chance
    if dropped.all():
        dropped[kept] = False
    return dropped


def cut_out(image: NDArray[np.uint8], share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Black out a square centred anywhere in the image.

    Its side is `share` of the image's side; it is clipped at the border, as in the paper.
    """
    size = image.shape[0]
    side = round(share * size)
    top, left = rng.integers(0, size, 2) - side // 2
    image = image.copy()
    image[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)] = 0
    return image
