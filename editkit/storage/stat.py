"""Size and time of files and objects, by which changes show without reading."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Stat:
    """A file's size in bytes and time of change in nanoseconds: enough to know it unchanged."""

    size: int
    mtime: int

    @classmethod
    def of(cls, path: Any) -> "Stat | None":  # noqa: ANN401 - whatever has a `stat`
        """The file's, or the object's in a store; None where there is none."""
        try:
            found = path.stat()
        except (OSError, ValueError):
            return None
        return cls(found.st_size, found.st_mtime_ns)
