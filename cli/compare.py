"""`editkit compare`."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from editkit.errors import ImageError, InputError

from .command_run import STDIO, read_source
from .grouped import GroupedCommand
from .output import put_json, put_path, say
from .silence import hushed

if TYPE_CHECKING:
    from editkit.batch.report.comparison import Comparison
    from editkit.photo.io.files import Photo


@click.command(cls=GroupedCommand)
@click.argument("before")
@click.argument("after")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The HTML page.  [NAME.compare.html beside AFTER, unless --png is given]",
)
@click.option(
    "--png",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a picture with both photos side by side, and the changed pixels in red.",
)
@click.option(
    "--frame",
    type=click.IntRange(0),
    metavar="N",
    help="Picture of an animation or page of a file, counted from 0.",
)
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON report.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def compare(
    before: str,
    after: str,
    output: Path | None,
    png: Path | None,
    frame: int | None,
    *,
    force: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write one HTML page with a slider between BEFORE and AFTER, and their differences.

    The page shows the whole photo, the largest regions that changed, and the numbers of `editkit
    verify`. It is one file, and needs no server and no network. Both photos must have the same
    size. One of them may be - for standard input.
    """
    from editkit.batch.report import comparison
    from editkit.photo.io.files import write_bytes, write_photo

    if before == after == STDIO:
        raise InputError("BEFORE and AFTER cannot both be -; give one of them as a file")
    if output is None and png is None:
        output = _page_beside(after)
    photos = read_source(before, frame), _read_after(after, frame)
    _check_targets(photos, output, png, force=force)
    names = Path(before).name, Path(after).name
    with hushed():
        made = comparison.compare(*photos, names)
        page = None if output is None else comparison.comparison_page(made, names)
    if output is not None and page is not None:
        write_bytes(photos[0], page.encode(), output, force=force)
    if png is not None:
        write_photo(comparison.comparison_picture(made, names), png, force=force)
    _tell(made, [str(target) for target in (output, png) if target is not None], as_json, quiet)


def _tell(made: "Comparison", targets: list[str], as_json: bool, quiet: bool) -> None:
    """Prints the files that were written, or a report; and the differences."""
    if as_json:
        put_json({"files": targets, **made.report})
    if quiet:
        return
    for target in () if as_json else targets:
        put_path(target)
    for line in (*made.report["notes"], made.summary):
        say(line)


def _read_after(after: str, frame: int | None) -> "Photo":
    """The second photo; a file of one picture has no frames to choose from."""
    if frame:
        with suppress(ImageError):
            return read_source(after, frame)
    return read_source(after, 0 if frame == 0 else None)


def _page_beside(after: str) -> Path:
    return Path("compare.html") if after == STDIO else Path(after).with_suffix(".compare.html")


def _check_targets(
    photos: "tuple[Photo, Photo]", output: Path | None, png: Path | None, *, force: bool
) -> None:
    """Checks where files go, before the work.

    Raises:
        InputError: a file is of another kind, exists, or is one of the photos.
    """
    from editkit.photo.io.files import check_place

    if png is not None and png.suffix.lower() != ".png":
        raise InputError(f"--png {png} does not end in .png; give a name that does")
    if output is not None and output.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{output} does not end in .html; give a name that does, or --png FILE")
    for target in filter(None, (output, png)):
        for photo in photos:
            check_place(photo, target, force=force)
