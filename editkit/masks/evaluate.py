"""A tree of the mask language applied to a photo."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from editkit.errors import EditkitError, InputError, MaskError
from editkit.masks import refine, scenes, select, shapes
from editkit.masks.cache import Cache, cache_key, open_cache
from editkit.masks.checkpoints import (
    ANSWERS,
    CUTS,
    DEFAULTS,
    MAPS,
    MATTES,
    find_segmenter,
    load_segmenter,
)
from editkit.masks.grammar import Length, Value
from editkit.masks.language import Base, Join, Node, Not, Pick, Refine, walk
from editkit.masks.read import is_floating, read_as_is, read_part
from editkit.photo.io.files import Photo, PhotoLike, read_photo
from editkit.types import Coverage, Rgb, Size

if TYPE_CHECKING:
    from editkit.masks.checkpoints import LocatedSegmenter, Segmenter


@dataclass(frozen=True, eq=False)
class View:
    """A photo as selections see it; each part of a tree is evaluated once.

    Attributes:
        photo: the photo.
        base: what a rule that begins with `~` refines.
        given: masks that have no text, by the name that a tree calls them.
        device: where models run.
        cache: where selections that take long are kept; None for nowhere.
        original: what painted copies are copies of; the photo itself unless given.
        notes: how masks were read that a tree names.
    """

    photo: Photo
    base: Coverage | None = None
    given: Mapping[str, Coverage] = field(default_factory=dict[str, Coverage])
    device: str = "auto"
    cache: Cache | None = field(default_factory=open_cache)
    original: Photo | None = None
    notes: list[str] = field(default_factory=list[str], repr=False)
    memo: dict[Node, Coverage] = field(default_factory=dict[Node, Coverage], repr=False)
    loaded: "dict[tuple[str, tuple[str, ...]], Segmenter]" = field(
        default_factory=dict[tuple[str, tuple[str, ...]], "Segmenter"], repr=False
    )
    digests: dict[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def size(self) -> Size:
        """The photo's size."""
        return self.photo.size

    def read(self, source: PhotoLike) -> Coverage:
        """A mask that the tree names; how it was read is noted.

        Floating-point values stay as they are, so that the algebra's laws hold; `resolve_mask`
        normalizes the outcome.
        """
        if is_floating(source):
            return read_as_is(cast("Coverage", source), self.size)
        read = read_part(source, self.size, photo=self.original or self.photo)
        self.notes.extend(note for note in read.notes if note not in self.notes)
        return read.coverage

    @cached_property
    def rgb(self) -> Rgb:
        """The photo in 8-bit sRGB."""
        return self.photo.rgb()

    def load(self, name: str, answers: tuple[str, ...]) -> "Segmenter":
        """A segmentation model, loaded once for all parts of a tree."""
        if (name, answers) not in self.loaded:
            self.loaded[name, answers] = load_segmenter(name, answers, device=self.device)
        return self.loaded[name, answers]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what selections see of the photo, in hexadecimal."""
        return hashlib.sha256(np.ascontiguousarray(self.rgb).data).hexdigest()

    def length(self, value: Value | None, default: Length) -> float:
        """A distance in pixels; percent are of the short side."""
        chosen = value if isinstance(value, Length) else default
        return chosen.of(min(self.size))

    def area(self, value: Value | None, default: Length) -> float:
        """An area in pixels; percent give the side of a square."""
        chosen = value if isinstance(value, Length) else default
        return chosen.of(min(self.size)) ** 2 if chosen.percent else chosen.value

    def x(self, value: Value) -> float:
        """A place along the width; percent are of the width."""
        return cast("Length", value).of(self.size.width)

    def y(self, value: Value) -> float:
        """A place along the height; percent are of the height."""
        return cast("Length", value).of(self.size.height)


def evaluate(node: Node, view: View) -> Coverage:
    """The coverage that a tree selects; equal parts are evaluated once.

    Raises:
        InputError: a part cannot be evaluated on this photo; the message names its column.
    """
    if node not in view.memo:
        try:
            view.memo[node] = (
                _evaluate_cached(node, view) if _is_slow(node) else _evaluate(node, view)
            )
        except EditkitError as error:
            raise _with_column(error, node) from error
    return view.memo[node]


def models_in(node: Node, *, offline: bool | None = None) -> "Iterator[LocatedSegmenter]":
    """The segmentation models that a tree may ask, as far as they can be had.

    Args:
        node: the tree.
        offline: as `find_segmenter` takes it.
    """
    for part in walk(node):
        if not _is_slow(part):
            continue
        for number, (name, answers) in enumerate(_models_for(part)):
            try:
                found = find_segmenter(name, answers, offline=offline)
            except EditkitError:  # whoever evaluates the tree says so
                continue
            yield found
            if number == 0 and found.answers == MAPS:  # which needs no second one
                break


def model_names_in(node: Node) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The names of all segmentation models that a tree may ask, and what each must answer."""
    for part in walk(node):
        for number, (name, answers) in enumerate(_models_for(part) if _is_slow(part) else ()):
            yield name, answers
            if number == 0 and _answer_kind(name, answers) == MAPS:  # which needs no second one
                break


def advice(coverage: Coverage, name: str = "MASK") -> tuple[str, ...]:
    """What is unusual about a mask: a line for each thing, with what to write instead."""
    share = float(np.mean(coverage, dtype=np.float64))
    if not coverage.any():
        return (f"the mask is empty; if black marks where to edit, write '{name} ~invert'",)
    if share <= 0.5:
        return ()
    rim = np.concatenate((coverage[0], coverage[-1], coverage[:, 0], coverage[:, -1]))
    said = f"the mask selects {share:.0%} of the photo"
    if share < 1 and float(rim.mean()) > 0.9:
        said += f", all around its border: if black marks where to edit, write '{name} ~invert'"
    else:
        said += f"; the other part is '{name} ~invert'"
    return (said,)


def _with_column(error: EditkitError, node: Node) -> EditkitError:
    if not node.at or not isinstance(error, InputError) or str(error).startswith("mask expr"):
        return error
    return type(error)(f"mask expression, column {node.at}: {error}")


def _answer_kind(name: str, answers: tuple[str, ...]) -> str | None:
    """What a model on this machine answers; None where it is not here."""
    try:
        return find_segmenter(name, answers, offline=True).answers
    except EditkitError:
        return None


def _is_slow(node: Node) -> bool:
    """True if a part is worth keeping on disk: models, and GrabCut."""
    if isinstance(node, Refine):
        return node.name == "matte" or ("method", "grabcut") in node.args
    return isinstance(node, Pick) and node.name in _SLOW


def _evaluate_cached(node: Node, view: View) -> Coverage:
    """A slow part, from the cache if it was evaluated before."""
    if view.cache is None:
        return _evaluate(node, view)
    before = evaluate(node.of, view) if isinstance(node, Refine) else None
    key = _cache_key(node, view, before)
    found = view.cache.read(key, view.size) if key is not None else None
    if found is not None:
        return found
    made = _evaluate(node, view)
    # A model that was not here before may have come by now.
    key = key or _cache_key(node, view, before)
    if key is not None:
        view.cache.write(key, made)
    return made


def _cache_key(node: Node, view: View, before: Coverage | None) -> str | None:
    """A key of all that a slow part depends on; None where a model is not on this machine."""
    parts = [str(view.size), view.digest]
    if isinstance(node, Refine) and before is not None:
        seen = hashlib.sha256(np.ascontiguousarray(before).data).hexdigest()
        parts += [str(Refine(node.name, Base(), node.args)), seen]
    else:
        parts.append(str(node))
    models = _models_for(node)
    try:
        for number, (name, answers) in enumerate(models):
            found = find_segmenter(name, answers, offline=True)
            if name not in view.digests:
                view.digests[name] = found.digest
            parts.append(f"{view.device} {view.digests[name]}")
            if number == 0 and found.answers == MAPS:  # which needs no second one
                break
    except EditkitError:
        return None
    return cache_key(parts)


def _models_for(node: Node) -> list[tuple[str, tuple[str, ...]]]:
    """The models that a part may ask, by what they answer."""
    if not isinstance(node, Pick | Refine) or node.name in _BY_GRABCUT:
        return []
    args = {name: str(value) for name, value in node.args}
    best, words = args.get("quality") == "best", node.name in ("text", "person")
    way = ("text,best" if best else "text") if words else node.name
    wanted: list[tuple[str, tuple[str, ...]]] = [(args.get("model") or DEFAULTS[way].name, ANSWERS)]
    if words and (best or "model" in args):
        wanted.append((args.get("sam") or DEFAULTS["sam"].name, (CUTS,)))
    if node.name == "subject" and best:
        wanted.append((args.get("matte") or DEFAULTS["matte"].name, (MATTES,)))
    return wanted


def _evaluate(node: Node, view: View) -> Coverage:
    if isinstance(node, Base):
        if view.base is None:
            raise MaskError("a ~ must follow a selection")
        return view.base
    if isinstance(node, Not):
        return 1 - evaluate(node.of, view)
    if isinstance(node, Join):
        left, right = evaluate(node.left, view), evaluate(node.right, view)
        if node.op == "|":
            return np.maximum(left, right)
        return np.minimum(left, right if node.op == "&" else 1 - right)
    if isinstance(node, Refine):
        return _REFINE[node.name](view, evaluate(node.of, view), dict(node.args))
    return _SELECT[node.name](view, _Arguments(node))


@dataclass(frozen=True)
class _Arguments:
    """The arguments of a selection."""

    pick: Pick

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - as the grammar read it
        return dict(self.pick.args)[name]

    def get(self, name: str, default: Value | None = None) -> Any:  # noqa: ANN401
        return dict(self.pick.args).get(name, default)

    def points(self, view: View) -> shapes.Points:
        places = [value for name, value in self.pick.args if name == "at"]
        pairs = [cast("tuple[Length, Length]", place) for place in places]
        return np.array([(view.x(x), view.y(y)) for x, y in pairs], np.float64)

    def box(self, view: View) -> tuple[float, float, float, float]:
        return _box_sides(self.pick, view, *(self[n] for n in ("left", "top", "right", "bottom")))


def _box_sides(pick: Pick, view: View, *sides: Length) -> tuple[float, float, float, float]:
    left, top, right, bottom = (
        view.x(sides[0]),
        view.y(sides[1]),
        view.x(sides[2]),
        view.y(sides[3]),
    )
    if not (left < right and top < bottom):
        raise MaskError(f"the box is empty: {pick}; write LEFT, TOP, RIGHT, BOTTOM")
    return left, top, right, bottom


def _file(view: View, args: _Arguments) -> Coverage:
    name, part = str(args["name"]), args.get("part")
    if name in view.given:
        return view.given[name]
    if part is None:
        return view.read(name)
    photo = read_photo(name)
    if photo.size != view.size:
        raise MaskError(f"{name} is {photo.size}, the photo is {view.size}")
    return _alpha(photo, name) if part == "alpha" else select.lightness(photo.rgb())


def _alpha(photo: Photo, name: str) -> Coverage:
    if photo.mode not in ("LA", "RGBA"):
        raise MaskError(f"{name} has no alpha channel (mode {photo.mode})")
    alpha = photo.samples[..., -1]
    return (alpha / np.float32(np.iinfo(alpha.dtype).max)).astype(np.float32)


def _border(view: View, args: _Arguments) -> Coverage:
    names = ("top", "right", "bottom", "left")
    values = [args.get(name) for name in names]
    top = values[0]
    right = values[1] if values[1] is not None else top
    bottom, left = values[2] or top, values[3] or right
    widths = [view.length(width, Length(0)) for width in (top, right, bottom, left)]
    return shapes.border(view.size, *widths)


def _ellipse(view: View, args: _Arguments) -> Coverage:
    rx = view.length(args["rx"], Length(0))
    ry = view.length(args.get("ry", args["rx"]), Length(0))
    return shapes.ellipse(view.size, view.x(args["x"]), view.y(args["y"]), rx, ry)


def _point(view: View, args: _Arguments) -> Coverage:
    column, row = int(view.x(args["x"]) // 1), int(view.y(args["y"]) // 1)
    if not (0 <= row < view.size.height and 0 <= column < view.size.width):
        raise MaskError(f"the point {column},{row} is outside the photo of {view.size}")
    return select.point(view.rgb, row, column, float(args.get("tolerance", 10.0)))


def _color(view: View, args: _Arguments) -> Coverage:
    from PIL import ImageColor

    first = ImageColor.getrgb(str(args["color"]))
    last = ImageColor.getrgb(str(args.get("to", args["color"])))
    tolerance, soft = float(args.get("tolerance", 15.0)), float(args.get("soft", 0.0))
    return select.color(view.rgb, first, last, tolerance, soft)


def _luma(view: View, args: _Arguments) -> Coverage:
    if args.get("range") is None:
        return select.lightness(view.rgb)
    return select.luma(view.rgb, args["range"][0], args["range"][1], float(args.get("soft", 0.0)))


def _stroke(view: View, args: _Arguments) -> Coverage:
    width = view.length(args.get("width"), Length(2, percent=True))
    return shapes.stroke(view.size, args.points(view), width)


def _superpixels(view: View, args: _Arguments) -> Coverage:
    width = max(1.5, view.length(args.get("width"), Length(1, percent=True)))
    side = view.length(args.get("size"), Length(3, percent=True))
    return select.superpixels(view.rgb, shapes.stroke(view.size, args.points(view), width), side)


def _text(view: View, args: _Arguments) -> Coverage:
    from editkit.masks import segment

    return segment.segment_words(
        view.rgb,
        str(args.get("words", args.pick.name)),  # of `person`, its name
        best=args.get("quality") == "best",
        threshold=args.get("threshold"),
        model=args.get("model"),
        sam=args.get("sam"),
        load=view.load,
    )


def _sam(view: View, args: _Arguments) -> Coverage:
    from editkit.masks import segment

    outside, sides = args.get("not"), args.get("box")
    box = None if sides is None else _box_sides(args.pick, view, *sides)
    return segment.segment_prompts(
        view.rgb,
        args.points(view).reshape(-1, 2),
        None if outside is None else np.array([[view.x(outside[0]), view.y(outside[1])]]),
        None if box is None else [box],
        model=args.get("model"),
        load=view.load,
    )


def _subject(view: View, args: _Arguments) -> Coverage:
    from editkit.masks import segment

    return segment.segment_subject(
        view.rgb,
        best=args.get("quality") == "best",
        model=args.get("model"),
        matte=args.get("matte"),
        load=view.load,
    )


def _matte(view: View, mask: Coverage, args: dict[str, Value]) -> Coverage:
    from editkit.masks import segment

    by = view.length(args.get("by"), Length(100 * segment.MATTE_SHARE, percent=True))
    model = args.get("model")
    name = None if model is None else str(model)
    return segment.matte_edge(view.rgb, mask, by, model=name, load=view.load)


_SELECT: Mapping[str, Callable[[View, _Arguments], Coverage]] = {
    "file": _file,
    "all": lambda view, _: np.ones(view.size, np.float32),
    "none": lambda view, _: np.zeros(view.size, np.float32),
    "box": lambda view, args: shapes.box(view.size, *args.box(view)),
    "ellipse": _ellipse,
    "polygon": lambda view, args: shapes.polygon(view.size, args.points(view)),
    "stroke": _stroke,
    "border": _border,
    "point": _point,
    "color": _color,
    "luma": _luma,
    "edges": lambda view, args: select.edges(view.rgb, float(args.get("share", 0.1))),
    "alpha": lambda view, _: _alpha(view.photo, "the photo"),
    "grabcut": lambda view, args: select.grabcut_box(
        view.rgb, shapes.box(view.size, *args.box(view))
    ),
    "superpixels": _superpixels,
    "saliency": lambda view, _: scenes.saliency(view.rgb),
    "sky": lambda view, _: scenes.sky(view.rgb),
    "face": lambda view, _: scenes.face(view.rgb),
    "text": _text,
    "person": _text,
    "sam": _sam,
    "subject": _subject,
}

_BY_GRABCUT = ("grabcut", "saliency", "sky", "snap")
_SLOW = (*_BY_GRABCUT, "text", "person", "sam", "subject")

Refinement = Callable[[View, Coverage, dict[str, Value]], Coverage]
_NO = Length(0)
_REFINE: Mapping[str, Refinement] = {
    "grow": lambda view, mask, args: refine.grow(mask, view.length(args["by"], _NO)),
    "shrink": lambda view, mask, args: refine.shrink(mask, view.length(args["by"], _NO)),
    "feather": lambda view, mask, args: refine.feather(mask, view.length(args["width"], _NO)),
    "blur": lambda view, mask, args: refine.blur(mask, view.length(args["sigma"], _NO)),
    "holes": lambda view, mask, args: refine.holes(
        mask, view.area(args["most"], _NO) if "most" in args else None
    ),
    "islands": lambda view, mask, args: refine.islands(
        mask, view.area(args.get("least"), Length(1, percent=True))
    ),
    "hull": lambda _, mask, __: refine.hull(mask),
    "smooth": lambda view, mask, args: refine.smooth(mask, view.length(args["by"], _NO)),
    "threshold": lambda _, mask, args: refine.threshold(
        mask, cast("float", args.get("value", 0.5))
    ),
    "snap": lambda view, mask, args: refine.snap(
        mask,
        view.rgb,
        view.length(args.get("by"), Length(1, percent=True)),
        str(args.get("method", "guided")),
    ),
    "matte": _matte,
    "invert": lambda _, mask, __: refine.invert(mask),
}
