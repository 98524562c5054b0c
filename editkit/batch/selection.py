"""The photos of a batch: found, chosen, and none of them a result or a mask."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from editkit.batch.inputs import (
    Photos,
    check_apart,
    find_photos,
    without_edits,
)
from editkit.batch.pairing import EDITED, named_folders, without_masks
from editkit.batch.recipes.recipe import Recipe
from editkit.storage.url import (
    Place,
    check_here,
    place_of,
)


@dataclass(frozen=True)
class Choice:
    """The choice among photos.

    Attributes:
        force: do all again, and replace files that are in the way.
        retry: do those again whose failure would not pass by itself.
        limit: at most so many.
        shard: (i, n): the i-th of n parts, from 1 on.
    """

    force: bool = False
    retry: bool = False
    limit: int | None = None
    shard: tuple[int, int] | None = None

    def takes(self, photo: str) -> bool:
        """Tells whether a photo is in our shard, by its name alone."""
        if self.shard is None:
            return True
        part, parts = self.shard
        number = int.from_bytes(hashlib.sha256(photo.encode()).digest()[:8], "big")
        return number % parts == part - 1


def check_offline(recipe: Recipe, places: Iterable[Place | str]) -> None:
    """Refuses what lies on other machines, for a recipe that works offline.

    Raises:
        InputError: something does.
    """
    if recipe.offline:
        files = [text for step in recipe.steps for text in (step.mask, *step.files.values())]
        check_here([*map(str, places), *files])


def found_photos(
    source: str,
    out: Place,
    recipe: Recipe,
    *,
    recursive: bool = True,
    masks_out: Path | None = None,
) -> Photos:
    """The photos of a folder or pattern, without results, masks and edits that lie among them.

    Raises:
        InputError: there are none, or they are where the results are to go.
        BatchError: a store cannot be read.
    """
    check_offline(recipe, [source, out])
    masks = named_folders(recipe, [step.mask for step in recipe.steps if step.mask is not None])
    edits = named_folders(recipe, [text for step in recipe.steps for text in step.files.values()])
    within = [folder for folder in (*masks, *edits) if _in(place_of(source), folder)]
    results = [folder for folder in (out, masks_out) if folder is not None]
    photos = find_photos(source, recursive=recursive, without=[*results, *within])
    if masks:  # they may lie beside the photos
        photos = without_masks(photos)
    photos = without_masks(photos, EDITED) if edits else without_edits(photos)
    check_apart(photos, out)
    return photos


def _in(base: Place, folder: Place) -> bool:
    """Tells whether a folder lies in another."""
    if isinstance(base, Path) and isinstance(folder, Path):
        return base.resolve() in folder.resolve().parents
    return str(folder).startswith(f"{base}/")
