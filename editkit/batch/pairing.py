"""Photos and the files that belong to them: masks, edited copies, pictures of steps."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from editkit.batch.inputs import FoundPhoto, Photos, find_in_store, is_same_place, walk
from editkit.batch.recipes.recipe import Bound, Recipe
from editkit.errors import InputError
from editkit.storage.timeouts import await_places
from editkit.storage.url import Place, Url, address, is_folder, is_url, place_of

_ENDS = ("_mask", ".mask")


EDITED = ("_edited", ".edited", "_edit", ".edit")
"""How pictures of a folder may be called that are the edited ones of photos, beside their stem."""


@dataclass(frozen=True)
class MaskFolder:
    """A folder of masks, paired with photos by their names: `stem`, `stem_mask` or `stem.mask`.

    A mask in the same sub-folder goes before one at the top. Other pictures that belong to photos
    are paired in the same way, with ends of their own: see `EDITED`.
    """

    folder: Place
    masks: dict[str, list[Place]] = field(default_factory=dict[str, list[Place]])
    ends: tuple[str, ...] = _ENDS
    what: str = "masks"
    closed: dict[str, str] = field(default_factory=dict[str, str])

    @classmethod
    def read(
        cls, folder: Place, ends: tuple[str, ...] = _ENDS, what: str = "masks"
    ) -> "MaskFolder":
        """The folder's masks.

        Args:
            folder: the folder.
            ends: endings that may follow the stem in their names.
            what: how messages call them.

        Raises:
            InputError: there is none.
        """
        masks, closed = dict[str, list[Place]](), dict[str, str]()
        for path, relative in _files_in(folder, closed):
            masks.setdefault(str(relative.with_suffix("")), []).append(path)
        if not masks:
            raise InputError(f"the folder {folder} holds no {what}{_told(closed)}")
        return cls(folder, masks, ends, what, closed)

    def mask_for(self, photo: FoundPhoto) -> Place | None:
        """The photo's mask; None where there is none.

        Raises:
            InputError: there are several.
        """
        whole = str(photo.relative.with_suffix(""))
        names = [
            f"{name}{end}" for name in (whole, photo.relative.stem) for end in (*self.ends, "")
        ]
        for key in names:
            paths = [p for p in self.masks.get(key, []) if not is_same_place(p, photo.path)]
            if len(paths) > 1:
                names = " and ".join(sorted(map(str, paths)))
                raise InputError(f"{photo.path} has several {self.what}: {names}; keep one of them")
            if paths:
                return paths[0]
        return None

    def lacking(self, photo: FoundPhoto) -> str:
        """The message for a photo that has none."""
        stem = photo.relative.stem
        wanted = f"there is no {self.what.removesuffix('s')} {stem} or {stem}{self.ends[0]}"
        return f"{wanted} in {self.folder}; add one{_told(self.closed)}"


def _told(closed: Mapping[str, str]) -> str:
    """The part of a message about folders that could not be searched."""
    name, said = next(iter(closed.items()), ("", ""))
    return f" ({name}: {said})" if closed else ""


def _files_in(folder: Place, closed: dict[str, str]) -> Iterator[tuple[Place, PurePosixPath]]:
    """The pictures in a folder of masks, with their paths below it."""
    if isinstance(folder, Url):
        found, _ = find_in_store(folder, True, ())  # noqa: FBT003
        yield from ((photo.path, photo.relative) for photo in found)
        return
    for path in walk(folder, True, set(), closed=closed):  # noqa: FBT003
        yield path, PurePosixPath(path.relative_to(folder))


def without_masks(photos: Photos, ends: tuple[str, ...] = _ENDS) -> Photos:
    """The photos without those that are another's mask by name: `stem_mask` beside `stem`."""
    names = {str(photo.relative.with_suffix("")) for photo in photos}
    return photos.only(
        p for p in photos if not _is_mask(str(p.relative.with_suffix("")), names, ends)
    )


def _is_mask(name: str, names: set[str], ends: tuple[str, ...]) -> bool:
    return any(name.endswith(end) and name.removesuffix(end) in names for end in ends)


def named_folders(recipe: Recipe, texts: Sequence[str]) -> list[Place]:
    """The folders that texts of a recipe name."""
    await_texts(recipe, texts)
    return [place for text in texts if is_folder(place := place_of(recipe.path(text)))]


def mask_folders(recipe: Recipe) -> list[MaskFolder | None]:
    """For each step, the folder that its masks are in, if it is one.

    Raises:
        InputError: there is no mask in it.
    """
    found = list[MaskFolder | None]()
    for step in recipe.steps:
        path = None if step.mask is None else place_of(recipe.path(step.mask))
        found.append(MaskFolder.read(path) if path is not None and is_folder(path) else None)
    return found


def mask_of(
    recipe: Recipe, step: Bound, photo: FoundPhoto, folder: MaskFolder | None
) -> tuple[str | None, str | None]:
    """A step's mask for a photo, and what is wrong where there is none."""
    if step.mask is None:
        return None, None
    if folder is None:
        return recipe.path(step.mask), None
    found = folder.mask_for(photo)
    return (address(found), None) if found is not None else (step.mask, folder.lacking(photo))


def with_files(
    recipe: Recipe, step: Bound, photo: FoundPhoto, folders: dict[str, MaskFolder]
) -> tuple[Bound, str | None]:
    """A step with the paths of its files as the recipe means them, and what is wrong with them.

    Of a folder, it is the file that is called as the photo is.

    Args:
        recipe: the recipe.
        step: the step, its variables filled in.
        photo: the photo.
        folders: those that were read before; what is read now is added.

    Raises:
        InputError: a folder is empty, or holds several for one photo.
    """
    files, problem = dict[str, str](), None
    for name, text in step.files.items():
        path = recipe.path(text)
        if path in folders or is_folder(place_of(path)):
            if path not in folders:
                folders[path] = MaskFolder.read(place_of(path), EDITED, f"{name} pictures")
            found = folders[path].mask_for(photo)
            problem = problem or (folders[path].lacking(photo) if found is None else None)
            path = path if found is None else address(found)
        files[name] = path
    return dataclasses.replace(step, files=files), problem


def await_texts(recipe: Recipe, texts: Iterable[str | None]) -> None:
    """Waits until what texts of a recipe may name has answered, wherever it lies.

    Raises:
        BatchError: it does not.
    """
    here = [text for text in texts if text is not None and not is_url(text)]
    beside = [recipe.folder / text for text in here if recipe.folder is not None]
    await_places([*map(Path, here), *beside])
