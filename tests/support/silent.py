"""A real file system whose server never answers for some names: FUSE, spoken over /dev/fuse."""

import contextlib
import ctypes
import os
import stat
import struct
import threading
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ = 1, 2, 3, 14, 15
_RELEASE, _INIT, _OPENDIR, _READDIR, _RELEASEDIR, _INTERRUPT = 18, 26, 27, 28, 29, 36
_FLUSH, _ACCESS, _FORGETS, _DESTROY = 25, 34, 42, 38
_NO_REPLY = (_FORGET, _FORGETS, _INTERRUPT)
_NOT_THERE, _UNKNOWN = 2, 38
_DETACH, _FORCE = 2, 1
_PARALLEL = 1 << 18
"""Lets others into a folder in which somebody waits for a name."""


class Server:
    """Serves a folder for reading; names that begin with a word are waited for for ever.

    `stat` is not answered of names with `silent` in them, `read` not of those with `mute`, and
    folders with `shut` are not listed.
    """

    def __init__(self, folder: Path, handle: int) -> None:
        self._folder, self._handle = folder, handle
        self._nodes = {1: folder}
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                request = os.read(self._handle, 1 << 20)
            except InterruptedError:
                continue
            except OSError:  # unmounted
                return
            _, kind, number, node = struct.unpack_from("<IIQQ", request)
            body = request[40:]
            if kind in _NO_REPLY:
                continue
            answer = self._answer(kind, node, body)
            if answer is None:
                continue  # and nobody ever hears of it
            error, data = answer
            head = struct.pack("<IiQ", 16 + len(data), -error, number)
            with contextlib.suppress(OSError):  # whoever asked has gone
                os.write(self._handle, head + data)

    def _answer(self, kind: int, node: int, body: bytes) -> tuple[int, bytes] | None:
        """An error and what was asked for; None for what is never answered."""
        path = self._nodes.get(node, self._folder / "none")
        if kind == _LOOKUP:
            return self._found(path / os.fsdecode(body.split(b"\0")[0]))
        if (kind == _READDIR and "shut" in path.name) or (kind == _READ and "mute" in path.name):
            return None
        asked = {_INIT: _begun, _GETATTR: _attributes, _READDIR: _listed, _READ: _read}
        opened = dict.fromkeys((_OPEN, _OPENDIR), struct.pack("<QII", 0, 0, 0))
        done = dict.fromkeys((_RELEASE, _RELEASEDIR, _FLUSH, _ACCESS, _DESTROY), b"")
        if kind in asked:
            return 0, asked[kind](path, body)
        answers = {**opened, **done}
        return (0, answers[kind]) if kind in answers else (_UNKNOWN, b"")

    def _found(self, path: Path) -> tuple[int, bytes] | None:
        if "silent" in path.name:
            return None
        if not os.path.lexists(path):
            return _NOT_THERE, b""
        node = path.lstat().st_ino
        self._nodes[node] = path
        return 0, struct.pack("<QQQQII", node, 0, 0, 0, 0, 0) + _attribute(path)


def _begun(path: Path, body: bytes) -> bytes:
    del path
    minor, ahead = struct.unpack_from("<4xII", body)
    told = (7, min(minor, 31), ahead, _PARALLEL, 12, 10, 4096, 1, 32, 0, 0)
    return struct.pack("<IIIIHHIIHHI28x", *told)


def _listed(path: Path, body: bytes) -> bytes:
    offset = struct.unpack_from("<QQ", body)[1]
    data = b""
    for place, entry in enumerate(sorted(path.iterdir())[offset : offset + 20], offset + 1):
        found, name = entry.lstat(), os.fsencode(entry.name)
        head = struct.pack(
            "<QQII", found.st_ino, place, len(name), stat.S_IFMT(found.st_mode) >> 12
        )
        record = head + name
        data += record + bytes(-len(record) % 8)
    return data


def _read(path: Path, body: bytes) -> bytes:
    _, offset, size = struct.unpack_from("<QQI", body)
    return path.read_bytes()[offset : offset + size]


def _attributes(path: Path, body: bytes = b"") -> bytes:
    del body
    return struct.pack("<QII", 0, 0, 0) + _attribute(path)


def _attribute(path: Path) -> bytes:
    found = path.lstat()
    times = [found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns]
    return struct.pack(
        "<6Q10I",
        *(found.st_ino, found.st_size, found.st_blocks),
        *(t // 10**9 for t in times),
        *(t % 10**9 for t in times),
        *(found.st_mode, found.st_nlink, os.getuid(), os.getgid(), 0, 4096, 0),
    )


@contextlib.contextmanager
def silent_share(folder: Path, place: Path) -> Generator[Path]:
    """A mounted view of a folder, in which names with `silent` never answer.

    Raises:
        OSError: this machine, or user, may not mount one.
    """
    libc: Any = ctypes.CDLL(None, use_errno=True)
    place.mkdir()
    handle = os.open("/dev/fuse", os.O_RDWR)
    try:
        options = f"fd={handle},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
        if libc.mount(b"silent", os.fsencode(place), b"fuse", 1, options.encode()):
            raise OSError(ctypes.get_errno(), "cannot be mounted")
        Server(folder, handle)
        try:
            yield place
        finally:
            libc.umount2(os.fsencode(place), _DETACH | _FORCE)
    finally:
        os.close(handle)
        time.sleep(0.05)
