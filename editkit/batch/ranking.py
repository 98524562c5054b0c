"""Scores that choose among pictures, and limits that refuse them."""

from collections.abc import Mapping, Sequence

import numpy as np


def best_of(scores: Sequence[Mapping[str, float | None]], rank: Sequence[str]) -> int:
    """Index of the best candidate: the least sum of its ranks by score; of equals the first."""
    places = np.zeros(len(scores))
    for name in rank:
        values = np.array([badness(name, score.get(name)) for score in scores])
        places += np.array([(values < value).sum() for value in values])
    return int(places.argmin())


def badness(name: str, value: float | None) -> float:
    """How bad a score is, from 0; grain is as bad too coarse as too fine."""
    if value is None:
        return np.inf
    if name == "grain":
        return np.inf if value <= 0 else max(value, 1 / value)
    return value


def over_limit(scores: Mapping[str, float | None], limits: Mapping[str, float]) -> str | None:
    """The message about scores over their limits; None where all are within."""
    faults = [
        f"its {name} score is {value:.2f}, over the limit of {limit:g}"
        for name, limit in limits.items()
        if (value := scores.get(name)) is not None and badness(name, value) > limit
    ]
    return "; ".join(faults) or None
