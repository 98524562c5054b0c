"""Sizes and boxes of pictures. Light: imports neither NumPy nor torch."""

from typing import NamedTuple


class Size(NamedTuple):
    """Height and width, in pixels unless said otherwise."""

    height: int
    width: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.height * self.width

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Box(NamedTuple):
    """A rectangle of pixels: rows `top:bottom`, columns `left:right`, ends not included."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def size(self) -> Size:
        """Height and width of the rectangle."""
        return Size(self.bottom - self.top, self.right - self.left)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Row and column slices that cut the rectangle out of an array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def seen_from(self, other: "Box") -> "Box":
        """The same rectangle, counted from the corner of another."""
        top, left = other.top, other.left
        return Box(self.top - top, self.left - left, self.bottom - top, self.right - left)
