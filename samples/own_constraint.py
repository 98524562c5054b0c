"""A constraint of your own: repaint a whole photo, but keep its colors."""

import sys
from dataclasses import dataclass
from pathlib import Path

import torch.nn.functional as F  # noqa: N812
from torch import Tensor

import editkit
from editkit.diffusion.constraints import Constraint
from editkit.diffusion.levels import Level, Pred


@dataclass(frozen=True)
class KeepColors(Constraint):
    clean: Tensor  # the encoded photo and the mask: the class itself is what makes one
    mask: Tensor

    def clamp(self, pred: Pred, x: Tensor, level: Level) -> Pred:
        off = F.avg_pool2d(self.clean - pred.x0, 9, stride=1, padding=4, count_include_pad=False)
        x0 = pred.x0 + off
        return Pred(x0, (x - level.a * x0) / level.s) if level.s else pred


photo = Path(__file__).parent / "coffee.jpg"
out = Path(sys.argv[1] if sys.argv[1:] else ".")
made = editkit.img2img(photo, "wood", strength=0.9, steps=8, constraints=[KeepColors])
print(made.save(out / "own_constraint.jpg", force=True), made.report["own"])
