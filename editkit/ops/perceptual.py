"""How a fill looks to the model itself, where there is no photo to compare it with."""

from dataclasses import replace

import cv2
import numpy as np
import torch

from editkit.diffusion.guides import Cfg, Guided
from editkit.diffusion.levels import Level, Schedule
from editkit.models.base import Model, device_errors, make_network
from editkit.models.conditions import Conditions, Text
from editkit.ops.edit import Edit
from editkit.ops.engine.canvas import to_pixels
from editkit.ops.engine.session import open_session
from editkit.ops.result import Result
from editkit.photo.geometry.boxes import bounding_box
from editkit.photo.quality.scores import scored_box
from editkit.types import Coverage, Rgb, Size

_NOISINESS = (0.25, 0.35, 0.5)
"""Shares of noise that a fill is looked at through."""

_STEPS = 20


def perceptual_error(model: Model, rgb: Rgb, coverage: Coverage, prompt: str = "") -> float:
    """How unlikely a model finds a fill between its surroundings, asked with its own network.

    The fill is noised at three levels, and the network, told the prompt and (if it was trained to
    be) what surrounds the hole, predicts the noise. The mean squared error of that in the hole is
    what diffusion models were trained to make small (arXiv 2006.11239, eq. 14), and bounds how
    likely the fill is; the figure is the geometric mean over the levels. Each level has noise of
    its own, which is the same for all pictures. What is larger than the model's native size is
    brought down to that.

    Args:
        model: who is asked.
        rgb: the edited photo around the mask, (H, W, 3) uint8.
        coverage: the mask, (H, W), in [0, 1].
        prompt: what was to be painted.

    Returns:
        At least 0, where nothing could be likelier. What is usual depends on the model and the
        photo, and what is even is likelier than what is not: compare fills of one hole.
    """
    seen, mask = _reduced(rgb, coverage, model)
    session = open_session(Edit(prompt, steps=_STEPS), model, Size(*mask.shape))
    hole = torch.from_numpy((mask > 0).astype(np.float32))[None, None]
    with torch.inference_mode(), device_errors(model.device):
        where, pixels = session.reduce(hole)[0, 0] > 0, to_pixels(seen)
        clean = session.encode("image", pixels)
        conditions = Conditions(Text(prompt), session.hole(pixels, hole))
        network = make_network(model, conditions)
        denoise = Guided(network, Cfg(1.0), session.schedule.target)
        found = list[float]()
        for number, level in enumerate(_levels(session.schedule)):
            noise = session.draws("perceptual", clean.shape, number)
            told = denoise(level.a * clean + level.s * noise, level).eps.cpu()
            found.append(float(((told - noise) ** 2).mean(dim=1)[0][where].mean()))
    return float(np.exp(np.mean(np.log(np.maximum(found, 1e-12)))))


def judged(result: Result, model: Model) -> Result:
    """The result with `perceptual` among the scores of its report, if it has any."""
    scores = result.report.get("scores")
    if result.mask is None or scores is None:
        return result
    near = scored_box(bounding_box(result.mask), result.photo.size)
    prompt = str(result.report.get("prompt") or "")
    seen, mask = result.photo.rgb(near), result.mask[near.slices]
    value = perceptual_error(model, seen, mask, prompt)
    return replace(result, report={**result.report, "scores": {**scores, "perceptual": value}})


def _reduced(rgb: Rgb, coverage: Coverage, model: Model) -> tuple[Rgb, Coverage]:
    """Both at a size that the model takes, at most its native one."""
    side, multiple = model.settings.native_size, model.multiple
    height, width = coverage.shape
    factor = min(1.0, side / max(height, width))
    size = [-(-round(length * factor) // multiple) * multiple for length in (width, height)]
    small, mask = (cv2.resize(a, size, interpolation=cv2.INTER_AREA) for a in (rgb, coverage))
    return np.asarray(small), np.asarray(mask)


def _levels(schedule: Schedule) -> list[Level]:
    """The levels nearest to those that are asked for."""
    usable = [level for level in schedule.levels if 0 < level.noisiness < 1]
    return [min(usable, key=lambda level: abs(level.noisiness - n)) for n in _NOISINESS]
