"""The perceptual score: what the network itself errs by, the same every time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
import torch
from diffusers import DDPMScheduler
from numpy.typing import NDArray

from editkit.diffusion.draws import Keyed
from editkit.masks.read import read_mask
from editkit.models.base import Model
from editkit.ops.perceptual import judged, perceptual_error
from editkit.ops.result import Result
from editkit.photo.io.files import Photo, read_photo

SAMPLES = Path(__file__).parents[2] / "samples"

Picture = NDArray[np.uint8]


def hole(height: int = 64, width: int = 64) -> NDArray[np.float32]:
    mask = np.zeros((height, width), np.float32)
    mask[24:40, 16:48] = 1
    return mask


def noise(height: int = 64, width: int = 64) -> Picture:
    return np.asarray(shell.noise(height, width)).copy()


@pytest.mark.parametrize("channels", [4, 9])
def test_it_is_the_error_that_diffusers_would_train_on(
    checkpoints: dict[int, Path], tiny4: Model, tiny9: Model, channels: int
) -> None:
    """Noised by diffusers' own scheduler, predicted by its own network."""
    model: Any = {4: tiny4, 9: tiny9}[channels]
    rgb, mask = noise(), hole()
    assert model.settings.native_size >= 64
    scheduler: Any = DDPMScheduler.from_pretrained(checkpoints[channels] / "scheduler")
    kind = scheduler.config["prediction_type"]
    pixels = torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 127.5 - 1
    marked, vae = torch.from_numpy(mask)[None, None], model.vae
    with torch.inference_mode():
        clean, around = (
            vae.encode(p).latent_dist.mode() * vae.config["scaling_factor"]
            for p in (pixels, pixels * (marked == 0))
        )
        cells = torch.nn.functional.max_pool2d(marked, model.latent_cell)
        grown = 2 * model.settings.mask_growth_latent + 1
        cells = torch.nn.functional.max_pool2d(cells, grown, 1, grown // 2)
        errors = list[float]()
        share = (1 - scheduler.alphas_cumprod).sqrt()
        share = share / (share + scheduler.alphas_cumprod.sqrt())
        for number, wanted in enumerate((0.25, 0.35, 0.5)):
            noised = Keyed((0,))("perceptual", clean.shape, number)
            steps = torch.arange(0, 1000, 50) + scheduler.config.get("steps_offset", 0)
            t = int(steps[(share[steps] - wanted).abs().argmin()])
            x = scheduler.add_noise(clean, noised, torch.tensor([t]))
            told = x if channels == 4 else torch.cat([x, cells, around], 1)
            out = model.unet(told, t, encoder_hidden_states=model.embed("a b").tokens).sample
            aim = noised if kind == "epsilon" else scheduler.get_velocity(clean, noised, [t])
            errors.append(float(((out - aim) ** 2).mean(1)[cells[0] > 0].mean()))
    found = perceptual_error(model, rgb, mask, "a b")
    assert found == pytest.approx(float(np.exp(np.mean(np.log(errors)))), rel=1e-4)


def test_what_was_there_is_likelier_than_what_was_put_there(builtin: Model) -> None:
    photo = read_photo(SAMPLES / "coffee.jpg")
    mask = read_mask(SAMPLES / "coffee.mask.png", photo.size)
    true = photo.rgb()
    other = np.where(mask[..., None] > 0, noise(*photo.size), true)
    likely, unlikely = (perceptual(result_of(rgb, mask), builtin) for rgb in (true, other))
    assert likely < 0.7 * unlikely


def result_of(rgb: Picture, mask: NDArray[np.float32] | None) -> Result:
    return Result(Photo(rgb, "RGB"), {"scores": {"seam": 1.0}}, mask=mask)


def perceptual(result: Result, model: Model) -> float:
    scores = judged(result, model).report["scores"]
    assert scores["seam"] == 1.0
    return scores["perceptual"]


def test_it_is_the_same_every_time_and_depends_on_no_far_pixel(tiny9: Model) -> None:
    rgb, mask = noise(64, 300), np.zeros((64, 300), np.float32)
    mask[:, :64] = hole()
    found = perceptual(result_of(rgb, mask), tiny9)
    assert found > 0
    changed = rgb.copy()
    changed[:, 150:] = 255
    assert perceptual(result_of(changed, mask), tiny9) == found
    changed[30, 60] = 255
    assert perceptual(result_of(changed, mask), tiny9) != found


def test_a_single_pixel_has_one_and_the_whole_photo_none(tiny9: Model) -> None:
    small = np.zeros((64, 64), np.float32)
    small[40, 40] = 1
    assert perceptual_error(tiny9, noise(), small) > 0
    whole = result_of(noise(), None)
    assert judged(whole, tiny9) is whole
