"""Finding and loading models: every way a folder can be unfit is said in one line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import shell
import torch
from safetensors.torch import load_file, save_file

from editkit.diffusion.draws import Keyed
from editkit.diffusion.guides import COND, UNCOND
from editkit.errors import DeviceError, InputError, ModelLoadError, UnknownModelError
from editkit.models.builtin import BUILTIN, builtin_folder
from editkit.models.conditions import Conditions, Text
from editkit.models.registry import find_model, load_model
from editkit.models.schedules import RECIPES
from editkit.models.sd import StableDiffusion
from editkit.models.settings import Settings
from editkit.names import SOLVERS
from editkit.types import Size

UNET = Path("unet/diffusion_pytorch_model.safetensors")
TEXT = Path("text_encoder/model.safetensors")
VAE = Path("vae/diffusion_pytorch_model.safetensors")


@pytest.fixture
def copy(checkpoints: dict[int, Path], tmp_path: Path) -> Path:
    """A tiny checkpoint to damage."""
    return Path(shutil.copytree(checkpoints[9], tmp_path / "model"))


def unloadable(folder: Path, kind: type[Exception] = ModelLoadError) -> str:
    with pytest.raises(kind) as caught:
        load_model(folder, device="cpu")
    said = str(caught.value)
    assert "\n" not in said
    assert type(caught.value) is kind
    return said


def rewrite(file: Path, **changes: Any) -> None:
    table = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**table, **changes}), encoding="utf-8")


def test_every_solver_has_a_recipe() -> None:
    assert set(SOLVERS) == set(RECIPES)
    assert len(set(SOLVERS)) == len(SOLVERS)


def test_a_folder_without_an_index(tmp_path: Path) -> None:
    assert "no model_index.json" in unloadable(tmp_path, UnknownModelError)


@pytest.mark.parametrize("name", ["", "nothing like it", "a/b/c", "../x", "~/nowhere", "/nowhere"])
def test_names_of_nothing(name: str) -> None:
    with pytest.raises(UnknownModelError, match="no model"):
        load_model(name, offline=True)


@pytest.mark.parametrize("kind", ["FluxPipeline", "", None, 3, [], {}])
def test_pipelines_of_other_kinds(copy: Path, kind: object) -> None:
    rewrite(copy / "model_index.json", _class_name=kind)
    assert "editkit reads StableDiffusionPipeline" in unloadable(copy)


PARTS = ["unet", "vae", "text_encoder", "tokenizer", "scheduler"]


@pytest.mark.parametrize("part", PARTS)
def test_a_missing_part(copy: Path, part: str) -> None:
    shutil.rmtree(copy / part)
    assert part in unloadable(copy)


@pytest.mark.parametrize("file", [UNET, VAE, TEXT])
def test_missing_weights(copy: Path, file: Path) -> None:
    (copy / file).unlink()
    assert f"no safetensors in its {file.parent}" in unloadable(copy)


@pytest.mark.parametrize("file", [UNET, VAE, TEXT])
def test_pickles_are_not_looked_at(copy: Path, file: Path) -> None:
    weights = load_file(copy / file)
    torch.save(weights, copy / file.parent / "diffusion_pytorch_model.bin")
    torch.save(weights, copy / file.parent / "pytorch_model.bin")
    (copy / file).unlink()
    assert "no safetensors" in unloadable(copy)


def test_variants_alone_are_not_weights(copy: Path) -> None:
    (copy / UNET).rename(copy / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    assert "no safetensors in its unet" in unloadable(copy)


@pytest.mark.parametrize("file", [UNET, VAE, TEXT])
@pytest.mark.parametrize("left", [0, 7, 100, -1])
def test_truncated_weights(
    copy: Path, capfd: pytest.CaptureFixture[str], file: Path, left: int
) -> None:
    data = (copy / file).read_bytes()
    (copy / file).write_bytes(data[:left])
    assert "cannot be loaded" in unloadable(copy)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("file", [UNET, VAE, TEXT])
def test_a_weight_that_is_missing_is_not_made_up(copy: Path, file: Path) -> None:
    weights = load_file(copy / file)
    gone = sorted(weights)[len(weights) // 2]
    save_file({k: v for k, v in weights.items() if k != gone}, copy / file, {"format": "pt"})
    assert gone in unloadable(copy)


@pytest.mark.parametrize("file", [UNET, VAE, TEXT])
def test_a_weight_of_another_shape(copy: Path, file: Path) -> None:
    weights = load_file(copy / file)
    name = next(k for k, v in weights.items() if v.ndim == 2)
    weights[name] = torch.zeros(3, 3)
    save_file(weights, copy / file, {"format": "pt"})
    assert "cannot be loaded" in unloadable(copy)


CONFIGS = [
    "model_index.json",
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", "null", '"owner/name"', "\udcff"])
@pytest.mark.parametrize("config", CONFIGS)
def test_configurations_that_are_no_tables(copy: Path, config: str, text: str) -> None:
    (copy / config).write_bytes(text.encode("utf-8", "surrogateescape"))
    assert config in unloadable(copy)


def test_a_damaged_tokenizer(copy: Path) -> None:
    for text in ("", "null", "3", '"x"', "{}"):
        (copy / "tokenizer" / "tokenizer.json").write_text(text, encoding="utf-8")
        assert "cannot be loaded" in unloadable(copy)


def test_a_tokenizer_that_does_not_know_its_room(copy: Path) -> None:
    (copy / "tokenizer" / "tokenizer_config.json").unlink()
    model = load_model(copy, device="cpu")
    assert isinstance(model, StableDiffusion)
    assert model.embed("x " * 50).tokens.shape == (1, 16, 32)


def test_code_in_a_folder_is_not_run(copy: Path) -> None:
    bait = "raise SystemExit('the code of a model was run')"
    for place in ("", *PARTS):
        for name in ("pipeline.py", "modeling_clip.py", "__init__.py", "unet.py"):
            (copy / place / name).write_text(bait, encoding="utf-8")
    rewrite(copy / "text_encoder/config.json", auto_map={"AutoModel": "modeling_clip.Anything"})
    rewrite(copy / "unet/config.json", auto_map={"AutoModel": "unet.Anything"})
    load_model(copy, device="cpu")


BAD_SETTINGS = {
    "guidence": 3,
    "steps": "20",
    "strength": True,
    "guidance": None,
    "native_size": [256],
    "mask_growth_latent": 1.5,
    "solver": "magic",
    "prefill": 3,
}


@pytest.mark.parametrize("key", BAD_SETTINGS)
def test_settings_of_the_wrong_kind_are_named(copy: Path, key: str) -> None:
    text = json.dumps({key: BAD_SETTINGS[key]})
    (copy / "editkit.json").write_text(text, encoding="utf-8")
    said = unloadable(copy)
    assert "editkit.json" in said
    assert key in said


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("steps", "0"),
        ("strength", "1.5"),
        ("strength", "NaN"),
        ("guidance", "-1"),
        ("solver", "[]"),
    ],
)
def test_settings_out_of_range_are_named(copy: Path, key: str, value: str) -> None:
    (copy / "editkit.json").write_text(f'{{"{key}": {value}}}', encoding="utf-8")
    assert key in unloadable(copy)


@pytest.mark.parametrize("text", ["", "[]", "null", "{"])
def test_settings_that_are_no_table(copy: Path, text: str) -> None:
    (copy / "editkit.json").write_text(text, encoding="utf-8")
    assert "editkit.json" in unloadable(copy)


def test_settings_come_from_the_layout_and_the_file(copy: Path) -> None:
    expected = Settings(native_size=64, solver="ddim")
    assert find_model(copy).settings == load_model(copy, device="cpu").settings == expected
    (copy / "editkit.json").write_text('{"steps": 9, "guidance": 2}', encoding="utf-8")
    rewrite(copy / "scheduler/scheduler_config.json", _class_name="PNDMScheduler")
    expected = Settings(native_size=64, solver="dpmpp_2m", steps=9, guidance=2)
    assert find_model(copy).settings == load_model(copy, device="cpu").settings == expected


def test_sharded_weights(copy: Path, tiny9: StableDiffusion) -> None:
    (copy / UNET).unlink()
    tiny9.unet.save_pretrained(copy / "unet", max_shard_size="40KB")
    assert len(list((copy / "unet").glob("*-of-*.safetensors"))) > 1
    model = load_model(copy, device="cpu")
    assert isinstance(model, StableDiffusion)
    for name, weight in tiny9.unet.state_dict().items():
        assert torch.equal(model.unet.state_dict()[name], weight)


def test_a_missing_shard(copy: Path, tiny9: StableDiffusion) -> None:
    (copy / UNET).unlink()
    tiny9.unet.save_pretrained(copy / "unet", max_shard_size="40KB")
    sorted((copy / "unet").glob("*-of-*.safetensors"))[1].unlink()
    assert "cannot be loaded" in unloadable(copy)


@pytest.mark.parametrize("upcast", [True, False])
def test_half_precision(copy: Path, *, upcast: bool) -> None:
    rewrite(copy / "vae/config.json", force_upcast=upcast)
    model = load_model(copy, device="cpu", dtype="bfloat16")
    assert isinstance(model, StableDiffusion)
    assert model.unet.dtype == model.text_encoder.dtype == torch.bfloat16
    assert model.vae.dtype == (torch.float32 if upcast else torch.bfloat16)
    import editkit

    photo = shell.noise(40, 40)
    result = editkit.inpaint(photo, shell.block(40, 40), "x", model=model, steps=2)
    assert result.report["samples_changed_outside"] == 0


def test_unknown_devices_and_types(checkpoints: dict[int, Path]) -> None:
    for device in ("quantum", "cuda:x", "meta", ""):
        with pytest.raises(InputError, match="device"):
            load_model(checkpoints[4], device=device)
    with pytest.raises(InputError, match="unknown dtype 'int8'"):
        load_model(checkpoints[4], device="cpu", dtype="int8")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_an_absent_device(checkpoints: dict[int, Path]) -> None:
    for device in ("cuda", "cuda:3", "xpu"):
        with pytest.raises(DeviceError, match=f"{device} is not available"):
            load_model(checkpoints[4], device=device)


def test_a_prompt_is_encoded_once(checkpoints: dict[int, Path]) -> None:
    model = load_model(checkpoints[4], device="cpu")
    assert isinstance(model, StableDiffusion)
    calls: list[str] = []

    def count(module: torch.nn.Module, given: object, made: object) -> None:
        del given, made
        calls.append(type(module).__name__)

    model.text_encoder.register_forward_hook(count)
    for _ in range(3):
        model.check(Conditions(Text("a door", "blurry")), (UNCOND, COND))
    assert len(calls) == 2
    model.check(Conditions(Text("another door", "blurry")), (UNCOND, COND))
    assert len(calls) == 3


def test_what_a_long_prompt_loses(tiny4: StableDiffusion) -> None:
    assert tiny4.truncated_prompt("") == ""
    assert tiny4.truncated_prompt("abcdefghijklmn") == ""  # 14 letters, a start and an end
    assert tiny4.truncated_prompt("abcdefghijklmno").strip() == "o"
    cut, other = (tiny4.embed("abcdefghijklmn" + rest).tokens for rest in ("o", "pqr"))
    assert torch.equal(cut, other)


def by_diffusers(model: StableDiffusion, pixels: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        posterior = model.vae.encode(pixels).latent_dist  # pyright: ignore[reportAttributeAccessIssue, reportArgumentType]
        return posterior.mode() * model.vae.config["scaling_factor"]


@pytest.mark.parametrize("size", [Size(64, 64), Size(32, 96)])
def test_encoding_is_the_posterior(tiny9: StableDiffusion, size: Size) -> None:
    pixels = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    shape = tiny9.latent_shape(size, 2)
    assert shape == (2, 4, size.height // 8, size.width // 8)
    mode = tiny9.encode(pixels, torch.zeros(shape))
    assert mode.dtype == torch.float32
    assert torch.equal(mode, by_diffusers(tiny9, pixels))
    drawn = tiny9.encode(pixels, Keyed((0, 1))("x", shape))
    assert not torch.equal(drawn, mode)
    assert tiny9.decode(mode).shape == pixels.shape


def test_the_builtin_decodes_what_it_encodes(builtin: StableDiffusion) -> None:
    rows = torch.linspace(-0.8, 0.8, 128)[:, None].expand(128, 128)
    columns = torch.linspace(-1, 1, 128).expand(128, 128)
    pixels = torch.stack([rows, columns, (rows - columns) / 2])[None]
    zeros = torch.zeros(builtin.latent_shape(Size(128, 128)))
    back = builtin.decode(builtin.encode(pixels, zeros))
    assert back.shape == pixels.shape
    assert float((back - pixels).abs().mean()) < 0.1


def test_the_builtin_is_an_ordinary_checkpoint(builtin: StableDiffusion) -> None:
    from diffusers import StableDiffusionInpaintPipeline

    pipeline = StableDiffusionInpaintPipeline.from_pretrained(
        builtin_folder(), safety_checker=None, local_files_only=True
    )
    theirs = pipeline.unet.state_dict()
    for name, weight in builtin.unet.state_dict().items():
        assert torch.equal(theirs[name], weight.to(theirs[name].dtype))
    assert pipeline.unet.config["in_channels"] == 9


def test_the_builtin_brings_its_settings(builtin: StableDiffusion) -> None:
    said = json.loads((builtin_folder() / "editkit.json").read_text(encoding="utf-8"))
    assert {key: getattr(builtin.settings, key) for key in said} == said
    assert builtin.name == BUILTIN
    assert builtin.capabilities.inpainting
    assert find_model().weights
    import editkit

    photo, mask = shell.noise(64, 64), shell.block(64, 64)
    done = editkit.inpaint(photo, mask, model=builtin, steps=1)
    assert done.report["steps"] == 1
    for key in ("solver", "guidance", "strength", "prefill"):
        assert done.report[key] == said[key]
    explicit: dict[str, Any] = {
        "solver": "euler",
        "guidance": 1.0,
        "strength": 0.9,
        "prefill": "ns",
    }
    done = editkit.inpaint(photo, mask, model=builtin, steps=1, **explicit)
    assert {key: done.report[key] for key in explicit} == explicit


def test_a_unet_that_is_told_something_else_is_refused(
    checkpoints: dict[int, Path], tmp_path: Path
) -> None:
    folder = tmp_path / "depth"
    shutil.copytree(checkpoints[4], folder)
    file = folder / "unet" / "config.json"
    file.write_text(
        file.read_text("utf-8").replace('"in_channels": 4', '"in_channels": 5'), "utf-8"
    )
    with pytest.raises(ModelLoadError, match="5 input channels"):
        load_model(folder)
