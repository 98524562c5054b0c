"""Checks of a model's configuration against its weight files. Imports no torch.

A configuration of a few bytes can ask for ten million layers. So the headers of the weight files
are compared with it before anything is built.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from editkit.errors import ModelLoadError

_LAYERS = re.compile(r"(^|_)(layers|num_hidden_layers|depth)(_|$)")
_BLOCKS = re.compile(r"block_(types|out_channels)$")
_MOST_LAYERS, _MOST_BLOCKS = 128, 12
_LARGEST = 1 << 20
_SPARE = 5_000_000
_LONGEST = 1000
_MOST_TIMES = 100_000
_LARGEST_TEXT = 64 << 20
_TEXTS = (".json", ".txt", ".model")


def check_files(name: str, folder: Path, parts: Sequence[str]) -> None:
    """Refuses pipes, devices and very large texts, which would be read for long or without end.

    Args:
        name: of the model.
        folder: of the model.
        parts: subfolders of which all files are read.

    Raises:
        ModelLoadError: there is such a file.
    """
    files = [file for part in parts for file in sorted((folder / part).glob("*"))]
    for file in (*files, *sorted(folder.rglob("*.safetensors"))):
        where = f"{name} cannot be loaded: {file.relative_to(folder)}"
        there = file.exists() or file.suffix == ".safetensors"  # else a broken link
        if there and not file.is_file() and (file.suffix or not file.is_dir()):
            raise ModelLoadError(f"{where} is no ordinary file")
        if file.suffix in _TEXTS and file.is_file() and file.stat().st_size > _LARGEST_TEXT:
            raise ModelLoadError(f"{where} has over {_LARGEST_TEXT >> 20} MiB")


def stored(name: str, part: Path) -> Mapping[str, Sequence[int]]:
    """The shapes of all weights in a part of a model, by name.

    Raises:
        ModelLoadError: a file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    found = dict[str, Sequence[int]]()
    for file in sorted(part.glob("*.safetensors")):
        try:
            with safe_open(file, framework="np") as tensors:
                found |= {key: tensors.get_slice(key).get_shape() for key in tensors.keys()}  # noqa: SIM118
        except (SafetensorError, OSError, ValueError) as error:
            where = f"{part.name}/{file.name}"
            raise ModelLoadError(f"{name} cannot be loaded: {where}: {error}") from error
    return found


def check_network(name: str, part: Path, config: Mapping[str, Any]) -> None:
    """Refuses the configuration of a network that does not fit its files.

    Raises:
        ModelLoadError: an absurd number, more layers than weights, or quantized weights.
    """
    where = f"{part.name}/config.json"
    if config.get("quantization_config") is not None:
        raise ModelLoadError(
            f"{name} has quantized weights in its {part.name}; give it unquantized"
        )
    _check_numbers(name, where, config)
    layers = [math.prod(_counts(config, key)) for key in config if _LAYERS.search(key)]
    blocks = [len(v) for k, v in config.items() if _BLOCKS.search(k) and isinstance(v, list)]
    if max(layers, default=0) > _MOST_LAYERS or max(blocks, default=0) > _MOST_BLOCKS:
        raise ModelLoadError(f"{name} cannot be loaded: {where} asks for too many layers")
    wanted = math.prod(layers) * max(blocks, default=1)
    weights = len(stored(name, part))
    if wanted > weights:
        raise ModelLoadError(
            f"{name} cannot be loaded: {where} asks for {wanted} layers, its files hold {weights} "
            "weights"
        )


def check_scheduler(name: str, config: Mapping[str, Any]) -> None:
    """Refuses the configuration of a scheduler with absurd numbers.

    Raises:
        ModelLoadError: there is one.
    """
    where = "scheduler/scheduler_config.json"
    _check_numbers(name, where, {k: v for k, v in config.items() if k != "trained_betas"})
    times, betas = config.get("num_train_timesteps", 1000), config.get("trained_betas")
    if not _is_count(times) or not 1 <= times <= _MOST_TIMES:
        raise ModelLoadError(
            f"{name} cannot be loaded: {where} sets num_train_timesteps to {_short(times)}; it "
            f"must be a whole number from 1 to {_MOST_TIMES}"
        )
    if isinstance(betas, list) and len(betas) > _MOST_TIMES:
        raise ModelLoadError(f"{name} cannot be loaded: {where} has {len(betas)} trained_betas")


def check_scaling(name: str, config: Mapping[str, Any]) -> None:
    """Refuses an autoencoder that scales its latents by 0, or not by a number.

    Raises:
        ModelLoadError: it does.
    """
    factor, shift = config.get("scaling_factor", 0.18215), config.get("shift_factor")
    odd = [n for n in (factor, 0.0 if shift is None else shift) if not _is_number(n)]
    if odd or not 1e-4 <= abs(factor) <= 1e4:
        shown = _short((odd or [factor])[0])
        raise ModelLoadError(f"{name} cannot be loaded: vae/config.json scales by {shown}")


def check_weights(name: str, part: Path, wanted: int) -> None:
    """Refuses a network with many more weights than its files: memory might not suffice for it.

    Args:
        name: of the model.
        part: folder of the network.
        wanted: number of weights of the network.

    Raises:
        ModelLoadError: it has many more.
    """
    there = sum(math.prod(shape) for shape in stored(name, part).values())
    if wanted > 2 * there + _SPARE:
        raise ModelLoadError(
            f"{name} cannot be loaded: {part.name}/config.json asks for {wanted} weights, its "
            f"files hold {there}"
        )


def _check_numbers(name: str, where: str, config: Mapping[str, Any]) -> None:
    for key, value in _leaves(config):
        if isinstance(value, list | dict):
            raise ModelLoadError(f"{name} cannot be loaded: {where}: {key} holds too much")
        if isinstance(value, int | float) and not abs(value) <= _LARGEST:  # a NaN, too
            raise ModelLoadError(f"{name} cannot be loaded: {where} sets {key} to {_short(value)}")


def _leaves(value: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """All values in tables and lists, each with its key; a too long or deep one as a whole."""
    if not isinstance(value, list | dict) or len(value) > _LONGEST or depth > 8:
        yield key, value
    else:
        pairs = value.items() if isinstance(value, dict) else ((key, item) for item in value)
        for inner, item in pairs:
            yield from _leaves(item, str(inner), depth + 1)


def _counts(config: Mapping[str, Any], key: str) -> list[int]:
    """The largest number of layers that a key asks for."""
    numbers = [n for _, n in _leaves(config[key], key) if _is_count(n)]
    return [max(1, *numbers)] if numbers else []


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:50]}..."
