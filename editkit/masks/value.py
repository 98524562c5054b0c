"""`Mask`: a selection as an immutable value; and the one way from anything given as a mask.

`coverage_of` takes a file, an image, an array, an expression or a `Mask`, and gives coverage.
"""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from editkit.errors import InputError, MaskError
from editkit.masks.evaluate import View, evaluate
from editkit.masks.grammar import SOURCES, Value
from editkit.masks.language import Join, Node, Not, files_in, parse, pick, refine, to_text
from editkit.masks.normalize import normalize_mask
from editkit.masks.read import Reading, is_file, is_floating, read_as_is, read_with_notes
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
        return self._combine("|", other)

    __add__ = __or__

    def __and__(self, other: "Mask") -> "Mask":
        return self._combine("&", other)

    def __sub__(self, other: "Mask") -> "Mask":
        return self._combine("-", other)

    def __invert__(self) -> "Mask":
        return Mask(Not(self.node), self.given)

    def __str__(self) -> str:
        return to_text(self.node)

    def grow(self, by: Distance) -> "Mask":
        """With all within a distance."""
        return self._refine("grow", by)

    def shrink(self, by: Distance) -> "Mask":
        """Without all within a distance of what is not selected."""
        return self._refine("shrink", by)

    def feather(self, width: Distance) -> "Mask":
        """Fading in over a width, inside the edge."""
        return self._refine("feather", width)

    def blur(self, sigma: Distance) -> "Mask":
        """Softened on both sides of the edge."""
        return self._refine("blur", sigma)

    def holes(self, most: Distance | None = None) -> "Mask":
        """With holes filled."""
        return self._refine("holes", most)

    def islands(self, least: Distance | None = None) -> "Mask":
        """Without small islands."""
        return self._refine("islands", least)

    def hull(self) -> "Mask":
        """With its convex hull filled."""
        return self._refine("hull")

    def smooth(self, by: Distance) -> "Mask":
        """With corners and teeth rounded off."""
        return self._refine("smooth", by)

    def threshold(self, value: float = 0.5) -> "Mask":
        """Hard: selected from that value on."""
        return self._refine("threshold", value)

    def snap(self, by: Distance | None = None, method: str | None = None) -> "Mask":
        """With its edge moved onto edges of the photo."""
        return Mask(refine("snap", self.node, by, method=method), self.given)

    def matte(self, by: Distance | None = None, model: str | None = None) -> "Mask":
        """With the true softness of its edge, by a model."""
        return Mask(refine("matte", self.node, by, model=model), self.given)

    def invert(self) -> "Mask":
        """What was not selected."""
        return self._refine("invert")

    def on(self, photo: PhotoLike | Photo, *, device: str = "auto") -> Coverage:
        """Coverage of a photo, float32 (H, W) in [0, 1]; may be empty.

        Args:
            photo: a path, an image, an array, or a photo that was read.
            device: where models run that the mask asks for, as `load_model` takes it.

        Raises:
            InputError: the photo cannot be read, or a part cannot be evaluated on it.
            ModelError: a model that the mask asks for is not there.
        """
        read = read_photo(photo)
        return select_in(self, read, device=device)

    def image(self, photo: PhotoLike | Photo, *, device: str = "auto") -> Image.Image:
        """The mask of a photo as a gray Pillow image, white where it selects; see `on`."""
        return Image.fromarray(np.rint(self.on(photo, device=device) * 255).astype(np.uint8))

    def _combine(self, op: str, other: "Mask") -> "Mask":
        return Mask(Join(op, self.node, other.node), (*self.given, *other.given))

    def _refine(self, name: str, value: Value | None = None) -> "Mask":
        return Mask(refine(name, self.node, value), self.given)


MaskSource = PhotoLike | Mask | Reading
"""What can be given as one mask: text that names no file is an expression."""


def coverage_of(
    mask: MaskSource, photo: Photo, *, source_name: str | None = None, device: str = "auto"
) -> Coverage:
    """The mask as float32 coverage of the photo: 1 may change, 0 stays; see `resolve_mask`."""
    return resolve_mask(mask, photo, source_name=source_name, device=device).coverage


def resolve_mask(
    mask: MaskSource,
    photo: Photo,
    *,
    source_name: str | None = None,
    device: str = "auto",
    original: Photo | None = None,
) -> Reading:
    """The mask as float32 coverage of the photo, and how it was read.

    Text that names a file that exists is that file; any other text is an expression.

    Args:
        mask: anything that can be given as a mask.
        photo: the photo.
        source_name: how messages call the mask, instead of its path.
        device: where models run that an expression asks for.
        original: what a painted copy is a copy of; the photo unless given, or of another size.

    Raises:
        MaskError: no mask of the photo's size, an expression that is wrong, or nothing selected.
        ImageError: a file that is no image.
        ModelError: a selection wants a model that is not there.
    """
    if original is None or original.size != photo.size:
        original = photo
    if isinstance(mask, Reading):
        return Reading(read_as_is(mask.coverage, photo.size), mask.notes)
    if isinstance(mask, str) and not is_file(mask) and not _is_path(mask):
        mask = Mask.parse(mask)
    if not isinstance(mask, Mask):
        return read_with_notes(mask, photo.size, photo=original, source_name=source_name)
    view = view_of(mask, photo, device=device, original=original)
    coverage = evaluate(mask.node, view)
    if not coverage.any():
        raise MaskError(
            f"the mask {mask} selects nothing in this photo; see `editkit mask --explain`"
        )
    if any(is_floating(source) for _, source in mask.given):
        coverage, notes = normalize_mask(coverage)
        view.notes.extend(notes)
    return Reading(coverage, tuple(view.notes))


def select_in(
    mask: Mask | str, photo: Photo, base: Coverage | None = None, *, device: str = "auto"
) -> Coverage:
    """A mask's coverage of a photo, which may be empty; `base` is what a leading `~` refines."""
    chosen = Mask(parse(mask, rule=base is not None)) if isinstance(mask, str) else mask
    return evaluate(chosen.node, view_of(chosen, photo, base, device))


def view_of(
    mask: Mask,
    photo: Photo,
    base: Coverage | None = None,
    device: str = "auto",
    original: Photo | None = None,
) -> View:
    """A photo as the selections of a mask see it."""
    given = dict[str, Coverage]()
    view = View(photo, base, given, device, original=original)
    given.update((name, view.read(source)) for name, source in mask.given)
    return view


def file_names_in(text: str) -> list[str]:
    """The files that a mask's text names, or is."""
    if is_file(text) or _is_path(text):
        return [text]
    try:
        return list(files_in(parse(text, rule=True)))
    except InputError:  # whoever evaluates it says so
        return []


def _is_path(text: str) -> bool:
    """Text that can only be meant as a file: a folder or a device that is there."""
    try:
        return bool(text) and os.path.lexists(text)
    except ValueError:
        return False
