"""What another program might make of a photo: a blue plate, smaller, turned, of another cast."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

here, out = Path(__file__).parent, Path(sys.argv[1] if sys.argv[1:] else ".")
out = out / "elsewhere.jpg" if out.is_dir() else out
photo = Image.open(here / "coffee.jpg").convert("RGB")

rows, columns = np.mgrid[: photo.height, : photo.width]
plate = ((rows - 217) / 152) ** 2 + ((columns - 276) / 192) ** 2 < 1
samples = np.asarray(photo)
red = (samples[..., 0] > 60) & (samples[..., 0] > 2.2 * samples[..., 1])
edited = np.where((plate & red)[..., None], samples[..., ::-1], samples)

small = (photo.width * 8 // 10, photo.height * 8 // 10)
moved = Image.fromarray(edited).rotate(0.5, Image.Resampling.BICUBIC, translate=(3, -2))
moved = moved.resize(small, Image.Resampling.LANCZOS)
cast = np.clip(np.asarray(moved) * np.array([1.07, 1.0, 0.92]), 0, 255).astype(np.uint8)
Image.fromarray(cast).save(out, quality=88)
print(f"{out} is {small[0]}x{small[1]}, edited, turned and of another cast")
