"""What a large photo costs in memory: bytes for each pixel, and no more."""

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import shell
from PIL import Image

HOLE = 40


def peak(folder: Path, model: Path, side: int, suffix: str) -> int:
    """Bytes that `editkit inpaint` held at most, for a hole of one size in a square photo."""
    photo, mask = folder / f"{side}.{suffix}", folder / f"{side}.mask.png"
    rows = np.random.default_rng(0).integers(0, 256, (8, side, 3), np.uint8)
    Image.fromarray(np.tile(rows, (side // 8, 1, 1))).save(photo)
    white = np.zeros((side, side), np.uint8)
    white[100 : 100 + HOLE, 60 : 60 + HOLE] = 255
    Image.fromarray(white).save(mask)
    command = [shell.EDITKIT, "inpaint", photo, mask, "-m", model, "--steps", "1", "-q"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # it has been waited for
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


@pytest.mark.parametrize(("suffix", "most"), [("png", 28), ("jpg", 28)])
def test_memory_grows_by_bytes_for_each_pixel(
    checkpoints: dict[int, Path], tmp_path: Path, suffix: str, most: int
) -> None:
    """100 megapixels go into 3 GiB: 0.7 for libraries and model, and 24 bytes for each pixel."""
    small, large = (peak(tmp_path, checkpoints[9], side, suffix) for side in (400, 2800))
    each = (large - small) / (2800**2 - 400**2)
    assert 6 < each < most
