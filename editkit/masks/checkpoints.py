"""Segmentation models: the default checkpoints, and how compatible ones are found and loaded.

The import is light; torch and transformers are imported when a model is loaded.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editkit.errors import EditkitError, ModelLoadError, UnknownModelError
from editkit.models.fingerprint import file_sha256
from editkit.models.registry import (
    Layout,
    device_of,
    folder_of,
    from_hub,
    load_errors,
    quiet_libraries,
)
from editkit.models.settings import read_table

if TYPE_CHECKING:
    import torch

_TABLE = "config.json"
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_WANTED = (
    *(_TABLE, "preprocessor_config.json", "processor_config.json", "README.md"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "vocab.txt", "merges.txt"),
    *(*_WEIGHTS, "model-*-of-*.safetensors"),
)


@dataclass(frozen=True)
class DefaultCheckpoint:
    """A default checkpoint and the license of its weights."""

    name: str
    license: str


DEFAULTS: Mapping[str, DefaultCheckpoint] = {
    "text": DefaultCheckpoint("CIDAS/clipseg-rd64-refined", "Apache-2.0"),
    "text,best": DefaultCheckpoint("IDEA-Research/grounding-dino-tiny", "Apache-2.0"),
    "sam": DefaultCheckpoint("facebook/sam-vit-base", "Apache-2.0"),
    "subject": DefaultCheckpoint("tue-mps/coco_panoptic_eomt_large_640", "MIT"),
    "matte": DefaultCheckpoint("hustvl/vitmatte-small-composition-1k", "Apache-2.0"),
}
"""Default checkpoints by the selection that uses them."""


@dataclass(frozen=True)
class Architecture:
    """The name of a transformers class, and the kind of answer that it gives."""

    network: str
    answers: str


MAPS = "a map for words"
BOXES = "boxes for words"
CUTS = "a map for points and boxes"
OBJECTS = "all objects"
ALPHAS = "the alpha of the main objects"
MATTES = "an alpha where a rough mask leaves it open"
ANSWERS = (MAPS, BOXES, CUTS, OBJECTS, ALPHAS, MATTES)
"""All kinds of answers."""

FAMILIES: Mapping[str, Architecture] = {
    "clipseg": Architecture("CLIPSegForImageSegmentation", MAPS),
    "grounding-dino": Architecture("GroundingDinoForObjectDetection", BOXES),
    "mm-grounding-dino": Architecture("MMGroundingDinoForObjectDetection", BOXES),
    "owlv2": Architecture("Owlv2ForObjectDetection", BOXES),
    "sam": Architecture("SamModel", CUTS),
    "sam2": Architecture("Sam2Model", CUTS),
    "eomt": Architecture("EomtForUniversalSegmentation", OBJECTS),
    "mask2former": Architecture("Mask2FormerForUniversalSegmentation", OBJECTS),
    "sapiens2": Architecture("Sapiens2ForImageMatting", ALPHAS),
    "vitmatte": Architecture("VitMatteForImageMatting", MATTES),
}
"""Architectures by the `model_type` of a checkpoint's configuration."""

# SAM 2's checkpoints serve images and videos, and are marked as video models.
_ALSO = {"sam2_video": "sam2"}
# Families whose checkpoints serve several tasks; a wrong one would load and answer nonsense.
_MANY = ("sapiens2",)


@dataclass(frozen=True)
class Segmenter:
    """A loaded segmentation model.

    Attributes:
        name: the name that it was requested by.
        folder: the folder of its files.
        family: one of `FAMILIES`.
        network: the model, in float32 and evaluation mode.
        table: the settings of its image processor.
    """

    name: str
    folder: Path
    family: str
    network: Any
    table: Mapping[str, Any]

    @property
    def device(self) -> "torch.device":
        """The device of the model."""
        return self.network.device

    def tokenizer(self) -> Any:  # noqa: ANN401 - transformers picks the class
        """The tokenizer of the checkpoint.

        Raises:
            ModelLoadError: its files are missing or damaged.
        """
        from transformers import AutoTokenizer

        if not any((self.folder / n).is_file() for n in ("tokenizer.json", "vocab.json")):
            raise ModelLoadError(f"{self.name} has no tokenizer.json or vocab.json")
        with load_errors(self.name), quiet_libraries():
            return AutoTokenizer.from_pretrained(self.folder, local_files_only=True)


@dataclass(frozen=True)
class LocatedSegmenter:
    """A model that is on this machine and not loaded yet."""

    name: str
    folder: Path
    family: str

    @property
    def answers(self) -> str:
        """The kind of answer that the model gives, one of `ANSWERS`."""
        return FAMILIES[self.family].answers

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that loading may read."""
        found = (file for file in sorted(self.folder.iterdir()) if file.is_file())
        return tuple(f for f in found if f.suffix in (".json", ".txt", ".safetensors"))

    @property
    def digest(self) -> str:
        """The SHA-256, in hexadecimal, of all files that loading may read."""
        whole = hashlib.sha256()
        for file in self.files:
            whole.update(f"{file.name}\0{file_sha256(file)}\n".encode())
        return whole.hexdigest()


def find_segmenter(
    name: str, answers: tuple[str, ...], *, offline: bool | None = None
) -> LocatedSegmenter:
    """A segmentation model, from a folder or by a Hugging Face id, cache first.

    Args:
        name: a folder in the layout of transformers, or an id.
        answers: what it must answer: one of these, which `FAMILIES` have.
        offline: never download; unless said, what `HF_HUB_OFFLINE` says, which `--offline` sets.

    Raises:
        UnknownModelError: there is none of that name here (or, not `offline`, anywhere).
        ModelLoadError: it is of another kind or incomplete, or holds no safetensors.
    """
    offline = _is_offline() if offline is None else offline

    def check(called: str, folder: Path) -> None:
        _read_family(called, folder, answers)

    folder = folder_of(name, "a folder in the layout of transformers, or an id such as owner/name")
    if folder is None:
        folder = from_hub(name, Layout(_TABLE, _WANTED, check, _is_complete), offline=offline)
    family = _read_family(name, folder, answers)
    if not any((folder / weights).is_file() for weights in _WEIGHTS):
        raise ModelLoadError(f"{name} has no safetensors; editkit loads nothing else")
    return LocatedSegmenter(name, folder, family)


def is_available(name: str, answers: tuple[str, ...]) -> bool:
    """True if a model can be loaded without a connection."""
    try:
        return _is_complete(find_segmenter(name, answers, offline=True).folder)
    except EditkitError:
        return False


def load_segmenter(
    name: str,
    answers: tuple[str, ...],
    *,
    offline: bool | None = None,
    device: str = "auto",
) -> Segmenter:
    """A segmentation model that `find_segmenter` finds, loaded.

    It computes in float32 on any device: these models are small beside those that paint, and half
    precision would move edges.

    Args:
        name: as there.
        answers: as there.
        offline: as there.
        device: `auto` (cuda, then mps, then cpu), or a device of PyTorch's.

    Raises:
        UnknownModelError: there is none of that name.
        ModelLoadError: it is of another kind, incomplete or damaged, or holds no safetensors.
        DeviceError: the device is absent.
        InputError: an unknown device.
    """
    found = find_segmenter(name, answers, offline=offline)
    where = device_of(device)
    with load_errors(name), quiet_libraries():
        network = _load_network(name, found.folder, found.family).to(where)
        return Segmenter(
            name, found.folder, found.family, network, _processor_settings(found.folder)
        )


def _is_offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")


def _is_complete(folder: Path) -> bool:
    if (folder / _WEIGHTS[0]).is_file():
        return (folder / _TABLE).is_file()
    if not (folder / _WEIGHTS[1]).is_file():
        return False
    shards = read_table(folder / _WEIGHTS[1]).get("weight_map", {})
    return all((folder / shard).is_file() for shard in set(shards.values()))


def _read_family(name: str, folder: Path, answers: tuple[str, ...]) -> str:
    if not (folder / _TABLE).is_file():
        raise UnknownModelError(f"{name} is not a model of transformers: it has no {_TABLE}")
    kind = str(read_table(folder / _TABLE).get("model_type"))
    family = _ALSO.get(kind, kind)
    if family not in FAMILIES or FAMILIES[family].answers not in answers:
        known = ", ".join(key for key, k in FAMILIES.items() if k.answers in answers)
        raise ModelLoadError(f"{name} is of type {kind}; this selection reads {known}")
    made_for = read_table(folder / _TABLE).get("architectures") or [FAMILIES[family].network]
    if family in _MANY and FAMILIES[family].network not in made_for:
        raise ModelLoadError(f"{name} is a {made_for[0]}; this wants {FAMILIES[family].network}")
    return family


def _load_network(name: str, folder: Path, family: str) -> Any:  # noqa: ANN401 - of many classes
    import torch
    import transformers

    network = getattr(transformers, FAMILIES[family].network, None)
    if network is None:
        raise ModelLoadError(f"{name} is of type {family}: it wants a newer transformers")
    model, told = network.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    # transformers would initialize missing weights at random, and the masks would be random, too.
    lacking = sorted(set(told["missing_keys"]) & {key for key, _ in model.named_parameters()})
    if lacking:
        raise ModelLoadError(f"{name} lacks weights: {lacking[0]} and {len(lacking) - 1} more")
    return model.eval()


def _processor_settings(folder: Path) -> Mapping[str, Any]:
    """The settings of the image processor, which newer versions keep in another file."""
    for file, part in (
        ("preprocessor_config.json", None),
        ("processor_config.json", "image_processor"),
    ):
        if (folder / file).is_file():
            table = read_table(folder / file)
            return table if part is None else table.get(part, {})
    return {}
