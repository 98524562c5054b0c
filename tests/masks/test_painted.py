"""Masks painted over a copy of the photo, cut out of it, and pictures that are no mask at all."""

from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

import editkit
from editkit.errors import MaskError
from editkit.masks.read import Reading
from editkit.masks.value import resolve_mask, select_in
from editkit.photo.io.files import Photo, PhotoLike, read_photo

SAMPLES = Path(__file__).parents[2] / "samples"
RED = (230, 20, 30)


@cache
def picture(name: str = "coffee") -> Image.Image:
    whole = Image.open(SAMPLES / f"{name}.jpg").convert("RGB")
    return whole.crop((40, 30, 360, 270))


def brush(width: int = 24) -> np.ndarray:
    mask = Image.new("L", picture().size)
    draw = ImageDraw.Draw(mask)
    points = [(70, 60), (150, 170), (250, 120)]
    draw.line(points, 255, width, joint="curve")
    for x, y in points:
        draw.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=255)
    return np.asarray(mask) > 0


def painted(
    image: Image.Image, area: np.ndarray, color: Any = RED, opacity: float = 1.0
) -> Image.Image:
    values = np.asarray(image.convert("RGB")).astype(float)
    values[area] = (1 - opacity) * values[area] + opacity * np.array(color)
    return Image.fromarray(np.rint(values).astype(np.uint8))


def encoded(image: Image.Image, kind: str = "PNG", **how: Any) -> bytes:
    held = BytesIO()
    image.save(held, kind, **how)
    return held.getvalue()


def read(mask: PhotoLike, photo: Image.Image | Photo | None = None) -> Reading:
    chosen = picture() if photo is None else photo
    return resolve_mask(mask, chosen if isinstance(chosen, Photo) else read_photo(chosen))


def agreement(found: np.ndarray, area: np.ndarray) -> float:
    return float((found & area).sum() / (found | area).sum())


def refused(mask: PhotoLike) -> str:
    with pytest.raises(MaskError) as caught:
        read(mask)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("color", [RED, (0, 255, 0), (255, 255, 255), (0, 0, 0), (255, 0, 255)])
@pytest.mark.parametrize("opacity", [0.3, 1.0])
def test_a_brush_over_a_copy_is_the_mask(color: tuple[int, ...], opacity: float) -> None:
    for width in (8, 60):
        found = read(encoded(painted(picture(), brush(width), color, opacity)))
        assert agreement(found.coverage > 0, brush(width)) > 0.99
        assert set(np.unique(found.coverage)) == {0, 1}
        assert "copy of the photo that was painted on" in found.notes[0]


@pytest.mark.parametrize(
    ("kind", "how"), [("JPEG", {"quality": 75}), ("JPEG", {"quality": 92}), ("WEBP", {})]
)
def test_an_encoded_copy_is_one_too(kind: str, how: dict[str, Any]) -> None:
    for opacity in (0.4, 1.0):
        copy = encoded(painted(picture(), brush(), RED, opacity), kind, **how)
        assert agreement(read(copy).coverage > 0, brush()) > 0.85


@pytest.mark.parametrize("as_given", [encoded, Image.Image.copy, np.asarray])
def test_files_images_and_arrays_alike(as_given: Callable[[Image.Image], Any]) -> None:
    found = read(as_given(painted(picture(), brush())))
    assert agreement(found.coverage > 0, brush()) > 0.99


@pytest.mark.parametrize("colors", [256, pytest.param(64, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "color",
    [RED, *(pytest.param((level,) * 3, marks=pytest.mark.slow) for level in (255, 0))],
)
def test_copies_of_few_colors(colors: int, color: tuple[int, ...]) -> None:
    few = painted(picture(), brush(), color).quantize(colors)
    for copy in (encoded(few), encoded(few, "GIF"), encoded(few.convert("RGB"))):
        assert agreement(read(copy).coverage > 0, brush()) > 0.93
    dithered = painted(picture(), brush(), color).convert("P")
    assert agreement(read(encoded(dithered)).coverage > 0, brush()) > 0.93


def test_most_of_a_copy_may_be_painted() -> None:
    area = np.ones(picture().size[::-1], np.bool_)
    area[30:110, 40:140] = False
    assert agreement(read(encoded(painted(picture(), area))).coverage > 0, area) > 0.99


@pytest.mark.parametrize("color", [RED, (255, 255, 255)])
def test_gray_photos(color: tuple[int, ...]) -> None:
    gray = picture().convert("L")
    copy = painted(gray, brush(), color)
    if color[0] == color[1]:
        copy = copy.convert("L")
    assert agreement(read(encoded(copy), gray).coverage > 0, brush()) > 0.99


def test_a_gray_copy_of_a_photo_in_color() -> None:
    copy = encoded(painted(picture().convert("L"), brush()))
    assert agreement(read(copy).coverage > 0, brush()) > 0.9


@pytest.mark.parametrize("color", [0, 128, 255])
@pytest.mark.parametrize("kind", ["PNG", pytest.param("JPEG", marks=pytest.mark.slow)])
def test_a_brush_without_color_over_a_gray_copy(color: int, kind: str) -> None:
    copy = painted(picture().convert("L"), brush(), (color,) * 3)
    for mask in (copy, copy.convert("L")):
        found = read(encoded(mask, kind))
        assert agreement(found.coverage > 0, brush()) > 0.95
        assert "gray copy" in found.notes[0]
        assert "'file:NAME,luma'" in found.notes[0]
    mean = Image.fromarray(np.asarray(picture()).mean(axis=2).astype(np.uint8))
    copy = painted(mean, brush(), (color,) * 3)
    assert agreement(read(encoded(copy)).coverage > 0, brush()) > 0.95


def test_a_gray_copy_as_it_is_goes_by_its_brightness_and_says_so() -> None:
    gray = picture().convert("L")
    found = read(encoded(gray))
    assert np.allclose(found.coverage, np.asarray(gray) / 255, atol=0.013)
    assert "the photo in gray, with nothing painted on it" in found.notes[0]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("color", [0, 255])
def test_holes_in_an_even_sheet_are_the_mask(mode: str, color: int) -> None:
    how: dict[str, Any] = {}
    if mode == "P":
        sheet = Image.fromarray(brush().astype(np.uint8))
        sheet.putpalette([*[color] * 3, 9, 9, 9])
        how = {"transparency": 1}
    else:
        sheet = Image.new("L", picture().size, color).convert(mode)
        sheet.putalpha(Image.fromarray(np.where(brush(), 0, 255).astype(np.uint8)))
    found = read(encoded(sheet, **how))
    assert np.array_equal(found.coverage, brush())
    assert "transparent pixels are edited" in found.notes[0]
    assert "'file:NAME,alpha'" in found.notes[0]


def test_paint_that_covers_most_of_a_clear_layer_is_no_sheet() -> None:
    layer = np.zeros((*brush().shape, 4), np.uint8)
    layer[:150, :, 3] = 255
    found = read(encoded(Image.fromarray(layer)))
    assert np.array_equal(found.coverage, layer[..., 3] > 0)
    assert "opaque pixels are edited" in found.notes[0]


def test_masks_of_one_job_say_how_they_were_read(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_bytes(encoded(painted(picture(), brush())))
    for rule in (f"{tmp_path}/m.png", f'~grow:1 | "{tmp_path}/m.png"'):
        result = editkit.erase(picture(), brush(), method="telea", composite_mask=rule)
        assert result.report["notes"][0].startswith("composite: the mask is a copy of the photo")
    made = editkit.Masks.of(picture(), brush(), denoise=f"{tmp_path}/m.png")
    assert made.notes[0].startswith("denoise: the mask is a copy of the photo")


def test_photos_of_16_bits_and_with_alpha() -> None:
    values = np.asarray(picture())
    deep = read_photo(values.astype(np.uint16) * 257)
    assert agreement(read(painted(picture(), brush()), deep).coverage > 0, brush()) > 0.99
    gray = picture().convert("L")
    deep_copy = np.asarray(painted(gray, brush(), (255, 255, 255)).convert("L"))
    found = read(deep_copy.astype(np.uint16) * 257, gray)
    assert agreement(found.coverage > 0, brush()) > 0.99
    alpha = np.full(values.shape[:2], 255, np.uint8)
    alpha[:, :40] = 0
    layered = Image.fromarray(np.dstack([values, alpha]))
    copy = Image.fromarray(np.dstack([np.asarray(painted(picture(), brush())), alpha]))
    assert agreement(read(copy, layered).coverage > 0, brush()) > 0.99


@pytest.mark.parametrize("under", ["kept", "black", "white"])
def test_transparent_holes_are_the_mask(under: str) -> None:
    values = np.asarray(picture()).copy()
    if under != "kept":
        values[brush()] = 0 if under == "black" else 255
    copy = Image.fromarray(np.dstack([values, np.where(brush(), 0, 255).astype(np.uint8)]))
    found = read(encoded(copy))
    assert np.array_equal(found.coverage, brush())
    assert "transparent holes" in found.notes[0]


def test_a_soft_hole_is_a_soft_mask() -> None:
    soft = Image.fromarray(brush()).convert("L").filter(ImageFilter.GaussianBlur(4))
    copy = Image.fromarray(np.dstack([np.asarray(picture()), 255 - np.asarray(soft)]))
    assert np.allclose(read(encoded(copy)).coverage, np.asarray(soft) / 255, atol=1e-6)


def test_paint_on_a_transparent_layer_is_the_mask_as_before() -> None:
    for color in (RED, (0, 0, 0), (255, 255, 255)):
        layer = np.zeros((*brush().shape, 4), np.uint8)
        layer[brush()] = (*color, 255)
        assert np.array_equal(read(encoded(Image.fromarray(layer))).coverage, brush())


def test_other_photos_are_refused_with_what_to_do() -> None:
    other = picture("chelsea")
    seen = encoded(painted(other, brush()), "JPEG")
    for mask in (encoded(other), encoded(other.convert("L")), seen):
        assert "paint white on black, or over a copy of the photo" in refused(mask)
    hole = np.dstack([np.asarray(other), np.where(brush(), 0, 255).astype(np.uint8)])
    assert "paint white on black" in refused(encoded(Image.fromarray(hole)))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_copy_with_nothing_painted_is_refused(kind: str) -> None:
    assert "nothing painted on it" in refused(encoded(picture(), kind))


def test_a_copy_of_another_size_is_refused() -> None:
    small = painted(picture(), brush()).resize((160, 120))
    assert "is 160x120, the photo is 320x240" in refused(encoded(small))


def masks() -> dict[str, np.ndarray]:
    """Masks that people have, several of them made of the photo itself."""
    gray = np.asarray(picture().convert("L"))
    y, x = np.mgrid[: gray.shape[0], : gray.shape[1]]
    smooth = np.asarray(Image.fromarray(gray).filter(ImageFilter.GaussianBlur(8)))
    dots = np.random.default_rng(0).random(gray.shape)
    lightness = select_in("luma", read_photo(picture()))
    return {
        "hard": brush() * 255,
        "soft": np.asarray(
            Image.fromarray(brush()).convert("L").filter(ImageFilter.GaussianBlur(9))
        ),
        "black on white": np.where(brush(), 0, 255),
        "slope": 255 * x / x.max(),
        "depth": 0.6 * smooth + 100 * y / y.max(),
        "levels": np.floor(smooth / 64) * 64,
        "cut at a lightness": np.where(gray > 120, 255, 0),
        "dots": np.where(dots < 0.5 + 0.4 * brush(), 0, 255),
        "chalk": 255 * dots * brush(),
        "lightness": 255 * lightness,
        "lightness inside": 255 * lightness * brush(60),
        "outlines": 255 * select_in("edges", read_photo(picture())),
    }


@pytest.mark.parametrize("name", masks())
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_masks_are_not_taken_for_photos(name: str, mode: str) -> None:
    values = np.rint(masks()[name]).astype(np.uint8)
    found = read(encoded(Image.fromarray(values).convert(mode)))
    assert np.allclose(found.coverage, values / 255, atol=0.013)
    assert found.notes == ()


def test_edits_say_how_the_mask_was_read() -> None:
    copy = painted(picture(), brush())
    result = editkit.erase(picture(), copy, method="telea")
    assert result.report["notes"][0].startswith("the mask is a copy of the photo")
    assert result.report["samples_changed_outside"] == 0
    assert result.mask is not None
    assert np.array_equal(result.mask, read(copy).coverage)


def test_in_expressions_too(tmp_path: Path) -> None:
    (tmp_path / "painted.png").write_bytes(encoded(painted(picture(), brush())))
    text = f'"{tmp_path}/painted.png" - box:0,0,100,100%'
    found = read(text)
    assert found.notes[0].startswith("the mask is a copy of the photo")
    wanted = brush() & (np.arange(picture().width) >= 100)
    assert agreement(found.coverage > 0, wanted) > 0.99
    by_light = read(f'file:"{tmp_path}/painted.png",luma')
    assert np.mean(by_light.coverage > 0) > 0.9
