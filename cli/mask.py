"""`editkit mask`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .command_run import STDIO, given_mask, read_source
from .grouped import GroupedCommand
from .offline import forbid_network
from .output import put, put_json, put_path, say
from .params import mask_options, with_options

if TYPE_CHECKING:
    from editkit.masks.evaluate import View
    from editkit.masks.language import Node
    from editkit.masks.value import Mask


@click.command(cls=GroupedCommand)
@click.argument("image")
@click.argument("expression", metavar="EXPR")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    help="The mask.  [NAME.mask.png, unless --preview or --explain is given]",
)
@click.option("--preview", metavar="FILE", help="Write the photo with the mask drawn over it.")
@click.option("--explain", is_flag=True, help="Print the expression as a tree, with areas.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON report.")
@with_options(*mask_options())
@click.option("--force", is_flag=True, help="Replace files that exist.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")
def mask(
    image: str,
    expression: str,
    output: str | None,
    preview: str | None,
    device: str,
    **flags: Any,  # noqa: ANN401
) -> None:
    """Make a mask of IMAGE by EXPR; selected pixels are white.

    EXPR joins selections by | & - and !, and refines them: 'sky - box:0,50%,100%,100% ~grow:8'.
    Every command accepts such an expression as its mask. EXPR may be - for an expression (or the
    picture of a mask) from standard input.
    """
    from editkit.errors import InputError
    from editkit.masks.evaluate import advice, evaluate
    from editkit.masks.preview import mask_photo, overlay
    from editkit.masks.value import view_of
    from editkit.photo.io.files import FORMATS, check_target, write_photo

    if flags["offline"]:
        forbid_network()
    if image == expression == STDIO:
        raise InputError("IMAGE and EXPR cannot both be -; give one of them")
    photo, tree = read_source(image), _tree(given_mask(expression))
    if output is None and preview is None and not flags["explain"]:
        output = "mask.png" if image == STDIO else str(Path(image).with_suffix(".mask.png"))
    targets = [Path(name) for name in (output, preview) if name is not None]
    if output is not None and FORMATS.get(Path(output).suffix.lower()) == "JPEG":
        raise InputError(f"{output}: JPEG leaves ripples in a mask; write PNG")
    for target in targets:
        check_target(None, target, force=flags["force"])
    view = view_of(tree, photo, device=device)
    coverage = evaluate(tree.node, view)
    if output is not None:
        write_photo(mask_photo(coverage), Path(output), force=flags["force"])
    if preview is not None:
        write_photo(overlay(photo.rgb(), coverage), Path(preview), force=flags["force"])
    said = (*view.notes, *advice(coverage, str(tree)))
    _tell(tree.node, view, [str(t) for t in targets], said, flags)


def _tree(given: str | bytes) -> "Mask":
    """A mask from a file, the bytes of one, or the text of an expression."""
    from editkit.masks.read import is_file
    from editkit.masks.value import Mask

    return Mask.of(given) if isinstance(given, bytes) or is_file(given) else Mask.parse(given)


def _tell(
    node: "Node", view: "View", targets: list[str], said: tuple[str, ...], flags: dict[str, Any]
) -> None:
    from editkit.masks.preview import explain, tree_lines

    if flags["as_json"]:
        report = {"expression": str(node), "files": targets, "notes": said}
        put_json({**report, "tree": explain(node, view)})
    elif flags["explain"]:
        for line in tree_lines(explain(node, view)):
            put(line)
    elif not flags["quiet"]:
        for target in targets:
            put_path(target)
    if not flags["quiet"]:
        for line in said:
            say(line)
