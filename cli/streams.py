"""Standard streams that are full, closed, or read by somebody who has left: work goes on."""

import errno
import io
import os
import select
import sys
from contextlib import suppress
from typing import Any, TextIO, cast


class _Lenient(io.FileIO):
    """A file that takes whatever it is given, and keeps the first failure for later."""

    failure: OSError | None = None

    def write(self, data: Any, /) -> int:  # noqa: ANN401 - whatever has bytes
        """How many bytes there were; after a failure they are lost."""
        if self.failure is None:
            try:
                return self._patiently(data)
            except OSError as error:
                self.failure = error
        return memoryview(data).nbytes

    def _patiently(self, data: Any) -> int:  # noqa: ANN401
        """As `write`, to a pipe that does not wait by itself, too."""
        while (count := cast("int | None", super().write(data))) is None:
            select.select([], [self], [])
        return count


def stand_by() -> None:
    """Makes the streams of this process such that nothing that is printed ends it.

    Streams that were closed from the start are opened to nowhere: else the next file that is
    opened would take their place, and be given what is meant for them.
    """
    _fill_up()
    if os.name != "posix":  # a console of Windows takes text, not bytes
        return
    if sys.stdin is None:
        sys.stdin = io.TextIOWrapper(io.FileIO(0, closefd=False))
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        sys.stdout = _lenient(sys.stdout, 1, "strict")
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _lenient(sys.stderr, 2, "backslashreplace")


def _fill_up() -> None:
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)  # the lowest that is free: this one
            os.set_inheritable(nowhere, True)  # noqa: FBT003 - it has no name


def _lenient(stream: TextIO | None, number: int, errors: str) -> TextIO:
    raw = _Lenient(number, "wb", closefd=False)
    if stream is None:
        raw.failure = OSError(errno.EBADF, os.strerror(errno.EBADF))
        return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", errors)
    with suppress(OSError):
        stream.flush()
    kept = cast("io.TextIOWrapper", stream)
    # What an encoding does not know is printed as its number.
    errors = "backslashreplace" if kept.errors == "strict" else kept.errors or errors
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        kept.encoding,
        errors,
        line_buffering=kept.line_buffering,
        write_through=kept.write_through,
    )


def failure_of(stream: Any) -> OSError | None:  # noqa: ANN401 - tests put their own there
    """Why what was printed did not arrive; None where it did, as far as is known."""
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw.failure if isinstance(raw, _Lenient) else None


def is_closed(stream: Any) -> bool:  # noqa: ANN401
    """Whether a stream was closed from the start."""
    failure = failure_of(stream)
    return failure is not None and failure.errno == errno.EBADF


def lost_output() -> str | None:
    """Why what was printed for others is lost; None where nobody would miss it.

    Who left early has seen enough, and who closed the stream wants nothing.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        failure: OSError | None = error
    else:
        failure = failure_of(sys.stdout)
    if failure is None or failure.errno in (errno.EPIPE, errno.EBADF):
        return None
    return f"standard output cannot be written: {failure.strerror}"
