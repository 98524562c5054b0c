"""Model folders from anybody: one line, at once, and without the memory that they ask for."""

import json
import os
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import shell

import editkit
from editkit.errors import DeviceError, EditkitError, ModelLoadError, UnknownModelError
from editkit.models.base import Model, device_errors
from editkit.models.registry import find_model, is_id, load_errors, load_model

UNET = "unet/config.json"
VAE = "vae/config.json"
TEXT = "text_encoder/config.json"
SCHEDULER = "scheduler/scheduler_config.json"
HUGE = 10**7


@pytest.fixture
def copy(checkpoints: dict[int, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoints[9], tmp_path / "model"))


def rewrite(file: Path, **changed: Any) -> None:
    table = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(table | changed), encoding="utf-8")


ABSURD: list[tuple[str, dict[str, Any]]] = [
    (UNET, {"layers_per_block": HUGE}),
    (UNET, {"layers_per_block": [HUGE] * 4}),
    (UNET, {"layers_per_block": 10**30}),
    (UNET, {"transformer_layers_per_block": HUGE}),
    (UNET, {"transformer_layers_per_block": [[HUGE]]}),
    (UNET, {"layers_per_block": 100, "transformer_layers_per_block": 100}),
    (UNET, {"block_out_channels": [2**20] * 4}),
    (UNET, {"block_out_channels": [32] * 100_000}),
    (UNET, {"down_block_types": ["DownBlock2D"] * 1000}),
    (UNET, {"cross_attention_dim": 10**9}),
    (UNET, {"cross_attention_dim": 2**20}),
    (UNET, {"attention_head_dim": 0}),
    (UNET, {"norm_num_groups": 0}),
    (UNET, {"sample_size": 10**9}),
    (UNET, {"sample_size": 100_000}),
    (UNET, {"in_channels": 10**12}),
    (UNET, {"num_class_embeds": 2**20}),
    (UNET, {"dropout": float("nan")}),
    (UNET, {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}}),
    (UNET, {"quantization_config": {"quant_method": "gguf", "compute_dtype": "bfloat16"}}),
    (VAE, {"block_out_channels": [1] * 60}),
    (VAE, {"layers_per_block": HUGE}),
    (VAE, {"latent_channels": 10**9}),
    (VAE, {"scaling_factor": 0}),
    (VAE, {"scaling_factor": float("nan")}),
    (VAE, {"scaling_factor": "big"}),
    (VAE, {"scaling_factor": None}),
    (VAE, {"shift_factor": float("inf")}),
    (VAE, {"shift_factor": [1]}),
    (TEXT, {"num_hidden_layers": HUGE}),
    (TEXT, {"num_hidden_layers": 100}),
    (TEXT, {"num_hidden_layers": "many"}),
    (TEXT, {"vocab_size": 10**9}),
    (TEXT, {"vocab_size": 2**20}),
    (TEXT, {"hidden_size": 2**20}),
    (TEXT, {"hidden_size": -8}),
    (TEXT, {"intermediate_size": 2**20}),
    (TEXT, {"max_position_embeddings": 10**12}),
    (TEXT, {"quantization_config": {"quant_method": "gptq", "bits": 4}}),
    (TEXT, {"text_config": {"a": {"b": [10**18]}}}),
    (SCHEDULER, {"num_train_timesteps": 10**12}),
    (SCHEDULER, {"num_train_timesteps": 10**9}),
    (SCHEDULER, {"num_train_timesteps": -1}),
    (SCHEDULER, {"num_train_timesteps": 0}),
    (SCHEDULER, {"num_train_timesteps": "1000"}),
    (SCHEDULER, {"num_train_timesteps": None}),
    (SCHEDULER, {"num_train_timesteps": 1000.5}),
    (SCHEDULER, {"num_train_timesteps": True}),
    (SCHEDULER, {"num_train_timesteps": [1000]}),
    (SCHEDULER, {"trained_betas": [0.1] * 200_000}),
    (SCHEDULER, {"trained_betas": "x"}),
    (SCHEDULER, {"beta_start": "x"}),
    (SCHEDULER, {"beta_start": float("nan")}),
    (SCHEDULER, {"beta_end": 1e300}),
    (SCHEDULER, {"beta_schedule": "nope"}),
    (SCHEDULER, {"prediction_type": {}}),
    (SCHEDULER, {"steps_offset": 10**9}),
]


@pytest.mark.parametrize(("file", "changed"), ABSURD, ids=lambda v: str(v)[:40])
def test_absurd_numbers(copy: Path, file: str, changed: dict[str, Any]) -> None:
    rewrite(copy / file, **changed)
    before, began = psutil.Process().memory_info().rss, time.process_time()
    with pytest.raises(EditkitError) as caught:
        load_model(copy, device="cpu")
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 1000
    assert time.process_time() - began < 2
    assert psutil.Process().memory_info().rss - before < 200 << 20


@pytest.mark.parametrize(
    "head",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 2**40) + b"{}",
        struct.pack("<Q", 10) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        b"",
        b"PK\3\4" + bytes(100),
    ],
)
def test_heads_that_lie(copy: Path, head: bytes) -> None:
    (copy / "unet/diffusion_pytorch_model.safetensors").write_bytes(head)
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        load_model(copy, device="cpu")


@pytest.mark.parametrize("shape", [[10**12], [2**40, 2**40], [-1], ["x"], 5, [10**30]])
def test_tensors_larger_than_their_file(copy: Path, shape: Any) -> None:
    table = {"x": {"dtype": "F32", "shape": shape, "data_offsets": [0, 4]}}
    text = json.dumps(table).encode()
    file = copy / "vae/diffusion_pytorch_model.safetensors"
    file.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    with pytest.raises(ModelLoadError, match="cannot be loaded"):
        load_model(copy, device="cpu")


def test_a_tokenizer_without_what_is_needed(copy: Path) -> None:
    for config in ({"model_max_length": "x"}, {"model_max_length": -5}, {"pad_token": 7}):
        (copy / "tokenizer/tokenizer_config.json").write_text(json.dumps(config))
        try:
            load_model(copy, device="cpu")
        except EditkitError as error:
            told = str(error)
        else:
            told = ""
        assert len(told.splitlines()) <= 1


def test_a_whole_model_passes(checkpoints: dict[int, Path]) -> None:
    for folder in checkpoints.values():
        assert find_model(folder).folder == folder


# Memory.


def test_memory_that_is_not_there_is_no_bug(tiny9: Model) -> None:
    import torch

    told = "cpu is out of memory: give a smaller work_size="
    with pytest.raises(DeviceError, match=told), device_errors(tiny9.device):
        torch.empty(2**50)
    with pytest.raises(DeviceError, match="out of memory"), load_errors("x"):
        torch.empty(2**50)
    with pytest.raises(DeviceError, match="out of memory"), device_errors(tiny9.device):
        raise MemoryError
    with pytest.raises(RuntimeError, match="must match"), device_errors(tiny9.device):
        torch.add(torch.ones(2), torch.ones(3))


LITTLE = """
import resource, sys, torch
from editkit_cli.main import main
import editkit
model = editkit.load_model(sys.argv[1], device="cpu")
editkit.generate("x", model=model, steps=1, size=editkit.Size(64, 64)).save("warm.png")
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (300 << 20),) * 2)
main(["generate", "x", "-m", sys.argv[1], "--size", "8192x8192", "--steps", "1", "-q"])
"""


@pytest.mark.slow
def test_a_command_that_runs_out_of_memory(tmp_path: Path, checkpoints: dict[int, Path]) -> None:
    done = shell.python(LITTLE, checkpoints[4], cwd=tmp_path)
    assert done.code == 1
    assert "out of memory" in done.refused(1)
    assert [file.name for file in tmp_path.iterdir()] == ["warm.png"]


# What is given as a model.

NO_IDS = [
    *("x.safetensors", "models/x.safetensors", "loras/x.SAFETENSORS", "a/b.ckpt", "a/b.gguf"),
    *("a/b.bin", "a/b.pt", "a/b.pth", "a/b.onnx", "./nofolder", "../x", "..", ".", "/nowhere"),
    *("~/x", "~nobody-here/x", "a/b/c", "a/b/", "C:\\models\\x", "C:/x", "a\\b", "\\\\host\\x"),
    *("https://huggingface.co/owner/name", "hf://owner/name", "s3://bucket/x", "", " ", "owner"),
    *("ow ner/name", "öwner/name", "owner/näme", "owner/na\nme", "owner/name@main", "-x/y"),
    *("owner/..", "../../x", "own..er/x", "a/b\0", "x" * 5000, "x/" + "y" * 5000, "\udcff/x"),
]


@pytest.mark.parametrize("name", NO_IDS, ids=ascii)
def test_what_is_no_id_never_goes_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EditkitError) as caught:
        find_model(name, offline=False)
    assert "cache" not in str(caught.value)
    assert "download" not in str(caught.value)
    if name == "./nofolder":
        assert "no such folder" in str(caught.value)


@pytest.mark.parametrize("suffix", ["safetensors", "ckpt", "gguf", "bin", "onnx", "", "v1"])
def test_a_file_is_no_model_and_no_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loras").mkdir()
    file = Path("loras") / f"x.{suffix}".rstrip(".")
    file.write_bytes(b"x")
    with pytest.raises(UnknownModelError, match="not a single file or a LoRA"):
        find_model(str(file))
    with pytest.raises(UnknownModelError, match="not a single file or a LoRA"):
        find_model(file.resolve())
    file.unlink()
    file.symlink_to("nowhere")
    with pytest.raises(UnknownModelError, match="not a single file or a LoRA"):
        find_model(str(file))


def test_ids_are_known() -> None:
    for name in ("owner/name", "stabilityai/sd-turbo", "a/b.v1.5", "o_w-n.er/Na_me-1", "_x/y"):
        assert is_id(name)


# Words.


def test_words_that_the_model_does_not_know_are_said(builtin: Model) -> None:
    assert builtin.unknown_words("a red door, blurry") == []
    assert builtin.unknown_words("") == []
    assert builtin.unknown_words("a 犬 and 🐕 and собака 犬") == ["犬", "🐕", "собака"]
    assert builtin.unknown_words("red-haired (man): café!") == ["café"]
    photo, mask = shell.noise(64, 64), shell.block(64, 64)
    done = editkit.inpaint(photo, mask, "a 犬 door", model=builtin, steps=1, negative="🐕")
    said = [note for note in done.report["notes"] if "does not know" in note]
    assert [note.rsplit(": ", 1)[1] for note in said] == ["'犬'", "'🐕'"]
    assert "of the negative prompt" in said[1]
    quiet = editkit.inpaint(photo, mask, "a red door", model=builtin, steps=1)
    assert not any("know" in note or "too long" in note for note in quiet.report["notes"])
    for made in (
        editkit.generate("犬", model=builtin, steps=1, size=editkit.Size(32, 32)),
        editkit.img2img(photo, "犬 " * 40, model=builtin, steps=1),
    ):
        assert any("does not know" in note for note in made.report["notes"])
    assert any("too long" in note for note in made.report["notes"])
    assert made.report["unread"]


def test_the_command_says_which_words(tmp_path: Path) -> None:
    shell.noise(64, 64).save(tmp_path / "p.png")
    more = ("box:9,9,30,30", "a door 🐕", "--steps", "1", "-o", tmp_path / "o.png", "--force")
    done = shell.call("inpaint", tmp_path / "p.png", *more)
    assert done.code == 0
    assert "paints without them: '🐕'" in done.err
    assert "does not know" not in shell.call("inpaint", tmp_path / "p.png", *more, "-q").err


def _pipe(file: Path) -> None:
    os.mkfifo(file)


def _device(file: Path) -> None:
    file.symlink_to("/dev/zero")


def _round(file: Path) -> None:
    file.symlink_to(file.name)


def _folder(file: Path) -> None:
    file.mkdir()


def _long(file: Path) -> None:
    with file.open("wb") as stream:
        stream.truncate(3 << 30)


READ = [
    "model_index.json",
    "editkit.json",
    UNET,
    SCHEDULER,
    "tokenizer/tokenizer.json",
    "tokenizer/special_tokens_map.json",
    "tokenizer/merges.txt",
    "text_encoder/generation_config.json",
    "unet/diffusion_pytorch_model.safetensors",
    "vae/more.safetensors",
    "safety_checker/model.safetensors",
]


@pytest.mark.parametrize("name", READ)
def test_what_is_no_file_of_a_model_is_not_waited_for(copy: Path, name: str) -> None:
    file, weights = copy / name, name.endswith("safetensors")
    file.parent.mkdir(exist_ok=True)
    for make in (_pipe, _device, _round, _folder, *(() if weights else (_long,))):
        file.unlink(missing_ok=True)
        make(file)
        started = time.monotonic()
        try:
            model = load_model(copy)
        except EditkitError as error:
            assert len(str(error).splitlines()) == 1  # noqa: PT017 - a link to itself may be none
        else:
            assert make is _round
            assert model.weights
        assert time.monotonic() - started < 5
        if make is _folder:
            file.rmdir()


def test_a_network_that_loads_and_does_not_compute(copy: Path) -> None:
    rewrite(copy / UNET, attention_head_dim=-1)
    model = load_model(copy)
    with pytest.raises(EditkitError) as told:
        editkit.generate("x", model=model, size=editkit.Size(64, 64), steps=1)
    assert len(str(told.value).splitlines()) == 1
