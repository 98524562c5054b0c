"""Finding models by name, and loading them. Light until something is loaded."""

import json
import logging
import os
import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from editkit.errors import DeviceError, InputError, ModelLoadError, UnknownModelError
from editkit.models.settings import Settings, read_settings

if TYPE_CHECKING:
    import torch

    from editkit.models.base import Model

BUILTIN = "builtin"
INDEX = "model_index.json"
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "bfloat16", "float16")

_FAMILIES = {
    "StableDiffusionPipeline": "sd",
    "StableDiffusionImg2ImgPipeline": "sd",
    "StableDiffusionInpaintPipeline": "sd",
    "LatentConsistencyModelPipeline": "sd",
}
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
_SUBFOLDERS = ("unet", "vae", "text_encoder", "tokenizer", "scheduler")


@dataclass(frozen=True)
class Found:
    """A model that is on this machine: its name, its folder, and the family that reads it."""

    name: str
    folder: Path
    family: str

    @property
    def settings(self) -> Settings:
        """Recommended settings, without loading weights."""
        return read_settings(self.folder, Settings())

    @property
    def weights(self) -> list[Path]:
        """The weight files."""
        return sorted(self.folder.rglob("*.safetensors"))


def builtin_folder() -> Path:
    """Folder of the model that comes with the package."""
    return Path(__file__).parent.parent / "weights" / BUILTIN


def find_model(name: str | os.PathLike[str] = BUILTIN, *, offline: bool = False) -> Found:
    """The model of a name: `builtin`, a folder in diffusers layout, or a Hugging Face id.

    A model that is in the local cache is used from there without a connection; another one is
    downloaded, its safetensors only, unless `offline`.

    Raises:
        UnknownModelError: there is none of that name here (or, not `offline`, anywhere).
        ModelLoadError: it is of a kind that editkit does not read.
    """
    text = os.fspath(name)
    folder = Path(text).expanduser()
    if text == BUILTIN:
        folder = builtin_folder()
    elif not folder.is_dir():
        if not _HUB_ID.fullmatch(text):
            known = f"give {BUILTIN}, a folder in diffusers layout, or an id such as owner/name"
            raise UnknownModelError(f"no model {text!r}: {known}")
        folder = _from_hub(text, offline=offline)
    return Found(text, folder, _family(text, folder))


def _family(name: str, folder: Path) -> str:
    try:
        kind = json.loads((folder / INDEX).read_text(encoding="utf-8"))["_class_name"]
    except FileNotFoundError as error:
        raise UnknownModelError(f"{name} is not a model: it has no {INDEX}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ModelLoadError(f"{name} has a damaged {INDEX}: {error}") from error
    if kind not in _FAMILIES:
        known = ", ".join(_FAMILIES)
        raise ModelLoadError(f"{name} is a {kind}; editkit reads {known}")
    return _FAMILIES[kind]


def _from_hub(name: str, *, offline: bool) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    def take(*, local: bool) -> Path:
        wanted = [INDEX, "editkit.json"]
        wanted += [f"{part}/{pattern}" for part in _SUBFOLDERS for pattern in _FILES]
        # Variants and pickles stay behind; a config that names a pickle fails to load later.
        return Path(
            snapshot_download(
                name,
                allow_patterns=wanted,
                ignore_patterns=["*.fp16.*", "*.non_ema.*"],
                local_files_only=local,
            )
        )

    try:
        return take(local=True)
    except LocalEntryNotFoundError as error:
        if offline:
            advice = "run once without --offline, or give a folder"
            raise UnknownModelError(f"{name} is not in the local cache: {advice}") from error
    try:
        return take(local=False)
    except HfHubHTTPError as error:
        raise UnknownModelError(f"{name} cannot be downloaded: {_first_line(error)}") from error
    except OSError as error:
        raise ModelLoadError(f"{name} cannot be downloaded: {_first_line(error)}") from error


def cached_models() -> Iterator[Found]:
    """Models in the local Hugging Face cache that editkit reads."""
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repos = scan_cache_dir().repos
    except CacheNotFound:
        return
    for repo in sorted(repos, key=lambda r: r.repo_id):
        if repo.repo_type == "model":
            try:
                yield find_model(repo.repo_id, offline=True)
            except (UnknownModelError, ModelLoadError):
                continue


def load_model(
    name: str | os.PathLike[str] = BUILTIN,
    *,
    device: str = "auto",
    dtype: str = "auto",
    offline: bool = False,
) -> "Model":
    """A model, loaded and ready; keep it for as many edits as there are.

    Args:
        name: `builtin`, a folder in diffusers layout, or a Hugging Face id.
        device: `auto` (cuda, then mps, then cpu), or a device of PyTorch's.
        dtype: `auto` (float32 on a cpu, else bfloat16 or float16), or one of `DTYPES`.
        offline: never download.

    Raises:
        UnknownModelError: there is no such model.
        ModelLoadError: it is incomplete, damaged, holds no safetensors, or is of another kind.
        DeviceError: the device is absent.
        InputError: an unknown device or dtype.
    """
    found = find_model(name, offline=offline)
    if not found.weights:
        raise ModelLoadError(f"{found.name} has no safetensors; editkit loads nothing else")
    where = _device(device)
    with _load_errors(found), _quiet_libraries():
        return _loader(found.family)(found.name, found.folder, where, _dtype(dtype, where))


def _loader(family: str) -> Callable[..., "Model"]:
    from editkit.models.sd import load_stable_diffusion

    return {"sd": load_stable_diffusion}[family]


def _device(name: str) -> "torch.device":
    import torch

    absent = {"cuda": not torch.cuda.is_available(), "mps": not torch.backends.mps.is_available()}
    if name == "auto":
        name = next((d for d, gone in absent.items() if not gone), "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"unknown device {name!r}; give one of {', '.join(DEVICES)}") from error
    if absent.get(device.type, False):
        raise DeviceError(f"device {name} is not available; give --device cpu")
    return device


def _dtype(name: str, device: "torch.device") -> "torch.dtype":
    import torch

    if name not in DTYPES:
        raise InputError(f"unknown dtype {name!r}; give one of {', '.join(DTYPES)}")
    if name != "auto":
        return getattr(torch, name)
    if device.type == "cpu":
        return torch.float32
    brain = device.type == "cuda" and torch.cuda.is_bf16_supported()
    return torch.bfloat16 if brain else torch.float16


@contextmanager
def _load_errors(found: Found) -> Generator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        raise ModelLoadError(f"{found.name} cannot be loaded: {_first_line(error)}") from error


@contextmanager
def _quiet_libraries() -> Generator[None]:
    """Holds back the libraries' progress bars and advice; errors still come as exceptions."""
    from transformers.utils import logging as transformers_logging

    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [logger.level for logger in loggers]
    bars = transformers_logging.is_progress_bar_enabled()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
