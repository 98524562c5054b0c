"""Photo editing and inpainting by diffusion that leaves every other pixel as it was.

    import editkit

    editkit.inpaint("photo.jpg", "mask.png", "a red door").save("door.jpg")

Everything heavy is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from editkit._version import __version__
from editkit.errors import (
    BatchError,
    DeviceError,
    EditkitError,
    ImageError,
    InputError,
    MaskError,
    ModelError,
    ModelLoadError,
    PreservationError,
    RecipeError,
    UnknownModelError,
    UnsupportedEditError,
)

if TYPE_CHECKING:
    from editkit.api import composite, erase, generate, img2img, inpaint, outpaint, resample
    from editkit.masks.roles import Masks
    from editkit.masks.value import Mask
    from editkit.models.registry import load_model
    from editkit.ops.composite import Composite
    from editkit.ops.erase import Erase
    from editkit.ops.generate import Generate
    from editkit.ops.img2img import Img2Img
    from editkit.ops.inpaint import Inpaint
    from editkit.ops.outpaint import Outpaint
    from editkit.ops.resample import Resample
    from editkit.ops.result import Result
    from editkit.types import Size

__all__ = [
    "BatchError",
    "Composite",
    "DeviceError",
    "EditkitError",
    "Erase",
    "Generate",
    "ImageError",
    "Img2Img",
    "Inpaint",
    "InputError",
    "Mask",
    "MaskError",
    "Masks",
    "ModelError",
    "ModelLoadError",
    "Outpaint",
    "PreservationError",
    "RecipeError",
    "Resample",
    "Result",
    "Size",
    "UnknownModelError",
    "UnsupportedEditError",
    "__version__",
    "composite",
    "erase",
    "generate",
    "img2img",
    "inpaint",
    "load_model",
    "outpaint",
    "resample",
]

_HOMES = {
    "Mask": "editkit.masks.value",
    "Masks": "editkit.masks.roles",
    "Result": "editkit.ops.result",
    "Size": "editkit.boxes",
    "load_model": "editkit.models.registry",
}
"""Modules of names; those of edits are in the catalog."""


def _home_of(name: str) -> str:
    """The module that a name is imported from."""
    if name in _HOMES:
        return _HOMES[name]
    from editkit.ops.catalog import BY_CLASS, CATALOG

    if name in BY_CLASS:
        return "editkit.ops.catalog"
    if name in CATALOG:
        return "editkit.api"
    raise AttributeError(f"module 'editkit' has no attribute {name!r}")


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    from editkit.imports import uncollected

    with uncollected():
        value = getattr(importlib.import_module(_home_of(name)), name)
    # `editkit.ops.inpaint` and the function of that name are different things; keep ours.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
