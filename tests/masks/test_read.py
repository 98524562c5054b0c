"""Masks: what counts as white, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageDraw

from editkit.errors import ImageError, MaskError
from editkit.masks.read import read_mask
from editkit.photo.geometry.boxes import bounding_box
from editkit.photo.io.files import PhotoLike
from editkit.types import Box, Size

SIZE = Size(12, 20)
RAMP = np.tile(np.linspace(0, 255, 20).astype(np.uint8), (12, 1))


def refused(source: PhotoLike, size: Size = SIZE) -> str:
    with pytest.raises(MaskError) as caught:
        read_mask(source, size)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".bmp"])
def test_gray_files_keep_soft_values(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(RAMP).save(tmp_path / f"m{suffix}")
    coverage = read_mask(tmp_path / f"m{suffix}", SIZE)
    assert coverage.dtype == np.float32
    assert np.array_equal(coverage, RAMP.astype(np.float32) / np.float32(255))


def test_black_and_white_files(tmp_path: Path) -> None:
    made = Image.fromarray(RAMP).convert("1")
    made.save(tmp_path / "m.png")
    assert np.array_equal(read_mask(tmp_path / "m.png", SIZE), np.asarray(made))


def test_16_bit_files(tmp_path: Path) -> None:
    values = np.linspace(0, 65535, SIZE.area).astype(np.uint16).reshape(SIZE)
    Image.frombytes("I;16", (20, 12), values.tobytes()).save(tmp_path / "m.png")
    assert np.allclose(read_mask(tmp_path / "m.png", SIZE), values / 65535, atol=1e-7)


def test_color_counts_by_its_luminance() -> None:
    rgb = np.zeros((*SIZE, 3), np.uint8)
    rgb[:, 5:10], rgb[:, 10:] = (255, 0, 0), 255
    coverage = read_mask(Image.fromarray(rgb), SIZE)
    assert coverage[0].tolist() == pytest.approx([0.0] * 5 + [76 / 255] * 5 + [1.0] * 10)


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (200, 0, 30)])
def test_a_shape_on_a_transparent_layer_is_its_alpha(color: tuple[int, int, int]) -> None:
    rgba = np.zeros((*SIZE, 4), np.uint8)
    rgba[..., :3], rgba[..., 3] = color, RAMP
    rgba[RAMP == 0] = (9, 9, 9, 0)
    assert np.allclose(read_mask(Image.fromarray(rgba), SIZE), RAMP / 255)


def test_an_opaque_alpha_says_nothing() -> None:
    rgba = np.dstack([RAMP, RAMP, RAMP, np.full_like(RAMP, 255)])
    assert np.allclose(read_mask(Image.fromarray(rgba), SIZE), RAMP / 255)


def test_colors_under_a_varying_alpha_are_weighted() -> None:
    alpha = RAMP[:, ::-1]
    made = Image.fromarray(np.dstack([RAMP, RAMP, RAMP, alpha]))
    wanted = RAMP / 255 * (alpha / 255)
    assert np.allclose(read_mask(made, SIZE), wanted)
    assert np.allclose(read_mask(made.convert("LA"), SIZE), wanted)


def test_palettes() -> None:
    made = Image.fromarray(RAMP).quantize(256)
    assert np.allclose(read_mask(made, SIZE), np.asarray(made.convert("L")) / 255)


@pytest.mark.parametrize(("suffix", "quality"), [(".jpg", 60), (".jpg", 90), (".webp", 80)])
def test_the_ripples_of_lossy_files_are_cleaned(tmp_path: Path, suffix: str, quality: int) -> None:
    made = Image.new("L", (200, 160))
    ImageDraw.Draw(made).ellipse((60, 50, 130, 110), fill=255)
    made.convert("RGB").save(tmp_path / f"m{suffix}", quality=quality)
    raw = np.asarray(Image.open(tmp_path / f"m{suffix}").convert("L"))
    coverage = read_mask(tmp_path / f"m{suffix}", Size(160, 200))
    assert (coverage[raw <= 16] == 0).all()
    assert (coverage[raw >= 239] == 1).all()
    between = (raw > 16) & (raw < 239)
    assert np.allclose(coverage[between], raw[between] / 255)
    box = bounding_box(coverage)
    assert min(box.top - 40, 120 - box.bottom, box.left - 50, 140 - box.right) >= 0


@pytest.mark.parametrize("kind", [np.bool_, np.float64, np.float32, np.float16])
@pytest.mark.parametrize("shape", [(12, 20), (12, 20, 1)])
def test_arrays(kind: type, shape: tuple[int, ...]) -> None:
    array = np.random.default_rng(0).integers(0, 2, shape).astype(kind)
    before = array.copy()
    coverage = read_mask(array, SIZE)
    assert np.array_equal(coverage, array.reshape(SIZE))
    coverage[:] = 0
    assert np.array_equal(array, before)


def test_float_arrays_are_not_rounded_to_8_bits() -> None:
    array = np.random.default_rng(0).random(SIZE, np.float32)
    assert np.array_equal(read_mask(array, SIZE), array)


def test_tensors() -> None:
    torch = pytest.importorskip("torch")
    array = np.random.default_rng(0).random(SIZE, np.float32)
    for tensor in (torch.from_numpy(array)[None], torch.from_numpy(array)[None, None]):
        assert np.array_equal(read_mask(tensor, SIZE), array)
    assert np.array_equal(read_mask(torch.from_numpy(array > 0.5)[None], SIZE), array > 0.5)


def test_masks_are_turned_like_photos(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(RAMP).save(tmp_path / "m.png", exif=exif)
    assert np.allclose(read_mask(tmp_path / "m.png", Size(20, 12)), np.rot90(RAMP, -1) / 255)


def test_another_size_is_said_as_width_by_height(tmp_path: Path) -> None:
    Image.fromarray(RAMP).save(tmp_path / "m.png")
    message = refused(tmp_path / "m.png", Size(30, 40))
    assert "m.png is 20x12, the photo is 40x30" in message
    assert "turned" not in message
    assert "turned by 90 degrees" in refused(tmp_path / "m.png", Size(20, 12))


def test_nothing_selected() -> None:
    black = np.zeros(SIZE, np.uint8)
    assert "white marks where to edit" in refused(black)
    assert "white marks where to edit" in refused(Image.fromarray(np.zeros((*SIZE, 4), np.uint8)))
    with pytest.raises(MaskError, match="white marks"):
        bounding_box(np.zeros(SIZE, np.float32))


@pytest.mark.parametrize("worst", [1.01, -0.1, float("nan"), 255.0])
def test_floats_out_of_range_are_refused(worst: float) -> None:
    array = np.full(SIZE, 0.5)
    array[3, 3] = worst
    assert "from 0 to 1" in refused(array)


def test_label_maps_are_refused() -> None:
    assert "multiply it by 255" in refused((RAMP > 100).astype(np.uint8))


def test_what_is_no_image_is_said_of_the_mask(tmp_path: Path) -> None:
    (tmp_path / "m.png").write_text("no image")
    for source in (tmp_path / "m.png", tmp_path / "none.png", np.zeros((2, 2), np.int64)):
        with pytest.raises(ImageError, match=r"^the mask"):
            read_mask(source, SIZE)
    with pytest.raises(MaskError, match="the mask door is 20x12"):
        read_mask(RAMP, Size(1, 1), source_name="door")


@given(
    hnp.arrays(
        np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.sampled_from([0, 0.1, 1])
    )
)
def test_the_box_is_the_smallest(coverage: np.ndarray) -> None:
    if not coverage.any():
        return
    rows, columns = np.nonzero(coverage)
    box = bounding_box(coverage)
    assert box == (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
    assert np.count_nonzero(coverage[box.slices]) == np.count_nonzero(coverage)


def test_50_megapixels() -> None:
    coverage = np.zeros((5000, 10000), np.float32)
    coverage[4000, 9000] = 0.01
    assert bounding_box(coverage) == Box(4000, 9000, 4001, 9001)


def test_messages_call_what_has_no_name_by_what_it_is() -> None:
    for mask, said in (
        (np.ones((4, 5), np.float32), r"^the mask in the given array is 5x4, the photo is 6x4"),
        (Image.new("L", (5, 4), 255), r"^the mask in the given image is 5x4, the photo is 6x4"),
        (np.zeros((4, 6), np.float32), r"^the mask in the given array selects nothing"),
        (np.full((4, 6), 2.0), r"^the mask in the given array goes from 2 to 2"),
    ):
        with pytest.raises(MaskError, match=said):
            read_mask(mask, Size(4, 6))
