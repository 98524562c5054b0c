"""The program of a process that goes ahead: it asks a disk or share, and may wait for it for ever.

No signal ends a process that waits for a share whose server hangs, not even the end of the process
that it is a thread of. So whoever must not wait asks by one of these, and leaves it where it is.

It reads requests, each a letter and a path, ended by a NUL, and writes answers, each ended by a
NUL, as they come. It imports as little as can be, so that it is there at once.
"""

import os
import stat
import sys
from collections.abc import Iterator

_PIECE = 2**20
_MARGIN = 4096
_NOTE, _FAILED, _END = b">", b"!", b"."


class Scout:
    """What one such process knows."""

    def __init__(self, mark: str, suffixes: tuple[str, ...]) -> None:
        """Takes the mark of pictures that are no photos, and the suffixes of all pictures."""
        self.mark = mark.encode()
        self.suffixes = suffixes
        self._looked = dict[tuple[str, int, int], bool]()
        self.left_out = set[str]()

    def answers(self, request: bytes) -> Iterator[bytes]:
        """What is found, piece by piece; the last is `.`, or `!` and the number of an error.

        Of `x`, which names what the next request is to leave out, nothing.
        """
        kind, path = request[:1], os.fsdecode(request[1:])
        asked = {
            b"s": self._stat,
            b"p": self._picture,
            b"l": self._list,
            b"k": self._list_marked,
            b"g": self._glob,
            b"r": self._read,
        }
        try:
            if kind == b"x":
                self.left_out.add(path)
                return
            yield from asked[kind](path)
            yield _END
        except OSError as error:
            yield _FAILED + str(error.errno or 0).encode()
        except ValueError:  # a name that can be none
            yield _FAILED + b"22"
        if kind != b"x":
            self.left_out.clear()

    def _stat(self, path: str) -> Iterator[bytes]:
        """Mode, size and time of change of a file."""
        found = os.stat(path)  # noqa: PTH116 - pathlib takes as long to import as Python to start
        yield f"{found.st_mode} {found.st_size} {found.st_mtime_ns}".encode()

    def _picture(self, path: str) -> Iterator[bytes]:
        """`m` of a picture that is marked as no photo, `f` of all else."""
        found = os.stat(path)  # noqa: PTH116
        yield b"m" if self._is_marked(path, found) else b"f"

    def _is_marked(self, path: str, found: os.stat_result) -> bool:
        """Looks at both ends of a regular file, once for each state of it."""
        if not stat.S_ISREG(found.st_mode):
            return False
        key = (path, found.st_size, found.st_mtime_ns)
        if key not in self._looked:
            self._looked[key] = self.mark in self._ends(path, found.st_size)
        return self._looked[key]

    def _ends(self, path: str, size: int) -> bytes:
        flags = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            number = os.open(path, os.O_RDONLY | flags)
        except OSError:  # that it cannot be read is told elsewhere
            return b""
        try:
            first = os.read(number, _MARGIN)
            os.lseek(number, max(0, size - _MARGIN), os.SEEK_SET)
            return first + b"\0" + os.read(number, _MARGIN)
        except OSError:
            return b""
        finally:
            os.close(number)

    def _list_marked(self, path: str) -> Iterator[bytes]:
        """As `_list`, with `m` behind pictures that are marked as no photos."""
        return self._list(path, look=True)

    def _list(self, path: str, *, look: bool = False) -> Iterator[bytes]:
        """Names in a folder, each with its kind behind it: `d`, `l` a link to one, `f` all else."""
        with os.scandir(path) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            if entry.path not in self.left_out:
                yield _NOTE + os.fsencode(entry.name)
                yield self._kind(entry, look=look)

    def _kind(self, entry: "os.DirEntry[str]", *, look: bool) -> bytes:
        folder = entry.is_dir(follow_symlinks=False)
        if not folder and not entry.name.lower().endswith(self.suffixes):
            return b"f"  # which nobody will look at
        try:
            found = os.stat(entry.path)  # noqa: PTH116
        except OSError:  # that a link leads nowhere is told elsewhere
            return b"d" if folder else b"f"
        if folder or stat.S_ISDIR(found.st_mode):
            return b"d" if folder else b"l"
        return b"m" if look and self._is_marked(entry.path, found) else b"f"

    def _glob(self, pattern: str) -> Iterator[bytes]:
        """Folders that are looked into, `=` and each path that fits, `!!` and a folder's error."""
        import glob

        said, scandir = list[bytes](), os.scandir

        def told(path: str) -> object:
            _write(_NOTE + os.fsencode(path))
            if str(path) in self.left_out:
                raise OSError(110, "left out")
            try:
                return scandir(path)
            except OSError as error:
                said.append(os.fsencode(f"!!{error.errno}:{path}"))
                raise

        os.scandir = told  # pyright: ignore[reportAttributeAccessIssue]
        try:
            for name in glob.iglob(pattern, recursive=True):  # noqa: PTH207
                yield b"=" + os.fsencode(name)
        finally:
            os.scandir = scandir
        yield from said

    def _read(self, path: str) -> Iterator[bytes]:
        """A sign of life for each piece of a regular file, and its SHA-256 in the end.

        The path has before it the bytes that are wanted, and whether to wait for whoever has it
        open alone: `MOST/WAIT/PATH`.
        """
        import hashlib

        most, wait, name = path.split("/", 2)
        if not stat.S_ISREG(os.stat(name).st_mode):  # noqa: PTH116
            raise OSError(22, "no regular file")
        flags = 0 if wait == "1" else getattr(os, "O_NONBLOCK", 0)
        number = os.open(name, os.O_RDONLY | flags | getattr(os, "O_BINARY", 0))
        digest, left = hashlib.sha256(), int(most)
        try:
            while left > 0 and (piece := os.read(number, min(_PIECE, left))):
                digest.update(piece)
                left -= len(piece)
                yield _NOTE
        finally:
            os.close(number)
        yield digest.hexdigest().encode()


def main() -> None:
    """Answers until nobody asks any more."""
    scout, known = Scout(sys.argv[1], tuple(sys.argv[2:])), b""
    _write(_END)
    while True:
        request, end, rest = known.partition(b"\0")
        if end:
            known = rest
            for answer in scout.answers(request):
                _write(answer)
        elif more := os.read(0, 65536):
            known += more
        else:
            return


def _write(answer: bytes) -> None:
    data = answer + b"\0"
    while data:
        data = data[os.write(1, data) :]


if __name__ == "__main__":
    main()
