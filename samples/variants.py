"""Load the model once, and paint several variants of one edit."""

import sys
from pathlib import Path

import editkit

here, out = Path(__file__).parent, Path(sys.argv[1] if sys.argv[1:] else ".")
model = editkit.load_model()

for seed, cloth in enumerate(["orange cloth", "dark blue cloth", "green cloth"]):
    edit = editkit.Inpaint(cloth, seed=seed, steps=10, strength=0.8, guidance=3.0)
    result = edit(model, here / "astronaut.jpg", here / "astronaut.mask.png")
    print(result.save(out / f"astronaut-{seed}.png", force=True), result.report["seconds"], "s")
