"""Bars and frames around a copy: no edit of the photo, and told where they cover some of it."""

import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from away import iou
from grades import GRADES
from numpy.typing import NDArray
from PIL import Image, ImageOps
from scipy import ndimage

import editkit
from editkit import MaskError
from editkit.compare.borders import find_inner_area
from editkit.photo.io.files import read_photo
from editkit.types import Box

SAMPLES = Path(__file__).parent.parent.parent / "samples"
Array = NDArray[np.uint8]
Bits = NDArray[np.bool_]
PURPLE = (90, 60, 120)


def picture(name: str = "coffee.jpg", size: tuple[int, int] = (300, 200)) -> Array:
    with Image.open(SAMPLES / name) as image:
        return np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS))


def disc(photo: Array) -> Bits:
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    return (rows - 110) ** 2 + (columns - 180) ** 2 < 40**2


def edited(photo: Array) -> Array:
    return np.where(disc(photo)[..., None], picture("chelsea.jpg"), photo)


def file(image: Image.Image, quality: int | None) -> Array | bytes:
    if quality is None:
        return np.asarray(image)
    held = BytesIO()
    image.save(held, "JPEG", quality=quality)
    return held.getvalue()


def turned(image: Image.Image) -> Image.Image:
    return image.rotate(1.2, Image.Resampling.BICUBIC, translate=(5, -6))


def squared(image: Image.Image) -> Image.Image:
    return ImageOps.pad(image, (300, 300), color="white").resize((210, 210))


def framed(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, 24, PURPLE).resize((261, 186), Image.Resampling.LANCZOS)


def covered(image: Image.Image, color: object = 0, lines: int = 21) -> Image.Image:
    """Bars over the picture, as where it was cropped to a wide screen's shape."""
    samples = np.asarray(image).copy()
    samples[:lines] = samples[-lines:] = color
    return Image.fromarray(samples)


def all_around(image: Image.Image) -> Image.Image:
    samples = np.asarray(covered(image, PURPLE, 13)).copy()
    samples[:, :13] = samples[:, -13:] = PURPLE
    return Image.fromarray(samples)


Around = Callable[[Image.Image], Image.Image]


@pytest.mark.parametrize(
    "around", [turned, squared, framed, pytest.param(all_around, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize(
    ("grade", "quality"),
    [("S-curve", 85), pytest.param("white balance", None, marks=pytest.mark.slow)],
)
def test_what_is_around_a_copy_is_no_edit(around: Around, grade: str, quality: int | None) -> None:
    before = picture()
    came = file(around(Image.fromarray(GRADES[grade](edited(before)))), quality)
    result = editkit.composite(before, came, grow=0)
    assert result.mask is not None
    near = np.asarray(ndimage.binary_dilation(disc(before), iterations=8), np.bool_)
    assert not (result.mask > 0)[~near].any()
    assert iou(result.mask > 0, disc(before)) > 0.9


@pytest.mark.parametrize("quality", [None, 85])
def test_a_plain_copy_with_bars_is_no_edit_either(quality: int | None) -> None:
    before = picture()
    result = editkit.composite(before, file(covered(Image.fromarray(edited(before))), quality))
    now = np.asarray(result.image)
    assert np.array_equal(now[:21], before[:21])
    assert np.array_equal(now[-21:], before[-21:])
    assert any(re.search(r"border .* covers 2[01]\.\d%", note) for note in result.report["notes"])


def test_bars_come_home_if_a_mask_names_them() -> None:
    before = picture()
    came = np.asarray(covered(Image.fromarray(before)))
    with pytest.raises(MaskError, match="border"):
        editkit.composite(before, came)
    mask = np.zeros(before.shape[:2], np.uint8)
    mask[:21] = 255
    result = editkit.composite(before, came, mask)
    assert not np.asarray(result.image)[:21].any()
    assert not any("border" in note for note in result.report["notes"])


@pytest.mark.parametrize("quality", [None, 80])
def test_what_is_taken_out_of_an_even_background_comes_home(quality: int | None) -> None:
    """Rows that are evenly white after it are no bar, for the photo has that background, too."""
    before = np.full((200, 300, 3), 250, np.uint8)
    before[60:180, 40:260] = picture()[60:180, 40:260]
    written = before.copy()
    written[12:40, 200:270] = picture("rocket.jpg")[100:128, 100:170]
    result = editkit.composite(written, file(Image.fromarray(before), quality), motion="none")
    assert np.abs(np.asarray(result.image)[14:38, 202:268].astype(int) - 250).max() < 6


def test_a_sky_that_was_made_even_is_an_edit() -> None:
    """It ends at no straight line."""
    before = picture()
    rows, columns = np.mgrid[:200, :300]
    sky = rows < 50 + 30 * np.sin(columns / 40)
    after = np.where(sky[..., None], np.uint8(200), before)
    result = editkit.composite(before, after, grow=0)
    assert result.mask is not None
    assert iou(result.mask > 0, sky & (before != 200).any(axis=2)) > 0.97


def test_bars_are_found_to_the_line() -> None:
    before = picture()
    for samples, box in (
        (before, Box(0, 0, 200, 300)),
        (np.asarray(covered(Image.fromarray(before), (255, 0, 0), 9)), Box(9, 0, 191, 300)),
        (np.asarray(all_around(Image.fromarray(before))), Box(13, 13, 187, 287)),
        (np.full((50, 70, 3), 40, np.uint8), Box(0, 0, 50, 70)),
    ):
        assert find_inner_area(read_photo(samples)).box == box
