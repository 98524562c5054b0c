"""A model's settings on a grid: `python tests/benchmarks/settings.py FOLDER`.

FOLDER is as for `quality.py`, and so are the figures. One line of a grid is `Inpaint` with the
settings that its name tells, the others as recommended. Guidance needs a prompt: there the prompt
is the word for the color of what was in the hole, so those lines compare with each other alone.
"""

import argparse
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ImageColor
from quality import KINDS, Case, Fill, Perception, cases, measure, table
from skimage.color import deltaE_ciede2000, rgb2lab

import editkit

COLORS = ("red", "orange", "yellow", "green", "blue", "purple", "brown", "gray", "white", "black")

GRID: dict[str, dict[str, Any]] = {
    "noise": {"prefill": "none", "strength": 1.0},
    **{
        f"{prefill} {strength}": {"prefill": prefill, "strength": strength}
        for prefill in ("telea", "patchmatch")
        for strength in (0.2, 0.4, 0.6, 0.8)
    },
    **{f"{steps} steps": {"steps": steps} for steps in (10, 20, 30)},
    **{solver: {"solver": solver} for solver in ("dpmpp_2m", "unipc", "ddim")},
    **{f"guidance {guidance}": {"guidance": guidance} for guidance in (1.0, 1.5, 2.5)},
}


def color(case: Case) -> str:
    """The word for the mean color of what was in the hole, by CIEDE2000."""
    mean = case.truth[case.hole].mean(axis=0) / 255
    known = np.array([ImageColor.getrgb(name)[:3] for name in COLORS]) / 255
    return COLORS[int(deltaE_ciede2000(rgb2lab(mean), rgb2lab(known)).argmin())]


def fill(model: Any, settings: dict[str, Any]) -> Fill:
    """Inpainting with some settings."""
    edit = editkit.Inpaint(**settings)

    def run(case: Case) -> Any:
        prompt = color(case) if "guidance" in settings else ""
        asked = dataclasses.replace(edit, prompt=prompt)
        return np.asarray(asked(model, case.photo, case.hole).image)

    return run


def rows(asked: argparse.Namespace) -> Iterator[str]:
    """A table for each kind of mask."""
    model = editkit.load_model(asked.model, device="cpu")
    fills = {name: fill(model, GRID[name]) for name in asked.only}
    perception = Perception()
    for kind in asked.kinds:
        made = list(measure(cases(asked.folder, kind, asked.limit), fills, perception))
        yield table(kind, fills, made)


def main() -> None:
    """Reads the command line and prints."""
    parser = argparse.ArgumentParser(description="Settings: see this folder's README.md.")
    parser.add_argument("folder", type=Path, help="photos and masks, as for quality.py")
    parser.add_argument("--model", default="builtin", help="an id or a folder of weights")
    parser.add_argument("--limit", type=int, metavar="N", help="only N photos, spread evenly")
    parser.add_argument("--only", nargs="+", choices=list(GRID), default=list(GRID))
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    for text in rows(parser.parse_args()):
        print(text, flush=True)


if __name__ == "__main__":
    main()
