"""A model's recommended settings. Light: imports no torch."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from editkit.errors import ModelLoadError
from editkit.names import PREFILLS, SOLVERS

SETTINGS_FILE = "editkit.json"
_LARGEST_TABLE = 16 << 20

_NATIVE: Mapping[str, str] = MappingProxyType(
    {
        "DDIMScheduler": "ddim",
        "DDPMScheduler": "ddpm",
        "EulerDiscreteScheduler": "euler",
        "EulerAncestralDiscreteScheduler": "euler_a",
        "FlowMatchEulerDiscreteScheduler": "euler",
        "HeunDiscreteScheduler": "heun",
        "LCMScheduler": "lcm",
        "UniPCMultistepScheduler": "unipc",
    }
)
_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "native_size": (32, 8192),
        "steps": (1, 1000),
        "guidance": (0, 100),
        "strength": (0.01, 1),
        "mask_growth_latent": (0, 64),
        "detail": (0, 1),
    }
)
_NAMES: Mapping[str, tuple[str, ...]] = MappingProxyType({"solver": SOLVERS, "prefill": PREFILLS})


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Recommended settings of a model; options that are given win.

    Attributes:
        native_size: side in pixels of the squares that the model was trained on.
        solver: one of `editkit.names.SOLVERS`.
        steps: steps of the whole schedule; a strength below 1 runs that share of them.
        guidance: scale of classifier-free guidance; 1 uses the prompt alone.
        strength: in (0, 1], of an inpainting that starts from `prefill`.
        prefill: method that fills the hole before the sampler starts, one of
            `editkit.names.PREFILLS`.
        detail: in [0, 1], strength of the passes in tiles over holes larger than the native size;
            0 makes no pass.
        mask_growth_latent: growth in latent cells of the part that may change.
    """

    native_size: int = 512
    solver: str = "dpmpp_2m"
    steps: int = 30
    guidance: float = 7.5
    strength: float = 1.0
    prefill: str = "none"
    mask_growth_latent: int = 1
    detail: float = 0.4


def native_solver(scheduler: Mapping[str, Any]) -> str:
    """The solver of a model's own scheduler; DPM++ 2M for schedulers without one here."""
    return _NATIVE.get(str(scheduler.get("_class_name")), "dpmpp_2m")


def read_settings(folder: Path) -> Settings:
    """Settings of the model in `folder`: from its `editkit.json`, the rest from its layout.

    Raises:
        ModelLoadError: a file is not a table in JSON, or has a key or value that is not known.
    """
    otherwise = _layout_settings(folder)
    file = folder / SETTINGS_FILE
    if not file.exists():
        return otherwise
    given = read_table(file)
    for key, value in given.items():
        _check(file, key, value)
    return dataclasses.replace(otherwise, **given)


def read_table(file: Path) -> dict[str, Any]:
    """The table in a JSON file.

    Raises:
        ModelLoadError: the file is missing, is not JSON, or holds no table.
    """
    try:
        if not file.is_file() and file.exists():  # a pipe, a device: never read to its end
            raise ModelLoadError(f"{file} cannot be read: it is no ordinary file")
        if file.stat().st_size > _LARGEST_TABLE:
            raise ModelLoadError(f"{file} is larger than any configuration")
        table = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise ModelLoadError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ModelLoadError(f"{file} is not JSON: {error}") from error
    if not isinstance(table, dict):
        raise ModelLoadError(f"{file} holds {type(table).__name__}, not a table")
    return table


def _layout_settings(folder: Path) -> Settings:
    """Size and solver from the configurations of the networks."""
    side = read_table(folder / "unet" / "config.json").get("sample_size")
    blocks = read_table(folder / "vae" / "config.json").get("block_out_channels")
    solver = native_solver(read_table(folder / "scheduler" / "scheduler_config.json"))
    if not isinstance(side, int) or not isinstance(blocks, list):
        return Settings(solver=solver)
    size = side * 2 ** min(len(blocks) - 1, 16)
    low, high = _RANGES["native_size"]
    if not low <= size <= high:
        raise ModelLoadError(
            f"{folder} is made for {size} pixels; give a model for {low} to {high}"
        )
    return Settings(native_size=size, solver=solver)


def _check(file: Path, key: str, value: object) -> None:
    kinds = {f.name: f.type for f in dataclasses.fields(Settings)}
    if key not in kinds:
        raise ModelLoadError(f"{file} sets {key!r}; known are {', '.join(kinds)}")
    if key in _NAMES:
        if value not in _NAMES[key]:
            raise ModelLoadError(f"{file} sets {key} to {value!r}; give one of {_NAMES[key]}")
        return
    kind = int if kinds[key] is int else (int, float)
    low, high = _RANGES[key]
    # Written so that a NaN, which compares false, is refused too.
    if not isinstance(value, kind) or isinstance(value, bool) or not low <= value <= high:
        raise ModelLoadError(f"{file} sets {key} to {value!r}; give a number from {low} to {high}")
