"""The four edits on every kind of photo: sizes, modes, kept samples, reports, repeatability."""

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
import torch
from PIL import Image

import editkit
from editkit import (
    Generate,
    Img2Img,
    Inpaint,
    InputError,
    MaskError,
    Outpaint,
    Resample,
    Result,
    api,
)
from editkit.models.base import Model
from editkit.models.settings import Settings
from editkit.names import SOLVERS
from editkit.ops.engine.masked import harmony_of
from editkit.ops.engine.strategies import strategy_of
from editkit.ops.hooks import HOOKS
from editkit.photo.io.files import read_photo
from editkit.types import Size

MODES = ["L", "LA", "RGB", "RGBA", "CMYK", "I;16"]
SIZES = [(1, 1), (1, 300), (300, 1), (37, 53), (200, 31)]
MASKED: dict[str, Callable[..., Result]] = {
    "inpaint": editkit.inpaint,
    "resample": editkit.resample,
}


def samples(image: Image.Image) -> np.ndarray:
    return np.asarray(image)


def check_kept(photo: Image.Image, result: Result, mask: np.ndarray) -> None:
    """What every masked edit promises."""
    assert result.image.mode == photo.mode
    assert result.image.size == photo.size
    given, edited = samples(photo), samples(result.image)
    assert given.dtype == edited.dtype
    assert np.array_equal(given[mask == 0], edited[mask == 0])
    assert result.report["samples_changed_outside"] == 0
    assert result.report["pixels"] == mask.size
    assert result.report["pixels_kept"] >= (mask == 0).sum()


@pytest.mark.parametrize("edit", MASKED)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("size", SIZES)
def test_kept_samples_are_exact(tiny9: Model, edit: str, mode: str, size: tuple[int, int]) -> None:
    photo = shell.noise(*size, mode)
    mask = np.zeros(size, np.uint8)
    mask[size[0] // 2 :, size[1] // 2 :] = 255
    mask[0, 0] = 255
    result = MASKED[edit](photo, mask, "x", model=tiny9, steps=1)
    check_kept(photo, result, mask)


@pytest.mark.parametrize("edit", MASKED)
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "I;16"])
def test_a_model_without_inpainting_keeps_samples_too(tiny4: Model, edit: str, mode: str) -> None:
    photo, mask = shell.noise(37, 53, mode), np.asarray(shell.block(37, 53))
    check_kept(photo, MASKED[edit](photo, mask, "x", model=tiny4, steps=2), mask)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", MODES)
def test_img2img_keeps_size_and_mode(tiny4: Model, size: tuple[int, int], mode: str) -> None:
    photo = shell.noise(*size, mode)
    result = editkit.img2img(photo, "x", model=tiny4, steps=2)
    assert (result.image.mode, result.image.size) == (mode, photo.size)
    if mode in ("LA", "RGBA"):
        before, after = (samples(image.getchannel("A")) for image in (photo, result.image))
        assert np.array_equal(before, after)


PLACES = {
    "all": np.s_[:, :],
    "one": np.s_[20:21, 30:31],
    "corner": np.s_[0:1, 0:1],
    "last": np.s_[-1:, -1:],
    "top": np.s_[:3, :],
    "left": np.s_[:, :1],
    "line": np.s_[:, 25:26],
}


@pytest.mark.parametrize("edit", MASKED)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("channels", [4, 9])
def test_masks_of_every_shape(
    tiny4: Model, tiny9: Model, edit: str, place: str, channels: int
) -> None:
    photo, mask = shell.noise(47, 61), np.zeros((47, 61), np.uint8)
    mask[PLACES[place]] = 255
    model = tiny4 if channels == 4 else tiny9
    result = MASKED[edit](photo, mask, "x", model=model, steps=1, feather=0.0)
    check_kept(photo, result, mask)
    assert not np.array_equal(samples(photo)[mask > 0], samples(result.image)[mask > 0])


def test_a_soft_mask_never_leaks(tiny9: Model) -> None:
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (48, 1))
    ramp[:, :32] = 0
    photo = shell.noise(48, 64)
    check_kept(photo, editkit.inpaint(photo, ramp, model=tiny9, steps=1), ramp)


@pytest.mark.parametrize("prefill", ["none", "telea", "ns", "biharmonic", "patchmatch"])
@pytest.mark.parametrize("strength", [0.01, 0.5, 1.0])
def test_prefills_and_strengths(tiny9: Model, prefill: str, strength: float) -> None:
    photo, mask = shell.noise(40, 40), np.asarray(shell.block(40, 40))
    options: dict[str, Any] = {"prefill": prefill, "strength": strength, "steps": 3}
    result = editkit.inpaint(photo, mask, model=tiny9, **options)
    check_kept(photo, result, mask)
    assert {key: result.report[key] for key in options} == options


@pytest.mark.parametrize("edit", MASKED)
@pytest.mark.parametrize("prefill", ["ns", "biharmonic", "patchmatch"])
def test_a_prefill_alone_is_used(tiny9: Model, edit: str, prefill: str) -> None:
    """By a model that recommends none, too."""
    photo, mask = shell.noise(40, 40), np.asarray(shell.block(40, 40))
    make = MASKED[edit]
    noise = make(photo, mask, "x", model=tiny9, steps=4, prefill="none")
    filled = make(photo, mask, "x", model=tiny9, steps=4, prefill=prefill)
    assert (filled.report["prefill"], filled.report["strength"]) == (prefill, 0.75)
    assert noise.report["strength"] == 1
    assert not np.array_equal(samples(filled.image), samples(noise.image))
    check_kept(photo, filled, mask)


def test_a_prefill_that_a_strength_makes_nothing_of_is_said(tiny9: Model) -> None:
    photo, mask = shell.noise(40, 40), np.asarray(shell.block(40, 40))
    result = editkit.inpaint(photo, mask, model=tiny9, steps=1, prefill="ns", strength=1.0)
    assert any("the prefill ns was not used" in note for note in result.report["notes"])


# Marks that are far apart.


def two_marks() -> np.ndarray:
    mask = np.zeros((90, 300), np.uint8)
    mask[40:50, 20:30] = mask[30:44, 270:280] = 255
    return mask


@pytest.mark.parametrize("edit", MASKED)
def test_marks_far_apart_are_worked_on_apart(tiny9: Model, edit: str) -> None:
    photo, mask = shell.noise(90, 300), two_marks()
    told: list[tuple[int, int]] = []

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    result = MASKED[edit](photo, mask, model=tiny9, steps=2, progress=progress)
    check_kept(photo, result, mask)
    changed = (samples(photo) != samples(result.image)).any(axis=2)
    assert changed[:, :150].any()
    assert changed[:, 150:].any()
    boxes = result.report["worked_regions"]
    assert [(box["left"], box["right"]) for box in boxes] == [(236, 300), (0, 64)]
    assert told == [(k, len(told)) for k in range(1, len(told) + 1)]
    assert result.report["regions"] == "auto"


def test_regions_may_be_asked_for(tiny9: Model) -> None:
    photo, mask = shell.noise(90, 300), two_marks()
    mask[40:50, 34:38] = 255
    for how, count in {"together": 1, "auto": 2, "each": 3}.items():
        result = editkit.inpaint(photo, mask, model=tiny9, steps=1, regions=how)
        check_kept(photo, result, mask)
        assert len(result.report["worked_regions"]) == count


def test_a_part_alone_is_what_it_would_be_by_itself(tiny9: Model) -> None:
    """The first part of several has the seed of the edit, and sees the others as holes far away."""
    photo, mask = shell.noise(90, 300), two_marks()
    both = samples(editkit.inpaint(photo, mask, model=tiny9, steps=2).image)
    mask[:, :150] = 0
    one = samples(editkit.inpaint(photo, mask, model=tiny9, steps=2).image)
    assert np.array_equal(both[:, 150:], one[:, 150:])


def test_what_a_later_part_covers_is_not_seen_by_an_earlier_one(tiny9: Model) -> None:
    photo, mask = samples(shell.noise(64, 90)).copy(), np.zeros((64, 90), np.uint8)
    mask[5:9, 30:34] = mask[40:44, 50:54] = 255
    options: dict[str, Any] = {"model": tiny9, "steps": 2, "regions": "each"}
    first = samples(editkit.inpaint(photo, mask, **options).image)
    photo[mask > 0] = 255 - photo[mask > 0]
    assert np.array_equal(first, samples(editkit.inpaint(photo, mask, **options).image))


# The forms in which a photo and its mask may be given.


def test_every_form_of_a_photo_gives_the_same(tiny9: Model, tmp_path: Path) -> None:
    photo, mask = shell.noise(37, 53), shell.block(37, 53)
    photo.save(tmp_path / "p.png")
    mask.save(tmp_path / "m.png")
    array, area = samples(photo).copy(), samples(mask).copy()
    real = array.astype(np.float32) / 255
    forms: dict[str, tuple[Any, Any]] = {
        "text": (str(tmp_path / "p.png"), str(tmp_path / "m.png")),
        "path": (tmp_path / "p.png", tmp_path / "m.png"),
        "bytes": ((tmp_path / "p.png").read_bytes(), (tmp_path / "m.png").read_bytes()),
        "image": (photo, mask),
        "array": (array, area),
        "bool": (array, area > 0),
        "float": (real, area.astype(np.float64) / 255),
        "tensor": (torch.from_numpy(real).permute(2, 0, 1), torch.from_numpy(area)[None] / 255),
        "photo": (read_photo(photo), mask),
    }
    for name, edit in MASKED.items():
        expected = samples(edit(photo, mask, "x", model=tiny9, steps=1).image)
        for form, (a, b) in forms.items():
            found = samples(edit(a, b, "x", model=tiny9, steps=1).image)
            assert np.array_equal(found, expected), (name, form)
    with (tmp_path / "p.png").open("rb") as a, (tmp_path / "m.png").open("rb") as b:
        assert editkit.inpaint(a, b, "x", model=tiny9, steps=1).image.size == (53, 37)
    expected = samples(editkit.img2img(photo, "x", model=tiny9, steps=2).image)
    for a, _ in forms.values():
        assert np.array_equal(
            samples(editkit.img2img(a, "x", model=tiny9, steps=2).image), expected
        )
    assert np.array_equal(array, samples(shell.opened(tmp_path / "p.png")))


def test_a_model_may_be_named(checkpoints: dict[int, Path], tiny4: Model) -> None:
    by_name = editkit.generate("x", model=checkpoints[4], steps=1, size=Size(32, 40))
    loaded = editkit.generate("x", model=tiny4, steps=1, size=Size(32, 40))
    assert np.array_equal(samples(by_name.image), samples(loaded.image))


def test_the_instance_is_the_call(tiny4: Model) -> None:
    photo, mask = shell.noise(40, 40), shell.block(40, 40)
    pairs = [
        (
            Inpaint("x", steps=2)(tiny4, photo, mask),
            editkit.inpaint(photo, mask, "x", model=tiny4, steps=2),
        ),
        (
            Resample("x", steps=2)(tiny4, photo, mask),
            editkit.resample(photo, mask, "x", model=tiny4, steps=2),
        ),
        (Img2Img("x", steps=2)(tiny4, photo), editkit.img2img(photo, "x", model=tiny4, steps=2)),
        (Generate("x", steps=2)(tiny4), editkit.generate("x", model=tiny4, steps=2)),
    ]
    for ours, theirs in pairs:
        assert np.array_equal(samples(ours.image), samples(theirs.image))


@pytest.mark.parametrize(
    ("options", "edit"),
    [
        (api.InpaintOptions, Inpaint),
        (api.OutpaintOptions, Outpaint),
        (api.ResampleOptions, Resample),
        (api.Img2ImgOptions, Img2Img),
        (api.GenerateOptions, Generate),
    ],
)
def test_the_one_liners_know_every_option(options: Any, edit: Any) -> None:
    names = {f.name for f in dataclasses.fields(edit) if f.name != "_"}
    assert set(options.__optional_keys__) == names - {"prompt"} | set(HOOKS)


# Repeatability.

DIGEST = """
import hashlib, json, sys
import numpy as np
import editkit
numbers = {"steps": np.int32(2), "seed": np.int64(5), "guidance": np.float32(7.5)}
done = editkit.inpaint(sys.argv[1], sys.argv[2], "x", model=sys.argv[3], **numbers)
assert json.loads(json.dumps(done.report))["seed"] == 5
print(hashlib.sha256(done.image.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_the_same_seed_gives_the_same_bytes_in_another_process_and_from_numpy_numbers(
    tmp_path: Path, checkpoints: dict[int, Path], tiny9: Model
) -> None:
    shell.noise(37, 53).save(tmp_path / "p.png")
    shell.block(37, 53).save(tmp_path / "m.png")
    given = (tmp_path / "p.png", tmp_path / "m.png")
    here = editkit.inpaint(*given, "x", model=tiny9, steps=2, seed=5)
    digest = hashlib.sha256(here.image.tobytes()).hexdigest()
    assert shell.python(DIGEST, *given, checkpoints[9]).out.decode() == f"{digest}\n"


def test_no_global_state_is_read_or_left(tiny9: Model) -> None:
    photo, mask = shell.noise(40, 40), shell.block(40, 40)
    first = editkit.inpaint(photo, mask, model=tiny9, steps=2)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    again = editkit.inpaint(photo, mask, model=tiny9, steps=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.is_grad_enabled()
    assert np.array_equal(samples(first.image), samples(again.image))


def test_seeds_differ(tiny4: Model) -> None:
    made = [editkit.generate("x", model=tiny4, steps=1, seed=s) for s in (0, 1, 2**32, 2**63 - 1)]
    assert len({result.image.tobytes() for result in made}) == 4


# Generated pictures.


@pytest.mark.parametrize("size", [Size(16, 16), Size(17, 100), Size(100, 33)])
@pytest.mark.parametrize("channels", [4, 9])
def test_generated_pictures_have_the_size_asked_for(
    tiny4: Model, tiny9: Model, size: Size, channels: int
) -> None:
    model = tiny4 if channels == 4 else tiny9
    result = editkit.generate("x", model=model, steps=1, size=size)
    assert (result.image.mode, result.image.size) == ("RGB", (size.width, size.height))
    assert editkit.generate("x", model=model, steps=1).image.size == (64, 64)
    assert editkit.generate("x", model=model, steps=1, work_size=40).image.size == (40, 40)


# Reports, progress and files.

REPORTED = {
    "edit", "prompt", "negative", "unread", "model", "solver", "steps", "guidance", "seed",
    "device", "versions", "notes", "seconds",
}  # fmt: skip


def test_reports(tiny4: Model) -> None:
    photo, mask = shell.noise(40, 60, "I;16"), shell.block(40, 60)
    more = {"prefill", "strength", "region", "pixels", "pixels_kept", "samples_changed_outside"}
    options: dict[str, Any] = {"steps": 2, "seed": 4, "negative": "n", "solver": "euler"}
    reports = {
        "inpaint": editkit.inpaint(photo, mask, "p", model=tiny4, **options).report,
        "resample": editkit.resample(photo, mask, "p", model=tiny4, **options).report,
        "img2img": editkit.img2img(photo, "p", model=tiny4, **options).report,
        "generate": editkit.generate("p", model=tiny4, **options).report,
    }
    extra = {"img2img": {"strength", "region"}, "generate": {"size"}}
    for name, report in reports.items():
        assert set(report) >= REPORTED | extra.get(name, more)
        assert json.loads(json.dumps(report)) == report
        assert report["edit"] == name
        assert {key: report[key] for key in options} == options
        assert report["versions"]["editkit"] == editkit.__version__
        assert report["model"] == tiny4.name
        assert report["seconds"] >= 0


def test_the_recommended_solver_is_used_and_told(tiny4: Model) -> None:
    assert editkit.generate("x", model=tiny4, steps=1).report["solver"] == "ddim"
    photo, mask = shell.noise(40, 40), shell.block(40, 40)
    assert editkit.resample(photo, mask, model=tiny4, steps=1).report["solver"] == "ddpm"


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_progress_ends_at_its_total(tiny4: Model, solver: str, steps: int) -> None:
    told: list[tuple[int, int]] = []
    photo, mask = shell.noise(24, 24), shell.block(24, 24)

    def progress(done: int, total: int) -> None:
        told.append((done, total))

    options: dict[str, Any] = {"model": tiny4, "steps": steps, "solver": solver}
    editkit.inpaint(photo, mask, progress=progress, **options)
    assert told == [(k, len(told)) for k in range(1, len(told) + 1)]
    told.clear()
    editkit.resample(photo, mask, progress=progress, jump=2, repeats=2, **options)
    assert told == [(k, len(told)) for k in range(1, len(told) + 1)]


def test_an_error_in_progress_is_the_callers(tiny4: Model) -> None:
    def progress(done: int, total: int) -> None:
        raise KeyError(done, total)

    with pytest.raises(KeyError):
        editkit.generate("x", model=tiny4, steps=2, progress=progress)


def test_results_are_saved(tiny9: Model, tmp_path: Path) -> None:
    photo, mask = shell.noise(40, 40), np.asarray(shell.block(40, 40))
    result = editkit.inpaint(photo, mask, model=tiny9, steps=1)
    for name in ("a.png", "a.tif", "a.bmp", "a.webp"):
        assert result.save(tmp_path / name) == tmp_path / name
        assert np.array_equal(samples(shell.opened(tmp_path / name)), samples(result.image))
    result.save(str(tmp_path / "a.jpg"))
    before = shell.listing(tmp_path)
    with pytest.raises(editkit.ImageError, match="exists"):
        result.save(tmp_path / "a.png")
    assert shell.listing(tmp_path) == before
    result.save(tmp_path / "a.png", force=True)
    with pytest.raises(editkit.ImageError, match="gif"):
        result.save(tmp_path / "a.gif")


def test_the_photo_itself_is_never_written(tiny9: Model, tmp_path: Path) -> None:
    shell.noise(40, 40).save(tmp_path / "p.png")
    data = (tmp_path / "p.png").read_bytes()
    result = editkit.inpaint(tmp_path / "p.png", shell.block(40, 40), model=tiny9, steps=1)
    with pytest.raises(editkit.ImageError, match="the photo itself"):
        result.save(tmp_path / "p.png", force=True)
    assert (tmp_path / "p.png").read_bytes() == data


# What is refused.


def test_masks_that_do_not_fit(tiny9: Model) -> None:
    photo = shell.noise(40, 40)
    for mask in (shell.block(40, 41), np.zeros((40, 40), np.uint8), np.full((40, 40), np.nan)):
        with pytest.raises(MaskError):
            editkit.inpaint(photo, mask, model=tiny9)


OUT_OF_RANGE: dict[str, list[Any]] = {
    "steps": [0, -1, 1001, True],
    "guidance": [-1.0, 101.0, math.nan, math.inf],
    "guidance_rescale": [-0.1, 1.1, math.nan],
    "guidance_interval": [(2.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (0.0, math.nan)],
    "seed": [-1, 2**63, True],
    "work_size": [31, 8193, True],
    "strength": [0.0, 1.01, -1.0, math.nan],
    "context": [-1.0, 11.0, math.nan],
    "seam": ["magic", ""],
    "feather": [-1.0, 1001.0, math.nan],
    "grain": [-1.0, 4.1, math.nan],
    "jump": [0, 1001],
    "repeats": [0, 1001],
    "solver": ["magic", "DDIM", ""],
    "prefill": ["magic", ""],
    "regions": ["magic", ""],
    "size": [Size(0, 64), Size(64, 8193), Size(-1, 64)],
    "prompt": ["half \udcff"],
    "negative": ["half \udcff"],
}


@pytest.mark.parametrize("edit", [Inpaint, Resample, Img2Img, Generate])
def test_options_out_of_range_are_named(edit: Any) -> None:
    names = {f.name for f in dataclasses.fields(edit)}
    for name in names & set(OUT_OF_RANGE):
        for value in OUT_OF_RANGE[name]:
            with pytest.raises(InputError) as caught:
                edit(**{name: value})
            said = str(caught.value)
            assert name in said, (name, value, said)


WRONG_KINDS = """
import math
from editkit import Generate, Img2Img, Inpaint, InputError, Resample

given = dict(
    steps=["3", 2.5, [1]], guidance=["x", [1], True], seed=[1.5, "1"], work_size=["x"],
    guidance_interval=[3, (1.0,), ("a", "a")], solver=[3, []], prompt=[None, 3, b"x"],
    negative=[None],
)
for edit in (Inpaint, Resample, Img2Img, Generate):
    own = {"jump": [1.5], "repeats": ["x"]} if edit is Resample else {}
    own |= {"size": [(64, 64), 64, "64"]} if edit is Generate else {"strength": ["x", True]}
    for name, values in (given | own).items():
        for value in values:
            try:
                edit(**{name: value})
            except InputError as error:
                shown = repr(value[0] if value == ("a", "a") else value)
                assert name in str(error) and shown in str(error), (name, value, str(error))
            else:
                print("taken:", edit.__name__, name, repr(value))
    try:
        edit(stepps=3)
    except InputError as error:
        assert "stepps" in str(error)
    else:
        print("taken: stepps")
"""


def test_options_of_the_wrong_kind_are_named() -> None:
    done = shell.python(WRONG_KINDS)
    assert (done.code, done.out) == (0, b""), done.err


@pytest.mark.parametrize(
    "form", [editkit.inpaint, editkit.resample, editkit.img2img, editkit.generate]
)
def test_unknown_options_are_refused_before_anything_is_read(form: Any) -> None:
    given = {editkit.generate: ["x"], editkit.img2img: ["nowhere.png"]}
    with pytest.raises(InputError, match="'stepps'; use steps"):
        form(*given.get(form, ["nowhere.png", "nowhere.png"]), stepps=3)


def test_a_feather_asks_for_the_seam_of_that_name() -> None:
    cases: list[tuple[dict[str, Any], str, float]] = [
        ({}, "multiband", 2.0),
        ({"feather": 5.0}, "feather", 5.0),
        ({"seam": "feather"}, "feather", 2.0),
        ({"seam": "poisson"}, "poisson", 2.0),
    ]
    for given, blend, width in cases:
        harmony = harmony_of(Inpaint("x", **given))
        assert (harmony.blend, harmony.feather) == (blend, width)
    with pytest.raises(InputError, match="feather of 5"):
        Inpaint("x", seam="poisson", feather=5)


def test_compat_adds_nothing_that_the_pipelines_do_not() -> None:
    harmony = harmony_of(Inpaint("x", compat=True, grain=1, sharpen=True))
    assert (harmony.grain, harmony.sharpen) == (0, False)


def test_edits_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Inpaint("x").steps = 3  # pyright: ignore[reportAttributeAccessIssue]
    assert Inpaint("x", seed=1) == Inpaint("x", seed=1)


# Where a walk begins.

RECOMMENDED = Settings(prefill="telea", strength=0.6)


@pytest.mark.parametrize(
    ("settings", "given", "begins"),
    [
        (RECOMMENDED, {}, ("telea", 0.6)),
        (RECOMMENDED, {"prefill": "telea"}, ("telea", 0.6)),
        (RECOMMENDED, {"prefill": "none"}, ("none", 1.0)),
        (RECOMMENDED, {"prefill": "ns"}, ("ns", 0.6)),
        (RECOMMENDED, {"strength": 0.3}, ("telea", 0.3)),
        (RECOMMENDED, {"prefill": "none", "strength": 0.3}, ("none", 0.3)),
        (Settings(), {}, ("none", 1.0)),
        (Settings(strength=0.6), {}, ("none", 1.0)),
        (Settings(), {"strength": 0.3}, ("none", 0.3)),
        (Settings(), {"prefill": "ns"}, ("ns", 0.75)),
        (Settings(), {"prefill": "none"}, ("none", 1.0)),
        (Settings(strength=0.5), {"prefill": "biharmonic"}, ("biharmonic", 0.5)),
        (Settings(prefill="telea"), {"prefill": "telea"}, ("telea", 0.75)),
        (Settings(prefill="telea"), {}, ("telea", 1.0)),
    ],
)
def test_where_a_walk_begins(
    settings: Settings, given: dict[str, Any], begins: tuple[str, float]
) -> None:
    assert strategy_of(Inpaint("x", **given)).start_settings(settings) == begins


def test_a_report_holds_every_option_as_plain_json(tiny4: Model) -> None:
    """What was asked can be asked again: nothing that shapes the picture is left out."""
    edit = Resample("p", steps=2, feather=3, jump=2, guidance_interval=(0.3, np.inf))
    photo, mask = np.full((32, 32, 3), 90, np.uint8), np.full((32, 32), 255, np.uint8)
    report = edit(tiny4, photo, mask).report
    assert set(report) >= {f.name for f in dataclasses.fields(edit)}
    assert (report["feather"], report["jump"], report["match"]) == (3, 2, True)
    assert (report["seam"], report["grain"], report["sharpen"]) == ("feather", 1, False)
    assert report["guidance_interval"] == [0.3, "inf"]
    assert json.loads(json.dumps(report, allow_nan=False)) == report
