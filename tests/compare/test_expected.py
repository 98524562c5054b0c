"""What a copy would show without its edit: the same samples, where its encoding is known."""

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from away import Journey
from numpy.typing import NDArray
from PIL import Image

from editkit.compare.aligned import overlay_copy
from editkit.compare.color_drift import identity_drift
from editkit.compare.expected import ExpectedCopy
from editkit.photo.geometry.warp import fit_matrix
from editkit.photo.io.files import read_photo
from editkit.types import Box

COFFEE = Path(__file__).parent.parent.parent / "samples" / "coffee.jpg"


def picture() -> NDArray[np.uint8]:
    with Image.open(COFFEE) as image:
        return np.asarray(image.convert("RGB").resize((333, 215), Image.Resampling.LANCZOS))


def saved(samples: NDArray[np.uint8], **options: Any) -> bytes:
    held = BytesIO()
    Image.fromarray(samples).save(held, "JPEG", **options)
    return held.getvalue()


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("box", [Box(0, 0, 215, 333), Box(50, 0, 90, 333), Box(37, 101, 120, 222)])
def test_a_copy_that_was_only_encoded_is_foreseen_to_the_sample(subsampling: int, box: Box) -> None:
    before = picture()
    copy = read_photo(saved(before, quality=70, subsampling=subsampling))
    foreseen = ExpectedCopy(read_photo(before), copy, np.eye(3), identity_drift())
    assert foreseen.is_encoded
    assert np.array_equal(foreseen.sample(np.eye(3), box), copy.rgb(box).astype(np.float32))


def test_a_gray_copy_is_foreseen_in_gray() -> None:
    before = np.asarray(Image.fromarray(picture()).convert("L"))
    copy = read_photo(saved(before, quality=70))
    foreseen = ExpectedCopy(read_photo(before), copy, np.eye(3), identity_drift())
    box = Box(20, 20, 120, 200)
    assert np.array_equal(foreseen.sample(np.eye(3), box), copy.rgb(box).astype(np.float32))


def test_an_edit_is_all_that_differs_but_in_the_blocks_it_touches() -> None:
    before = picture()
    after = before.copy()
    after[64:96, 96:160] = after[100:132, 200:264]
    copy = read_photo(saved(after, quality=60))
    foreseen = ExpectedCopy(read_photo(before), copy, np.eye(3), identity_drift())
    whole = Box(0, 0, 215, 333)
    differs = (foreseen.sample(np.eye(3), whole) != copy.rgb(whole)).any(axis=2)
    assert differs[64:96, 96:160].mean() > 0.9
    differs[62:98, 94:162] = False  # decoders smooth color by a pixel or two across blocks
    assert not differs.any()


def test_tones_scale_and_place_are_foreseen() -> None:
    """Nearer to what comes back than the photo itself is, though that is laid over it as well."""
    journey = Journey(scale=0.7, shift=(2.5, 1.2), cast=(1.06, 1, 0.9), gamma=1.1, quality=80)
    before = picture()
    photo, copy = read_photo(before), read_photo(journey.file(before))
    over = overlay_copy(photo, copy, journey.matrix(before), drift=True)
    box = Box(20, 20, over.grid.height - 20, over.grid.width - 20)
    one, other, _ = over.pair(box)
    seen = over.expected.sample(over.matrix @ fit_matrix(over.grid, photo.size), box)
    assert np.abs(seen - other).mean() < 0.7 * np.abs(over.drift.apply(other) - one).mean()


def test_a_turned_copy_or_one_of_no_jpeg_is_foreseen_without_its_encoding() -> None:
    before = picture()
    exif = Image.Exif()
    exif[0x0112] = 6
    for copy in (read_photo(before), read_photo(saved(before, exif=exif))):
        assert not ExpectedCopy(read_photo(before), copy, np.eye(3), identity_drift()).is_encoded


@pytest.mark.parametrize("scale", [0.5, 0.25, 0.61])
def test_a_part_of_a_small_copy_is_foreseen_as_in_the_whole(scale: float) -> None:
    """So that a strip of a large photo tells as much as the whole of a small one."""
    journey = Journey(scale=scale, quality=85)
    before = picture()
    photo, copy = read_photo(before), read_photo(journey.file(before))
    foreseen = ExpectedCopy(photo, copy, journey.matrix(before), identity_drift())
    whole = foreseen.sample(np.eye(3), Box(0, 0, *copy.size))
    box = Box(17, 21, 40, 60)
    part = foreseen.sample(np.eye(3), box)
    assert np.abs(part - whole[box.slices]).max() <= 1
    assert np.abs(part - whole[box.slices]).mean() < 0.01
