"""What every model can be asked, whatever its family."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from editkit.diffusion.guides import Network
from editkit.diffusion.levels import Level, Schedule
from editkit.diffusion.solvers import Solver
from editkit.errors import DeviceError, InputError, is_out_of_memory, shown
from editkit.models.settings import Settings
from editkit.tensors import LatentMask, Latents, Pixels, State
from editkit.types import Size


@dataclass(frozen=True)
class Capabilities:
    """What a model was trained to be told, beside the noisy latents.

    Attributes:
        text: a prompt.
        inpainting: which part is missing, and the picture without it.
        guidance_input: the guidance scale; such a model is asked once a step, not twice.
    """

    text: bool
    inpainting: bool
    guidance_input: bool = False


@dataclass(frozen=True)
class Hole:
    """What an inpainting model is told: where the hole is, and the picture with it cut out."""

    mask: LatentMask
    """1 where the picture is missing."""
    masked_latents: Latents
    """The encoded picture, mid-gray inside the hole."""


@dataclass(frozen=True)
class Text:
    """What a model is asked to show, and to avoid."""

    prompt: str
    negative: str = ""


@dataclass(frozen=True, eq=False)
class Request:
    """What a network is asked: a noisy state, with all that it is told beside.

    Attributes:
        x: the state, of one picture or several.
        level: its noise level.
        branches: which requests of a guide, see `editkit.diffusion.guides`.
        text: the prompts.
        hole: what an inpainting model is told of the picture.
        guidance: for models that take it as an input.
    """

    x: State
    level: Level
    branches: Sequence[str]
    text: Text
    hole: Hole | None
    guidance: float


@runtime_checkable
class Model(Protocol):
    """A text-conditioned latent diffusion model."""

    @property
    def name(self) -> str:
        """What it was loaded as: `builtin`, a folder or an id."""
        ...

    @property
    def settings(self) -> Settings:
        """What it works best with."""
        ...

    @property
    def weights(self) -> str:
        """SHA-256 of its weight files, in hexadecimal."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can be told."""
        ...

    @property
    def latent_cell(self) -> int:
        """Side in pixels of the square that one latent stands for."""
        ...

    @property
    def multiple(self) -> int:
        """Heights and widths in pixels must be multiples of this."""
        ...

    @property
    def device(self) -> torch.device:
        """Where its networks are."""
        ...

    def encode(self, pixels: Pixels, noise: Latents) -> Latents:
        """Latents of pixels in [-1, 1]: the posterior's mode, plus its deviation times `noise`."""
        ...

    def decode(self, latents: Latents) -> Pixels:
        """Pixels of clean latents, about [-1, 1] and not clipped: the inverse of `encode`."""
        ...

    def latent_shape(self, size: Size, batch: int = 1) -> tuple[int, int, int, int]:
        """Shape of the latents of a picture of `size`."""
        ...

    def schedule(self, solver: str, steps: int, size: Size) -> tuple[Schedule, Solver]:
        """The levels of `steps` steps for a picture of `size`, and the solver of that name."""
        ...

    def network(self, text: Text, hole: Hole | None, guidance: float) -> Network:
        """The network with its conditions; `guidance` is for models that take it as an input."""
        ...

    def predict(self, requests: Sequence[Request]) -> list[Sequence[State]]:
        """The network's answers, for each request one for each of its branches; one call.

        States may be at different levels and have different prompts; their shape, whether they have
        a hole, and the guidance are one and the same.
        """
        ...

    def truncated_prompt(self, prompt: str) -> str:
        """The end of a prompt that is too long for the model to read; empty if all is read."""
        ...

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of a prompt that the model has no name for, in whole or in part."""
        ...


@contextmanager
def device_errors(device: torch.device) -> Generator[None]:
    """Turns a device's complaint about memory into one line.

    Raises:
        DeviceError: the device is out of memory.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        other = "" if device.type == "cpu" else ", or device=cpu"
        advice = f"give a smaller work_size={other}"
        raise DeviceError(f"{device} is out of memory: {advice}") from error


def check_model(model: object) -> None:
    """Checks that something is a model as `load_model` gives it.

    Raises:
        InputError: it is not; the message says how to make one of it.
    """
    kind = type(model)
    # Of the type, as asking the value would read all its weights.
    if all(hasattr(kind, name) for name in ("encode", "decode", "network", "predict")):
        return
    if hasattr(kind, "save_pretrained"):
        raise InputError(
            f"model is a {kind.__name__} of {kind.__module__.partition('.')[0]}; save it with "
            "save_pretrained('FOLDER', safe_serialization=True) and give that folder"
        )
    raise InputError(
        f"model is {shown(model)}; give what editkit.load_model gives, `builtin`, a folder or an id"
    )
