"""The callback: every network call counted, known beforehand, and a way to cancel."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
import shell
import torch
from PIL import Image

import editkit
from editkit import InputError
from editkit.models.base import Model
from editkit.models.sd import StableDiffusion
from editkit.ops.engine.img2img import Img2Img
from editkit.ops.engine.masked_walk import views_for
from editkit.ops.engine.run import start_run
from editkit.ops.engine.session import open_session
from editkit.ops.hooks import Step
from editkit.types import Size


def photo(side: int) -> Image.Image:
    return shell.noise(side, side)


def block(side: int, *boxes: tuple[slice, slice]) -> Image.Image:
    mask = np.zeros((side, side), np.uint8)
    for box in boxes:
        mask[box] = 255
    return Image.fromarray(mask)


@contextmanager
def counting(model: Model) -> Generator[list[int]]:
    """Counts the calls that the UNet really gets."""
    assert isinstance(model, StableDiffusion)
    calls = [0]

    def count(*_: object) -> None:
        calls[0] += 1

    handle = model.unet.register_forward_hook(count)
    try:
        yield calls
    finally:
        handle.remove()


ONE = block(64, (slice(16, 40), slice(16, 40)))
TWO = block(160, (slice(4, 20), slice(4, 20)), (slice(130, 150), slice(120, 150)))
LARGE = block(400, (slice(20, 380), slice(30, 360)))
FAR = block(900, (slice(10, 400), slice(10, 380)), (slice(500, 880), slice(480, 880)))

EDITS: dict[str, tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]] = {
    "plain": (editkit.inpaint, (photo(64), ONE), {"steps": 3, "strength": 1.0}),
    "two parts": (editkit.inpaint, (photo(160), TWO), {"steps": 2, "regions": "each"}),
    "tiles": (editkit.inpaint, (photo(400), LARGE), {"steps": 3, "detail": 0.6, "work_size": 128}),
    "two parts in tiles": (
        editkit.inpaint,
        (photo(900), FAR),
        {"steps": 2, "detail": 0.5, "work_size": 256, "regions": "each", "context": 0.1},
    ),
    "tiles by heun": (
        editkit.inpaint,
        (photo(400), LARGE),
        {"steps": 4, "detail": 0.8, "work_size": 128, "solver": "heun"},
    ),
    "interval": (
        editkit.inpaint,
        (photo(64), ONE, "x"),
        {"steps": 4, "guidance": 3.0, "guidance_interval": (0.5, 3.0), "strength": 1.0},
    ),
    "heun": (editkit.inpaint, (photo(64), ONE), {"steps": 3, "solver": "heun", "strength": 1.0}),
    "resample": (
        editkit.resample,
        (photo(64), ONE),
        {"steps": 4, "jump": 2, "repeats": 2, "strength": 1.0},
    ),
    "outpaint": (editkit.outpaint, (photo(64),), {"left": 24, "steps": 2, "strength": 1.0}),
    "erase": (editkit.erase, (photo(64), ONE), {"steps": 2, "strength": 1.0}),
    "img2img": (editkit.img2img, (photo(64), "x"), {"steps": 4, "strength": 0.6}),
    "generate": (editkit.generate, ("x",), {"steps": 3, "size": Size(64, 64)}),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if "tiles" in name and name != "tiles" else ())
        for name in EDITS
    ],
)
def test_every_call_of_the_network_is_counted_and_known_before(builtin: Model, name: str) -> None:
    edit, inputs, options = EDITS[name]
    steps, seen = list[Step](), list[int]()
    with counting(builtin) as calls:

        def watch(step: Step) -> None:
            steps.append(step)
            seen.append(calls[0])

        edit(*inputs, model=builtin, watch=watch, seed=1, **options)
    assert calls[0] > 1
    assert {step.total for step in steps} == {calls[0]}
    assert [step.done for step in steps] == seen
    assert (seen[0], seen[-1]) == (0, calls[0])
    assert sorted(set(seen)) == list(range(calls[0] + 1))


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("at", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_an_exception_ends_an_edit_within_one_call(builtin: Model, name: str, at: int) -> None:
    edit, inputs, options = EDITS[name]

    class CancelError(Exception):
        """Not one of editkit's own."""

    def watch(step: Step) -> None:
        if step.done >= at:
            raise CancelError

    with counting(builtin) as calls, pytest.raises(CancelError):
        edit(*inputs, model=builtin, watch=watch, seed=1, **options)
    assert calls[0] == at


def test_a_walk_in_windows_from_a_picture_is_counted(builtin: Model) -> None:
    steps, size = list[Step](), Size(192, 192)
    edit, run = start_run(Img2Img("x", steps=4), {"watch": steps.append})
    session = views_for(open_session(edit, builtin, size, run), torch.ones(1, 1, 48, 48), 96)
    from editkit.diffusion.plans import linear

    plan = linear(4, 1)
    run.tracker.start(session.calls(plan))
    with counting(builtin) as calls:
        session.walk(session.noise(size), plan, session.emptiness(size))
    assert calls[0] == steps[0].total == steps[-1].done
    assert [step.done for step in steps] == list(range(1, calls[0] + 1))
    assert calls[0] > 3 * 4


def test_progress_is_told_the_same_calls(builtin: Model) -> None:
    told, steps = list[tuple[int, int]](), list[Step]()

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    edit, inputs, options = EDITS["tiles"]
    edit(*inputs, model=builtin, watch=steps.append, progress=progress, **options)
    assert told == [(k, len(told)) for k in range(1, len(told) + 1)]
    assert len(told) == steps[-1].done


@pytest.mark.slow
def test_a_step_shows_level_prediction_and_place(builtin: Model) -> None:
    steps = list[Step]()
    mask = block(400, (slice(20, 380), slice(30, 360)))
    editkit.inpaint(
        photo(400), mask, model=builtin, steps=3, detail=0.6, work_size=128, watch=steps.append
    )
    assert list(dict.fromkeys(step.phase for step in steps)) == ["fill", "paint", "detail", "blend"]
    painted = [step for step in steps if step.phase == "paint"]
    assert painted[0].sigma is painted[0].x0 is painted[0].preview() is None
    sigmas = [step.sigma for step in painted[1:]]
    assert sigmas == sorted(sigmas, reverse=True)  # pyright: ignore[reportArgumentType]
    assert painted[-1].x0 is not None
    assert painted[-1].box is not None
    rows, columns = painted[-1].x0.shape[-2:]
    picture = painted[-1].preview()
    assert picture is not None
    assert picture.shape == (rows * builtin.latent_cell, columns * builtin.latent_cell, 3)
    box = painted[-1].box
    assert (box.top, box.left) <= (20, 30)
    assert box.bottom >= 380
    with pytest.raises(FrozenInstanceError):
        setattr(steps[0], "done", 9)  # noqa: B010


def test_previews_come_nearer_to_the_result(builtin: Model) -> None:
    views = list[np.ndarray]()

    def watch(step: Step) -> None:
        picture = step.preview()
        if picture is not None:
            views.append(picture.astype(float))

    made = editkit.generate("x", model=builtin, steps=6, size=Size(64, 64), seed=3, watch=watch)
    result = np.asarray(made.image, float)
    errors = [np.abs(view - result).mean() for view in views]
    assert errors[-2] < 0.2 * errors[0]


@pytest.mark.slow
def test_watching_changes_no_picture(builtin: Model) -> None:
    edit, inputs, options = EDITS["tiles"]
    plain = edit(*inputs, model=builtin, seed=5, **options)
    watched = edit(*inputs, model=builtin, seed=5, watch=Step.preview, **options)
    assert np.array_equal(np.asarray(plain.image), np.asarray(watched.image))
    assert plain.record == watched.record


def test_a_classical_method_counts_its_marks() -> None:
    steps = list[Step]()
    editkit.erase(photo(160), TWO, method="telea", regions="each", watch=steps.append)
    assert [step.done for step in steps] == [0, 1, 1, 2]
    assert {(step.total, step.phase) for step in steps} == {(2, "fill")}


@pytest.mark.parametrize("hook", ["watch", "progress"])
def test_what_cannot_be_called_is_refused(tiny4: Model, hook: str) -> None:
    with pytest.raises(InputError, match=f"{hook} is 3"):
        editkit.generate("x", model=tiny4, **{hook: 3})  # pyright: ignore[reportArgumentType]
