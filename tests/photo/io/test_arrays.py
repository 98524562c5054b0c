"""Arrays: any order of bytes, strides and type is read as it is meant, or refused."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from editkit.errors import ImageError, MaskError
from editkit.masks.read import read_mask
from editkit.photo.io.files import read_photo, write_photo
from editkit.types import Size

RNG = np.random.default_rng(3)
DEEP = RNG.integers(0, 65536, (7, 9), dtype=np.uint16)
SIZE = Size(7, 9)


def read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def spread(array: np.ndarray) -> np.ndarray:
    """The same values, with others between them in memory."""
    wide = np.zeros((array.shape[0] * 2, array.shape[1] * 3, *array.shape[2:]), array.dtype)
    wide[::2, ::3] = array
    return wide[::2, ::3]


LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "big": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "little": lambda a: a.astype(a.dtype.newbyteorder("<")),
    "fortran": np.asfortranarray,
    "reversed": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "spread": spread,
    "read-only": read_only,
    "broadcast": lambda a: np.broadcast_to(a, a.shape),
    "masked, none of it": lambda a: np.ma.masked_array(a, mask=False),
    "unaligned": lambda a: np.frombuffer(b"\0" + a.tobytes(), a.dtype, offset=1).reshape(a.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [0, 1, 3, 4])
def test_samples_do_not_depend_on_how_they_lie(
    tmp_path: Path, layout: str, kind: type, channels: int
) -> None:
    shape = (7, 9, channels) if channels else (7, 9)
    values = RNG.integers(0, np.iinfo(kind).max + 1, shape).astype(kind)
    photo = read_photo(LAYOUTS[layout](values))
    assert photo.samples.dtype == kind
    assert photo.samples.dtype.isnative
    assert photo.samples.flags.c_contiguous
    assert type(photo.samples) is np.ndarray
    assert np.array_equal(photo.samples.reshape(shape), values)
    write_photo(photo, tmp_path / "a.png")
    found = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert found is not None
    order = {3: [2, 1, 0], 4: [2, 1, 0, 3]}.get(channels)
    assert np.array_equal(found if order is None else found[..., order], values.squeeze())


@pytest.mark.parametrize("mode", ["I;16", "I;16L", "I;16B"])
def test_pillow_images_of_16_bits_in_either_order(tmp_path: Path, mode: str) -> None:
    kind = ">u2" if mode == "I;16B" else "<u2"
    made = Image.frombytes(mode, (9, 7), DEEP.astype(kind).tobytes())
    photo = read_photo(made)
    assert np.array_equal(photo.samples, DEEP)
    assert np.array_equal(read_mask(made, SIZE), (DEEP / np.float32(65535)).astype(np.float32))
    assert np.array_equal(read_photo(np.asarray(made)).samples, DEEP)
    write_photo(photo, tmp_path / "a.png")
    found = cv2.imread(str(tmp_path / "a.png"), cv2.IMREAD_UNCHANGED)
    assert found is not None
    assert np.array_equal(found, DEEP)


@pytest.mark.parametrize("kind", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", np.longdouble])
def test_floating_point_of_any_kind(kind: Any) -> None:
    eight = RNG.integers(0, 256, (7, 9, 3), dtype=np.uint8)
    # What 16 bits cannot tell apart lies within a quarter of a step.
    assert np.array_equal(read_photo((eight / 255).astype(kind)).samples, eight)
    soft = (eight[..., 0] / 255).astype(kind)
    assert np.array_equal(read_mask(soft, SIZE), soft.astype(np.float32))


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32, np.bool_])
def test_masks_do_not_depend_on_how_they_lie(layout: str, kind: type) -> None:
    top = np.iinfo(kind).max if np.issubdtype(kind, np.integer) else 1
    values = np.zeros(SIZE, kind)
    values[2:5, 3:8] = top
    coverage = read_mask(LAYOUTS[layout](values), SIZE)
    assert coverage.dtype == np.float32
    assert coverage.flags.c_contiguous
    assert type(coverage) is np.ndarray
    assert np.array_equal(coverage, values / top)


@pytest.mark.parametrize("kind", ["<i8", ">i8", np.int8, np.uint32, np.int32])
@pytest.mark.parametrize("white", [1, 255])
def test_masks_of_other_whole_numbers(kind: Any, white: int) -> None:
    values = np.zeros(SIZE, kind)
    values[2:5, 3:8] = min(white, np.iinfo(kind).max)
    if 1 < values.max() < 255:
        assert read_mask(values, SIZE).max() == np.float32(values.max() / 255)
        return
    assert np.array_equal(read_mask(values, SIZE), values > 0)


@pytest.mark.parametrize(
    "array",
    [
        np.full(SIZE, -1, np.int8),
        np.full(SIZE, 300, np.int64),
        np.zeros(SIZE, np.complex64),
        np.zeros(SIZE, [("r", "u1"), ("g", "u1"), ("b", "u1")]),
        np.full(SIZE, None, object),
        np.full(SIZE, "a"),
        np.zeros(SIZE, "datetime64[s]"),
        np.array(7, np.uint8),
        np.zeros((), np.float32),
        np.ma.masked_array(np.zeros(SIZE, np.uint8), np.eye(7, 9) > 0),
    ],
    ids=lambda a: f"{a.dtype}{a.shape}",
)
def test_what_is_no_picture_is_refused_as_photo_and_as_mask(array: np.ndarray) -> None:
    with pytest.raises(ImageError) as caught:
        read_photo(array)
    assert "\n" not in str(caught.value)
    with pytest.raises((ImageError, MaskError)):
        read_mask(array, SIZE)


@pytest.mark.parametrize("kind", [np.bool_, np.int8, np.int16, np.uint32, np.int64, np.uint64])
def test_photos_of_other_whole_numbers_are_refused(kind: type) -> None:
    with pytest.raises(ImageError, match="give uint8, uint16 or float"):
        read_photo(np.ones(SIZE, kind))


def test_a_tiff_of_an_array_is_one_that_others_read_without_a_word(tmp_path: Path) -> None:
    photo = read_photo(np.zeros((9, 7, 3), np.uint8))
    write_photo(photo, tmp_path / "a.tif")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert cast("Any", file.pages[0]).resolutionunit == 1


def tensors() -> Any:
    return pytest.importorskip("torch")


EIGHT = RNG.integers(0, 256, (7, 9, 3), dtype=np.uint8)
BITS = RNG.integers(0, 2, (7, 9), dtype=np.uint8)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "float64"])
def test_tensors_of_any_floating_point(kind: str) -> None:
    torch = tensors()
    tensor = (torch.from_numpy(EIGHT).double() / 255).permute(2, 0, 1).to(getattr(torch, kind))
    exact = np.rint(tensor.float().numpy().transpose(1, 2, 0) * 255)
    for given in (tensor, tensor[None], tensor.clone().requires_grad_()):
        assert np.array_equal(read_photo(given).samples, exact)
    mask = torch.from_numpy(BITS).to(getattr(torch, kind)).requires_grad_()
    assert np.array_equal(read_mask(mask, SIZE), BITS)


@pytest.mark.parametrize("kind", ["bool", "int8", "int16", "int32", "int64"])
@pytest.mark.parametrize("shape", [(7, 9), (1, 7, 9), (1, 1, 7, 9), (7, 9, 1), (1, 7, 9, 1)])
def test_masks_as_tensors(kind: str, shape: tuple[int, ...]) -> None:
    torch = tensors()
    tensor = torch.from_numpy(BITS).to(getattr(torch, kind))
    assert np.array_equal(read_mask(tensor.reshape(shape), SIZE), BITS)
    turned = tensor.T.contiguous().T
    assert not turned.is_contiguous()
    assert np.array_equal(read_mask(turned, SIZE), BITS)
    assert np.array_equal(read_mask(np.asarray(tensor.reshape(shape)), SIZE), BITS)


def test_tensors_in_either_order_of_their_axes() -> None:
    torch = tensors()
    first = torch.from_numpy(EIGHT).permute(2, 0, 1)
    last = torch.from_numpy(EIGHT)
    channels_last = first[None].contiguous(memory_format=torch.channels_last)
    for given in (first, first[None], last, last[None], channels_last, np.asarray(first)):
        assert np.array_equal(read_photo(given).samples, EIGHT)
    assert np.array_equal(read_photo(EIGHT[None]).samples, EIGHT)
    assert np.array_equal(read_photo(first[0]).samples, EIGHT[..., 0])
    # Where both may be meant, each kind has its own.
    small = RNG.integers(0, 256, (3, 4, 3), dtype=np.uint8)
    assert np.array_equal(read_photo(small).samples, small)
    assert np.array_equal(read_photo(torch.from_numpy(small)).samples, small.transpose(1, 2, 0))


def test_batches_of_several_are_refused() -> None:
    torch = tensors()
    for batch in (torch.zeros(2, 3, 7, 9), np.zeros((2, 7, 9, 3)), torch.zeros(0, 3, 7, 9)):
        with pytest.raises(ImageError, match="give one picture of it"):
            read_photo(batch)


@pytest.mark.parametrize("layout", ["sparse", "meta"])
def test_tensors_that_numpy_cannot_hold_are_refused(layout: str) -> None:
    torch = tensors()
    tensor = {
        "sparse": lambda: torch.zeros(7, 9).to_sparse(),
        "meta": lambda: torch.zeros(7, 9, device="meta"),
    }[layout]()
    with pytest.raises(ImageError) as caught:
        read_photo(tensor)
    assert "\n" not in str(caught.value)
    with pytest.raises(ImageError, match="tensor cannot be read"):
        read_mask(tensor, SIZE)


@pytest.mark.parametrize("white", [1, 255, 65535])
def test_masks_as_pillow_images_of_wide_numbers(white: int) -> None:
    assert np.array_equal(
        read_mask(Image.fromarray(BITS.astype(np.int32) * np.int32(white)), SIZE), BITS
    )
    assert np.array_equal(read_mask(Image.fromarray(BITS.astype(np.float32)), SIZE), BITS)


def test_masks_of_truth_values_in_colors() -> None:
    for kind in (np.bool_, np.int64):
        assert np.array_equal(read_mask(np.dstack([BITS.astype(kind)] * 3), SIZE), BITS)


def test_a_white_of_15_bits_is_advised() -> None:
    with pytest.raises(MaskError, match="multiply it by 2 "):
        read_mask(BITS.astype(np.uint16) * np.uint16(32767), SIZE)
    with pytest.raises(ImageError):
        read_mask(BITS.astype(np.int16) * np.int16(32767), SIZE)


def test_open_files_left_at_their_end() -> None:
    held = BytesIO()
    Image.fromarray(EIGHT).save(held, "PNG")
    assert np.array_equal(read_photo(held).samples, EIGHT)
