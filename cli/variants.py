"""`--grid`: one picture with all variants that a command made."""

from pathlib import Path
from typing import TYPE_CHECKING

from editkit.errors import InputError

if TYPE_CHECKING:
    from editkit.batch.report.variant_grid import Cell
    from editkit.ops.result import Result
    from editkit.photo.io.files import Photo
    from editkit.types import Rgb


def check_grid(target: str | None, count: int, photo: "Photo | None", *, force: bool) -> None:
    """Checks before the work that a grid can be written.

    Raises:
        InputError: it cannot, or there is one variant alone.
    """
    if target is None:
        return
    if count < 2:
        raise InputError("--grid shows several variants; give -n 2 or more with it")
    from editkit.photo.io.files import check_place, check_target

    check_target(None, Path(target), force=force)
    check_place(photo, Path(target), force=force)


class VariantGrid:
    """The variants so far, small, and where the picture of all of them goes."""

    def __init__(self, target: str | None, *, force: bool) -> None:
        """Takes a file, or None where no grid is wanted."""
        self._target, self._force, self._cells = target, force, list["Cell"]()

    def add(self, seed: int, result: "Result") -> None:
        """Adds a variant, and before the first one the photo."""
        if self._target is None:
            return
        from editkit.batch.report.variant_grid import fit_cell

        photo = result.original
        if not self._cells and photo is not None:
            self._cells.append(("original", fit_cell(_without_frame(photo.rgb(), result))))
        self._cells.append((f"seed {seed}", fit_cell(result.photo.rgb())))

    def write(self) -> bool:
        """Writes the picture; false where none is wanted."""
        if self._target is None:
            return False
        from editkit.batch.report.variant_grid import variant_grid
        from editkit.photo.io.files import write_photo

        write_photo(variant_grid(self._cells), Path(self._target), force=self._force)
        return True


def _without_frame(rgb: "Rgb", result: "Result") -> "Rgb":
    """The photo before the edit, without the frame that `outpaint` mirrors it into."""
    from editkit.boxes import Box

    if "photo_at" not in result.report:
        return rgb
    return rgb[Box(**result.report["photo_at"]).slices]
