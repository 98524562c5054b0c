"""Edits called from Python: names and types as people give them, results kept and written."""

import copy
import io
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import shell
from PIL import Image

import editkit
from editkit import Inpaint, InputError, Result
from editkit.models.base import Model

PHOTO, MASK = shell.noise(40, 48, "RGB"), shell.block(40, 48)


def telea(**options: Any) -> Result:
    return editkit.erase(PHOTO, MASK, method="telea", **options)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("num_inference_steps", "steps"),
        ("guidance_scale", "guidance"),
        ("negative_prompt", "negative"),
        ("generator", "seed"),
        ("scheduler", "solver"),
        ("setps", "steps"),
        ("output_type", "result.image"),
    ],
)
def test_keywords_of_other_tools_are_named(tiny9: Model, name: str, meant: str) -> None:
    loose: Callable[..., Any] = editkit.inpaint
    with pytest.raises(InputError, match=meant):
        loose(PHOTO, MASK, "x", model=tiny9, **{name: 5})
    with pytest.raises(InputError, match=meant):
        cast("Any", Inpaint)("x", **{name: 5})


def test_arguments_of_other_tools_are_named() -> None:
    loose: Callable[..., Any] = editkit.inpaint
    with pytest.raises(InputError, match="'image'; use photo"):
        loose(image=PHOTO, mask_image=MASK, prompt="x")
    with pytest.raises(InputError, match="'mask_image'; use mask"):
        loose(PHOTO, mask_image=MASK)
    with pytest.raises(InputError, match="mask"):
        loose(PHOTO)
    eraser: Callable[..., Any] = editkit.erase
    with pytest.raises(InputError, match="'mask_image'; use mask"):
        eraser(PHOTO, mask_image=MASK)
    composite: Callable[..., Any] = editkit.composite
    with pytest.raises(InputError, match="composite"):
        composite(PHOTO)


SCRIPT = """
import io, json, sys
import numpy as np, torch
from PIL import Image
import editkit
from editkit import Erase, Generate, Img2Img, Inpaint, Outpaint, Resample
from editkit.ops.fill import Fill
from diffusers import StableDiffusionInpaintPipeline

def plain(**options):
    result = editkit.inpaint(photo, mask, model=model, **{"steps": 1, **options})
    result.save(io.BytesIO())
    again = json.loads(json.dumps(result.report)) == result.report
    return again and json.loads(json.dumps(result.record)) == result.record

def made_again():
    one = editkit.inpaint(photo, mask, model=model, steps=1, seed=None)
    two = editkit.inpaint(photo, mask, model=model, steps=1, seed=one.report["seed"])
    return one.encoded("png").data == two.encoded("png").data

photo, mask = Image.new("RGB", (48, 40)), np.eye(40, 48)
pipe = StableDiffusionInpaintPipeline.from_pretrained(sys.argv[1])
model = editkit.load_model(sys.argv[1], device="cpu")
result = editkit.erase(photo, mask, method="telea")
for line in sys.stdin:
    try:
        said = eval(line)
    except editkit.InputError as error:
        said = f"InputError: {error}"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    print(json.dumps([line.strip(), str(said)]))
"""

WRONG = {
    "Inpaint(prompt=None)": "prompt",
    "Inpaint(prompt=['a', 'b'])": "prompt",
    "Inpaint(prompt=5)": "prompt",
    "Inpaint(steps='30')": "steps",
    "Inpaint(steps=2.5)": "steps",
    "Inpaint(steps=True)": "steps",
    "Inpaint(guidance='7')": "guidance",
    "Inpaint(guidance=float('nan'))": "guidance",
    "Inpaint(seed=1.5)": "seed",
    "Inpaint(seed=-1)": "seed",
    "Inpaint(seed=torch.Generator())": "seed",
    "Inpaint(match='yes')": "match",
    "Inpaint(sharpen=1)": "sharpen",
    "Inpaint(solver=5)": "solver",
    "Inpaint(prefill=['ns'])": "prefill",
    "Inpaint(regions=None)": "regions",
    "Inpaint(guidance_interval=3)": "guidance_interval",
    "Inpaint(feather='2px')": "feather",
    "Inpaint(context=None)": "context is None; leave it out for 0.3",
    "Inpaint(denoise_mask=5)": "denoise_mask",
    "Inpaint(detail=complex(1))": "detail",
    "Generate(size=(64, 64))": "editkit.Size",
    "Generate(size='64x64')": "editkit.Size",
    "Outpaint(left='a lot')": "left",
    "editkit.composite(photo, photo, motion=3)": "motion",
    "editkit.erase(photo, mask, method=None)": "method",
    "editkit.inpaint(None, mask, model=model)": "None",
    "editkit.inpaint(photo, None, model=model)": "None",
    "editkit.inpaint(5, mask, model=model)": "int",
    "editkit.inpaint(photo, {}, model=model)": "mask",
    "editkit.inpaint(photo, mask, model=pipe)": "save_pretrained",
    "editkit.erase(photo, mask, model=pipe)": "save_pretrained",
    "Inpaint('x')(pipe, photo, mask)": "save_pretrained",
    "Img2Img('x')(pipe, photo)": "save_pretrained",
    "Generate('x')(pipe)": "save_pretrained",
    "Outpaint('x', left=8)(pipe, photo)": "save_pretrained",
    "editkit.load_model(pipe)": "save_pretrained",
    "editkit.load_model(5)": "5",
    "editkit.load_model(model)": "loaded already",
    "editkit.load_model(torch_dtype='float16')": "dtype",
    "editkit.load_model(pretrained_model_name_or_path='x')": "name",
    "editkit.img2img(photo, model=5)": "load_model",
    "editkit.img2img(photo, model=b'x')": "load_model",
    "editkit.img2img(photo, model=torch.nn.Linear(1, 1))": "load_model",
    "editkit.inpaint(photo, mask, model=model, progress=3)": "progress",
    "result.save(None)": "path",
    "result.save(5)": "path",
    "result.save(io.StringIO())": "path",
    "result.save(io.BytesIO(), format=5)": "5",
}
RIGHT = {
    "Inpaint(seed=None).seed >= 0": "True",
    "Inpaint(seed=None) == Inpaint(seed=None)": "False",
    "{type(k(seed=None).seed) for k in (Erase, Resample, Generate, Fill)} == {int}": "True",
    "made_again()": "True",
    "editkit.inpaint(photo, mask, model=model, seed=None).report['seed'] >= 0": "True",
    "editkit.erase(photo, mask, method='patchmatch', seed=None).record['options']['seed'] >= 0": (
        "True"
    ),
    "editkit.inpaint(photo, mask, '', model=None, steps=1).report['model']": "builtin",
    "plain(seed=np.int64(3), steps=np.uint8(1), match=np.bool_(0), detail=np.float64(0))": "True",
    "plain(guidance=np.float32(2.5), strength=np.float16(0.5), prompt=np.str_('x'))": "True",
    "plain(guidance_interval=[np.float64(0.1), np.int32(7)], context=np.array(0.25))": "True",
    "plain(work_size=torch.tensor(64).numpy(), seed=None)": "True",
}


@pytest.fixture(scope="module")
def said(checkpoints: dict[int, Path]) -> dict[str, str]:
    """What expressions give in a process that checks no types, as users have it."""
    lines = "".join(f"{line}\n" for line in [*WRONG, *RIGHT]).encode()
    done = shell.python(SCRIPT, checkpoints[9], input=lines)
    assert done.code == 0, done.err
    return dict(json.loads(line) for line in done.out.splitlines())


@pytest.mark.parametrize("line", WRONG)
def test_wrong_types_are_refused_in_one_line(said: dict[str, str], line: str) -> None:
    assert said[line].startswith("InputError: "), said[line]
    assert WRONG[line] in said[line]
    assert len(said[line]) < 300
    assert "\n" not in said[line]


@pytest.mark.parametrize("line", RIGHT)
def test_what_is_open_is_filled_in(said: dict[str, str], line: str) -> None:
    assert said[line] == RIGHT[line]


def test_results_can_be_pickled_and_copied(tiny9: Model) -> None:
    photo = shell.noise(40, 48, "RGB")
    photo.info["dpi"] = (72, 72)
    result = editkit.inpaint(photo, MASK, "x", model=tiny9, steps=1)
    twins = (pickle.loads(pickle.dumps(result)), copy.copy(result), copy.deepcopy(result))  # noqa: S301
    for twin in twins:
        assert np.array_equal(np.asarray(twin.image), np.asarray(result.image))
        assert twin.report == result.report
        assert twin.encoded("png").data == result.encoded("png").data


def test_pickled_photos_stay_read_only(tmp_path: Path) -> None:
    file = tmp_path / "a.jpg"
    PHOTO.save(file)
    photo = editkit.erase(file, MASK, method="telea").original
    assert photo is not None
    twin = pickle.loads(pickle.dumps(photo))  # noqa: S301
    assert not twin.samples.flags.writeable
    with pytest.raises(TypeError):
        twin.carried["exif"] = b""


def test_results_are_saved_in_open_files(tmp_path: Path) -> None:
    result, buffer = telea(), io.BytesIO()
    assert result.save(buffer, format="png") is buffer
    assert Image.open(buffer).format == "PNG"
    for format_, name in ((".jpg", "JPEG"), ("WEBP", "WEBP"), ("tiff", "TIFF")):
        buffer = io.BytesIO()
        result.save(buffer, format=format_)
        assert Image.open(buffer).format == name
    with (tmp_path / "a").open("wb") as stream:
        result.save(stream)
    with Image.open(tmp_path / "a") as image:
        assert image.format == "PNG"
    with pytest.raises(editkit.ImageError, match="gif"):
        result.save(io.BytesIO(), format="gif")


def test_saving_speaks_of_python(tmp_path: Path) -> None:
    result = telea()
    result.save(tmp_path / "a.png")
    with pytest.raises(editkit.ImageError, match="force=True") as caught:
        result.save(tmp_path / "a.png")
    assert "--" not in str(caught.value)
    result.save(tmp_path / "a.png", force=True)


def test_a_strength_below_one_step_is_said(tiny4: Model, tiny9: Model) -> None:
    weak = editkit.img2img(PHOTO, "x", model=tiny4, steps=4, strength=0.2)
    assert any("less than one of 4 steps" in note for note in weak.report["notes"])
    enough = editkit.img2img(PHOTO, "x", model=tiny4, steps=4, strength=0.25)
    assert not enough.report["notes"]
    masked = editkit.inpaint(PHOTO, MASK, "x", model=tiny9, steps=4, strength=0.2)
    assert any("less than one of 4 steps" in note for note in masked.report["notes"])


def test_the_report_tells_of_the_file_written_last(tmp_path: Path) -> None:
    photo = shell.noise(40, 48, "RGB")
    photo.save(tmp_path / "p.png", dpi=(72, 72))
    result = editkit.erase(tmp_path / "p.png", MASK, method="telea")
    before = dict(result.report)
    result.save(tmp_path / "a.bmp")
    assert len(result.report["notes"]) > len(before["notes"])  # a BMP has no place for a record
    result.save(tmp_path / "a.jpg")
    assert result.report["samples_changed_outside"] > 0
    result.save(tmp_path / "a.png")
    assert (result.report["samples_changed_outside"], result.report["notes"]) == (
        0,
        before["notes"],
    )
