"""Finding models by name, and loading them. Light until something is loaded."""

import logging
import os
import re
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from editkit.errors import (
    DeviceError,
    EditkitError,
    InputError,
    ModelLoadError,
    UnknownModelError,
    first_line,
    is_out_of_memory,
)
from editkit.imports import uncollected
from editkit.keywords import called_by_name
from editkit.models.builtin import BUILTIN, builtin_folder
from editkit.models.config_checks import check_files, check_network, check_scaling, check_scheduler
from editkit.models.hub_variables import check_variables
from editkit.models.settings import SETTINGS_FILE, Settings, read_settings, read_table
from editkit.names import DTYPES

if TYPE_CHECKING:
    import torch

    from editkit.models.base import Model

INDEX = "model_index.json"
DEVICES = ("auto", "cpu", "cuda", "mps")

_FAMILIES = {
    "StableDiffusionPipeline": "sd",
    "StableDiffusionImg2ImgPipeline": "sd",
    "StableDiffusionInpaintPipeline": "sd",
    "LatentConsistencyModelPipeline": "sd",
}
_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_DRIVE = re.compile(r"[A-Za-z]:")
_SUFFIXES = (
    *(".safetensors", ".ckpt", ".gguf", ".bin", ".pt", ".pth", ".onnx", ".pkl", ".h5", ".msgpack"),
    *(".npz", ".json", ".yaml", ".yml", ".zip", ".tar", ".gz", ".7z", ".tflite", ".pb", ".git"),
)
"""Suffixes of files, never of an id."""

_FILES = ("*.json", "*.txt", "*.model", "*.safetensors")
_NETWORKS = ("unet", "vae", "text_encoder")
_SUBFOLDERS = (*_NETWORKS, "tokenizer", "scheduler")
_NOT_WANTED = ("*.fp16.*", "*.non_ema.*")


@dataclass(frozen=True)
class Found:
    """A model on this machine: its name, its folder, and its family."""

    name: str
    folder: Path
    family: str

    @property
    def settings(self) -> Settings:
        """Recommended settings, without loading weights."""
        return read_settings(self.folder)

    @property
    def weights(self) -> list[Path]:
        """The weight files."""
        return sorted(self.folder.rglob("*.safetensors"))


def find_model(name: str | os.PathLike[str] = BUILTIN, *, offline: bool = False) -> Found:
    """The model of a name: `builtin`, a folder in diffusers layout, or a Hugging Face id.

    A model in the local cache needs no connection. Another one is downloaded, its safetensors only,
    unless `offline`.

    Raises:
        UnknownModelError: no such model is here (or, unless `offline`, anywhere).
        ModelLoadError: editkit does not read its kind.
    """
    text = os.fsdecode(name)
    if text == BUILTIN:
        folder = builtin_folder()
    else:
        known = f"{BUILTIN}, a folder in diffusers layout, or an id such as owner/name"
        folder = folder_of(text, known) or from_hub(text, _PIPELINE, offline=offline)
    family = _family(text, folder)
    _check_parts(text, folder)
    return Found(text, folder, family)


def is_id(name: str) -> bool:
    """True if a text can be an id of Hugging Face: owner/name, and not the name of a file."""
    odd = ".." in name or name.lower().endswith(_SUFFIXES)
    return _HUB_ID.fullmatch(name) is not None and not odd


def folder_of(name: str, known: str) -> Path | None:
    """The folder of a model given as a folder; None for an id.

    A text that can only be a path on this machine never goes to the network.

    Args:
        name: a folder or an id.
        known: the choices, for messages.

    Raises:
        UnknownModelError: it is neither.
    """
    try:
        folder = Path(name).expanduser()
        if name and folder.is_dir():
            return folder
        is_there = bool(name) and (folder.exists() or folder.is_symlink())
    except (OSError, ValueError, RuntimeError):  # too long, or a home of nobody
        is_there = False
    if is_id(name) and not is_there:
        return None
    raise UnknownModelError(_no_model(name, known, is_there=is_there))


def _no_model(name: str, known: str, *, is_there: bool) -> str:
    """The message for a name that is no model: the reason, and the choices."""
    whole = "a model is a folder in diffusers layout, not a single file or a LoRA"
    if is_there:
        return f"no model {name!r}: {whole}; save it as one with diffusers"
    if "://" in name:  # which may hold a secret
        return f"no model is read from a URL; give {known}"
    if name.lower().endswith(_SUFFIXES):
        return f"no model {name!r}: no such file, and {whole}"
    is_path = name.startswith((".", "/", "~")) or "\\" in name or name.endswith("/")
    if is_path or name.count("/") > 1 or _DRIVE.match(name):
        return f"no model {name!r}: no such folder; give {known}"
    return f"no model {name!r}: give {known}"


def _family(name: str, folder: Path) -> str:
    if not (folder / INDEX).is_file():
        raise UnknownModelError(f"{name} is not a model: it has no {INDEX}")
    kind = str(read_table(folder / INDEX).get("_class_name"))
    if kind not in _FAMILIES:
        known = ", ".join(_FAMILIES)
        raise ModelLoadError(f"{name} is a {kind}; editkit reads {known}")
    return _FAMILIES[kind]


def _check_parts(name: str, folder: Path) -> None:
    """Refuses a model with missing parts: the libraries would download or invent them."""
    if folder != builtin_folder():
        check_files(name, folder, _SUBFOLDERS)
    configs = {part: read_table(folder / part / "config.json") for part in _NETWORKS}
    scheduler = read_table(folder / "scheduler" / "scheduler_config.json")
    missing = next(_missing_parts(folder), None)
    if missing:
        raise ModelLoadError(f"{name} has no {missing}; editkit loads nothing else")
    if folder == builtin_folder():
        return
    check_scheduler(name, scheduler)
    check_scaling(name, configs["vae"])
    for part, config in configs.items():
        check_network(name, folder / part, config)


def _missing_parts(folder: Path) -> Iterator[str]:
    """The missing parts of the weights and the tokenizer."""
    for part in _NETWORKS:
        found = (folder / part).glob("*.safetensors")
        if all(any(file.match(variant) for variant in _NOT_WANTED) for file in found):
            yield f"safetensors in its {part}"
    words = folder / "tokenizer"
    if not (words / "tokenizer.json").is_file() and not (words / "vocab.json").is_file():
        yield "tokenizer.json or vocab.json in its tokenizer"


@dataclass(frozen=True)
class Layout:
    """The files to download of a repository on the hub.

    Attributes:
        table: the file that names the kind of model; it comes first, as the rest may be large.
        wanted: patterns of the files to download.
        check: raises an EditkitError for a name and a folder whose `table` shows another kind.
        whole: returns True for a folder with all files that are needed.
    """

    table: str
    wanted: tuple[str, ...]
    check: Callable[[str, Path], object]
    whole: Callable[[Path], bool]


_PIPELINE = Layout(
    INDEX,
    (
        *(INDEX, SETTINGS_FILE, "README.md"),
        *(f"{part}/{pattern}" for part in _SUBFOLDERS for pattern in _FILES),
    ),
    _family,
    lambda folder: (folder / INDEX).is_file() and not any(_missing_parts(folder)),
)


def from_hub(name: str, layout: Layout, *, offline: bool) -> Path:
    """The folder of a Hugging Face id: from the local cache, else downloaded, unless `offline`.

    Raises:
        UnknownModelError: it is not there.
        ModelLoadError: it cannot be downloaded.
    """
    check_variables(f"{name} cannot be downloaded")
    with hub_errors(name):
        from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
    try:
        with hub_errors(name, HFValidationError, LocalEntryNotFoundError):
            folder = _snapshot(name, layout.wanted, local=True)
        # A snapshot is incomplete after an interrupted download.
        if offline or layout.whole(folder):
            return folder
    except HFValidationError as error:
        raise UnknownModelError(f"no model {name!r}: {first_line(error)}") from error
    except LocalEntryNotFoundError as error:
        if offline:
            advice = "run once without offline=True, or give a folder"
            raise UnknownModelError(f"{name} is not in the local cache: {advice}") from error
    with hub_errors(name), _no_bars_in_files():
        layout.check(name, _snapshot(name, [layout.table], local=False))
        return _snapshot(name, layout.wanted, local=False)


def _snapshot(name: str, wanted: Sequence[str], *, local: bool) -> Path:
    from huggingface_hub import snapshot_download

    # Variants and pickles stay behind.
    return Path(
        snapshot_download(
            name,
            allow_patterns=list(wanted),
            ignore_patterns=list(_NOT_WANTED),
            local_files_only=local,
        )
    )


@contextmanager
def _no_bars_in_files() -> Generator[None]:
    """A context in which the hub's client shows progress on a terminal only."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    as_is = sys.stderr.isatty() or are_progress_bars_disabled()
    if not as_is:
        disable_progress_bars()
    try:
        yield
    finally:
        if not as_is:
            enable_progress_bars()


@contextmanager
def hub_errors(name: str, *passed: type[Exception]) -> Generator[None]:
    """Turns what the hub's client raises into one line, whichever library it speaks through.

    Its variables of the environment (an address that is none, a token with a line break, a time
    that is no number) show in errors of any kind, also while it is imported.

    Args:
        name: the model's.
        passed: errors that are left as they are.
    """
    try:
        yield
    except (EditkitError, *passed):
        raise
    except ImportError as error:
        raise ModelLoadError(f"{name} cannot be downloaded: {first_line(error)}") from error
    except Exception as error:
        if is_out_of_memory(error):
            raise
        if "HfHubHTTPError" in (kind.__name__ for kind in type(error).__mro__):
            raise UnknownModelError(f"{name} cannot be downloaded: {first_line(error)}") from error
        said = first_line(error)
        if isinstance(error, ValueError | TypeError) and not isinstance(error, OSError):
            said = f"{said}; see to HF_* and *_PROXY in the environment"
        raise ModelLoadError(f"{name} cannot be downloaded: {said}") from error


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


@called_by_name
def load_model(
    name: str | os.PathLike[str] = BUILTIN,
    *,
    device: str = "auto",
    dtype: str = "auto",
    offline: bool = False,
) -> "Model":
    """A model, ready for any number of edits.

    Args:
        name: `builtin`, a folder in diffusers layout, or a Hugging Face id.
        device: `auto` (cuda, then mps, then cpu), or a device of PyTorch.
        dtype: `auto` (float32 on a cpu, else bfloat16 or float16), or one of `DTYPES`.
        offline: never download.

    Raises:
        UnknownModelError: there is no such model.
        ModelLoadError: it is incomplete or damaged, has no safetensors, or is of another kind.
        DeviceError: the device is absent.
        InputError: an unknown device or dtype.
    """
    _check_name(name)
    found = find_model(name, offline=offline)
    with uncollected():
        where = device_of(device)
        precision = _dtype(dtype, where)
        with load_errors(found.name), quiet_libraries():
            return _loader(found.family)(found.name, found.folder, where, precision)


def _check_name(name: object) -> None:
    """Checks that a value is the name of a model.

    Raises:
        InputError: it is a model, or something else.
    """
    if isinstance(name, str | os.PathLike):
        return
    from editkit.models.base import check_model

    check_model(name)
    raise InputError("this model is loaded already; give it to an edit as it is")


def _loader(family: str) -> Callable[..., "Model"]:
    from editkit.models.sd import load_stable_diffusion

    return {"sd": load_stable_diffusion}[family]


def device_of(name: str) -> "torch.device":
    """The device of a name; `auto` is cuda, then mps, then cpu.

    Raises:
        InputError: an unknown device.
        DeviceError: this machine does not have it.
    """
    import torch

    if name == "auto":
        here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
        name = next((device for device, usable in here.items() if usable), "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise InputError(f"unknown device {name!r}; give one of {', '.join(DEVICES)}") from error
    if device.type == "meta":
        raise InputError("device meta computes nothing; give one of cpu, cuda, mps")
    try:
        torch.empty(1, device=device)
    except (
        RuntimeError,
        AssertionError,
    ) as error:  # PyTorch asserts
        raise DeviceError(f"device {name} is not available; give device=cpu") from error
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
def load_errors(name: str) -> Generator[None]:
    """A context that turns errors of a damaged model into one line.

    Raises:
        ModelLoadError: the model cannot be loaded.
        DeviceError: memory does not suffice.
    """
    check_variables(f"{name} cannot be loaded")
    try:
        yield
    except EditkitError:
        raise
    # A damaged configuration can raise any error in the libraries.
    except Exception as error:
        if is_out_of_memory(error):
            told = f"{name} cannot be loaded: out of memory; give a smaller model"
            raise DeviceError(told) from error
        raise ModelLoadError(f"{name} cannot be loaded: {first_line(error)}") from error


@contextmanager
def quiet_libraries() -> Generator[None]:
    """A context without progress bars and advice of the libraries; exceptions still pass."""
    from transformers.utils import logging as transformers_logging

    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers")]
    levels = [logger.level for logger in loggers]
    bars = transformers_logging.is_progress_bar_enabled()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        if bars:
            transformers_logging.enable_progress_bar()
