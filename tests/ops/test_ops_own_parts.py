"""Guides, constraints and solvers of a caller's own, in every edit; their results do not replay."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
import torch
from torch import Tensor

import editkit
from editkit import InputError, UnsupportedEditError
from editkit.diffusion.constraints import Constraint
from editkit.diffusion.guides import COND, UNCOND, Branch, Cfg
from editkit.diffusion.levels import Level, Pred
from editkit.diffusion.solvers import First, Heun
from editkit.diffusion.step import Past, StepContext
from editkit.models.base import Model
from editkit.ops.hooks import Step
from editkit.types import Size

PHOTO, MASK = shell.noise(40, 40), shell.block(40, 40)
EDITS: dict[str, tuple[Any, ...]] = {
    "inpaint": (PHOTO, MASK, "red"),
    "resample": (PHOTO, MASK, "red"),
    "erase": (PHOTO, MASK),
    "outpaint": (PHOTO, "red"),
    "img2img": (PHOTO, "red"),
    "generate": ("red",),
}
MORE: dict[str, dict[str, Any]] = {"outpaint": {"left": 8}, "generate": {"size": Size(32, 32)}}


class Own:
    """Asks three branches, and keeps the one named."""

    def __init__(self, kept: str) -> None:
        self.kept = kept

    def branches(self, level: Level) -> tuple[Branch, ...]:
        del level
        return COND, UNCOND, Branch("empty", drop=frozenset({"text"}))

    def combine(self, outputs: Mapping[str, Tensor]) -> Tensor:
        assert set(outputs) == {"cond", "uncond", "empty"}
        return outputs[self.kept]


class Ends(Constraint):
    """Ends at latents that are all one value."""

    def __init__(self, value: float) -> None:
        self.value = value

    def finish(self, x: Tensor) -> Tensor:
        return torch.full_like(x, self.value)


class Slow(First):
    """First-order steps, counted."""

    def __init__(self) -> None:
        super().__init__()
        object.__setattr__(self, "steps", list[Level]())

    def step(self, x: Tensor, pred: Pred, past: Sequence[Past], context: StepContext) -> Tensor:
        self.steps.append(context.here)  # pyright: ignore[reportAttributeAccessIssue]
        return super().step(x, pred, past, context)


def call(name: str, model: Model, **options: Any) -> editkit.Result:
    options = {"steps": 2, "seed": 4, **MORE.get(name, {}), **options}
    return getattr(editkit, name)(*EDITS[name], model=model, **options)


def pixels(result: editkit.Result) -> np.ndarray:
    return np.asarray(result.image)


@pytest.mark.parametrize("name", EDITS)
def test_every_edit_takes_parts_of_its_caller(tiny4: Model, name: str) -> None:
    solver = Slow()
    made = call(name, tiny4, guide=Own("cond"), constraints=[Ends(0.5)], solver=solver)
    own = {"guide": ["Own"], "constraints": ["Ends"], "solver": ["Slow"]}
    assert made.report["own"] == own
    assert made.record is not None
    assert made.record["own"] == own
    assert "cannot repeat it" in made.report["notes"][-1]
    assert solver.steps  # pyright: ignore[reportAttributeAccessIssue]
    plain = call(name, tiny4)
    assert "own" not in plain.report
    assert plain.record is not None
    assert "own" not in plain.record
    assert not np.array_equal(pixels(made), pixels(plain))


def test_a_guide_decides_what_is_painted(tiny4: Model) -> None:
    options: dict[str, Any] = {"negative": "blue"}
    cond = call("generate", tiny4, guide=Own("cond"), **options)
    assert np.array_equal(pixels(cond), pixels(call("generate", tiny4, guidance=1.0, **options)))
    uncond = call("generate", tiny4, guide=Own("uncond"), **options)
    assert np.array_equal(pixels(uncond), pixels(call("generate", tiny4, guidance=0.0, **options)))
    empty = call("generate", tiny4, guide=Own("empty"), **options)
    alone = editkit.generate("", model=tiny4, steps=2, seed=4, size=Size(32, 32), guidance=1.0)
    assert np.array_equal(pixels(empty), pixels(alone))


def test_a_solver_of_ours_gives_what_its_name_gives(tiny4: Model) -> None:
    named = call("inpaint", tiny4, solver="heun")
    assert "own" not in named.report
    given = editkit.Inpaint("red", steps=2, seed=4, solver="heun")(
        tiny4, PHOTO, MASK, solver=Heun()
    )
    assert np.array_equal(pixels(named), pixels(given))
    at_call = editkit.Inpaint("red", steps=2, seed=4)(tiny4, PHOTO, MASK, solver="heun")
    assert at_call.record == named.record


def test_a_constraint_is_made_of_the_picture_and_the_mask(tiny4: Model) -> None:
    seen = list[tuple[tuple[int, ...], float]]()

    def make(clean: Tensor, mask: Tensor) -> Constraint:
        assert mask.shape[-2:] == clean.shape[-2:]
        seen.append((tuple(clean.shape), float(mask.mean())))
        return Constraint()

    call("inpaint", tiny4, constraints=[make])
    call("img2img", tiny4, constraints=[make])
    assert [0 < share < 1 for _, share in seen] == [True, False]
    with pytest.raises(InputError, match="make needs a photo"):
        call("generate", tiny4, constraints=[make])


@pytest.mark.parametrize("name", EDITS)
def test_a_branch_that_cannot_be_answered_is_refused_before_the_first_call(
    tiny4: Model, name: str
) -> None:
    class Greedy(Own):
        def branches(self, level: Level) -> tuple[Branch, ...]:
            del level
            return (COND, Branch("odd", drop=frozenset({"hole"})))

    steps = list[Step]()
    with pytest.raises(UnsupportedEditError, match="'odd'"):
        call(name, tiny4, guide=Greedy("cond"), watch=steps.append)
    assert not steps


@pytest.mark.parametrize(
    "hooks",
    [
        {"guide": 3},
        {"guide": Cfg},
        {"solver": 3},
        {"constraints": 3},
        {"constraints": [3]},
        {"constraints": [torch.mul]},
    ],
)
def test_what_is_no_part_is_refused_in_one_line(tiny4: Model, hooks: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        call("inpaint", tiny4, **hooks)
    assert "\n" not in str(caught.value)


def test_an_unknown_hook_is_refused(tiny4: Model) -> None:
    edit: Any = editkit.Inpaint("red", steps=1)
    with pytest.raises(InputError, match="takes no 'guid'; use guide"):
        edit(tiny4, PHOTO, MASK, guid=None)


def test_a_classical_method_takes_no_guide() -> None:
    with pytest.raises(InputError, match="telea takes no 'guide'"):
        editkit.erase(PHOTO, MASK, method="telea", guide=Cfg())


def test_replay_refuses_a_result_of_own_parts(tiny4: Model, tmp_path: Path) -> None:
    PHOTO.save(tmp_path / "a.png")
    MASK.save(tmp_path / "m.png")
    made = editkit.inpaint(
        tmp_path / "a.png", tmp_path / "m.png", model=tiny4, steps=1, guide=Own("cond")
    )
    made.save(tmp_path / "out.png")
    refused = shell.call("replay", tmp_path / "out.png").refused(2)
    assert "cannot be repeated: a script made it by its own guide 'Own'" in refused
