"""The context of one move of a walk, for solvers and constraints."""

from collections.abc import Callable
from dataclasses import dataclass

from editkit.diffusion.draws import Draws
from editkit.diffusion.levels import Level, Pred, Schedule
from editkit.diffusion.plans import Move
from editkit.tensors import State

Denoise = Callable[[State, Level], Pred]
"""`(x, level) -> Pred`: network, conditions and guide in one function."""


@dataclass(frozen=True)
class Past:
    """An earlier state of this descent, with the clean state predicted there."""

    level: Level
    x: State
    x0: State


@dataclass(frozen=True)
class StepContext:
    """One move of a walk."""

    schedule: Schedule
    move: Move
    denoise: Denoise
    """The denoiser, with the constraints' clamps applied."""
    draws: Draws

    @property
    def here(self) -> Level:
        """The level at the start of the move."""
        return self.schedule[self.move.i]

    @property
    def there(self) -> Level:
        """The level at its end."""
        return self.schedule[self.move.j]

    def noise(self, purpose: str, like: State) -> State:
        """Unit noise for this move and purpose, on the device of `like`."""
        return self.draws(purpose, like.shape, self.move.k).to(like)
