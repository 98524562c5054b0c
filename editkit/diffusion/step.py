"""What is known while a walk makes one move: the view that solvers and constraints share."""

from collections.abc import Callable
from dataclasses import dataclass

from editkit.diffusion.draws import Draws
from editkit.diffusion.levels import Level, Pred, Schedule
from editkit.diffusion.plans import Move
from editkit.tensors import State

Denoise = Callable[[State, Level], Pred]
"""`(x, level) -> Pred`: network, conditions and guide composed. All that the sampler knows."""


@dataclass(frozen=True)
class Past:
    """A state that this descent has passed, with what was predicted there."""

    level: Level
    x: State
    x0: State


@dataclass(frozen=True)
class StepContext:
    """One move of a walk, about to be made."""

    schedule: Schedule
    move: Move
    denoise: Denoise
    """What the network says of a state, with the constraints' clamps applied."""
    draws: Draws

    @property
    def here(self) -> Level:
        """The level that the state is at."""
        return self.schedule[self.move.i]

    @property
    def there(self) -> Level:
        """The level that it is to go to."""
        return self.schedule[self.move.j]

    def noise(self, purpose: str, like: State) -> State:
        """Unit noise for this move and purpose, on the device of `like`."""
        return self.draws(purpose, like.shape, self.move.k).to(like)
