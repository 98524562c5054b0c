"""`editkit composite`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editkit.names import MAKERS, MOTIONS

from .command_run import STDIO, Job, MaskText, given_mask, read_source
from .params import Number, home_options
from .silence import hushed

if TYPE_CHECKING:
    from editkit.masks.read import Reading
    from editkit.photo.io.files import Photo


@click.command()
@click.argument("original")
@click.argument("edited")
@click.argument("mask", required=False)
@click.option(
    "--motion",
    type=click.Choice(MOTIONS),
    default="auto",
    show_default=True,
    help="How EDITED may lie on ORIGINAL: the simplest that explains it, or this.",
)
@click.option(
    "--no-register", "motion", flag_value="none", help="Lay it frame on frame: --motion none."
)
@click.option(
    "--threshold",
    type=Number(0.1, 1000),
    default=5.0,
    show_default=True,
    help="How many times the usual difference of the rest is a change.",
)
@click.option(
    "--grow",
    type=click.IntRange(0, 1000),
    metavar="PX",
    help="Added around what was found.  [2, or a pixel of EDITED]",
)
@click.option(
    "--drift/--no-drift",
    default=True,
    show_default=True,
    help="Undo the change of color that all of EDITED went through.",
)
@click.option("--mask-out", metavar="FILE", help="Write the area, as a mask, white where edited.")
@click.option(
    "--made-by",
    type=click.Choice(("auto", *MAKERS)),
    default="auto",
    show_default=True,
    help="Who made the edit, for the metadata: a model, a person by hand, a montage of photos; "
    "auto believes EDITED's own metadata, else says unknown.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**63 - 1),
    default=0,
    show_default=True,
    help="Of grain and dither.",
)
@home_options
def composite(
    original: str,
    edited: str,
    mask: str | None,
    frame: int | None,
    mask_out: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Bring an edit made elsewhere home: ORIGINAL with only that changed that EDITED changed.

    EDITED is what another program or a model on the web made of ORIGINAL; it may be of another
    size, moved, a little turned, cropped or padded, of another cast, format and depth. It is
    registered to ORIGINAL, what changed is found (or is MASK: see `editkit inpaint`), the colors
    are brought back, and that area alone is passed into ORIGINAL, which keeps all else: samples,
    blocks of JPEG, format, profile, depth and metadata. One of the files may be -.

    IPTC's DigitalSourceType is set by --made-by: compositeWithTrainedAlgorithmicMedia, humanEdits,
    compositeCapture, or composite where nobody knows. `editkit info EDITED` prints what EDITED says
    of itself.
    """
    from editkit.errors import InputError

    if [original, edited, mask].count(STDIO) > 1:
        raise InputError("only one of ORIGINAL, EDITED and MASK can be -; give files")
    job = Job.take(options)
    photo, copy = read_source(original, frame), read_source(edited)
    given = None if mask is None else given_mask(mask)
    area = None if given is None else _area(given, photo)
    _check_mask_target(mask_out, force=job.force)
    from editkit.ops.composite import Composite

    edit = Composite(seed=job.seed, **options)
    result = job.make(lambda: edit(photo, copy, area), photo, original, given)
    if mask_out is not None and result.mask is not None:
        from editkit.masks.preview import mask_photo
        from editkit.photo.io.files import write_photo

        write_photo(mask_photo(result.mask), Path(mask_out), force=job.force)


@hushed()
def _area(mask: MaskText, photo: "Photo") -> "Reading":
    from editkit.masks.value import resolve_mask

    return resolve_mask(mask, photo)


def _check_mask_target(target: str | None, *, force: bool) -> None:
    from editkit.errors import InputError
    from editkit.photo.io.files import FORMATS, check_target

    if target is None:
        return
    if FORMATS.get(Path(target).suffix.lower()) == "JPEG":
        raise InputError(f"{target}: JPEG leaves ripples in a mask; write PNG")
    check_target(None, Path(target), force=force)
