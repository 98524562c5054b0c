"""Repaint a whole photo in part: noise it to a third of the way, and walk back guided."""

import sys
from pathlib import Path

import editkit

here, out = Path(__file__).parent, Path(sys.argv[1] if sys.argv[1:] else ".")
result = editkit.img2img(
    here / "coffee.jpg", "red plate, wood", strength=0.3, steps=10, work_size=384
)
print(result.save(out / "coffee-repainted.png", force=True))
