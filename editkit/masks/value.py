"""`Mask`: a selection as an immutable value, evaluated when a photo is there."""

from dataclasses import dataclass
from typing import Any

from PIL import Image

from editkit.errors import MaskError
from editkit.masks.grammar import Value
from editkit.masks.language import Join, Node, Not, parse, pick, refine, written
from editkit.photo.files import Photo, PhotoLike, read_photo
from editkit.types import Coverage

Distance = float | str
"""Pixels, or text such as `"5%"` of the short side."""


@dataclass(frozen=True)
class Mask:
    """Where to edit; combine with `|`, `&`, `-` and `~`, refine by methods.

    The methods are the words of the mask language; arguments are its own, as numbers or text.

        Mask.of("dog.png").grow(8) - Mask.box(10, 20, 300, 400)

    Attributes:
        node: the tree.
        given: images and arrays that the tree names, which have no text.
    """

    node: Node
    given: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def parse(cls, text: str) -> "Mask":
        """The mask that an expression stands for.

        Raises:
            MaskError: it is no expression; the message names the column.
        """
        return cls(parse(text))

    @classmethod
    def of(cls, source: PhotoLike) -> "Mask":
        """A mask from a file, an image or an array of the photo's size."""
        if isinstance(source, str):
            return cls(pick("file", source))
        name = f"given {id(source):x}"
        return cls(pick("file", name), ((name, source),))

    @classmethod
    def select(cls, name: str, *values: Value, **named: Value | None) -> "Mask":
        """Any selection of the language by its name.

        Raises:
            MaskError: no such selection, or not what it takes.
        """
        from editkit.masks.grammar import SOURCES

        if name not in SOURCES:
            raise MaskError(f"no selection {name!r}; there are {', '.join(SOURCES)}")
        return cls(pick(name, *values, **named))

    @classmethod
    def all(cls) -> "Mask":
        """Everything."""
        return cls.select("all")

    @classmethod
    def none(cls) -> "Mask":
        """Nothing."""
        return cls.select("none")

    @classmethod
    def box(cls, left: Distance, top: Distance, right: Distance, bottom: Distance) -> "Mask":
        """A rectangle; right and bottom are not included."""
        return cls.select("box", left, top, right, bottom)

    @classmethod
    def ellipse(cls, x: Distance, y: Distance, rx: Distance, ry: Distance | None = None) -> "Mask":
        """An ellipse by its centre and radii; one radius makes a disc."""
        return cls.select("ellipse", x, y, rx, ry=ry)

    @classmethod
    def polygon(cls, *points: tuple[Distance, Distance]) -> "Mask":
        """A polygon through points (x, y)."""
        return cls.select("polygon", *(part for point in points for part in point))

    @classmethod
    def stroke(cls, *points: tuple[Distance, Distance], width: Distance | None = None) -> "Mask":
        """A line through points (x, y) with round ends."""
        return cls.select("stroke", *(part for point in points for part in point), width=width)

    @classmethod
    def border(cls, *widths: Distance) -> "Mask":
        """A frame: one width, or top, right, bottom, left."""
        return cls.select("border", *widths)

    @classmethod
    def point(cls, x: Distance, y: Distance, tolerance: float = 10) -> "Mask":
        """What is connected to a point and of its colour."""
        return cls.select("point", x, y, tolerance)

    @classmethod
    def color(
        cls, colour: str, to: str | None = None, *, tolerance: float = 15, soft: float = 0
    ) -> "Mask":
        """A colour, or all between two; tolerances are of CIELAB."""
        return cls.select("color", colour, to=to, tolerance=tolerance, soft=soft)

    @classmethod
    def luma(cls, low: float, high: float, soft: float = 0) -> "Mask":
        """Lightness (CIELAB L) in a range."""
        return cls.select("luma", (float(low), float(high)), soft=soft)

    @classmethod
    def edges(cls, share: float = 0.1) -> "Mask":
        """Outlines."""
        return cls.select("edges", share)

    @classmethod
    def alpha(cls) -> "Mask":
        """The photo's own alpha."""
        return cls.select("alpha")

    @classmethod
    def grabcut(cls, left: Distance, top: Distance, right: Distance, bottom: Distance) -> "Mask":
        """The object in a box, cut out by its colours."""
        return cls.select("grabcut", left, top, right, bottom)

    @classmethod
    def saliency(cls) -> "Mask":
        """What stands out, without a model."""
        return cls.select("saliency")

    @classmethod
    def sky(cls) -> "Mask":
        """Sky, by colour, smoothness and position."""
        return cls.select("sky")

    @classmethod
    def face(cls) -> "Mask":
        """Faces seen from the front."""
        return cls.select("face")

    @classmethod
    def text(cls, words: str, *, best: bool = False, **options: float | str) -> "Mask":
        """What words name, by a model; `best` takes a detector and SAM.

        Args:
            words: such as `red car`, or several between commas.
            best: slower, and exact at edges.
            options: `threshold`, and `model` and `sam`: folders or ids of checkpoints.
        """
        return cls.select("text", words, quality="best" if best else None, **options)

    @classmethod
    def sam(cls, *points: tuple[Distance, Distance], **options: Value) -> "Mask":
        """The object at points (x, y), by a model.

        Args:
            points: in the object.
            options: `box` as `"10/20/300/400"`, `model`; of a point outside, `Mask.parse` takes
                `not=`.
        """
        return cls.select("sam", *(part for point in points for part in point), **options)

    @classmethod
    def subject(cls, model: str | None = None) -> "Mask":
        """The main objects, by a model."""
        return cls.select("subject", model=model)

    def __or__(self, other: "Mask") -> "Mask":
        return self._joined("|", other)

    __add__ = __or__

    def __and__(self, other: "Mask") -> "Mask":
        return self._joined("&", other)

    def __sub__(self, other: "Mask") -> "Mask":
        return self._joined("-", other)

    def __invert__(self) -> "Mask":
        return Mask(Not(self.node), self.given)

    def __str__(self) -> str:
        return written(self.node)

    def grow(self, by: Distance) -> "Mask":
        """With all within a distance."""
        return self._refined("grow", by)

    def shrink(self, by: Distance) -> "Mask":
        """Without all within a distance of what is not selected."""
        return self._refined("shrink", by)

    def feather(self, width: Distance) -> "Mask":
        """Fading in over a width, inside the edge."""
        return self._refined("feather", width)

    def blur(self, sigma: Distance) -> "Mask":
        """Softened on both sides of the edge."""
        return self._refined("blur", sigma)

    def holes(self, most: Distance | None = None) -> "Mask":
        """With holes filled."""
        return self._refined("holes", most)

    def islands(self, least: Distance | None = None) -> "Mask":
        """Without small islands."""
        return self._refined("islands", least)

    def hull(self) -> "Mask":
        """With its convex hull filled."""
        return self._refined("hull")

    def smooth(self, by: Distance) -> "Mask":
        """With corners and teeth rounded off."""
        return self._refined("smooth", by)

    def threshold(self, value: float = 0.5) -> "Mask":
        """Hard: selected from that value on."""
        return self._refined("threshold", value)

    def snap(self, by: Distance | None = None, method: str | None = None) -> "Mask":
        """With its edge moved onto edges of the photo."""
        return Mask(refine("snap", self.node, by, method=method), self.given)

    def invert(self) -> "Mask":
        """What was not selected."""
        return self._refined("invert")

    def on(self, photo: PhotoLike | Photo) -> Coverage:
        """Coverage of a photo, float32 (H, W) in [0, 1]; may be empty.

        Raises:
            InputError: the photo cannot be read, or a part cannot be evaluated on it.
        """
        from editkit.masks.evaluate import select_in

        return select_in(self, photo if isinstance(photo, Photo) else read_photo(photo))

    def image(self, photo: PhotoLike | Photo) -> Image.Image:
        """The mask of a photo as a grey Pillow image, white where it selects."""
        import numpy as np

        return Image.fromarray(np.rint(self.on(photo) * 255).astype(np.uint8))

    def _joined(self, op: str, other: "Mask") -> "Mask":
        return Mask(Join(op, self.node, other.node), (*self.given, *other.given))

    def _refined(self, name: str, value: Value | None = None) -> "Mask":
        return Mask(refine(name, self.node, value), self.given)
