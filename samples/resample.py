"""Mend scratches by RePaint: the walk goes back and forth in noise until the fill fits."""

import sys
from pathlib import Path

import editkit

here, out = Path(__file__).parent, Path(sys.argv[1] if sys.argv[1:] else ".")
result = editkit.resample(
    here / "chelsea.jpg", here / "chelsea.mask.png", "fur", steps=10, repeats=3, strength=0.5
)
print(result.save(out / "chelsea-mended.png", force=True))
