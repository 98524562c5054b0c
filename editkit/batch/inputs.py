"""Which photos, with which masks, to which files: found and checked before anything runs."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from editkit.batch.tasks import printable
from editkit.errors import InputError
from editkit.photo.io.files import FORMATS
from editkit.storage.case import names_on
from editkit.storage.timeouts import (
    SUFFIXES,
    Listing,
    NoAnswerError,
    await_places,
    check_file,
    glob_paths,
    list_folder,
    silent_among,
)
from editkit.storage.url import Place, Url, has_magic, is_folder, place_of

OWN = ".editkit"
"""The folder in OUT that is ours."""

_EDIT = re.compile(r"(.+)\.(?:edit|preview)(?:\.\d+)?", re.DOTALL)
_NAMED = 3
"""How many files a note names."""


@dataclass(frozen=True)
class FoundPhoto:
    """A photo that was found: its file, and its path below the folder that was given."""

    path: Place
    relative: PurePosixPath

    @property
    def variables(self) -> dict[str, str]:
        """Variables that follow from its name."""
        name = PurePosixPath(printable(self.relative))
        folder = "" if str(name.parent) == "." else str(name.parent)
        return {"stem": name.stem, "name": name.name, "folder": folder}


class Photos(list[FoundPhoto]):
    """Photos that were found, and what to tell of others that were not taken.

    Attributes:
        notes: files that were left out, and why.
        closed: folders that could not be searched, by name, with the reason.
    """

    def __init__(
        self,
        photos: Iterable[FoundPhoto],
        notes: Iterable[str] = (),
        closed: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        super().__init__(photos)
        self.notes = list(notes)
        self.closed = dict(closed)

    def only(self, photos: Iterable[FoundPhoto], *notes: str) -> "Photos":
        """Some of them, with more to tell."""
        return Photos(photos, [*self.notes, *notes], self.closed)


def find_photos(source: str, *, recursive: bool = True, without: Iterable[Place] = ()) -> Photos:
    """The photos of a folder, of a pattern such as `shoot/**/*.jpg`, or a single one; sorted.

    Hidden files and folders are left out, and so are links to folders, and folders below it that
    hold results of another batch.

    Args:
        source: folder, pattern or file, or the URL of one.
        recursive: searches folders within the folder, too.
        without: folders that are not searched, and files that are not taken.

    Raises:
        InputError: there is no such folder or file, or nothing in it.
        BatchError: a store cannot be read.
    """
    path, others_here = place_of(source), [p for p in without if isinstance(p, Path)]
    drawn = set[Path]()
    if not has_magic(source):
        await_places(p for p in (path,) if isinstance(p, Path))
    await_places(others_here)
    left_out, closed = {_real(p) for p in others_here}, dict[str, str]()
    if isinstance(path, Url):
        found, others = find_in_store(path, recursive, [p for p in without if isinstance(p, Url)])
    elif is_folder(path):
        others = list[Place]()
        files = walk(path, recursive, left_out, others, closed, drawn)
        found = [FoundPhoto(p, PurePosixPath(p.relative_to(path))) for p in files]
    elif os.path.lexists(path):
        check_file(path)
        silent_among([path], drawn)
        notes = [
            f"{path} carries editkit's mark of a mask or a sheet; it is edited, as you named it"
        ]
        return Photos([FoundPhoto(path, PurePosixPath(path.name))], notes if drawn else ())
    elif has_magic(source):
        found, others = _globbed(str(path), left_out, closed, drawn)
    else:
        raise InputError(f"there is no {source}; give a folder of photos, a pattern or a file")
    notes = [
        f"{folder} holds results of another batch, which are left out; to edit them, give it as IN"
        for folder in sorted(others, key=str)
    ] + _left_out(drawn)
    if not found and not closed:
        said = "".join(f"; {note}" for note in notes[:1])
        raise InputError(
            f"{source} holds no photos; they end with one of {' '.join(SUFFIXES)}{said}"
        )
    return Photos(sorted(found, key=lambda f: str(f.relative)), notes, closed)


def _left_out(drawn: set[Path]) -> list[str]:
    """The note on pictures that editkit drew; none where there are none."""
    if not drawn:
        return []
    names = [printable(path) for path in sorted(drawn)]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [
        f"masks, sheets and previews that editkit drew are no photos and are left out: "
        f"{', '.join(names[:_NAMED])}{more}; to edit one, give it alone as IN"
    ]


def listed_photos(lines: Iterable[str]) -> Photos:
    """Photos by a list of paths; below the folder that all have in common.

    Args:
        lines: a path each; or parts of a text in which NULs end paths, as of `find -print0`.

    Raises:
        InputError: the list is empty, or a path names no file.
    """
    text = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
    parts = text.split("\0") if "\0" in text else text.removeprefix("\ufeff").split("\n")
    names = [name for part in parts if (name := part.rstrip("\r\n")).strip()]
    if not names:
        raise InputError("the list of photos is empty; give a path in each line")
    urls = [url for name in names if isinstance(url := place_of(name), Url)]
    if urls:
        return _listed_in_store(urls, names)
    paths = {_straight(name): place for name in names if isinstance(place := _listed(name), Path)}
    base = Path(os.path.commonpath([path.parent for path in paths]))
    silent = silent_among(paths.values())
    found = [(p, PurePosixPath(whole.relative_to(base))) for whole, p in paths.items()]
    closed = {printable(below): silent[p] for p, below in found if p in silent}
    return Photos((FoundPhoto(p, below) for p, below in found if p not in silent), closed=closed)


def _listed(name: str) -> Place:
    """The place of a line; of one that another system wrote, with its separators for ours."""
    place = place_of(name)
    if "\\" in name and not os.path.lexists(name) and os.path.lexists(name.replace("\\", "/")):
        return place_of(name.replace("\\", "/"))
    return place


def _straight(name: str) -> Path:
    """A listed file's whole path, without `..`, which would lead a result out of its folder.

    Raises:
        InputError: it names no file.
    """
    path = Path(str(_listed(name)))
    if path.root == "//":  # on POSIX the same as one slash, but not for pathlib
        path = Path("/", *path.parts[1:])
    if path.name in ("", ".."):
        raise InputError(f"the list of photos names {name}, which is no file; give files")
    # Behind a link `..` is another folder than it looks, so the system says which.
    return path.parent.resolve() / path.name if ".." in path.parts else path.absolute()


def find_in_store(
    url: Url,
    recursive: bool,  # noqa: FBT001
    without: Sequence[Url],
) -> tuple[list[FoundPhoto], list[Place]]:
    """The photos of a folder of objects, of a pattern, or a single one; and others' results."""
    if has_magic(url.key):
        fixed = url.key.split("/")
        first = next(k for k, part in enumerate(fixed) if has_magic(part))
        urls, base = url.glob(), Url(url.protocol, "/".join(fixed[:first]))
    elif url.protocol in ("http", "https") and url.is_file():  # which has no folders to list
        return [FoundPhoto(url, PurePosixPath(url.name))], []
    else:
        urls, base = url.files(recursive=recursive), url
        if [u.key for u in urls] == [url.key] or (not urls and url.is_file()):
            return [FoundPhoto(url, PurePosixPath(url.name))], []
        if not urls and not url.is_dir():
            raise InputError(f"there is no {url}; give a folder of photos, a pattern or a file")
    others = _others(urls, base, without)
    found = [FoundPhoto(u, u.relative_to(base)) for u in urls if u.suffix.lower() in SUFFIXES]
    taken = [
        f
        for f in found
        if not _hidden(f.relative) and not _below(f.path, without) and not _below(f.path, others)
    ]
    return taken, list[Place](others)


def _others(urls: Sequence[Url], base: Url, without: Sequence[Url]) -> list[Url]:
    """The folders below one that hold results of other batches."""
    marked = {url.parent.parent for url in urls if url.parent.name == OWN}
    return [u for u in marked if u != base and not _below(u, without) and _below(u, [base])]


def _hidden(path: PurePosixPath) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _below(path: Place, folders: Sequence[Url]) -> bool:
    return any(str(path) == str(f) or str(path).startswith(f"{f}/") for f in folders)


def _listed_in_store(urls: Sequence[Url], names: Sequence[str]) -> Photos:
    if len(urls) < len(names) or len({url.root for url in urls}) > 1:
        raise InputError("the list of photos names several stores; give one list for each")
    shared = os.path.commonpath([f"/{url.parent.key}" for url in urls]).strip("/")
    base = Url(urls[0].protocol, shared)
    return Photos(FoundPhoto(url, url.relative_to(base)) for url in dict.fromkeys(urls))


def walk(
    folder: Path,
    recursive: bool,  # noqa: FBT001
    without: set[Path],
    others: list[Place] | None = None,
    closed: dict[str, str] | None = None,
    drawn: set[Path] | None = None,
) -> Iterator[Path]:
    """The pictures of a folder.

    Folders with others' results are told in `others`, if given, those that cannot be searched in
    `closed`, and pictures that editkit drew in `drawn`; without it they are pictures like others.
    """
    waiting = [folder]
    while waiting:
        base = waiting.pop()
        found = _entries(base, folder, closed, look=drawn is not None)
        if others is not None and base != folder and OWN in found.folders:
            others.append(base)
            continue
        inner = [base / n for n in found.folders if recursive and not n.startswith(".")]
        waiting += reversed([path for path in inner if _real(path) not in without])
        files = [base / name for name in found.files]
        for path in files:
            if _is_photo(path) and _real(path) not in without:
                if drawn is None or path.name not in found.marked:
                    yield path
                else:
                    drawn.add(path)


def _entries(base: Path, top: Path, closed: dict[str, str] | None, *, look: bool) -> Listing:
    """The entries of a folder; `closed` gets those that cannot be searched or do not answer."""
    found = Listing()
    try:
        found = list_folder(base, look=look)
        told = {base / name: said for name, said in found.closed.items()}
    except NoAnswerError as error:
        told = {base: str(error)}
    except OSError as error:
        told = {base: _unsearched(error)}
    if closed is not None:
        closed.update({printable(os.path.relpath(path, top)): told[path] for path in told})
    return found


def _unsearched(error: BaseException) -> str:
    if isinstance(error, OSError):
        return f"the folder cannot be searched: {error.strerror}"
    return str(error)


def _is_photo(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _globbed(
    pattern: str, without: set[Path], closed: dict[str, str], drawn: set[Path]
) -> tuple[list[FoundPhoto], list[Place]]:
    fixed = Path(pattern).parts
    first = next(k for k, part in enumerate(fixed) if has_magic(part))
    if ".." in fixed[first:]:
        raise InputError(f"{pattern} contains .. after a wildcard; leave that out")
    base = Path(*fixed[:first]) if first else Path()
    names, unseen = glob_paths(Path(pattern))
    marked = set[Path]()
    silent = silent_among((p for p in names if _is_photo(p)), marked)
    for path, error in {**unseen, **silent}.items():
        said = error if isinstance(error, str) else _unsearched(error)
        closed[printable(os.path.relpath(path, base))] = said
    paths = [p for p in names if _is_photo(p) and p not in silent]
    paths = [p for p in paths if not is_folder(p) and not _within(p, without)]
    above = {folder for p in paths for folder in p.parents if base in folder.parents}
    others = {folder for folder in above if is_folder(folder / OWN)}
    paths = [p for p in paths if not others & set(p.parents)]
    drawn |= marked.intersection(paths)
    found = [FoundPhoto(p, PurePosixPath(p.relative_to(base))) for p in paths if p not in marked]
    return found, list[Place](others)


def _within(path: Path, folders: set[Path]) -> bool:
    whole = _real(path)
    return any(whole == folder or folder in whole.parents for folder in folders)


def _real(path: Path) -> Path:
    """The path without links; what a link to itself leads to, is itself."""
    return Path(os.path.realpath(path))


def outputs_of(
    photos: Sequence[FoundPhoto], out: Place, numbers: Sequence[int | None]
) -> list[list[Place]]:
    """Where each photo's pictures go, one for each variant: the folders of the input mirrored.

    Args:
        photos: the photos found.
        out: the folder for all.
        numbers: numbers of the variants; None where there is one.

    Raises:
        InputError: two would be the same file, also on a disk that does not tell case.
    """
    targets = [[_output(photo, out, number) for number in numbers] for photo in photos]
    taken, called = dict[str, FoundPhoto](), names_on(out)
    for photo, paths in zip(photos, targets, strict=True):
        for path in paths:
            other = taken.setdefault(called(path), photo)
            if other is not photo:
                raise InputError(
                    f"{other.path} and {photo.path} would both become {path}; "
                    "rename one, or give them folders of their own"
                )
    return targets


def _output(photo: FoundPhoto, out: Place, number: int | None) -> Place:
    name = photo.relative
    suffix = name.suffix if name.suffix.lower() in FORMATS else ".png"
    middle = "" if number is None else f".{number}"
    return out / (name.parent / f"{name.stem}{middle}{suffix}")


def check_within(outputs: Iterable[Place], out: Place) -> None:
    """Refuses results that a link would lead out of their folder.

    Raises:
        InputError: one would lie elsewhere.
    """
    if not isinstance(out, Path):
        return
    whole = out.resolve()
    for folder in {path.parent for path in outputs if isinstance(path, Path)}:
        if whole != (there := folder.resolve()) and whole not in there.parents:
            raise InputError(f"{folder} is a link out of {out}, to {there}; remove the link")


def check_apart(photos: Sequence[FoundPhoto], out: Place) -> None:
    """Refuses a folder for results that would put one over its own photo.

    Raises:
        InputError: it would.
    """
    for photo in photos:
        if is_same_place(out / photo.relative, photo.path):
            raise InputError(f"{out} is the folder of the photos; give -o another one")


def without_edits(photos: Photos) -> Photos:
    """The photos without what a single command made of one and put beside it.

    That is called `stem.edit` or `stem.preview`.
    """
    names = {str(photo.relative.with_suffix("")) for photo in photos}
    kept = [p for p in photos if not _is_edit(str(p.relative.with_suffix("")), names)]
    if len(kept) == len(photos):
        return photos
    count = len(photos) - len(kept)
    return photos.only(
        kept, f"{count} edits of photos beside them (NAME.edit, NAME.preview) are left out"
    )


def _is_edit(name: str, names: set[str]) -> bool:
    found = _EDIT.fullmatch(name)
    return found is not None and found[1] in names


def is_same_place(one: Place, other: Place) -> bool:
    """Tells whether two places are one."""
    if isinstance(one, Path) and isinstance(other, Path):
        return _real(one) == _real(other)
    return one == other
