"""Interrupts that work at any time: also while a library computes, or a disk does not answer."""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from .early_interrupts import full_interrupts

_GRACE = 1.5
"""Seconds in which what was interrupted may end by itself."""


class Terminated(BaseException):
    """SIGTERM came."""


@dataclass
class Interrupts:
    """What was heard of the outside."""

    heard: int | None = None
    over: threading.Event = field(default_factory=threading.Event)

    @property
    def code(self) -> int:
        """The exit code of a command that a signal ended."""
        return 128 + (self.heard or signal.SIGINT)


@contextmanager
def interruptible(heard: Interrupts | None = None) -> Generator[Interrupts]:
    """SIGINT raises KeyboardInterrupt, SIGTERM `Terminated`; what does not heed them is ended.

    Python hears a signal only between two steps of its own. A thread that hears it at once gives
    the command a moment, then ends the process, and the workers that it started.

    Args:
        heard: is told of what comes, also while this begins and ends.
    """
    heard = Interrupts() if heard is None else heard
    if threading.current_thread() is not threading.main_thread() or os.name != "posix":
        yield heard
        return
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    before = signal.signal(signal.SIGTERM, _terminate), signal.set_wakeup_fd(theirs)
    early = full_interrupts()
    unraisable, sys.unraisablehook = sys.unraisablehook, _quiet(sys.unraisablehook)
    watcher = threading.Thread(target=_watch, args=(ours, heard), daemon=True)
    watcher.start()
    try:
        yield heard
    finally:
        if heard.heard is None:  # else it watches to the end
            heard.over.set()
            sys.unraisablehook = unraisable
            signal.set_wakeup_fd(before[1])
            signal.signal(signal.SIGTERM, before[0])
            signal.signal(signal.SIGINT, early)
            os.close(theirs)
            watcher.join()
            os.close(ours)


def _terminate(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Terminated


def _watch(pipe: int, heard: Interrupts) -> None:
    """Waits for a signal, and then for the end; a second signal does not wait."""
    while heard.heard is None:
        told = os.read(pipe, 1)
        if not told:
            return
        if told[0] in (signal.SIGINT, signal.SIGTERM):
            heard.heard = told[0]
    threading.Thread(target=_end_at_second, args=(pipe, heard), daemon=True).start()
    if not heard.over.wait(_GRACE):
        _end(heard)


def _end_at_second(pipe: int, heard: Interrupts) -> None:
    with suppress(OSError):  # it is closed: nobody is interrupted any more
        while told := os.read(pipe, 1):
            if told[0] in (signal.SIGINT, signal.SIGTERM):
                _end(heard)


def _end(heard: Interrupts) -> None:
    """Ends this process and its workers, whatever they do."""
    with suppress(Exception):
        for worker in multiprocessing.active_children():
            worker.kill()
    with suppress(OSError):
        os.write(2, b"\neditkit: interrupted\n")
    os._exit(heard.code)


def _quiet(hook: Any) -> Any:  # noqa: ANN401 - as `sys` has it
    """The hook for errors that nobody can catch, silent on interrupts."""

    def told(unraisable: Any) -> None:  # noqa: ANN401
        if not issubclass(unraisable.exc_type, KeyboardInterrupt | Terminated):
            hook(unraisable)

    return told
