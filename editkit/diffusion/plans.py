"""Plans: the levels that a walk visits, in order, and the moves between them.

A plan is data: it can be printed, its cost is known before a walk, and an interrupted walk resumes
with the rest of its moves. Strength, RePaint's jumps and time travel are different lists, not
different loops.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class How(Enum):
    """The kind of a move."""

    DENOISE = ">"
    """Less noise, by a step of the solver."""
    RENOISE = "<"
    """More noise, drawn at random: exact and stochastic."""
    INVERT = "~"
    """More noise, by a backward step of the solver: deterministic."""


class Move(NamedTuple):
    """A move from level `i` to level `j`; `k` is its number, which keys its noise."""

    k: int
    i: int
    j: int
    how: How


@dataclass(frozen=True)
class Plan:
    """A list of moves, in order."""

    moves: tuple[Move, ...]

    def __iter__(self) -> Iterator[Move]:
        return iter(self.moves)

    def __len__(self) -> int:
        return len(self.moves)

    def __str__(self) -> str:
        """The levels visited, as in `0>1>2<1>2>3`."""
        return str(self.moves[0].i) + "".join(f"{m.how.value}{m.j}" for m in self.moves)

    @property
    def first(self) -> int:
        """The level at the start of the walk."""
        return self.moves[0].i

    def rest(self, k: int) -> "Plan":
        """The moves from number `k` on, to resume an interrupted walk."""
        return Plan(self.moves[k:])


def numbered(moves: Iterable[tuple[int, int, How]]) -> Plan:
    """A plan of moves `(i, j, how)`, numbered from 0."""
    return Plan(tuple(Move(k, i, j, how) for k, (i, j, how) in enumerate(moves)))


def first_level(steps: int, strength: float) -> int:
    """The first level of a walk of `steps` steps for a strength in (0, 1].

    Rounds as the Stable Diffusion pipelines do: the integer part of `steps*strength` steps run, at
    least one.
    """
    return steps - max(1, min(int(steps * strength), steps))


def is_below_a_step(steps: int, strength: float) -> bool:
    """True if a strength is less than one step; `first_level` makes one step then, too."""
    return int(steps * strength) < 1


def linear(steps: int, first: int = 0) -> Plan:
    """Straight down from level `first` to the last, `steps`."""
    return numbered((i, i + 1, How.DENOISE) for i in range(first, steps))


def inversion(steps: int, last: int = 0) -> Plan:
    """Straight up from the clean level to `last`: the inverse of `linear` (DDIM inversion)."""
    return numbered((i, i - 1, How.INVERT) for i in range(steps, last, -1))


def repaint(steps: int, *, jump: int = 1, repeats: int = 5, first: int = 0) -> Plan:
    """RePaint's walk (arXiv 2201.09865, alg. 1): each stretch of `jump` levels `repeats` times.

    After every `jump` steps down the walk goes back up by as many levels, `repeats - 1` times, so
    that new and known parts can agree. The last stretch, to the clean level, is not repeated.
    `jump` counts levels: 1 at 20 steps has the effect of the paper's 10 at 250.
    """
    return numbered(_jumping(steps, first, jump, repeats))


def _jumping(steps: int, first: int, jump: int, repeats: int) -> Iterator[tuple[int, int, How]]:
    for i in range(first, steps):
        yield i, i + 1, How.DENOISE
        low = i + 1 - jump
        if low < first or (i + 1 - first) % jump or i + 1 == steps:
            continue
        for _ in range(repeats - 1):
            yield i + 1, low, How.RENOISE
            yield from ((k, k + 1, How.DENOISE) for k in range(low, i + 1))


def travel(steps: int, *, low: int, high: int, repeats: int, first: int = 0) -> Plan:
    """Time travel: straight down, but with the levels `low` to `high` `repeats` times.

    Raises:
        ValueError: the band does not lie inside the walk.
    """
    if not first <= low < high < steps:
        raise ValueError(f"a band from {low} to {high} is not inside the levels {first} to {steps}")
    band = [(i, i + 1, How.DENOISE) for i in range(low, high)]
    again = [(high, low, How.RENOISE), *band] * (repeats - 1)
    down = [(i, i + 1, How.DENOISE) for i in range(first, steps)]
    return numbered([*down[: high - first], *again, *down[high - first :]])
