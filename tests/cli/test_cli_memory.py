"""What a large photo costs in memory: bytes for each pixel, and no more."""

import sys
from pathlib import Path

import numpy as np
import pytest
import shell
from PIL import Image

pytestmark = pytest.mark.process

HOLE = 40


def peak(folder: Path, model: Path, side: int, suffix: str) -> int:
    """Bytes that `editkit inpaint` held at most, for a hole of one size in a square photo."""
    photo, mask = folder / f"{side}.{suffix}", folder / f"{side}.mask.png"
    rows = np.random.default_rng(0).integers(0, 256, (8, side, 3), np.uint8)
    Image.fromarray(np.tile(rows, (side // 8, 1, 1))).save(photo)
    white = np.zeros((side, side), np.uint8)
    white[100 : 100 + HOLE, 60 : 60 + HOLE] = 255
    Image.fromarray(white).save(mask)
    code = (
        "import re, sys\n"
        "from editkit_cli.main import cli\n"
        "cli.main(sys.argv[1:], standalone_mode=False)\n"
        "print(re.search(r'VmHWM:\\s+(\\d+) kB', open('/proc/self/status').read())[1])"
    )
    args = ("inpaint", photo, mask, "-m", model, "--steps", "1", "-q")
    done = shell.python(code, *args)
    assert done.code == 0, done.err
    # Of this program alone: the system counts what its parent held, too, in ru_maxrss.
    return int(done.out) * 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize(("suffix", "most"), [("png", 28), ("jpg", 28)])
def test_memory_grows_by_bytes_for_each_pixel(
    checkpoints: dict[int, Path], tmp_path: Path, suffix: str, most: int
) -> None:
    """100 megapixels go into 3 GiB: 0.7 for libraries and model, and 24 bytes for each pixel."""
    small, large = (peak(tmp_path, checkpoints[9], side, suffix) for side in (400, 2800))
    each = (large - small) / (2800**2 - 400**2)
    assert 6 < each < most
