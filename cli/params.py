"""Options that several commands share, declared once."""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import click

from editkit.names import DTYPES, JPEG_MODES, PREFILLS, REGIONS, SEAMS, SOLVERS

from .offline import offline_option

Command = Callable[..., Any]

DEFAULT = "the model's recommendation"


class Number(click.FloatRange):
    """A number in a range; NaN, which no comparison finds outside, is refused too."""

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """The number that a text stands for."""
        number = float(super().convert(value, param, ctx))
        if math.isnan(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


class Words(click.ParamType[str]):
    """Text that a tokenizer can read; a shell hands over bytes of any kind."""

    name = "text"

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> str:
        """The text as it is."""
        try:
            str(value).encode()
        except UnicodeEncodeError:
            self.fail("the text is not UTF-8.", param, ctx)
        return str(value)


def _without_cache(context: click.Context, _: click.Parameter, value: bool) -> None:
    """Switches the cache of selections off for as long as the command runs."""
    if not value:
        return
    from editkit.masks.cache import OFF

    before = os.environ.get(OFF)
    os.environ[OFF] = "1"

    def restore() -> None:
        if before is None:
            del os.environ[OFF]
        else:
            os.environ[OFF] = before

    context.call_on_close(restore)


_CACHE = click.option(
    "--no-cache",
    is_flag=True,
    expose_value=False,
    callback=_without_cache,
    help="Neither use nor keep what selections found before.",
)
_EDIT = (
    click.option("--negative", type=Words(), default="", metavar="TEXT", help="What to avoid."),
    click.option(
        "--steps", type=click.IntRange(1, 1000), help=f"Steps of the schedule.  [{DEFAULT}]"
    ),
    click.option(
        "--guidance",
        type=Number(0, 100),
        help=f"How closely to follow the prompt; 1 is not at all pushed.  [{DEFAULT}]",
    ),
    click.option(
        "--guidance-rescale",
        type=Number(0, 1),
        default=0.0,
        help="How far to bring back the contrast that guidance adds.",
    ),
    click.option(
        "--guidance-interval",
        nargs=2,
        type=Number(0),
        default=(0.0, math.inf),
        metavar="LOW HIGH",
        help="Noise levels (sigma) that are guided; outside, half the work.  [all]",
    ),
    click.option(
        "--seed",
        type=click.IntRange(0, 2**63 - 1),
        default=0,
        show_default=True,
        help="Of all noise: the same seed gives the same picture.",
    ),
    click.option("--solver", type=click.Choice(SOLVERS), help=f"How steps are made.  [{DEFAULT}]"),
    click.option(
        "--work-size",
        type=click.IntRange(32, 8192),
        metavar="PX",
        help="Work on the area of a square of this side.  [the model's native size]",
    ),
)
_DEVICE = click.option(
    "--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1, mps."
)
_MODEL = (
    click.option(
        "-m",
        "--model",
        default="builtin",
        show_default=True,
        help="`builtin`, a folder in diffusers layout, or a Hugging Face id (owner/name).",
    ),
    _DEVICE,
    click.option(
        "--dtype",
        type=click.Choice(DTYPES),
        default="auto",
        show_default=True,
        help="Precision of the networks.",
    ),
    offline_option,
)
_PLACE = (
    click.option(
        "-o",
        "--output",
        metavar="FILE",
        help="Where to write; - is standard output.  [NAME.edit.EXT beside the input]",
    ),
)
_NUMBER = (
    click.option(
        "-n",
        "--num",
        type=click.IntRange(1, 1000),
        default=1,
        show_default=True,
        help="Variants, of seeds that follow; each file is named by its seed.",
    ),
    click.option(
        "--batch-size",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        metavar="N",
        help="Variants that share a call of the network, for GPUs: the last bits may depend on N.",
    ),
)
_FILE = (
    click.option("--force", is_flag=True, help="Replace an output that exists."),
    click.option(
        "--jpeg",
        type=click.Choice(JPEG_MODES),
        default="auto",
        show_default=True,
        help="Of a JPEG, keep all blocks without an edit in them; or encode all again.",
    ),
    click.option(
        "--provenance/--no-provenance",
        default=True,
        show_default=True,
        help="Write into the file's metadata what a model made, and how to repeat the edit.",
    ),
    click.option(
        "--keep-records",
        is_flag=True,
        help="Keep the records of earlier edits in the file, too, not the last alone.",
    ),
    click.option(
        "--strict", is_flag=True, help="Fail if a kept sample changes, or the seam shows."
    ),
    click.option(
        "--max-seam",
        type=Number(0),
        default=3.0,
        show_default=True,
        help="The seam score that --strict allows; 1 is no seam.",
    ),
    click.option(
        "--sign",
        nargs=2,
        type=click.Path(),
        metavar="CERTS KEY",
        help="Sign by C2PA, with a chain of certificates and its private key, both PEM.",
    ),
    click.option(
        "--json", "as_json", is_flag=True, help="Print a report, a line for each picture."
    ),
    click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors."),
)
_OUTPUT = (*_PLACE, *_NUMBER, *_FILE)
_GRAIN = click.option(
    "--grain",
    type=Number(0, 4),
    default=1.0,
    show_default=True,
    help="How much of the grain that the new part lacks to add; 0 is none.",
)
_OWN_GRAIN = click.option(
    "--grain",
    type=Number(0, 4),
    default=0.0,
    show_default=True,
    help="How much of the grain that EDITED lacks to add; 1 is all, for what a model painted "
    "without any.",
)
_HARMONY = (
    click.option(
        "--seam",
        type=click.Choice(SEAMS),
        help="How the new part passes into the photo, inside the mask.  [multiband]",
    ),
    click.option(
        "--feather",
        type=Number(0, 1000),
        metavar="PX",
        help="Let it pass by a feather of this width instead.  [2 with --seam feather]",
    ),
    _GRAIN,
    click.option(
        "--sharpen/--no-sharpen",
        default=False,
        show_default=True,
        help="Bring the new part to the sharpness of what is around it.",
    ),
    click.option(
        "--match/--no-match",
        default=True,
        show_default=True,
        help="Carry the photo's colors at the mask's edge into the new part.",
    ),
)
_MASKED = (
    click.option(
        "--strength",
        type=Number(0.01, 1),
        help="Share of the schedule that is walked; 1 starts from noise.  "
        f"[{DEFAULT}; with a --prefill, 0.75 if that is 1]",
    ),
    click.option(
        "--prefill",
        type=click.Choice(PREFILLS),
        help="Fill the hole by a classic method, and start from that; with none, from noise.  "
        f"[{DEFAULT}]",
    ),
    click.option(
        "--context",
        type=Number(0, 10),
        default=0.3,
        show_default=True,
        help="How much around the mask the model sees, as a share of the mask.",
    ),
    *_HARMONY,
    click.option(
        "--detail",
        type=Number(0, 1),
        help="Strength of the passes that paint what is larger than the model's native size once "
        f"more, in tiles at the photo's resolution; 0 is none.  [{DEFAULT}]",
    ),
    *(
        click.option(f"--{name}-mask", name, metavar="EXPR", help=text)
        for name, text in (
            ("denoise", "Where the sampler works: '~grow:8' refines MASK.  [MASK]"),
            ("condition", "What an inpainting model is told is missing.  [MASK]"),
            ("composite", "What reaches the photo; all else stays.  [MASK]"),
        )
    ),
    click.option(
        "--regions",
        type=click.Choice(REGIONS),
        default="auto",
        show_default=True,
        help="Work on each mark of the mask by itself, on all together, or on what fits together.",
    ),
    _CACHE,
)


def _stacked(options: Sequence[Callable[[Command], Command]]) -> Callable[[Command], Command]:
    def decorate(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


_INPUT = (
    click.option(
        "--frame",
        type=click.IntRange(0),
        help="Which picture of an animation or of a file of several pages, from 0 on.",
    ),
)
cache_option = _CACHE
"""For commands that evaluate masks and have all other options of theirs."""

mask_options = _stacked((_DEVICE, offline_option, _CACHE))
"""Where the models of a mask's expression run, and whether what they found is kept."""

model_options = _stacked(_MODEL)
"""Where and how a model runs."""

photo_options = _stacked((*_EDIT, *_MODEL, *_INPUT, *_OUTPUT))
"""Options of every edit of a whole photo."""

edit_options = _stacked((*_EDIT, *_MODEL, *_OUTPUT))
"""Options of every edit."""

masked_options = _stacked((*_MASKED, *_EDIT, *_MODEL, *_INPUT, *_OUTPUT))
"""Options of every edit inside a mask."""

home_options = _stacked(
    (*(_OWN_GRAIN if option is _GRAIN else option for option in _HARMONY), *_INPUT, *_PLACE, *_FILE)
)
"""Options of bringing home an edit made elsewhere, which no model makes."""
