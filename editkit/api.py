"""The one-line forms: read, load, edit.

A model given by name is loaded for this one call; for more than one edit load it once with
`load_model` and pass it.
"""

import os
from dataclasses import fields
from typing import TYPE_CHECKING, Any, TypeAlias, Unpack, cast

from editkit.errors import InputError
from editkit.keywords import called_by_name
from editkit.masks.roles import MaskLike
from editkit.models.builtin import BUILTIN
from editkit.models.registry import load_model
from editkit.ops.composite import Composite
from editkit.ops.erase import Erase
from editkit.ops.fill import Fill, check_eraser
from editkit.ops.generate import Generate
from editkit.ops.hooks import split_hooks
from editkit.ops.img2img import Img2Img
from editkit.ops.inpaint import Inpaint
from editkit.ops.option_types import (
    CompositeOptions,
    EraseOptions,
    GenerateOptions,
    Img2ImgOptions,
    InpaintOptions,
    OutpaintOptions,
    ResampleOptions,
)
from editkit.ops.outpaint import Outpaint
from editkit.ops.resample import Resample
from editkit.ops.result import Result
from editkit.options import renamed
from editkit.photo.io.files import Photo, PhotoLike

if TYPE_CHECKING:
    from editkit.models.base import Model

ModelLike: TypeAlias = "Model | str | os.PathLike[str]"
"""A loaded model, or what `load_model` takes."""


@called_by_name
def inpaint(
    photo: PhotoLike | Photo,
    mask: MaskLike,
    prompt: str = "",
    *,
    model: "ModelLike" = BUILTIN,
    **options: Unpack[InpaintOptions],
) -> Result:
    """The photo with its masked area repainted, and everything else as it was.

    Args:
        photo: a path, a file, a Pillow image, an array (H, W[, C]) or a tensor (C, H, W).
        mask: the same, of the photo's size; white may change, black stays.
        prompt: what to paint.
        model: a loaded model, or the name of one.
        options: fields of `Inpaint`, and `Hooks`: the caller's own guide, constraints, solver and
            callback.

    Raises:
        InputError: an option, the photo or the mask cannot be used.
        ModelError: the model cannot be found or loaded.
        DeviceError: the device is absent or out of memory.
    """
    given, hooks = split_hooks(options)
    return Inpaint(prompt, **given)(loaded(model), photo, mask, **hooks)


@called_by_name
def erase(
    photo: PhotoLike | Photo,
    mask: MaskLike,
    *,
    method: str = "diffusion",
    model: "ModelLike | None" = None,
    **options: Unpack[EraseOptions],
) -> Result:
    """The photo with what the mask covers replaced by what might be behind it.

    Args:
        photo: a path, a file, a Pillow image, an array (H, W[, C]) or a tensor (C, H, W).
        mask: the same, of the photo's size; white is erased, black stays.
        method: `diffusion`, or a classical one that needs no model: `telea`, `ns`, `biharmonic`,
            `patchmatch`.
        model: a loaded model, or the name of one, for diffusion; the built-in one unless given.
        options: fields of `Erase`; of `Fill`, for classical methods.

    Raises:
        InputError: an option, the photo or the mask cannot be used.
        ModelError: the model cannot be found or loaded.
        DeviceError: the device is absent or out of memory.
    """
    check_eraser(method)
    given, hooks = split_hooks(options)
    if method != "diffusion":
        given = renamed(Fill, given)
        unknown = sorted(set(given) - {f.name for f in fields(Fill)})
        if unknown:
            raise InputError(f"{method} takes no {unknown[0]}; leave it out, or use diffusion")
        return Fill(method, **given)(photo, mask, **hooks)
    return Erase(**given)(loaded(model), photo, mask, **hooks)


@called_by_name
def outpaint(
    photo: PhotoLike | Photo,
    prompt: str = "",
    *,
    model: "ModelLike" = BUILTIN,
    **options: Unpack[OutpaintOptions],
) -> Result:
    """The photo as it was in a larger frame, with new content around it.

    Args:
        photo: a path, a file, a Pillow image, an array (H, W[, C]) or a tensor (C, H, W).
        prompt: what to paint.
        model: a loaded model, or the name of one.
        options: fields of `Outpaint`: what to add, and how.

    Raises:
        InputError: an option or the photo cannot be used.
        ModelError: the model cannot be found or loaded.
        DeviceError: the device is absent or out of memory.
    """
    given, hooks = split_hooks(options)
    return Outpaint(prompt, **given)(loaded(model), photo, **hooks)


@called_by_name
def resample(
    photo: PhotoLike | Photo,
    mask: MaskLike,
    prompt: str = "",
    *,
    model: "ModelLike" = BUILTIN,
    **options: Unpack[ResampleOptions],
) -> Result:
    """The photo with its masked area repainted by RePaint's resampling: see `inpaint`.

    Raises:
        InputError: an option, the photo or the mask cannot be used.
        ModelError: the model cannot be found or loaded.
        DeviceError: the device is absent or out of memory.
    """
    given, hooks = split_hooks(options)
    return Resample(prompt, **given)(loaded(model), photo, mask, **hooks)


@called_by_name
def img2img(
    photo: PhotoLike | Photo,
    prompt: str = "",
    *,
    model: "ModelLike" = BUILTIN,
    **options: Unpack[Img2ImgOptions],
) -> Result:
    """The whole photo repainted, as far as `strength` allows.

    Raises:
        InputError: an option or the photo cannot be used.
        ModelError: the model cannot be found or loaded.
        DeviceError: the device is absent or out of memory.
    """
    given, hooks = split_hooks(options)
    return Img2Img(prompt, **given)(loaded(model), photo, **hooks)


@called_by_name
def generate(
    prompt: str,
    *,
    model: "ModelLike" = BUILTIN,
    **options: Unpack[GenerateOptions],
) -> Result:
    """A picture painted from a prompt alone.

    Raises:
        InputError: an option cannot be used.
        ModelError: the model cannot be found or loaded.
        DeviceError: the device is absent or out of memory.
    """
    given, hooks = split_hooks(options)
    return Generate(prompt, **given)(loaded(model), **hooks)


@called_by_name
def composite(
    original: PhotoLike | Photo,
    edited: PhotoLike | Photo,
    mask: MaskLike | None = None,
    **options: Unpack[CompositeOptions],
) -> Result:
    """The original with only that changed that an edit made elsewhere changed.

    Args:
        original: a path, a file, a Pillow image, an array (H, W[, C]) or a tensor (C, H, W).
        edited: the same, after the edit; size, place and colors may have drifted.
        mask: where the edit is, of the original's size; found unless given.
        options: fields of `Composite`.

    Raises:
        InputError: an option or a picture cannot be used, or the two do not lie on each other.
        MaskError: nothing changed, or the mask cannot be used.
    """
    return Composite(**cast("dict[str, Any]", options))(original, edited, mask)


def loaded(model: "ModelLike | None") -> "Model":
    """The model, loaded if it was named; the built-in one where None was given.

    Raises:
        InputError: it is no model.
        ModelError: it cannot be found or loaded.
    """
    if model is None:
        return load_model(BUILTIN)
    if isinstance(model, str | os.PathLike):
        return load_model(model)
    from editkit.models.base import check_model

    check_model(model)
    return model
