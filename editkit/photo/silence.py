"""Standard error without the messages that libjpeg and libtiff print by themselves."""

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
    """Keeps messages of libjpeg and libtiff off the process's standard error.

    Other output to it appears afterwards.
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
        finally:  # failures are reported by our own errors
            os.dup2(terminal, 2)
            _write_other_lines(said, terminal)
            os.close(terminal)


def _write_other_lines(text: bytes, terminal: int) -> None:
    others = [line for line in text.splitlines(keepends=True) if not line.startswith(_WARNINGS)]
    with suppress(OSError):
        os.write(terminal, b"".join(others))
