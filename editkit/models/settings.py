"""A model's recommended settings, and the names of the solvers. Light: imports no torch."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from editkit.errors import ModelLoadError

SETTINGS_FILE = "editkit.json"

SOLVERS = (
    "ddim",
    "ddpm",
    "dpmpp_2m",
    "dpmpp_2m_karras",
    "dpmpp_2m_sde",
    "dpmpp_2m_sde_karras",
    "euler",
    "euler_karras",
    "euler_a",
    "heun",
    "heun_karras",
    "lcm",
    "unipc",
    "unipc_karras",
)

PREFILLS = ("none", "telea", "ns", "biharmonic")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a model works best with; an option given explicitly wins.

    Attributes:
        native_size: side in pixels of the square that the model was trained on.
        solver: one of `SOLVERS`.
        steps: steps of the whole schedule; a strength below 1 runs that share of them.
        guidance: scale of classifier-free guidance; 1 asks only the prompt.
        strength: in (0, 1], of an inpainting that starts from `prefill`.
        prefill: what fills the hole before the sampler starts, one of `PREFILLS`.
        mask_growth_latent: latent cells by which the part that may change exceeds the hole.
    """

    native_size: int = 512
    solver: str = "dpmpp_2m"
    steps: int = 30
    guidance: float = 7.5
    strength: float = 1.0
    prefill: str = "none"
    mask_growth_latent: int = 1


def read_settings(folder: Path, otherwise: Settings) -> Settings:
    """Settings of the model in `folder`: its `editkit.json`, and `otherwise` for what that omits.

    Raises:
        ModelLoadError: the file is not JSON, or says something that editkit does not know.
    """
    file = folder / SETTINGS_FILE
    if not file.exists():
        return otherwise
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ModelLoadError(f"{file} is not JSON: {error}") from error
    _check(file, given)
    return dataclasses.replace(otherwise, **given)


def _check(file: Path, given: object) -> None:
    fields = {f.name: f.type for f in dataclasses.fields(Settings)}
    if not isinstance(given, dict):
        raise ModelLoadError(f"{file} holds {type(given).__name__}, not a table of settings")
    for key, value in given.items():
        if key not in fields:
            raise ModelLoadError(f"{file} sets {key!r}; known are {', '.join(fields)}")
        numeric = fields[key] in (int, float)
        if isinstance(value, str) is numeric or isinstance(value, bool):
            raise ModelLoadError(f"{file} sets {key} to {value!r}, which is of the wrong kind")
    for key, known in (("solver", SOLVERS), ("prefill", PREFILLS)):
        if given.get(key, known[0]) not in known:
            raise ModelLoadError(f"{file} sets {key} to {given[key]!r}, not one of {known}")
