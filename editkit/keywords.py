"""Arguments given by keyword: their names, and what other tools call them. Imports no torch."""

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Mapping
from typing import ParamSpec, TypeVar

from editkit.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")

_PROGRESS = "watch, which is called with a Step after every network call, or progress"
_LEAVE = "nothing: leave it out"

_MEANT: Mapping[str, str] = {
    "image": "photo",
    "img": "photo",
    "init_image": "photo",
    "input_image": "photo",
    "mask_image": "mask",
    "mask_img": "mask",
    "num_inference_steps": "steps",
    "num_steps": "steps",
    "inference_steps": "steps",
    "guidance_scale": "guidance",
    "cfg": "guidance",
    "cfg_scale": "guidance",
    "negative_prompt": "negative",
    "generator": "seed, a whole number",
    "random_state": "seed, a whole number",
    "scheduler": "solver",
    "sampler": "solver",
    "sampler_name": "solver",
    "denoising_strength": "strength",
    "denoise_strength": "strength",
    "height": "size=editkit.Size(height, width) of generate and outpaint, work_size elsewhere",
    "width": "size=editkit.Size(height, width) of generate and outpaint, work_size elsewhere",
    "num_images_per_prompt": "seed: call once for each picture",
    "num_images": "seed: call once for each picture",
    "num_samples": "seed: call once for each picture",
    "mask_blur": "feather",
    "padding_mask_crop": "context",
    "callback": _PROGRESS,
    "callback_on_step_end": _PROGRESS,
    "pipe": "model",
    "pipeline": "model",
    "model_id": "model",
    "pretrained_model_name_or_path": "model, or load_model(name)",
    "torch_dtype": "dtype of load_model, and model=load_model(...) here",
    "dtype": "dtype of load_model, and model=load_model(...) here",
    "device": "device of load_model, and model=load_model(...) here",
    "output_type": f"{_LEAVE}; result.image is a Pillow image",
    "return_dict": f"{_LEAVE}; result.image is a Pillow image",
    "eta": "solver: ddim has an eta of 0, ddpm of 1",
    "safety_checker": _LEAVE,
    "clip_skip": _LEAVE,
    "cross_attention_kwargs": _LEAVE,
    "output": "result.save(path)",
    "jpeg": "result.save(path, saving=editkit.ops.output.Saving(...))",
    "offline": "offline of load_model, and model=load_model(...) here",
}
"""What other tools call an option, and what to use here."""


def check_names(what: str, given: Collection[str], known: Collection[str]) -> None:
    """Checks keywords.

    Raises:
        InputError: one is unknown; the message names what was probably meant.
    """
    for name in given:
        if name in known:
            continue
        close = difflib.get_close_matches(name, known, 1)
        meant = _MEANT.get(name) or (close[0] if close else "")
        advice = f"use {meant}" if meant else f"it takes {', '.join(sorted(known))}"
        raise InputError(f"{what} takes no {name!r}; {advice}")


def called_by_name(function: Callable[P, R]) -> Callable[P, R]:
    """The function, with InputError for arguments that are missing or called otherwise."""
    signature = inspect.signature(function)
    own = [p.name for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    open_ended = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())

    @functools.wraps(function)
    def call(*args: P.args, **given: P.kwargs) -> R:
        foreign = [name for name in given if name in _MEANT or not open_ended]
        check_names(function.__name__, foreign, own)
        try:
            signature.bind(*args, **given)
        except TypeError as error:
            raise InputError(f"{function.__name__}: {error}; it takes {', '.join(own)}") from error
        return function(*args, **given)

    return call
