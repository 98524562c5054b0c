"""Keywords of the functions, for type checkers and editors.

Written by `python -m editkit.ops.reference` from the options of the edits: do not edit.
"""

from typing import TypedDict

from editkit.boxes import Size
from editkit.ops.hooks import Hooks


class InpaintOptions(Hooks, total=False):
    """Options of `Inpaint`."""

    negative: str
    steps: int | None
    guidance: float | None
    guidance_rescale: float
    guidance_interval: tuple[float, float]
    seed: int | None
    work_size: int | None
    compat: bool
    strength: float | None
    prefill: str | None
    context: float
    match: bool
    seam: str | None
    feather: float | None
    grain: float
    sharpen: bool
    denoise_mask: str | None
    condition_mask: str | None
    composite_mask: str | None
    regions: str
    detail: float | None
    blend_known: bool


class EraseOptions(Hooks, total=False):
    """Options of `Erase`."""

    negative: str
    steps: int | None
    guidance: float | None
    guidance_rescale: float
    guidance_interval: tuple[float, float]
    seed: int | None
    work_size: int | None
    compat: bool
    strength: float | None
    prefill: str | None
    context: float
    match: bool
    seam: str | None
    feather: float | None
    grain: float
    sharpen: bool
    denoise_mask: str | None
    condition_mask: str | None
    composite_mask: str | None
    regions: str
    detail: float | None
    blend_known: bool


class OutpaintOptions(Hooks, total=False):
    """Options of `Outpaint`."""

    negative: str
    steps: int | None
    guidance: float | None
    guidance_rescale: float
    guidance_interval: tuple[float, float]
    seed: int | None
    work_size: int | None
    compat: bool
    strength: float | None
    prefill: str | None
    context: float
    match: bool
    seam: str | None
    feather: float | None
    grain: float
    sharpen: bool
    denoise_mask: str | None
    condition_mask: str | None
    composite_mask: str | None
    regions: str
    detail: float | None
    blend_known: bool
    left: int | str
    right: int | str
    top: int | str
    bottom: int | str
    size: Size | None
    aspect: str | None
    anchor: str | None


class Img2ImgOptions(Hooks, total=False):
    """Options of `Img2Img`."""

    negative: str
    steps: int | None
    guidance: float | None
    guidance_rescale: float
    guidance_interval: tuple[float, float]
    seed: int | None
    work_size: int | None
    compat: bool
    strength: float


class ResampleOptions(Hooks, total=False):
    """Options of `Resample`."""

    negative: str
    steps: int | None
    guidance: float | None
    guidance_rescale: float
    guidance_interval: tuple[float, float]
    seed: int | None
    work_size: int | None
    compat: bool
    strength: float | None
    prefill: str | None
    context: float
    match: bool
    seam: str | None
    feather: float | None
    grain: float
    sharpen: bool
    denoise_mask: str | None
    condition_mask: str | None
    composite_mask: str | None
    regions: str
    detail: float | None
    jump: int
    repeats: int


class GenerateOptions(Hooks, total=False):
    """Options of `Generate`."""

    negative: str
    steps: int | None
    guidance: float | None
    guidance_rescale: float
    guidance_interval: tuple[float, float]
    seed: int | None
    work_size: int | None
    compat: bool
    size: Size | None


class CompositeOptions(TypedDict, total=False):
    """Options of `Composite`."""

    motion: str
    threshold: float
    grow: int | None
    drift: bool
    match: bool
    seam: str | None
    feather: float | None
    grain: float
    sharpen: bool
    made_by: str
    seed: int | None
