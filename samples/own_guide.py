"""A guide of your own: push away only from the part of the negative that is not in the prompt."""

import sys
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

import editkit
from editkit.diffusion.guides import COND, UNCOND, Branch
from editkit.diffusion.levels import Level

EMPTY = Branch("empty", drop=frozenset({"text"}))


class PerpNeg:
    def branches(self, level: Level) -> tuple[Branch, ...]:
        return (EMPTY, UNCOND, COND) if level.sigma > 0.2 else (COND,)

    def combine(self, outputs: Mapping[str, Tensor]) -> Tensor:
        cond, empty = outputs["cond"], outputs.get("empty", outputs["cond"])
        toward, away = cond - empty, outputs.get("uncond", empty) - empty
        share = (away * toward).sum() / (toward * toward).sum().clamp_min(1e-9)
        return empty + 3 * toward - 1.5 * (away - share * toward)


out = Path(sys.argv[1] if sys.argv[1:] else ".")
made = editkit.generate("grass", negative="water", steps=8, seed=1, guide=PerpNeg())
print(made.save(out / "own_guide.png", force=True), made.report["own"])
