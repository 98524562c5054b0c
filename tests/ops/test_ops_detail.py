"""Holes larger than the model's size: painted whole first, then in tiles at the photo's scale."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from PIL import Image

import editkit
from editkit import Inpaint
from editkit.diffusion.constraints import Coarse, Constraint
from editkit.diffusion.guides import Branch, Cfg, Guided, Network
from editkit.diffusion.levels import Level
from editkit.diffusion.sampler import sample
from editkit.diffusion.views import Views, Window, blended, viewed
from editkit.models.base import Model
from editkit.ops.engine.canvas import as_canvas
from editkit.ops.engine.masked_walk import latents, refine_tiles, views_for
from editkit.ops.engine.session import open_session
from editkit.ops.engine.strategies import strategy_of
from editkit.tensors import State
from editkit.types import Size

SAMPLES = Path(__file__).parents[2] / "samples"


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft shapes of all colors."""
    small = np.random.default_rng(seed).integers(0, 256, (height // 32, width // 32, 3), np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def square(side: int, hole: slice) -> np.ndarray:
    mask = np.zeros((side, side), np.uint8)
    mask[hole, hole] = 255
    return mask


def sharpness(image: Image.Image, hole: slice) -> float:
    """Mean size of the second differences inside the hole."""
    inner = np.asarray(image.convert("L"), np.float32)[hole, hole]
    return float(np.abs(np.diff(inner, 2, axis=1)).mean())


def test_a_large_hole_is_painted_in_tiles_at_the_photos_own_scale(tiny9: Model) -> None:
    photo, hole = Image.fromarray(smooth(320, 320)), slice(40, 280)
    mask = square(320, hole)
    made = {
        detail: editkit.inpaint(photo, mask, model=tiny9, steps=2, detail=detail)
        for detail in (0.0, 0.5)
    }
    for result in made.values():
        given, edited = np.asarray(photo), np.asarray(result.image)
        assert np.array_equal(given[mask == 0], edited[mask == 0])
    assert "then_in_tiles_at" not in made[0.0].report["region"]
    # The native size is 64; the last is the hole as it is, with a quarter of that around it.
    tiled = made[0.5].report["region"]["then_in_tiles_at"]
    assert tiled == ["112x112", "176x176", "272x272"]
    assert sharpness(made[0.5].image, hole) > 1.5 * sharpness(made[0.0].image, hole)


def test_tiles_are_the_same_for_the_same_seed_and_differ_for_another(tiny9: Model) -> None:
    photo, mask = Image.fromarray(smooth(192, 192)), square(192, slice(30, 170))
    options: dict[str, Any] = {"model": tiny9, "steps": 2, "detail": 0.5}
    one, again, other = (
        np.asarray(editkit.inpaint(photo, mask, seed=seed, **options).image) for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def set_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets tiles choose their colors."""

    def nothing_kept(clean: State, sigma: float) -> Constraint:
        del clean, sigma
        return Constraint()

    def nothing(pixels: State, sigma: float) -> State:
        del sigma
        return torch.zeros_like(pixels)

    monkeypatch.setattr("editkit.ops.engine.masked_walk.Coarse", nothing_kept)
    monkeypatch.setattr("editkit.ops.engine.masked_walk.blurred", nothing)


def test_one_window_over_the_whole_is_the_plain_walk(
    builtin: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What windows put together is what the model says when one window shows it all."""
    set_free(monkeypatch)
    rgb = smooth(128, 128)
    cover = square(128, slice(32, 96)) / np.float32(255)
    canvas = as_canvas(rgb, cover, rgb, cover)
    plain = latents(Inpaint(steps=4, strength=0.5, blend_known=True), builtin, canvas)
    edit = Inpaint(steps=8, detail=0.5)  # half the steps do, where all is there already
    assert torch.allclose(builtin.decode(plain), refine_tiles(edit, builtin, canvas), atol=1e-4)


def test_a_picture_goes_through_the_autoencoder_in_windows_as_well_as_whole(builtin: Model) -> None:
    rgb = np.asarray(Image.open(SAMPLES / "astronaut.jpg").convert("RGB"))[:448, :448]
    pixels = as_canvas(rgb, np.ones((448, 448), np.float32), rgb, np.ones((448, 448))).pixels
    session = open_session(Inpaint(), builtin, Size(448, 448))
    tiled = views_for(session, torch.ones(1, 1, 112, 112), 256)
    errors = [
        s.decode(s.encode("image", pixels), torch.zeros_like(pixels)) - pixels
        for s in (session, tiled)
    ]
    whole, parts = (float(e.pow(2).mean().sqrt()) for e in errors)
    assert 0.01 < whole < 0.2
    assert parts < 1.1 * whole
    # Windows fade over 64 pixels from 192 on: nothing of them shows there.
    steps = [e[0].mean(0).diff(dim=1).abs().mean(0) for e in errors]
    for at in (192, 256):
        assert steps[1][at - 2 : at + 2].max() < 1.5 * steps[0][at - 8 : at + 8].max()


def test_pixels_that_no_window_shows_come_back_as_they_were(tiny9: Model) -> None:
    rgb = smooth(448, 448)
    cover = square(448, slice(400, 420)) / np.float32(255)
    canvas = as_canvas(rgb, cover, rgb, cover)
    out = refine_tiles(Inpaint(steps=1, detail=0.5), tiny9, canvas)
    assert torch.equal(out[..., :200, :200], canvas.pixels[..., :200, :200])
    assert not torch.equal(out[..., 400:420, 400:420], canvas.pixels[..., 400:420, 400:420])


def peak(x: State, spacing: int) -> float:
    """Energy of steps at a spacing and its multiples, over that at all other frequencies.

    Of the mean step from column to column, which a grid would raise at every window's edge.
    """
    steps = x[0].diff(dim=2).abs().mean((0, 1))
    energy = torch.fft.rfft(steps - steps.mean()).abs() ** 2
    grid = torch.arange(len(energy)) * spacing % x.shape[-1] == 0
    grid[0] = False
    return float(energy[grid].mean() / energy[~grid][1:].mean())


def edgy(window: Window) -> Network:
    """A convolution padded with zeros: the edge of each window shows in its answer."""
    del window

    def ask(x: State, level: Level, branches: Sequence[Branch]) -> Sequence[State]:
        blurred = F.avg_pool2d(x + 1, 5, stride=1, padding=2) - 1
        return [(x - level.a * blurred) / level.s for _ in branches]

    return ask


def tinted(window: Window) -> Network:
    """What sees every second window in another color."""
    color = 1.0 if window[1].start // 12 % 2 else -1.0

    def ask(x: State, level: Level, branches: Sequence[Branch]) -> Sequence[State]:
        return [(x - level.a * torch.full_like(x, color)) / level.s for _ in branches]

    return ask


def walked(model: Model, network: Network, *constraints: Constraint) -> State:
    """A walk from noise over 64x64 latents."""
    edit = Inpaint(steps=20)
    session = open_session(edit, model, Size(512, 512))
    return sample(
        session.schedule.pure(session.noise(Size(512, 512))),
        strategy_of(edit).plan(session.schedule.steps, 0),
        session.schedule,
        Guided(network, Cfg(1.0), session.schedule.target),
        session.solver,
        draws=session.draws,
        constraints=constraints,
    )


def side_by_side(network: Callable[[Window], Network], views: Views) -> Network:
    """Tiles without overlap at the same places in every step."""

    def ask(x: State, level: Level, branches: Sequence[Branch]) -> Sequence[State]:
        parts = ((w, network(w)(x[..., *w], level, branches)) for w in views.windows())
        return blended(parts, [x] * len(branches), 0)

    return ask


def test_tiles_leave_no_grid(tiny4: Model) -> None:
    field, window = Size(64, 64), Size(16, 16)
    naive = walked(tiny4, side_by_side(edgy, Views(field, window, 0)))
    ours = walked(tiny4, viewed(edgy, Views(field, window, 4)))
    assert peak(naive, 16) > 5
    assert peak(ours, 16) < 2


def test_tiles_of_different_colors_agree_on_what_was_painted_before(tiny4: Model) -> None:
    views = Views(Size(64, 64), Size(16, 16), 4)
    free = walked(tiny4, viewed(tinted, views))
    held = walked(tiny4, viewed(tinted, views), Coarse(torch.zeros(1, 4, 64, 64), 2.0))
    assert free.abs().mean() > 0.5
    assert held.abs().mean() < 0.15


@pytest.mark.slow
def test_a_pass_in_tiles_keeps_the_colors_that_were_painted(
    builtin: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an even sky, where a model knows no better, each window would choose its own."""
    rows = np.linspace(0, 1, 384)[:, None, None]
    sky = np.broadcast_to(np.array([60, 90, 160]) + rows * [60, 50, 20], (384, 384, 3))
    sky = sky.astype(np.uint8)
    cover = square(384, slice(24, 360)) / np.float32(255)
    canvas = as_canvas(sky, cover, sky, cover)

    def off() -> float:
        out = refine_tiles(Inpaint(steps=8, detail=0.8), builtin, canvas)
        return float(F.avg_pool2d(out - canvas.start, 32).abs().max()) * 127.5

    held = off()
    set_free(monkeypatch)
    assert held < 5
    assert off() > 4 * held


@pytest.mark.parametrize("bad", [-0.1, 1.1, float("nan"), True])
def test_a_strength_of_detail_outside_0_to_1_is_refused(bad: float) -> None:
    with pytest.raises(editkit.InputError, match="detail"):
        Inpaint(detail=bad)


def test_diffusers_way_has_no_tiles(tiny9: Model) -> None:
    photo, mask = shell.noise(192, 192), square(192, slice(30, 170))
    result = editkit.inpaint(photo, mask, model=tiny9, steps=1, compat=True)
    assert "then_in_tiles_at" not in result.report["region"]
