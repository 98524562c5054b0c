"""`editkit composite`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from editkit.run_options import PhotoOptions

from .command_run import STDIO, Job, MaskText, given_mask, read_source
from .grouped import GroupedOption
from .mask_argument import mask_argument
from .params import edit_options, file_options, options_of, with_options
from .photo_command import PhotoCommand
from .silence import hushed

if TYPE_CHECKING:
    from editkit.masks.read import Reading
    from editkit.photo.io.files import Photo


@click.command(cls=PhotoCommand)
@click.argument("original")
@click.argument("edited")
@mask_argument(required=False)
@with_options(
    *edit_options("composite"),
    GroupedOption(
        ["--no-register", "motion"],
        group="Basic",
        flag_value="none",
        help="Do not align EDITED; the same as --motion none.",
    ),
    GroupedOption(
        ["--mask-out"],
        group="Output",
        metavar="FILE",
        help="Write the edited area as a mask; white is edited.",
    ),
    *options_of(PhotoOptions),
    *file_options(),
)
def composite(
    original: str,
    edited: str,
    mask: str | None,
    frame: int | None,
    mask_out: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Paste only the edit in EDITED into ORIGINAL.

    EDITED is a copy of ORIGINAL that another program or a model on the web edited. It may have
    another size, color cast, format or depth, and may be moved, slightly rotated, cropped or
    padded. editkit aligns EDITED with ORIGINAL, undoes changes of its colors, and finds the edited
    area (or takes MASK: see `editkit inpaint`). It pastes this area into ORIGINAL. All else of
    ORIGINAL stays: samples, JPEG blocks, format, profile, depth and metadata. One of the files may
    be - for standard input.

    --made-by sets IPTC's DigitalSourceType: compositeWithTrainedAlgorithmicMedia, humanEdits,
    compositeCapture, or composite if the maker is unknown. `editkit info EDITED` prints the
    provenance in EDITED.
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
