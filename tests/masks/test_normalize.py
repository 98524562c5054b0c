"""What counts as black and as white in a mask, and which values are no mask."""

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from editkit.errors import MaskError
from editkit.masks.read import read_with_notes
from editkit.masks.value import Mask, resolve_mask
from editkit.photo.io.files import PhotoLike, read_photo
from editkit.types import Size

SIZE = Size(80, 120)
SHAPE = np.zeros(SIZE, np.uint8)
SHAPE[20:50, 30:70] = 1
RNG = np.random.default_rng(0)


def selected(source: PhotoLike) -> np.ndarray:
    return read_with_notes(source, SIZE).coverage


def png(values: np.ndarray) -> bytes:
    held = BytesIO()
    Image.fromarray(values).save(held, "PNG")
    return held.getvalue()


@pytest.mark.parametrize(("black", "white"), [(1, 255), (3, 252), (0, 254), (2, 253), (12, 255)])
def test_nearly_black_is_black_and_nearly_white_is_white(black: int, white: int) -> None:
    values = np.where(SHAPE == 1, white, black).astype(np.uint8)
    assert np.array_equal(selected(png(values)), SHAPE)
    assert np.array_equal(selected(Image.fromarray(values).convert("RGB")), SHAPE)
    deep = values.astype(np.uint16) * 257
    assert np.array_equal(selected(deep), SHAPE)
    assert np.array_equal(selected(values.astype(np.float64) / 255), SHAPE)


def test_noise_beside_black_and_white_is_none() -> None:
    noise = RNG.integers(0, 4, SIZE)
    values = np.where(SHAPE == 1, 255 - noise, noise).astype(np.uint8)
    assert np.array_equal(selected(png(values)), SHAPE)


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_the_ripples_of_a_jpeg_that_was_saved_as_png_are_none(quality: int) -> None:
    held = BytesIO()
    Image.fromarray(SHAPE * np.uint8(255)).save(held, "JPEG", quality=quality)
    again = png(np.asarray(Image.open(held)))
    near = cv2.dilate(SHAPE, np.ones((17, 17), np.uint8))  # one square of the encoder's
    found = selected(again)
    assert not found[near == 0].any()
    assert np.array_equal(found > 0.5, SHAPE == 1)


@pytest.mark.parametrize("lossy", [False, True])
def test_black_and_white_of_video(lossy: bool) -> None:  # noqa: FBT001
    values = np.where(SHAPE == 1, 235, 16).astype(np.uint8)
    held = BytesIO()
    Image.fromarray(values).save(held, "JPEG" if lossy else "PNG", quality=90)
    read = read_with_notes(held.getvalue(), SIZE)
    near = cv2.dilate(SHAPE, np.ones((9, 9), np.uint8))
    assert not read.coverage[near == 0].any()
    assert (read.coverage[25:45, 35:65] == 1).all()
    assert "16" in read.notes[0]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("low", [1e-6, 0.02, 0.1])
def test_probabilities_count_from_a_half_on(kind: type, low: float) -> None:
    """Of a network's last sigmoid, which is nowhere quite 0."""
    logits = cv2.GaussianBlur(SHAPE.astype(np.float64), (0, 0), 1.5) * 14 - 7
    chance = low + (1 - 2 * low) / (1 + np.exp(-logits))
    read = read_with_notes(chance.astype(kind), SIZE)
    assert np.array_equal(read.coverage, (chance.astype(kind) >= 0.5).astype(np.float32))
    assert "probability" in read.notes[0]
    eight = np.rint(chance * 255).astype(np.uint8)
    assert not selected(png(eight))[0].any()


def test_an_array_in_an_expression_is_settled_at_its_end() -> None:
    chance = 0.02 + 0.96 * SHAPE.astype(np.float64) + RNG.random(SIZE) * 1e-3
    photo = read_photo(np.zeros((*SIZE, 3), np.uint8))
    read = resolve_mask(Mask.of(chance).grow(2), photo)
    assert np.array_equal(read.coverage, cv2.dilate(SHAPE, disc(2)))


def disc(radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return (x * x + y * y <= radius * radius).astype(np.uint8)


@pytest.mark.parametrize("top", [1, 2, 15, 255, 1023, 4095, 16383])
def test_16_bit_masks_of_fewer_bits_are_refused_with_advice(top: int) -> None:
    values = SHAPE.astype(np.uint16) * np.uint16(top)
    held = BytesIO()
    Image.frombytes("I;16", (SIZE.width, SIZE.height), values.tobytes()).save(held, "PNG")
    for source in (values, held.getvalue()):
        with pytest.raises(MaskError, match=f"{top} of 65535; multiply it by {65535 // top} "):
            selected(source)


@pytest.mark.parametrize("labels", [(0, 1), (0, 2), (0, 1, 2), (0, 5, 12), (0, 1, 255), (0, 20)])
def test_label_maps_are_refused_with_advice(labels: tuple[int, ...]) -> None:
    values = np.zeros(SIZE, np.uint8)
    for place, label in enumerate(labels):
        values[:, 30 * place :] = label
    indexed = Image.fromarray(values, "P")
    indexed.putpalette([gray for level in range(256) for gray in (level,) * 3])
    for source in (values, png(values), indexed):
        with pytest.raises(MaskError, match=r"to make white|that is to change white"):
            selected(source)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.int8, np.bool_])
def test_zeros_and_ones_of_other_types_are_masks(kind: type) -> None:
    assert np.array_equal(selected(SHAPE.astype(kind)), SHAPE)


def soft_masks() -> dict[str, np.ndarray]:
    y, x = np.mgrid[: SIZE.height, : SIZE.width].astype(np.float64)
    away = np.hypot(x - 60, y - 40)
    return {
        "slope": x / x.max(),
        "slope between": 0.1 + 0.8 * y / y.max(),
        "feather": cv2.GaussianBlur(SHAPE.astype(np.float64), (0, 0), 3),
        "wide feather": cv2.GaussianBlur(SHAPE.astype(np.float64), (0, 0), 12),
        "disc": np.clip(1 - away / 40, 0, 1),
        "levels": np.floor(x / 30) / 3,
        "half": 0.5 * SHAPE,
        "strengths": np.where(SHAPE == 1, 0.9, 0.1),
        "any": RNG.random(SIZE),
    }


@pytest.mark.parametrize("name", soft_masks())
def test_soft_masks_keep_their_values(name: str) -> None:
    values = np.rint(soft_masks()[name] * 255).astype(np.uint8)
    read = read_with_notes(png(values), SIZE)
    assert np.array_equal(read.coverage, values.astype(np.float32) / np.float32(255))
    assert read.notes == ()


def test_a_mask_in_color_says_that_brightness_counts() -> None:
    red = np.zeros((*SIZE, 3), np.uint8)
    red[SHAPE == 1] = (255, 0, 0)
    assert "the brightest is 0.30 of an edit" in read_with_notes(png(red), SIZE).notes[0]
