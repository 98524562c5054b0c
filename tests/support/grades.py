"""What programs do to the colors of a whole picture."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

Array = NDArray[np.uint8]
Grade = Callable[[Array], Array]

_SEPIA = np.array([[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]])


def enhanced(photo: Array) -> Array:
    """Brighter by 1.12, then of more contrast by 1.1, then of more color by 1.2."""
    image = ImageEnhance.Brightness(Image.fromarray(photo)).enhance(1.12)
    image = ImageEnhance.Contrast(image).enhance(1.1)
    return np.asarray(ImageEnhance.Color(image).enhance(1.2))


def gamma(photo: Array) -> Array:
    """Lighter in the middle."""
    return _rounded(255 * (photo / 255.0) ** 0.8)


def sepia(photo: Array) -> Array:
    """By the usual matrix, which leaves one color at each lightness."""
    return _rounded(photo.astype(np.float64) @ _SEPIA.T)


def white_balance(photo: Array) -> Array:
    """Much warmer; reds are cut off."""
    return _rounded(photo.astype(np.float64) * np.array([1.15, 1, 0.8]))


def s_curve(photo: Array) -> Array:
    """Darks darker, lights lighter."""
    unit = photo / 255.0
    return _rounded(255 * (unit + 1.2 * (unit - 0.5) * unit * (1 - unit)))


def exposure(photo: Array) -> Array:
    """Two thirds of a stop more light; lights are cut off."""
    unit = photo / 255.0
    light = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4)
    light = np.minimum(light * 1.6, 1)
    shown = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return _rounded(255 * shown)


def hue(photo: Array) -> Array:
    """All hues turned by 25 degrees about gray."""
    cos, sin = np.cos(np.deg2rad(25)), np.sin(np.deg2rad(25)) / np.sqrt(3)
    even = np.full((3, 3), (1 - cos) / 3)
    turn = sin * np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    return _rounded(photo.astype(np.float64) @ (cos * np.eye(3) + even + turn).T)


def faded(photo: Array) -> Array:
    """Lifted blacks, half of the color."""
    gray = photo.mean(axis=2, keepdims=True)
    return _rounded(30 + 0.8 * (gray + 0.5 * (photo - gray)))


def black_and_white(photo: Array) -> Array:
    """As Pillow does it."""
    return np.asarray(Image.fromarray(photo).convert("L").convert("RGB"))


def vignette(photo: Array, strength: float = 0.25) -> Array:
    """Darker towards the corners, which no change of colors explains."""
    height, width = photo.shape[:2]
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return _rounded(photo * (1 - strength * (rows**2 + columns**2))[..., None])


GRADES: Mapping[str, Grade] = {
    "brightness, contrast, saturation": enhanced,
    "gamma 0.8": gamma,
    "sepia": sepia,
    "white balance": white_balance,
    "S-curve": s_curve,
    "exposure +2/3": exposure,
    "hue turned by 25": hue,
    "faded": faded,
    "black and white": black_and_white,
}


def _rounded(values: NDArray[np.floating[Any]]) -> Array:
    return np.rint(np.clip(values, 0, 255)).astype(np.uint8)
