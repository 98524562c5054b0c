"""Progress of one call of an edit: a count of its network calls. Imports no torch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from editkit.boxes import Box
from editkit.errors import InputError, shown
from editkit.ops.edit import Progress
from editkit.ops.hooks import Phase, Step, Watch

if TYPE_CHECKING:
    from editkit.diffusion.guides import Branch, Network
    from editkit.diffusion.levels import Level, Pred
    from editkit.diffusion.step import Denoise
    from editkit.tensors import Latents, State
    from editkit.types import Rgb


class Tracker:
    """Counts the network calls of an edit, and calls `watch` between them."""

    def __init__(self, watch: Watch | None = None) -> None:
        self._watch, self._step, self._is_new = watch, Step("fill"), False

    def start(self, total: int) -> None:
        """Sets the number of calls of the whole edit."""
        self._step = replace(self._step, total=total)

    def enter(self, phase: Phase, box: Box | None) -> None:
        """Shows the start of a phase in a region of the photo."""
        self._update(phase=phase, box=box, level=None, x0=None)
        self._show()

    def count(self) -> None:
        """Shows one more unit of work as done."""
        self._update(done=self._step.done + 1)
        self._show()

    def counted(self, network: "Network") -> "Network":
        """The network, its calls counted; the last step is shown before the next call."""

        def predict(x: "State", level: "Level", branches: "Sequence[Branch]") -> "Sequence[State]":
            self._show()
            outputs = network(x, level, branches)
            self._update(done=self._step.done + 1, level=level)
            return outputs

        return predict

    def watched(self, denoise: "Denoise", decode: "Callable[[Latents], Rgb]") -> "Denoise":
        """The denoiser, its predictions shown; `decode` makes pictures of them."""

        def predict(x: "State", level: "Level") -> "Pred":
            pred = denoise(x, level)
            self._update(x0=pred.x0, decode=decode)
            self._show()
            return pred

        return predict

    def _update(self, **changes: Any) -> None:  # noqa: ANN401 - fields of Step
        step = replace(self._step, **changes)
        # A constraint or solver of the caller's may make calls that it did not announce.
        self._step = replace(step, total=max(step.done, step.total))
        self._is_new = True

    def _show(self) -> None:
        if self._watch is not None and self._is_new:
            self._watch(self._step)
        self._is_new = False


def make_tracker(hooks: Mapping[str, Any]) -> Tracker:
    """A tracker that calls the hooks `watch` and `progress`.

    Raises:
        InputError: one cannot be called.
    """
    watch, progress = hooks.get("watch"), hooks.get("progress")
    if watch is not None and not callable(watch):
        raise InputError(f"watch is {shown(watch)}; give a function of one Step")
    if progress is not None and not callable(progress):
        raise InputError(f"progress is {shown(progress)}; give a function of two numbers")
    if progress is None:
        return Tracker(watch)
    counting = _Progress(progress)

    def both(step: Step) -> None:
        if watch is not None:
            watch(step)
        counting(step)

    return Tracker(both)


class _Progress:
    """Calls `progress(done, total)` once for each unit of work."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._done = progress, 0

    def __call__(self, step: Step) -> None:
        if step.done > self._done:
            self._done = step.done
            self._progress(step.done, step.total)
