"""Progress on a terminal: the phase of the work, a bar over all network calls, the time left."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from editkit.ops.hooks import Phase, Step, Watch

_PHASE = "{desc} {elapsed}"
_BAR = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps [{elapsed}<{remaining}]"
_WIDEST = 6
"""Letters of the longest name of a phase, so that the bar stays in its place."""


class ProgressBar:
    """A bar over all variants of an edit; without a terminal it shows nothing.

    The bar counts network calls. Their number is known before the first one, so the total is steady
    and the bar never goes back.
    """

    def __init__(self, bar: Any, count: int = 1) -> None:  # noqa: ANN401 - of tqdm, or none
        """Takes the bar of tqdm, or None, and the number of variants."""
        self._bar, self._done, self._lock = bar, [0] * count, Lock()

    def enter(self, phase: "Phase") -> None:
        """Shows a phase that makes no network calls."""
        if self._bar is not None:
            with self._lock:
                self._show(phase)

    def watch(self, variant: int = 0) -> "Watch | None":
        """The callback for the edit of one variant; None where nothing is shown."""
        if self._bar is None:
            return None

        def watch(step: "Step") -> None:
            with self._lock:
                self._count(variant, step)

        return watch

    @contextmanager
    def aside(self) -> Generator[None]:
        """Takes the bar away while something else is printed; at the end for good."""
        if self._bar is None:
            yield
            return
        if self._bar.total is not None and self._bar.n >= self._bar.total:
            self._bar.close()
        with self._bar.external_write_mode(file=sys.stderr):
            yield

    def _count(self, variant: int, step: "Step") -> None:
        bar, total = self._bar, step.total * len(self._done)
        self._show(step.phase)
        if bar.total is None and total:
            bar.bar_format = _BAR
            bar.reset(total=total)  # the time left counts from here on, without that of loading
        self._done[variant] = max(self._done[variant], min(step.done, step.total))
        bar.update(max(0, sum(self._done) - bar.n))

    def _show(self, phase: str) -> None:
        text = phase.ljust(_WIDEST)
        if self._bar.desc != text:
            self._bar.set_description_str(text)


@contextmanager
def progress_bar(count: int = 1, *, quiet: bool = False) -> Generator[ProgressBar]:
    """A bar for so many variants; it is gone at the end."""
    if quiet or not sys.stderr.isatty():
        yield ProgressBar(None, count)
        return
    from tqdm import tqdm

    with tqdm(leave=False, file=sys.stderr, bar_format=_PHASE, dynamic_ncols=True) as bar:
        yield ProgressBar(bar, count)
