"""What an edit inside a mask has to do: its parts, the regions of each, in order."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

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

    def told(self) -> dict[str, Any]:
        """As plain values, for a report."""
        finer = [str(region.working) for region in self.finer]
        tiles = {"then_in_tiles_at": finer} if finer else {}
        return {**self.region.box._asdict(), "worked_at": str(self.region.working), **tiles}


def seed_for(seed: int, purpose: str, number: int) -> int:
    """A seed of its own for each thing that is painted: no two share their noise.

    Number 0 has the edit's own.
    """
    if number == 0:
        return seed
    key = hashlib.sha256(f"{seed}/{purpose}/{number}".encode()).digest()
    return int.from_bytes(key[:8], "big") >> 1
