"""Files that are none, or that do not answer: told, and never waited for."""

import glob
import os
import queue
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from editkit.errors import BatchError, ImageError
from editkit.photo.io.errors import system_errors
from editkit.photo.io.files import FORMATS
from editkit.photo.metadata.marks import MARK
from editkit.storage.scouts import ENOUGH, Crew

LONGEST = 60.0
"""Seconds without an answer after which a disk, or a share, is not waited for any more."""

SUFFIXES = (*FORMATS, ".gif")
"""What counts as a photo in a folder."""

_WHOLE = 2**62
_AT_A_TIME = 8
_ADVICE = "see to the disk or share it is on"
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class NoAnswerError(BatchError):
    """A disk or share does not answer."""


def check_file(path: Path) -> None:
    """Refuses what is no file, such as a pipe that nobody writes to.

    Raises:
        ImageError: it is not there, or is none.
        BatchError: it does not answer.
    """
    with system_errors(f"{path} cannot be read"):
        kind = stat.S_IFMT(stat_of(path)[0])
    if kind != stat.S_IFREG:
        raise ImageError(
            f"{path} is {_KINDS.get(kind, 'something else')}, no file; give a file in its place"
        )


def stat_of(path: Path) -> tuple[int, int, int]:
    """Mode, size and time of change (in nanoseconds) of what is at a path.

    Raises:
        OSError: there is nothing, or it may not be seen.
        BatchError: it does not answer.
    """
    *_, said = _asked(path, "s")
    mode, size, mtime = map(int, said.split())
    return mode, size, mtime


def await_places(paths: Iterable[Path | None]) -> None:
    """Waits until files and folders have answered: then whoever looks at them does not wait long.

    Raises:
        BatchError: one of them does not answer.
    """
    for path in paths:
        with suppress(OSError):  # that there is none is told elsewhere
            if path is not None:
                stat_of(path)


def await_text(path: Path, most: int) -> None:
    """Waits until a file has been read, or so many bytes of it, if it is one.

    Raises:
        BatchError: it does not answer.
    """
    with suppress(OSError):
        for _ in _asked(path, "r", f"{most}/0/"):
            pass


def sha256_of(path: Path) -> str | None:
    """SHA-256 of a file; None where there is none that can be read.

    Raises:
        BatchError: it does not answer.
    """
    try:
        *_, digest = _asked(path, "r", f"{_WHOLE}/0/")
    except OSError:
        return None
    return digest.decode()


def check_answers(path: Path, longest: float | None = None) -> None:
    """Reads a file once, so that it is near when it is read again.

    Args:
        path: the file.
        longest: seconds without a byte that are waited for; `LONGEST` where None.

    Raises:
        ImageError: it is no file.
        BatchError: it does not answer.
    """
    check_file(path)
    with system_errors(f"{path} cannot be read"):
        for _ in _asked(path, "r", f"{_WHOLE}/1/", longest):
            pass


@dataclass(frozen=True)
class Listing:
    """What is in a folder.

    Attributes:
        folders: names of folders in it, without links.
        files: names of all else; those of photos were looked at, and answered.
        marked: which of the files are marked as pictures that are no photos.
        closed: what did not answer, with the reason; the folder itself by an empty name.
    """

    folders: list[str] = field(default_factory=list[str])
    files: list[str] = field(default_factory=list[str])
    marked: set[str] = field(default_factory=set[str])
    closed: dict[str, str] = field(default_factory=dict[str, str])


def list_folder(folder: Path, *, look: bool = False) -> Listing:
    """What is in a folder.

    Args:
        folder: the folder.
        look: also look into pictures, for the mark of those that are no photos.

    Raises:
        OSError: it cannot be searched.
    """
    silent = list[str]()
    while True:
        found, name = Listing(), ""
        try:
            left_out = [folder / name for name in silent]
            for said in _asked(folder, "k" if look else "l", left_out=left_out):
                if said.startswith(b">"):
                    name = os.fsdecode(said[1:])
                elif said in (b"d", b"f", b"m"):
                    (found.folders if said == b"d" else found.files).append(name)
                if said == b"m":
                    found.marked.add(name)
        except NoAnswerError as error:
            silent.append(name)
            if name and len(silent) < ENOUGH:
                continue
            found.closed[""] = str(error)
        found.closed.update({name: no_answer(folder / name) for name in silent if name})
        return found


def glob_paths(pattern: Path) -> tuple[list[Path], dict[Path, OSError | BatchError]]:
    """The paths that fit a pattern, and the folders that could not be looked into, with why.

    Raises:
        BatchError: the same folder does not answer again.
    """
    here = None if pattern.is_absolute() else Path.cwd()
    whole = pattern if here is None else Path(glob.escape(str(here))) / pattern
    found, closed, again = list[Path](), dict[Path, OSError | BatchError](), True
    while again:
        looked, again = here or Path(), False
        found.clear()
        try:
            for said in _asked(whole, "g", left_out=closed):
                name = Path(os.fsdecode(said.lstrip(b"=>!0123456789:")))
                if said.startswith(b"="):
                    found.append(name)
                elif said.startswith(b">"):
                    looked = name
                else:
                    number = int(said[2:].partition(b":")[0])
                    closed.setdefault(name, OSError(number, os.strerror(number)))
        except NoAnswerError:
            if looked in closed or looked == here:
                raise
            closed[looked], again = NoAnswerError(no_answer(looked)), True
    if here is None:
        return found, closed
    told = {path.relative_to(here): error for path, error in closed.items()}
    return [path.relative_to(here) for path in found], told


def silent_among(paths: Iterable[Path], marked: set[Path] | None = None) -> dict[Path, str]:
    """Those of many files that do not answer, with what to say of each.

    Those that are marked as pictures that are no photos are added to `marked`, if given.
    """
    left, silent, crew = deque(paths), dict[Path, str](), scouts()
    kind = "s" if marked is None else "p"
    while left:
        if crew.is_given_up(left[0].parent, LONGEST):
            path = left.popleft()
            silent[path] = _not_tried(path)
            continue
        with suppress(queue.Empty), crew.scout() as scout:
            # Few enough that they find room on the way, where nobody takes them.
            some = [left[k] for k in range(min(_AT_A_TIME, len(left)))]
            scout.ask(*(_request(kind, path) for path in some))
            for path in some:
                while not (said := scout.answer(crew.patience(LONGEST))).startswith((b".", b"!")):
                    if said == b"m" and marked is not None:
                        marked.add(path)
                crew.count(left.popleft().parent, answered=True)
            continue
        path = left.popleft()
        crew.count(path.parent)
        silent[path] = no_answer(path)
    return silent


def no_answer(path: Path) -> str:
    """How messages say that a file or folder gave nothing."""
    return f"{path} did not answer in {LONGEST:g} s; {_ADVICE}"


def _request(how: str, path: Path) -> bytes:
    """A request of a path; none has a NUL in it, so that one which has is not there, either way."""
    return os.fsencode(f"{how}{path.absolute()}".replace("\0", "\n"))


def _not_tried(path: Path) -> str:
    return f"{path} was not tried: others beside it did not answer; {_ADVICE}"


def _asked(
    path: Path,
    kind: str,
    how: str = "",
    longest: float | None = None,
    left_out: Iterable[Path] = (),
) -> Iterator[bytes]:
    """What a scout says of a path.

    Raises:
        OSError: the system refuses.
        BatchError: nothing comes for too long, or nothing came of others beside it.
    """
    crew = scouts()
    if crew.is_given_up(path.parent, LONGEST):
        raise NoAnswerError(_not_tried(path))
    left = [_request("x", place) for place in left_out]
    with crew.scout() as scout:
        scout.ask(*left, _request(kind + how, path))
        patience = crew.patience(LONGEST) if longest is None else longest
        beside = path.parent
        try:
            while (said := scout.answer(patience)) != b".":
                if said.startswith(b"!") and not said.startswith(b"!!"):
                    number = int(said[1:])
                    raise OSError(number, os.strerror(number), str(path))
                yield said
                beside = path if kind in "kl" else beside
        except queue.Empty:
            crew.count(beside)
            raise NoAnswerError(no_answer(path)) from None
    crew.count(path.parent, answered=True)


@cache
def scouts() -> Crew:
    """The scouts of this process."""
    return Crew(MARK.decode(), SUFFIXES)
