"""Conditions: the inputs of a denoising network besides the noisy latents."""

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from editkit.diffusion.guides import Branch
from editkit.diffusion.views import Window, enlarged
from editkit.tensors import LatentMask, Latents, Pixels
from editkit.types import Size

TEXT = "text"
HOLE = "hole"
REFERENCES = "references"
CONTROLS = "controls"
CROP = "crop"


@dataclass(frozen=True)
class Text:
    """A prompt, and a negative prompt: the subject to avoid."""

    prompt: str
    negative: str = ""

    def of(self, branch: Branch) -> str:
        """The text of a guide's branch; empty where the branch drops it."""
        if TEXT in branch.drop:
            return ""
        return self.negative if branch.negative else self.prompt


@dataclass(frozen=True, eq=False)
class TextEmbedding:
    """A text as its encoders give it.

    Attributes:
        tokens: `(1, tokens, width)`.
        pooled: `(1, width)`, for families that take a summary of the text, too.
        mask: `(1, tokens)`, True at tokens of the text, for families that skip the padding.
    """

    tokens: Tensor
    pooled: Tensor | None = None
    mask: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Hole:
    """The inputs of an inpainting model: the hole, and the picture without it.

    Attributes:
        mask: 1 where the picture is missing.
        masked_latents: the encoded picture, mid-gray inside the hole.
    """

    mask: LatentMask
    masked_latents: Latents

    def cut(self, window: Window) -> "Hole":
        """The hole in a window of the latents."""
        return Hole(self.mask[..., *window], self.masked_latents[..., *window])


@dataclass(frozen=True, eq=False)
class Reference:
    """A picture to go by: of an instruction edit, or of a subject or a style.

    Attributes:
        pixels: the picture, in [-1, 1].
        spatial: whether it has the size of the output and lies over it, pixel for pixel.
    """

    pixels: Pixels
    spatial: bool = False


@dataclass(frozen=True, eq=False)
class Control:
    """A map that guides the layout, of the size of the output (ControlNet, arXiv 2302.05543).

    Attributes:
        kind: name of the map: `canny`, `depth`, `pose` and so on.
        pixels: the map, in [0, 1].
        scale: strength of its effect; 1 is the strength that it was trained at.
    """

    kind: str
    pixels: Pixels
    scale: float = 1.0


@dataclass(frozen=True)
class Crop:
    """The place of the output in a larger picture, in pixels (SDXL, arXiv 2307.01952, section 2.2).

    Attributes:
        original: size of the larger picture.
        top: first row of the output in it.
        left: first column.
        size: size of the output.
    """

    original: Size
    top: int
    left: int
    size: Size


@dataclass(frozen=True, eq=False)
class Conditions:
    """All inputs of a network besides the noisy latents and the noise level.

    A model raises `UnsupportedEditError` for a condition that it does not take.

    Attributes:
        text: the prompts.
        hole: the input of inpainting models; None for other models.
        guidance: guidance scale, for models that take it as an input.
        references: pictures to go by.
        controls: maps that guide the layout.
        crop: the place in a larger picture, for models that were trained with it.
    """

    text: Text
    hole: Hole | None = None
    guidance: float = 1.0
    references: tuple[Reference, ...] = ()
    controls: tuple[Control, ...] = ()
    crop: Crop | None = None

    def cut(self, window: Window, cell: int) -> "Conditions":
        """The conditions of a window: spatial ones are cut, all others stay whole.

        Args:
            window: rows and columns of the latents.
            cell: side in pixels of the square that one latent stands for.
        """
        pixels = enlarged(window, cell)
        return replace(
            self,
            hole=self.hole and self.hole.cut(window),
            references=tuple(
                replace(r, pixels=r.pixels[..., *pixels]) if r.spatial else r
                for r in self.references
            ),
            controls=tuple(replace(c, pixels=c.pixels[..., *pixels]) for c in self.controls),
            crop=self.crop and _moved(self.crop, pixels),
        )

    def signature(self) -> tuple[Any, ...]:
        """Equal for conditions that can share one network call; texts and pictures may differ."""
        return (
            self.hole is None,
            self.guidance,
            tuple((r.spatial, tuple(r.pixels.shape)) for r in self.references),
            tuple((c.kind, c.scale, tuple(c.pixels.shape)) for c in self.controls),
            self.crop is None,
        )

    @property
    def names(self) -> frozenset[str]:
        """The kinds of conditions that are given, but for the text."""
        given = (HOLE, self.hole), (REFERENCES, self.references), (CONTROLS, self.controls)
        crop = frozenset({CROP} if self.crop else ())
        return crop | {name for name, value in given if value}


def _moved(crop: Crop, pixels: Window) -> Crop:
    rows, columns = pixels
    size = Size(rows.stop - rows.start, columns.stop - columns.start)
    return replace(crop, top=crop.top + rows.start, left=crop.left + columns.start, size=size)
