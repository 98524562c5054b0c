"""Conditions: cut into windows, shared in calls, and refused where a model does not take them."""

from dataclasses import replace

import pytest
import torch

from editkit import UnsupportedEditError
from editkit.diffusion.guides import COND, UNCOND, Branch, Cfg
from editkit.models.base import Model, Request, make_network
from editkit.models.conditions import Conditions, Control, Crop, Hole, Reference, Text
from editkit.types import Size

WINDOW = (slice(1, 3), slice(2, 6))
TEXT = Text("a door", "blurry")


def hole(rows: int = 4, columns: int = 8) -> Hole:
    masked = torch.arange(4.0 * rows * columns).reshape(1, 4, rows, columns)
    return Hole(torch.ones(1, 1, rows, columns), masked)


def picture(rows: int = 32, columns: int = 64) -> torch.Tensor:
    return torch.arange(3.0 * rows * columns).reshape(1, 3, rows, columns)


def everything() -> Conditions:
    references = (Reference(picture(), spatial=True), Reference(picture(10, 10)))
    crop = Crop(Size(100, 100), 5, 7, Size(32, 64))
    return Conditions(TEXT, hole(), 3.0, references, (Control("depth", picture(), 0.5),), crop)


def test_spatial_conditions_are_cut_and_others_stay_whole() -> None:
    whole, cut = everything(), everything().cut(WINDOW, 8)
    assert cut.hole is not None
    assert whole.hole is not None
    assert torch.equal(cut.hole.masked_latents, whole.hole.masked_latents[..., 1:3, 2:6])
    assert cut.hole.mask.shape == (1, 1, 2, 4)
    pixels = picture()[..., 8:24, 16:48]
    assert torch.equal(cut.references[0].pixels, pixels)
    assert torch.equal(cut.references[1].pixels, picture(10, 10))
    assert torch.equal(cut.controls[0].pixels, pixels)
    assert cut.controls[0].scale == 0.5
    assert cut.crop == Crop(Size(100, 100), 5 + 8, 7 + 16, Size(16, 32))
    assert (cut.text, cut.guidance) == (TEXT, 3.0)


def test_conditions_that_differ_in_shape_or_scale_share_no_call() -> None:
    one = everything()
    assert one.signature() == replace(everything(), text=Text("other")).signature()
    others = [
        replace(one, hole=None),
        replace(one, guidance=2.0),
        replace(one, references=one.references[:1]),
        replace(one, controls=(Control("canny", picture(), 0.5),)),
        replace(one, controls=(Control("depth", picture(), 0.6),)),
        replace(one, crop=None),
    ]
    assert one.signature() not in {other.signature() for other in others}


@pytest.mark.parametrize(
    ("conditions", "named"),
    [
        (Conditions(TEXT, references=(Reference(picture()),)), "references"),
        (Conditions(TEXT, controls=(Control("depth", picture()),)), "controls"),
        (Conditions(TEXT, crop=Crop(Size(9, 9), 0, 0, Size(9, 9))), "crop"),
        (Conditions(TEXT, hole()), "hole"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_condition_that_a_model_does_not_take_is_refused(
    tiny4: Model, conditions: Conditions, named: str
) -> None:
    with pytest.raises(UnsupportedEditError, match=f"takes no {named}"):
        tiny4.check(conditions, (COND,))
    x, level = torch.zeros(1, 4, 4, 8), tiny4.schedule("ddim", 2, Size(32, 64))[0][0]
    with pytest.raises(UnsupportedEditError, match=f"takes no {named}"):
        tiny4.predict([Request(x, level, (COND,), conditions)])


def test_an_inpainting_model_needs_a_hole(tiny9: Model) -> None:
    x, level = torch.zeros(1, 4, 4, 8), tiny9.schedule("ddim", 2, Size(32, 64))[0][0]
    with pytest.raises(UnsupportedEditError, match="give it a hole"):
        tiny9.predict([Request(x, level, (COND,), Conditions(TEXT))])


@pytest.mark.parametrize("dropped", ["hole", "references", "controls", "nonsense"])
def test_a_branch_that_a_model_cannot_answer_is_refused(tiny9: Model, dropped: str) -> None:
    odd = Branch("odd", drop=frozenset({dropped}))
    with pytest.raises(UnsupportedEditError, match=f"'odd' of the guide.*leave out '{dropped}'"):
        tiny9.check(Conditions(TEXT, hole()), (COND, odd))


def test_a_branch_is_answered_by_what_it_asks_for_not_by_its_name(tiny4: Model) -> None:
    x, level = torch.randn(1, 4, 8, 8), tiny4.schedule("ddim", 2, Size(64, 64))[0][0]
    branches = (COND, UNCOND, Branch("empty", drop=frozenset({"text"})), Branch("other"))
    cond, uncond, empty, other = make_network(tiny4, Conditions(TEXT))(x, level, branches)
    swapped = make_network(tiny4, Conditions(Text("blurry", "")))(x, level, (COND, UNCOND))
    assert torch.equal(cond, other)
    assert torch.allclose(uncond, swapped[0], atol=1e-6)
    assert torch.allclose(empty, swapped[1], atol=1e-6)
    assert not torch.allclose(cond, uncond, atol=1e-6)
    assert not torch.allclose(uncond, empty, atol=1e-6)


def test_the_family_chooses_the_guide(tiny4: Model) -> None:
    wanted = Cfg(5.0, 0.3, (1.0, 2.0))
    assert tiny4.guide(TEXT, wanted) == wanted
    assert tiny4.guide(Text("same", "same"), wanted) == replace(wanted, scale=1.0)
