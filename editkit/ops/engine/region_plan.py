"""What an edit inside a mask has to do: its parts, the regions of each, in order."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from editkit.ops.edit import Progress
from editkit.photo.geometry.components import MaskComponent
from editkit.photo.geometry.crops import Region


@dataclass(frozen=True, eq=False)
class RegionPlan:
    """A part of a mask and where it is worked on.

    Attributes:
        part: which marks of the mask.
        region: the crop that the model sees first, all of it at once.
        finer: regions that are then painted once more in tiles, from coarse to fine.
    """

    part: MaskComponent
    region: Region
    finer: Sequence[Region] = ()

    @property
    def last(self) -> Region:
        """The region that decides what the photo gets."""
        return self.finer[-1] if self.finer else self.region

    def costs(self) -> list[float]:
        """About what each region costs, in units of the first: a tile overlaps its neighbors."""
        area = self.region.working.area
        return [1.0, *(1 + 1.5 * region.working.area / area for region in self.finer)]

    def told(self) -> dict[str, Any]:
        """As plain values, for a report."""
        finer = [str(region.working) for region in self.finer]
        tiles = {"then_in_tiles_at": finer} if finer else {}
        return {**self.region.box._asdict(), "worked_at": str(self.region.working), **tiles}


class ProgressSplitter:
    """Progress of several walks, one after the other, as that of one."""

    def __init__(self, progress: Progress | None, costs: Sequence[float]) -> None:
        self._progress = progress
        self._left, self._whole, self._done = list(costs), sum(costs), 0.0

    def next(self) -> Progress | None:
        """The progress of the walk that comes next."""
        cost, before = self._left.pop(0), self._done
        self._done += cost
        progress, whole = self._progress, self._whole
        if progress is None:
            return None

        def show(done: int, total: int) -> None:
            steps = round(total * whole)
            progress(round(before * total + cost * done), steps)

        return show


def seed_for(seed: int, purpose: str, number: int) -> int:
    """A seed of its own for each thing that is painted: no two share their noise.

    Number 0 has the edit's own.
    """
    if number == 0:
        return seed
    key = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    return int.from_bytes(key[:8], "big") >> 1
