"""A dozen edits of the preservation benchmark: its own readers see kept samples unchanged."""

import importlib.util
import shutil
import sys
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest

from editkit.models.base import Model


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    path = Path(__file__).parents[1] / "benchmarks" / "preservation.py"
    spec = importlib.util.spec_from_file_location("preservation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["preservation"] = module
    spec.loader.exec_module(module)
    return module


NUMBERS = (0, 3, 4, 7, 9, 10, 13, 15, 16, 17, 38, 59)
"""Of each container one gray and one of several channels; JPEG three times."""


@pytest.mark.parametrize("number", NUMBERS)
def test_kept_samples_are_kept(bench: ModuleType, tiny4: Model, tiny9: Model, number: int) -> None:
    case = bench.KINDS[number % len(bench.KINDS)]
    if (case[0] == "tif" or case[1] == "CMYK") and shutil.which("convert") is None:
        pytest.skip("ImageMagick reads these")
    outcome = bench.run_edit([tiny4, tiny9], 1, number)
    assert outcome.kept_changed == 0, outcome
    assert outcome.kept > 0
    assert outcome.edited_changed > 0, "an edit that does nothing shows nothing"


def test_the_count_finds_one_changed_sample(bench: ModuleType, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    case = bench.make_photo(tmp_path, rng, ("png", "RGB", 16))
    samples = bench.turned(bench.read(case.path, case), case.orientation).copy()
    mask = np.zeros(samples.shape[:2], np.uint8)
    mask[:4, :4] = 255
    samples[5, 6, 1] ^= 1
    samples[2, 2, 0] ^= 1
    cv2.imwrite(str(tmp_path / "made.png"), samples)
    kept, changed, edited, inside, _ = bench.compared(case, tmp_path / "made.png", mask)
    assert (kept + edited, changed, edited, inside) == (samples.size, 1, 48, 1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turning_is_what_pillow_does(bench: ModuleType, orientation: int) -> None:
    from PIL import Image, ImageOps

    samples = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = Image.fromarray(samples)
    image.getexif()[0x0112] = orientation
    assert np.array_equal(
        bench.turned(samples, orientation), np.asarray(ImageOps.exif_transpose(image))
    )
