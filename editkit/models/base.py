"""The interface of all models, whatever their family."""

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch

from editkit.diffusion.guides import Branch, Cfg, Guide, Network
from editkit.diffusion.levels import Level, Schedule
from editkit.diffusion.solvers import Solver
from editkit.errors import (
    DeviceError,
    InputError,
    UnsupportedEditError,
    is_out_of_memory,
    shown,
)
from editkit.models.conditions import HOLE, TEXT, Conditions, Text, TextEmbedding
from editkit.models.settings import Settings
from editkit.tensors import Latents, Pixels, State
from editkit.types import Size


@dataclass(frozen=True)
class Capabilities:
    """Conditions that a model takes besides the noisy latents.

    Attributes:
        text: a prompt.
        inpainting: a hole, which it needs then.
        guidance_input: the guidance scale; such a model answers one branch a step, not two.
        others: further conditions by name: `references`, `controls`, `crop`.
        droppable: conditions that a branch may leave out.
    """

    text: bool
    inpainting: bool
    guidance_input: bool = False
    others: frozenset[str] = frozenset()
    droppable: frozenset[str] = frozenset({TEXT})


@dataclass(frozen=True, eq=False)
class Request:
    """The input of a network: a noisy state with its conditions.

    Attributes:
        x: the state, of one picture or several.
        level: its noise level.
        branches: the branches of a guide to answer.
        conditions: all other inputs.
    """

    x: State
    level: Level
    branches: Sequence[Branch]
    conditions: Conditions


@runtime_checkable
class Model(Protocol):
    """A text-conditioned latent diffusion model."""

    @property
    def name(self) -> str:
        """The name that it was loaded by: `builtin`, a folder or an id."""
        ...

    @property
    def settings(self) -> Settings:
        """The settings that it works best with."""
        ...

    @property
    def weights(self) -> str:
        """SHA-256 of its weight files, in hexadecimal."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """The conditions that it takes."""
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
        """The device of its networks."""
        ...

    def encode(self, pixels: Pixels, noise: Latents) -> Latents:
        """Latents of pixels in [-1, 1]: the posterior's mode, plus its deviation times `noise`."""
        ...

    def decode(self, latents: Latents) -> Pixels:
        """Pixels of clean latents, about [-1, 1] and not clipped: the inverse of `encode`."""
        ...

    def latent_shape(self, size: Size, batch: int = 1) -> tuple[int, int, int, int]:
        """Shape of the latents of pictures of `size`."""
        ...

    def schedule(self, solver: str, steps: int, size: Size) -> tuple[Schedule, Solver]:
        """The levels of `steps` steps for a picture of `size`, and the solver of that name."""
        ...

    def guide(self, text: Text, wanted: Cfg) -> Guide:
        """The family's guide with the scale, rescale and interval of `wanted`."""
        ...

    def embed(self, text: str) -> TextEmbedding:
        """The text as the networks take it; a text that is too long loses its end."""
        ...

    def check(self, conditions: Conditions, branches: Iterable[Branch]) -> None:
        """Checks that it takes the conditions and can answer the branches; embeds the texts.

        Raises:
            UnsupportedEditError: it cannot; the message names the condition.
        """
        ...

    def predict(self, requests: Sequence[Request]) -> list[Sequence[State]]:
        """For each request one output for each of its branches, all from one network call.

        Levels and texts may differ; shapes of states and `Conditions.signature()` are equal.

        Raises:
            UnsupportedEditError: as `check`.
        """
        ...

    def truncated_prompt(self, prompt: str) -> str:
        """The end of a prompt that is too long for the model; empty if it reads all."""
        ...

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of a prompt that the model does not know, in whole or in part."""
        ...


def make_network(model: Model, conditions: Conditions) -> Network:
    """The model as a network with these conditions."""

    def predict(x: State, level: Level, branches: Sequence[Branch]) -> Sequence[State]:
        return model.predict([Request(x, level, branches, conditions)])[0]

    return predict


def check_supported(
    name: str, capabilities: Capabilities, conditions: Conditions, branches: Iterable[Branch]
) -> None:
    """Checks conditions and branches against a model's capabilities.

    Raises:
        UnsupportedEditError: a condition is not taken, or cannot be left out.
    """
    taken = capabilities.others | ({HOLE} if capabilities.inpainting else frozenset())
    for condition in sorted(conditions.names - taken):
        raise UnsupportedEditError(
            f"{name} takes no {condition}; leave it out, or give a model that takes it"
        )
    for branch in branches:
        for condition in sorted(branch.drop - capabilities.droppable):
            raise UnsupportedEditError(
                f"{name} cannot answer the branch {branch.name!r} of the guide: it cannot leave "
                f"out {condition!r}, only {', '.join(sorted(capabilities.droppable)) or 'nothing'}"
            )


@contextmanager
def device_errors(device: torch.device) -> Generator[None]:
    """A context that reports a lack of memory in one line.

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
    """Checks that a value is a model, as `load_model` returns it.

    Raises:
        InputError: it is not; the message says how to get one.
    """
    kind = type(model)
    # Looks at the type: the properties of a value may read all weights.
    if all(hasattr(kind, name) for name in ("encode", "decode", "check", "predict")):
        return
    if hasattr(kind, "save_pretrained"):
        raise InputError(
            f"model is a {kind.__name__} of {kind.__module__.partition('.')[0]}; save it with "
            "save_pretrained('FOLDER', safe_serialization=True) and give that folder"
        )
    raise InputError(
        f"model is {shown(model)}; give what editkit.load_model gives, `builtin`, a folder or an id"
    )
