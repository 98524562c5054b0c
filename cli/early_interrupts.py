"""Interrupts in the first moments of a command, before it is there to hear them."""

import atexit
import os
import signal
import sys
from contextlib import suppress
from pathlib import PurePath
from types import FrameType
from typing import Any

_COMMAND = ("editkit", "-m")
"""How the program is called while it imports us: as a script, or by `python -m`."""

_codes = list[int]()
_command = list[bool]()


def quiet_interrupts() -> None:
    """Lets SIGINT and SIGTERM end the command with a line, not with a place in Python's code.

    Only where we are the command: whoever imports us has signals of their own.
    """
    name = sys.argv[0] if sys.argv else ""
    if os.name != "posix" or PurePath(name).name not in _COMMAND:
        return
    if "multiprocessing.spawn" in sys.modules:  # a worker, which its parent ends
        return
    _command.append(True)
    atexit.register(_leave)  # the first to be registered is the last to be called
    try:
        for number, default in (
            (signal.SIGINT, signal.default_int_handler),
            (signal.SIGTERM, signal.SIG_DFL),
        ):
            if signal.getsignal(number) is default:  # else somebody wants it otherwise
                signal.signal(number, _end)
    except ValueError:  # not in the main thread
        return


def full_interrupts() -> Any:  # noqa: ANN401 - as `signal` has it
    """Gives SIGINT back to Python, for who hears it from now on; what heard it before."""
    early = signal.getsignal(signal.SIGINT)
    if early is _end:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    return early


def leave_with(code: int) -> None:
    """Has the process end with this code, after all else that it does at its end.

    Python ends itself by the signal where an interrupt came while it ran a text as code, whoever
    caught that.
    """
    if _command:
        _codes.append(code)


def _leave() -> None:
    if not _codes:
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    os._exit(_codes[-1])


def _end(number: int, frame: FrameType | None) -> None:
    del frame
    said = "interrupted" if number == signal.SIGINT else "terminated"
    try:
        os.write(2, f"editkit: {said}\n".encode())
    finally:
        os._exit(128 + number)
