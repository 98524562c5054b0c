"""Case of file names: on some disks `A.png` and `a.png` are two photos, on others one."""

import itertools
import os
from collections.abc import Callable
from pathlib import Path

from editkit.storage.timeouts import silent_among
from editkit.storage.url import Place, is_folder

_ENOUGH, _FEW = 200, 6
"""Names that are looked at, and that are asked for."""


def names_on(folder: Place) -> Callable[[Place], str]:
    """A key by which files in a folder differ: the path, in one case where the disk ignores it."""
    if tells_case(folder):
        return str
    return lambda path: str(path).casefold()


def tells_case(folder: Place) -> bool:
    """Tells whether names of two files in a folder may differ by case alone.

    Nothing is written: it is asked for what is there by other letters. Where there is nothing to
    ask for, they may not. Of a folder that is not there yet, the one that it will be in counts.
    """
    if not isinstance(folder, Path):  # a store has keys, not names
        return True
    here = next((f for f in (folder, *folder.absolute().parents) if is_folder(f)), Path("/"))
    try:
        with os.scandir(here) as entries:
            names = [e.name for e in itertools.islice(entries, _ENOUGH)]
    except OSError:
        return False
    lettered = [name for name in names if name.swapcase() != name]
    if not lettered:
        return here.parent != here and tells_case(here.parent) if _same_disk(here) else False
    lettered = _answering(here, lettered[:_FEW])[:3]
    # Where one name has a double, both are there, or it is one file under two names.
    return all(not _same(here / name, here / name.swapcase()) for name in lettered)


def _answering(folder: Path, names: list[str]) -> list[str]:
    """The names, of those given, of files that answer, by other letters, too."""
    silent = silent_among(folder / n for name in names for n in (name, name.swapcase()))
    return [n for n in names if not silent.keys() & {folder / n, folder / n.swapcase()}]


def _same_disk(folder: Path) -> bool:
    """Tells whether a folder lies on the disk of the one above it."""
    try:
        return folder.stat().st_dev == folder.parent.stat().st_dev
    except OSError:
        return False


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False
