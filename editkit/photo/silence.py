"""The terminal without what libjpeg and libtiff write on it by themselves."""

import os
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress

_ONE = threading.Lock()
_WARNINGS = (
    b"Corrupt JPEG data",
    b"Premature end of JPEG",
    b"Warning: ",
    b"Invalid SOS parameters",
    b"Inconsistent progression",
    b"Application transferred",
    b"Must upgrade",
    *(b"TIFF", b"_TIFF", b"Fax", b"LZW", b"ZIP", b"PackBits", b"JPEG", b"OJPEG", b"ZSTD", b"LZMA"),
)


@contextmanager
def silence_libraries() -> Generator[None]:
    """Keeps the standard error stream of the process clean of libjpeg and libtiff.

    Whatever else is written there meanwhile appears afterwards.
    """
    with _ONE, tempfile.TemporaryFile() as held:
        try:
            terminal = os.dup(2)
        except OSError:  # closed
            yield
            return
        said = b""
        try:
            os.dup2(held.fileno(), 2)
            yield
            held.seek(0)
            said = held.read()
        finally:  # of a failure an error of ours tells
            os.dup2(terminal, 2)
            _write_other_lines(said, terminal)
            os.close(terminal)


def _write_other_lines(text: bytes, terminal: int) -> None:
    others = [line for line in text.splitlines(keepends=True) if not line.startswith(_WARNINGS)]
    with suppress(OSError):
        os.write(terminal, b"".join(others))
