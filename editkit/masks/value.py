"""`Mask`: a selection as an immutable value, evaluated when a photo is there; and `Masks`."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from editkit.errors import MaskError
from editkit.masks.grammar import Value
from editkit.masks.language import Join, Node, Not, parse, pick, refine, written
from editkit.photo.io.files import Photo, PhotoLike, read_photo
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
    def of(cls, source: PhotoLike, part: str | None = None) -> "Mask":
        """A mask from a file, an image or an array of the photo's size.

        Args:
            source: white is selected.
            part: of a file, only its `alpha` or its `luma`.

        Raises:
            MaskError: no such part, or of what is no file.
        """
        if isinstance(source, str | os.PathLike):
            return cls(pick("file", os.fspath(source), part=part))
        if part is not None:
            raise MaskError(f"part={part!r} is of files only; give the {part} itself")
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
        """An ellipse by its center and radii; one radius makes a disc."""
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
        """What is connected to a point and of its color."""
        return cls.select("point", x, y, tolerance)

    @classmethod
    def color(
        cls, color: str, to: str | None = None, *, tolerance: float = 15, soft: float = 0
    ) -> "Mask":
        """A color, or all between two; tolerances are of CIELAB."""
        return cls.select("color", color, to=to, tolerance=tolerance, soft=soft)

    @classmethod
    def luma(cls, low: float | None = None, high: float = 100, soft: float = 0) -> "Mask":
        """Lightness (CIELAB L) in a range; without one the lightness itself, as a soft mask."""
        if low is None:
            return cls.select("luma")
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
        """The object in a box, cut out by its colors."""
        return cls.select("grabcut", left, top, right, bottom)

    @classmethod
    def superpixels(
        cls,
        *points: tuple[Distance, Distance],
        width: Distance | None = None,
        size: Distance | None = None,
    ) -> "Mask":
        """The superpixels that a stroke through points (x, y) touches."""
        flat = (part for point in points for part in point)
        return cls.select("superpixels", *flat, width=width, size=size)

    @classmethod
    def saliency(cls) -> "Mask":
        """What stands out, without a model."""
        return cls.select("saliency")

    @classmethod
    def sky(cls) -> "Mask":
        """Sky, by color, smoothness and position."""
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
    def person(cls, *, best: bool = False, **options: float | str) -> "Mask":
        """People, by a model: `Mask.text("person")`, and the same options."""
        return cls.select("person", quality="best" if best else None, **options)

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
    def subject(
        cls, model: str | None = None, *, best: bool = False, matte: str | None = None
    ) -> "Mask":
        """The main objects, by a model; `best` softens their edges by another one, `matte`."""
        quality = "best" if best else None
        return cls.select("subject", quality=quality, model=model, matte=matte)

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

    def matte(self, by: Distance | None = None, model: str | None = None) -> "Mask":
        """With the true softness of its edge, by a model."""
        return Mask(refine("matte", self.node, by, model=model), self.given)

    def invert(self) -> "Mask":
        """What was not selected."""
        return self._refined("invert")

    def on(self, photo: PhotoLike | Photo, *, device: str = "auto") -> Coverage:
        """Coverage of a photo, float32 (H, W) in [0, 1]; may be empty.

        Args:
            photo: a path, an image, an array, or a photo that was read.
            device: where models run that the mask asks for, as `load_model` takes it.

        Raises:
            InputError: the photo cannot be read, or a part cannot be evaluated on it.
            ModelError: a model that the mask asks for is not there.
        """
        from editkit.masks.evaluate import select_in

        read = photo if isinstance(photo, Photo) else read_photo(photo)
        return select_in(self, read, device=device)

    def image(self, photo: PhotoLike | Photo, *, device: str = "auto") -> Image.Image:
        """The mask of a photo as a gray Pillow image, white where it selects; see `on`."""
        return Image.fromarray(np.rint(self.on(photo, device=device) * 255).astype(np.uint8))

    def _joined(self, op: str, other: "Mask") -> "Mask":
        return Mask(Join(op, self.node, other.node), (*self.given, *other.given))

    def _refined(self, name: str, value: Value | None = None) -> "Mask":
        return Mask(refine(name, self.node, value), self.given)


@dataclass(frozen=True, eq=False)
class Masks:
    """The three jobs of a mask, each as it is: what an edit takes in place of one mask.

    Attributes:
        denoise: how much the sampler may change; values between are a strength for each pixel.
        condition: the hole that an inpainting model is told of: all above 0.
        composite: how much of the outcome reaches the photo.
        notes: how those were read that are masks of their own.
    """

    denoise: Coverage
    condition: Coverage
    composite: Coverage
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        photo: PhotoLike | Photo,
        mask: "PhotoLike | Mask",
        *,
        denoise: "PhotoLike | Mask | None" = None,
        condition: "PhotoLike | Mask | None" = None,
        composite: "PhotoLike | Mask | None" = None,
        device: str = "auto",
    ) -> "Masks":
        """The three masks of a photo: each `mask`, or one of its own.

        Args:
            photo: the photo.
            mask: anything that an edit takes as a mask.
            denoise: the same, for one of the jobs; text that begins with `~` refines `mask`.
            condition: the same.
            composite: the same.
            device: where models run that a mask asks for.

        Raises:
            MaskError: one is of another size, wrong, or selects nothing.
        """
        from editkit.masks.roles import derive

        read = photo if isinstance(photo, Photo) else read_photo(photo)
        rules = {"denoise": denoise, "condition": condition, "composite": composite}
        return derive(mask, read, device=device, **rules)

    def __iter__(self) -> Iterator[Coverage]:
        return iter((self.denoise, self.condition, self.composite))

    def copied(self) -> "Masks":
        """Masks of the same values to write to; what is one array here is one array there."""
        copies = {id(mask): mask.copy() for mask in self}
        denoise, condition, composite = (copies[id(mask)] for mask in self)
        return Masks(denoise, condition, composite, self.notes)

    def clear(self, here: tuple[slice, slice], where: NDArray[np.bool_]) -> None:
        """Writes 0 into all three, `where` in the rectangle `here`."""
        for mask in self:
            mask[here][where] = 0

    @property
    def union(self) -> Coverage:
        """All that is repainted or replaced: what the worked region must hold."""
        if self.denoise is self.composite:
            return self.denoise
        return np.maximum(self.denoise, self.composite)

    @property
    def soft(self) -> bool:
        """Whether the sampler is asked for anything between none and all."""
        return bool(((self.denoise > 0) & (self.denoise < 1)).any())
