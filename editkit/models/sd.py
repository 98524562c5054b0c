"""Models in Stable Diffusion's layout: a UNet, a CLIP text encoder and a KL autoencoder.

Reads UNets of 4 channels, of 9 channels (inpainting), and those that take the guidance scale as an
input.
"""

import re
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from accelerate import init_empty_weights
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from editkit.diffusion.guides import Branch, Cfg, Guide
from editkit.diffusion.levels import Schedule
from editkit.diffusion.solvers import Solver
from editkit.errors import (
    EditkitError,
    InputError,
    ModelLoadError,
    UnsupportedEditError,
    first_line,
    is_out_of_memory,
)
from editkit.models.base import Capabilities, Request, check_supported
from editkit.models.batch_invariant import split_matmuls
from editkit.models.builtin import BUILTIN, builtin_folder
from editkit.models.conditions import Conditions, Text, TextEmbedding
from editkit.models.config_checks import check_weights
from editkit.models.fingerprint import weights_digest
from editkit.models.schedules import Config, build_schedule
from editkit.models.settings import Settings, read_settings, read_table
from editkit.tensors import Latents, Pixels, State
from editkit.types import Size

# A batch of many photos may have a prompt for each.
_REMEMBERED = 64
_LARGEST_MULTIPLE = 1024
_APART = re.compile(r"[\s!-/:-@\[-`{-~]+")
"""Separators of words: spaces, and the punctuation of ASCII."""


@dataclass
class StableDiffusion:
    """A latent diffusion model of Stable Diffusion's layout, in its own latent scaling."""

    name: str
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    tokenizer: CLIPTokenizer
    scheduler: Config
    settings: Settings
    folder: Path
    _digest: str = field(default="", repr=False)
    _embeddings: dict[str, TextEmbedding] = field(
        default_factory=dict[str, TextEmbedding], repr=False
    )

    def __post_init__(self) -> None:
        for module in (self.unet, self.vae, self.text_encoder):
            module.eval().requires_grad_(requires_grad=False)
        if self.device.type == "cpu":
            # Convolutions need this layout; a change inside each took 6 % of an edit's time.
            for module in (self.unet, self.vae):
                module.to(memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

    @property
    def weights(self) -> str:
        """SHA-256 of the weight files, computed once."""
        if not self._digest:
            self._digest = weights_digest(self.folder)
        return self._digest

    @property
    def device(self) -> torch.device:
        """The device of the networks."""
        # `unet.device` is slow: it looks for a hook at every layer.
        return next(self.unet.parameters()).device

    @property
    def capabilities(self) -> Capabilities:
        """The conditions of the UNet; 9 channels are latents, a mask and the masked picture."""
        inpainting = self.unet.config["in_channels"] == 9
        distilled = self.unet.config["time_cond_proj_dim"] is not None
        return Capabilities(text=True, inpainting=inpainting, guidance_input=distilled)

    @property
    def latent_cell(self) -> int:
        """Pixels to a latent; the autoencoder halves the picture between its blocks."""
        return 2 ** (len(self.vae.config["block_out_channels"]) - 1)

    @property
    def multiple(self) -> int:
        """Pixels in the smallest picture whose latents halve as often as the UNet needs."""
        return self.latent_cell * 2 ** (len(self.unet.config["block_out_channels"]) - 1)

    def latent_shape(self, size: Size, batch: int = 1) -> tuple[int, int, int, int]:
        """Shape of the latents of a picture of `size`, a multiple of `multiple`."""
        cell = self.latent_cell
        return batch, self.vae.config["latent_channels"], size.height // cell, size.width // cell

    @torch.inference_mode()
    def encode(self, pixels: Pixels, noise: Latents) -> Latents:
        """Float32 latents of pixels in [-1, 1]; `noise` of zeros takes the posterior's mode."""
        with _computed_by(self.name, "vae"):
            posterior = self.vae.encode(self._to(pixels, self.vae), return_dict=False)[0]
        latents = posterior.mean + posterior.std * noise.to(posterior.std)
        shift, scale = self._latent_scaling()
        return (latents.float() - shift) * scale

    @torch.inference_mode()
    def decode(self, latents: Latents) -> Pixels:
        """Float32 pixels of clean latents, about [-1, 1]."""
        shift, scale = self._latent_scaling()
        unscaled = self._to(latents / scale + shift, self.vae)
        given = cast("torch.FloatTensor", unscaled)
        with _computed_by(self.name, "vae"):
            return self.vae.decode(given, return_dict=False)[0].float()

    def _latent_scaling(self) -> tuple[float, float]:
        return self.vae.config["shift_factor"] or 0.0, self.vae.config["scaling_factor"]

    def schedule(self, solver: str, steps: int, size: Size) -> tuple[Schedule, Solver]:
        """Levels from the model's own scheduler configuration, the same for all sizes."""
        del size
        return build_schedule(self.scheduler, solver, steps)

    def guide(self, text: Text, wanted: Cfg) -> Guide:
        """Classifier-free guidance; none where the scale is an input, or has no effect."""
        # Equal texts get equal answers, at twice the cost.
        unguided = self.capabilities.guidance_input or text.prompt == text.negative
        return replace(wanted, scale=1.0) if unguided else wanted

    def check(self, conditions: Conditions, branches: Iterable[Branch]) -> None:
        """Checks the conditions, and embeds all texts, so that a bad one fails before the walk."""
        branches = tuple(branches)
        check_supported(self.name, self.capabilities, conditions, branches)
        for branch in branches:
            self.embed(conditions.text.of(branch))

    @torch.inference_mode()
    def predict(self, requests: Sequence[Request]) -> list[Sequence[State]]:
        """One call of the UNet, with a row for each branch of each state of each request."""
        for request in requests:
            check_supported(self.name, self.capabilities, request.conditions, request.branches)
        counts = [len(r.x) * len(r.branches) for r in requests]
        times = [r.level.t for r, n in zip(requests, counts, strict=True) for _ in range(n)]
        split = split_matmuls(counts) if self.device.type == "cpu" else nullcontext()
        with _computed_by(self.name, "unet"), split:
            out = self.unet(
                self._to(torch.cat([self._inputs(r) for r in requests]), self.unet),
                torch.tensor(times, device=self.device),
                encoder_hidden_states=torch.cat([self._tokens(r) for r in requests]),
                timestep_cond=self._guidance_input(requests[0].conditions.guidance),
                return_dict=False,
            )[0]
        return [
            rows.float().to(r.x.device).chunk(len(r.branches))
            for r, rows in zip(requests, out.split(counts), strict=True)
        ]

    def _inputs(self, request: Request) -> Tensor:
        """The states with their inpainting channels, once for each branch."""
        x, hole = request.x, request.conditions.hole
        if hole is None and self.capabilities.inpainting:
            raise UnsupportedEditError(f"{self.name} is an inpainting model; give it a hole")
        if hole is not None:
            known = torch.cat([hole.mask, hole.masked_latents], dim=1)
            x = torch.cat([x, known.to(x).expand(len(x), -1, -1, -1)], 1)
        return torch.cat([x] * len(request.branches))

    def _tokens(self, request: Request) -> Tensor:
        """The text embeddings: for each branch one row for each state."""
        text, count = request.conditions.text, len(request.x)
        tokens = [self.embed(text.of(branch)).tokens for branch in request.branches]
        return torch.cat([t.expand(count, -1, -1) for t in tokens])

    def _guidance_input(self, guidance: float) -> Tensor | None:
        """Sinusoidal embedding of the guidance scale, for models with that input.

        arXiv 2310.04378 (latent consistency models), section 4.3; as diffusers embeds it.
        """
        width = self.unet.config["time_cond_proj_dim"]
        if width is None:
            return None
        half = width // 2
        rates = torch.exp(torch.arange(half) * -(torch.tensor(10000.0).log() / (half - 1)))
        angles = 1000.0 * (guidance - 1) * rates
        embedding = torch.cat([angles.sin(), angles.cos(), torch.zeros(width % 2)])
        return self._to(embedding[None], self.unet)

    @torch.inference_mode()
    def embed(self, text: str) -> TextEmbedding:
        """Tokens `(1, tokens, width)` of a text, padded; the latest texts are cached."""
        if text not in self._embeddings:
            if len(self._embeddings) >= _REMEMBERED:
                self._embeddings.pop(next(iter(self._embeddings)))
            limit = self._room
            words = self.tokenizer(
                text, padding="max_length", max_length=limit, truncation=True, return_tensors="pt"
            )
            masked = getattr(self.text_encoder.config, "use_attention_mask", False)
            mask = words.attention_mask.to(self.device) if masked else None
            out = self.text_encoder(words.input_ids.to(self.device), attention_mask=mask)
            self._embeddings[text] = TextEmbedding(self._to(out[0], self.unet))
        return self._embeddings[text]

    def truncated_prompt(self, prompt: str) -> str:
        """The end of a prompt beyond the length of the text encoder."""
        limit = self._room
        ids = self.tokenizer(prompt, truncation=False, verbose=False).input_ids
        rest = "" if len(ids) <= limit else self.tokenizer.decode(ids[limit - 1 : -1])
        return str(rest).strip()

    def unknown_words(self, prompt: str) -> list[str]:
        """Words that need the tokenizer's token for unknown text."""
        if self.tokenizer.unk_token is None:
            return []
        nothing = self.tokenizer.unk_token_id
        words = dict.fromkeys(_APART.split(prompt))
        return [word for word in words if word and nothing in self._ids(word)]

    def _ids(self, word: str) -> list[int]:
        return self.tokenizer(word, add_special_tokens=False, verbose=False).input_ids

    @property
    def _room(self) -> int:
        """Tokens that the text encoder reads; not every tokenizer has the number."""
        places = self.text_encoder.config.max_position_embeddings
        return min(self.tokenizer.model_max_length, places)

    def _to(self, x: Tensor, module: torch.nn.Module) -> Tensor:
        first = next(module.parameters())
        return x.to(first.device, first.dtype)


@contextmanager
def _computed_by(name: str, part: str) -> Generator[None]:
    """A context that turns errors inside a network into one line, but for the built-in model.

    Raises:
        ModelLoadError: the network does not compute.
    """
    try:
        yield
    except EditkitError:
        raise
    except Exception as error:
        if name == BUILTIN or is_out_of_memory(error):
            raise
        told = f"{name} cannot be used: its {part} does not compute: {first_line(error)}"
        raise ModelLoadError(told) from error


def load_stable_diffusion(
    name: str, folder: Path, device: torch.device, dtype: torch.dtype
) -> StableDiffusion:
    """The model in a folder of diffusers layout; safetensors only.

    Raises:
        ModelLoadError, OSError, ValueError: a part is missing or damaged (`registry` words it).
    """
    autoencoder = read_table(folder / "vae" / "config.json")
    _check_channels(name, read_table(folder / "unet" / "config.json"), autoencoder)
    # Some autoencoders overflow in half precision; their configuration has a flag for it.
    vae_dtype = torch.float32 if autoencoder.get("force_upcast", True) else dtype
    scheduler = read_table(folder / "scheduler" / "scheduler_config.json")
    settings = read_settings(folder)
    with suppress(InputError):  # the number of steps is checked at each edit
        build_schedule(scheduler, settings.solver, settings.steps)
    if folder != builtin_folder():
        _check_weights(name, folder)
    model = StableDiffusion(
        name=name,
        unet=_load(UNet2DConditionModel, folder / "unet", torch_dtype=dtype).to(device),
        vae=_load(AutoencoderKL, folder / "vae", torch_dtype=vae_dtype).to(device),
        text_encoder=_load(CLIPTextModel, folder / "text_encoder", dtype=dtype).to(device),
        tokenizer=CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True),
        scheduler=scheduler,
        settings=settings,
        folder=folder,
    )
    if model.multiple > _LARGEST_MULTIPLE:
        raise ModelLoadError(f"{name} wants sides of multiples of {model.multiple} pixels")
    model.embed("")  # shows a damaged tokenizer now
    return model


def _check_weights(name: str, folder: Path) -> None:
    """Refuses networks larger than their files, before memory is taken for them."""
    kinds: dict[str, Any] = {"unet": UNet2DConditionModel, "vae": AutoencoderKL}
    for part, kind in kinds.items():
        with init_empty_weights():
            network = kind.from_config(kind.load_config(folder / part))
        check_weights(name, folder / part, sum(p.numel() for p in network.parameters()))
    with init_empty_weights():
        words = CLIPTextModel(CLIPTextConfig.from_pretrained(folder / "text_encoder"))
    count = sum(p.numel() for p in words.parameters())
    check_weights(name, folder / "text_encoder", count)


def _check_channels(name: str, unet: Config, autoencoder: Config) -> None:
    """Refuses UNets with further inputs: depth, another picture, an upscaling."""
    channels, latents = unet.get("in_channels", 4), autoencoder.get("latent_channels", 4)
    if channels not in (latents, 2 * latents + 1):
        wanted = f"{latents} (latents) or {2 * latents + 1} (inpainting)"
        raise ModelLoadError(
            f"{name} has a UNet of {channels} input channels; give one of {wanted}"
        )


def _load(kind: type[Any], folder: Path, **dtype: torch.dtype) -> Any:  # noqa: ANN401
    """A network from a folder, with all weights: both libraries would invent missing ones."""
    network, info = kind.from_pretrained(
        folder, use_safetensors=True, local_files_only=True, output_loading_info=True, **dtype
    )
    if info["missing_keys"]:
        raise ValueError(f"{folder.name} lacks the weight {sorted(info['missing_keys'])[0]}")
    return network
