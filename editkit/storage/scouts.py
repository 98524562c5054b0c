"""Processes that ask disks and shares, so that this one need not wait: see `scout.py`."""

import atexit
import os
import queue
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from editkit.storage import scout

ENOUGH = 3
"""Files of a folder that do not answer, after which no other of it is asked."""

_HASTE = 10
"""How much less is waited for a share of which a file did not answer."""

_PIECE, _START = 65536, 60.0


class Scout(Protocol):
    """Who answers requests: see `scout.py`."""

    def ask(self, *requests: bytes) -> None:
        """Sends requests, of which the last is answered."""
        ...

    def answer(self, longest: float) -> bytes:
        """The next answer.

        Raises:
            queue.Empty: there is none for so many seconds.
        """
        ...

    def leave(self, *, now: bool) -> None:
        """Ends it; if `now`, whatever it does."""
        ...


class Crew:
    """The scouts of a process, and what did not answer them.

    A scout that waits for a share is left to itself: it ends when it can. So the end of this
    process waits for nothing.
    """

    def __init__(self, mark: str, suffixes: tuple[str, ...]) -> None:
        """Takes what scouts look for: the mark of pictures that are no photos, and suffixes."""
        self._wanted = (mark, suffixes)
        self._idle = deque[tuple[int, Scout]]()
        self._silent = dict[str, tuple[int, float]]()
        atexit.register(self.dismiss)

    @contextmanager
    def scout(self) -> Generator[Scout]:
        """A scout of one's own, for one request; left behind where anything goes wrong."""
        one, good = self._take(), False
        try:
            yield one
            good = True
        except OSError:  # which it has told, to the end
            good = True
            raise
        finally:
            if good:
                self._idle.append((_user(), one))
            else:
                one.leave(now=True)

    def _take(self) -> Scout:
        while self._idle:
            with suppress(IndexError):  # another thread took it
                user, one = self._idle.pop()
                if user == _user():
                    return one
                one.leave(now=False)
        try:
            return _Process(*self._wanted)
        except OSError:  # no process can be started
            return _Here(*self._wanted)

    def dismiss(self) -> None:
        """Ends all that wait for requests."""
        while self._idle:
            self._idle.pop()[1].leave(now=False)

    def patience(self, longest: float) -> float:
        """Seconds to wait: once something did not answer, not as long for others."""
        hasty = any(time.monotonic() - last < longest for _, last in self._silent.values())
        return max(longest / _HASTE, min(longest, 1.0)) if hasty else longest

    def count(self, folder: os.PathLike[str], *, answered: bool = False) -> None:
        """Notes whether a file of a folder answered."""
        name = os.fspath(folder)
        if not answered:
            self._silent[name] = (self._silent.get(name, (0, 0.0))[0] + 1, time.monotonic())
        elif self._silent:
            self._silent.pop(name, None)

    def is_given_up(self, folder: os.PathLike[str], longest: float) -> bool:
        """Whether so many files of a folder did not answer lately that others are not asked."""
        if not self._silent:
            return False
        count, last = self._silent.get(os.fspath(folder), (0, 0.0))
        return count >= ENOUGH and time.monotonic() - last < longest


class _Process:
    """A scout in a process of its own."""

    def __init__(self, mark: str, suffixes: tuple[str, ...]) -> None:
        if os.name != "posix":  # where pipes cannot be waited for
            raise OSError("no such pipes")
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-I", "-S", scout.__file__, mark, *suffixes],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # interrupts are ours to hear
        )
        self._known, self._heard = b"", deque[bytes]()
        self._poll = select.poll()
        assert self._process.stdout is not None  # noqa: S101 - as it was asked for
        self._poll.register(self._process.stdout, select.POLLIN)
        try:
            self.answer(_START)  # a busy machine takes its time, and no share is to blame
        except queue.Empty:
            self.leave(now=True)
            raise OSError("it does not start") from None

    def ask(self, *requests: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - as it was asked for
        with suppress(BrokenPipeError):  # that it is gone is found when it does not answer
            self._process.stdin.write(b"".join(request + b"\0" for request in requests))

    def answer(self, longest: float) -> bytes:
        assert self._process.stdout is not None  # noqa: S101 - as it was asked for
        while not self._heard:
            if not self._poll.poll(longest * 1000):
                raise queue.Empty
            more = self._process.stdout.read(_PIECE)
            if not more:  # somebody killed it
                raise queue.Empty
            *whole, self._known = (self._known + more).split(b"\0")
            self._heard.extend(whole)
        return self._heard.popleft()

    def leave(self, *, now: bool) -> None:
        assert self._process.stdin is not None  # noqa: S101 - as it was asked for
        with suppress(OSError):
            self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        if now:
            self._process.kill()
            self._process.returncode = -9  # nobody waits for it: it may not end
        else:
            self._process.wait()


class _Here:
    """A scout in this process, which waits as long as it takes."""

    def __init__(self, mark: str, suffixes: tuple[str, ...]) -> None:
        self._scout = scout.Scout(mark, suffixes)
        self._answers: Iterator[bytes] = iter(())

    def ask(self, *requests: bytes) -> None:
        parts: Iterable[Iterator[bytes]] = [self._scout.answers(r) for r in requests]
        self._answers = (answer for part in parts for answer in part)

    def answer(self, longest: float) -> bytes:
        del longest
        return next(self._answers)

    def leave(self, *, now: bool) -> None:
        del now


def _user() -> int:
    return getattr(os, "geteuid", int)()
