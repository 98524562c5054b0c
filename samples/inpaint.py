"""Take a mast out of a photo, and see that nothing else changed."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

import editkit

here, out = Path(__file__).parent, Path(sys.argv[1] if sys.argv[1:] else ".")
photo, mask = here / "rocket.jpg", here / "rocket.mask.png"

result = editkit.inpaint(photo, mask, "dark blue sky")
result.save(out / "rocket-without-mast.png", force=True)

before, after = np.asarray(Image.open(photo)), np.asarray(result.image)
kept = np.asarray(Image.open(mask)) == 0
print(f"{kept.sum()} pixels kept, {(before != after)[kept].sum()} samples of them changed")
