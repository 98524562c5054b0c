"""Files that are none, or that do not answer: told, and never waited for."""

import hashlib
import os
import stat
import threading
from dataclasses import dataclass, field
from pathlib import Path

from editkit.errors import BatchError, ImageError
from editkit.photo.io.errors import system_errors

LONGEST = 60.0
"""Seconds without a byte after which a disk, or a share, is not waited for any more."""

_PIECE = 2**20
_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def check_file(path: Path) -> None:
    """Refuses what is no file, such as a pipe that nobody writes to.

    Raises:
        ImageError: it is not there, or is none.
    """
    with system_errors(f"{path} cannot be read"):
        kind = stat.S_IFMT(path.stat().st_mode)
    if kind != stat.S_IFREG:
        raise ImageError(
            f"{path} is {_KINDS.get(kind, 'something else')}, no file; give a file in its place"
        )


def sha256_of(path: Path) -> str | None:
    """SHA-256 of a file; None where there is none that can be read."""
    try:
        check_file(path)
        with os.fdopen(_unwaited(path), "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except (ImageError, OSError):
        return None


def check_answers(path: Path, longest: float | None = None) -> None:
    """Reads a file once, so that it is near when it is read again.

    Args:
        path: the file.
        longest: seconds without a byte that are waited for; `LONGEST` where None.

    Raises:
        ImageError: it is no file.
        BatchError: it does not answer.
    """
    look = _Look(path)
    # Whoever waits for a share that is gone cannot be ended; nobody waits for this thread.
    threading.Thread(target=look.run, daemon=True).start()
    patience = LONGEST if longest is None else longest
    while not look.over.wait(patience):
        if not look.moved():
            said = f"{path} gave nothing for {patience:g} s; see to the disk or share it is on"
            raise BatchError(said)
    if look.error is not None:
        raise look.error


@dataclass
class _Look:
    """One reading of a file, in a thread of its own."""

    path: Path
    over: threading.Event = field(default_factory=threading.Event)
    error: ImageError | None = None
    count: int = 0
    seen: int = 0

    def run(self) -> None:
        try:
            check_file(self.path)
            with system_errors(f"{self.path} cannot be read"), self.path.open("rb") as stream:
                while stream.read(_PIECE):
                    self.count += 1
        except ImageError as error:
            self.error = error
        finally:
            self.over.set()

    def moved(self) -> bool:
        """Whether anything was read since the last time."""
        before, self.seen = self.seen, self.count
        return self.count > before


def _unwaited(path: Path) -> int:
    return os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
