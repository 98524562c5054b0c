"""Latents of whole edits against diffusers' own pipelines, same weights, same draws.

`compat` makes an edit do what the pipeline does, to the draw. Differences are measured at the
latents' own scale: float32 on both sides rounds differently.
"""

from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from editkit.models.base import Model
from editkit.models.builtin import builtin_folder
from editkit.models.schedules import RECIPES
from editkit.ops.engine import generate, img2img, masked_walk
from editkit.ops.engine.canvas import Canvas, to_pixels
from editkit.ops.generate import Generate
from editkit.ops.img2img import Img2Img
from editkit.ops.inpaint import Inpaint
from editkit.types import Size

SOLVERS = [
    "ddim",
    "ddpm",
    "dpmpp_2m",
    "dpmpp_2m_karras",
    "dpmpp_2m_sde",
    "euler",
    "euler_a",
    "heun",
    "lcm",
    "unipc",
]
TOLERANCE = 2e-5
# Weights that were trained magnify rounding: with fresh noise at every step the pipeline itself, on
# one thread and on two, comes out 3e-5 apart.
TRAINED = 1e-4
SIDE, STEPS, GUIDANCE, SEED = 64, 10, 5.0, 3
PHOTO = (np.random.default_rng(0).random((SIDE, SIDE, 3)) * 255).astype(np.uint8)
SOFT = np.tile(np.linspace(0, 255, SIDE).astype(np.uint8), (SIDE, 1))
PIXELS = to_pixels(PHOTO)
HARD = torch.from_numpy((SOFT / 255.0 >= 0.5).astype(np.float32))[None, None]
CANVAS = Canvas(PIXELS, HARD, PIXELS)
OURS: dict[str, Any] = {
    "negative": "dull",
    "steps": STEPS,
    "guidance": GUIDANCE,
    "seed": SEED,
    "compat": True,
}


def pipeline(kind: str, folder: Path, solver: str, **scheduler: Any) -> Any:
    """diffusers' pipeline of a checkpoint, with the scheduler that is the solver's namesake."""
    recipe = RECIPES[solver]
    made = getattr(diffusers, kind).from_pretrained(
        folder, safety_checker=None, dtype=torch.float32
    )
    table = getattr(diffusers, recipe.scheduler)
    made.scheduler = table.from_config(made.scheduler.config, **recipe.overrides, **scheduler)
    made.set_progress_bar_config(disable=True)
    return made


def theirs(made: Any, **arguments: Any) -> Tensor:
    return made(
        prompt="red",
        negative_prompt="dull",
        num_inference_steps=STEPS,
        guidance_scale=GUIDANCE,
        generator=torch.Generator().manual_seed(SEED),
        output_type="latent",
        **arguments,
    ).images


def inpainted(made: Any, mask: Any, strength: float) -> Tensor:
    return theirs(
        made,
        image=Image.fromarray(PHOTO),
        mask_image=mask,
        height=SIDE,
        width=SIDE,
        strength=strength,
    )


def assert_same(ours: Tensor, reference: Tensor, within: float = TOLERANCE) -> None:
    scale = max(1.0, float(reference.abs().max()))
    assert float((ours - reference).abs().max()) < within * scale


@pytest.fixture
def model(request: pytest.FixtureRequest) -> Model:
    return request.getfixturevalue(request.param)


@pytest.fixture
def folder(request: pytest.FixtureRequest, checkpoints: dict[int, Path]) -> Path:
    return checkpoints.get(request.param) or builtin_folder()


CHECKPOINTS = pytest.mark.parametrize(
    ("model", "folder"), [("tiny4", 4), ("tiny9", 9), ("builtin", 0)], indirect=True
)


@CHECKPOINTS
@pytest.mark.parametrize("solver", SOLVERS)
def test_inpaint(model: Model, folder: Path, solver: str) -> None:
    if solver == "heun" and not model.capabilities.inpainting:
        pytest.skip("the pipeline blends between Heun's two halves of a step; we blend after both")
    made = pipeline("StableDiffusionInpaintPipeline", folder, solver)
    for strength in (1.0, 0.75):
        edit = Inpaint("red", solver=solver, strength=strength, prefill="none", **OURS)
        reference = inpainted(made, Image.fromarray(SOFT), strength)
        within = TRAINED if folder == builtin_folder() else TOLERANCE
        assert_same(masked_walk.latents(edit, model, CANVAS), reference, within)


@pytest.mark.parametrize("solver", SOLVERS)
def test_img2img(tiny4: Model, checkpoints: dict[int, Path], solver: str) -> None:
    made = pipeline("StableDiffusionImg2ImgPipeline", checkpoints[4], solver)
    for strength in (1.0, 0.6, 0.29):
        edit = Img2Img("red", solver=solver, strength=strength, **OURS)
        reference = theirs(made, image=Image.fromarray(PHOTO), strength=strength)
        assert_same(img2img.latents(edit, tiny4, PIXELS), reference)


@pytest.mark.parametrize("solver", SOLVERS)
def test_generate(tiny4: Model, checkpoints: dict[int, Path], solver: str) -> None:
    made = pipeline("StableDiffusionPipeline", checkpoints[4], solver)
    edit = Generate("red", solver=solver, **OURS)
    assert_same(
        generate.latents(edit, tiny4, Size(SIDE, SIDE)), theirs(made, height=SIDE, width=SIDE)
    )


@pytest.mark.parametrize("solver", ["ddim", "dpmpp_2m", "euler_a", "unipc"])
def test_whole_picture_edits_of_an_inpainting_model(builtin: Model, solver: str) -> None:
    """Such a model repaints or generates a picture as a hole that is all of it."""
    made = pipeline("StableDiffusionInpaintPipeline", builtin_folder(), solver)
    white = Image.new("L", (SIDE, SIDE), 255)
    again = Img2Img("red", solver=solver, strength=0.6, **OURS)
    assert_same(img2img.latents(again, builtin, PIXELS), inpainted(made, white, 0.6), TRAINED)
    fresh = Generate("red", solver=solver, **OURS)
    assert_same(
        generate.latents(fresh, builtin, Size(SIDE, SIDE)), inpainted(made, white, 1.0), TRAINED
    )


def test_rescaled_guidance(tiny4: Model, checkpoints: dict[int, Path]) -> None:
    made = pipeline("StableDiffusionPipeline", checkpoints[4], "dpmpp_2m")
    edit = Generate("red", solver="dpmpp_2m", guidance_rescale=0.7, **OURS)
    reference = theirs(made, height=SIDE, width=SIDE, guidance_rescale=0.7)
    assert_same(generate.latents(edit, tiny4, Size(SIDE, SIDE)), reference)


def test_a_model_that_takes_guidance_as_input(tmp_path: Path) -> None:
    import tiny

    from editkit.models.registry import load_model

    folder = tiny.save_checkpoint(tmp_path / "distilled", 4, guidance_input=16)
    made = pipeline("StableDiffusionPipeline", folder, "lcm")
    edit = Generate("red", solver="lcm", **OURS)
    ours = generate.latents(edit, load_model(folder), Size(SIDE, SIDE))
    assert_same(ours, theirs(made, height=SIDE, width=SIDE))


def test_diffusers_loads_the_builtin_model_and_paints_what_we_paint(builtin: Model) -> None:
    """The checkpoint is an ordinary one: 128 px, ten steps, guided, latents alike."""
    side = 128
    photo = (np.random.default_rng(1).random((side, side, 3)) * 255).astype(np.uint8)
    mask = np.zeros((side, side), np.uint8)
    mask[32:96, 32:96] = 255
    pixels = to_pixels(photo)
    hole = torch.from_numpy((mask > 0).astype(np.float32))[None, None]
    made = pipeline("StableDiffusionInpaintPipeline", builtin_folder(), "dpmpp_2m")
    reference = theirs(
        made,
        image=Image.fromarray(photo),
        mask_image=Image.fromarray(mask),
        height=side,
        width=side,
        strength=1.0,
    )
    edit = Inpaint("red", solver="dpmpp_2m", strength=1.0, prefill="none", **OURS)
    assert_same(
        masked_walk.latents(edit, builtin, Canvas(pixels, hole, pixels)), reference, TRAINED
    )
