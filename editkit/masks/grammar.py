"""The vocabulary of the mask language: selections, refinements and types of arguments."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE]-?\d{1,3})?"
_LENGTH = re.compile(rf"({_NUMBER})(px|%)?")
_SAFE = re.compile(r"#?[A-Za-z0-9_./-]*[A-Za-z0-9_]")
_FAR = 1e6


@dataclass(frozen=True)
class Length:
    """A length or a position, in pixels or in percent of a reference length."""

    value: float
    percent: bool = False

    def of(self, whole: float) -> float:
        """The length in pixels; 100 percent are `whole` pixels."""
        return self.value * whole / 100 if self.percent else self.value

    def __str__(self) -> str:
        return format_number(self.value) + ("%" if self.percent else "")


Value = str | float | Length | tuple[float, float] | tuple[Length, ...]
"""An argument: text or a word, a number, a length, a range, or positions written as `x/y`."""

Args = tuple[tuple[str, Value], ...]
"""Arguments by name, in the order of the table; points are several `at`."""


class ArgumentError(ValueError):
    """An argument that cannot be parsed; `index` is its position among the given ones."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


@dataclass(frozen=True)
class ArgumentType:
    """A type of argument: its parser, and its description in messages."""

    what: str
    read: Callable[[str], Value | None]
    """The value of a text; None where it is not of this kind."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a selection or refinement; `alias` is another name for it."""

    name: str
    kind: ArgumentType
    needed: bool = False
    alias: str | None = None


@dataclass(frozen=True)
class Spec:
    """The signature of a selection or refinement.

    Attributes:
        about: one line of documentation.
        params: its parameters in order; an optional one may be left out by position, too.
        places: the least number of points x,y that come first; None where it takes none.
        usage: the syntax of its arguments.
    """

    about: str
    params: tuple[Parameter, ...] = ()
    places: int | None = None
    usage: str = ""

    def bind(self, name: str, given: Sequence[tuple[str | None, str]]) -> Args:
        """The arguments by name.

        Raises:
            ArgumentError: one is unknown, missing, given twice or of another type.
        """
        rest = list(enumerate(given))
        places: list[tuple[str, Value]] = []
        if self.places is not None:
            places, rest = self._places(name, rest)
        found: dict[str, Value] = {}
        open_params = list(self.params)
        for index, (key, text) in rest:
            param, value = self._match(name, key, text, open_params, index)
            if param.name in found:
                raise ArgumentError(f"{name}: {param.name} is given twice", index)
            found[param.name] = value
        lacking = next((p for p in self.params if p.needed and p.name not in found), None)
        if lacking is not None:
            raise ArgumentError(f"{name} needs {lacking.kind.what}; write {name}:{self.usage}")
        return (*places, *((p.name, found[p.name]) for p in self.params if p.name in found))

    def text(self, args: Args) -> str:
        """The inverse of `bind`: the arguments as text, those after a gap by name."""
        parts = [str(length) for name, pair in args if name == "at" for length in _lengths_in(pair)]
        found, by_place = dict(args), self.places is None
        for param in self.params:
            by_place = by_place and param.name in found
            if param.name in found:
                value = format_value(found[param.name], quotes=param.kind is WORDS)
                parts.append(value if by_place else f"{param.name}={value}")
        return ",".join(parts)

    def _places(
        self, name: str, given: list[tuple[int, tuple[str | None, str]]]
    ) -> tuple[list[tuple[str, Value]], list[tuple[int, tuple[str | None, str]]]]:
        count = next((i for i, (_, (key, _)) in enumerate(given) if key is not None), len(given))
        numbers: list[Length] = []
        for index, (_, text) in given[:count]:
            length = _length(text)
            if length is None:
                raise ArgumentError(f"{name}: {text!r} is not a place in pixels or percent", index)
            numbers.append(length)
        if len(numbers) % 2:
            raise ArgumentError(f"{name}: places are pairs x,y; one number is left over", count - 1)
        pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
        if len(pairs) < (self.places or 0):
            raise ArgumentError(
                f"{name} needs {self.places} or more points; write {name}:{self.usage}"
            )
        return [("at", pair) for pair in pairs], given[count:]

    def _match(
        self, name: str, key: str | None, text: str, open_params: list[Parameter], index: int
    ) -> tuple[Parameter, Value]:
        """The parameter that an argument belongs to; parameters that it skips are closed."""
        if key is not None:
            param = next((p for p in self.params if key in (p.name, p.alias)), None)
            if param is None:
                known = ", ".join(p.name for p in self.params) or "nothing"
                raise ArgumentError(f"{name} takes no {key}=; it takes {known}", index)
            value = param.kind.read(text)
            if value is None:
                raise ArgumentError(f"{name}: {text!r} is not {param.kind.what}", index)
            return param, value
        first = open_params[0] if open_params else None
        while open_params:
            param = open_params.pop(0)
            value = param.kind.read(text)
            if value is not None:
                return param, value
            if param.needed:
                break
        if first is None:
            raise ArgumentError(f"{name}: {text!r} is more than it takes", index)
        raise ArgumentError(f"{name}: {text!r} is not {first.kind.what}", index)


def _lengths_in(value: Value) -> tuple[Length, ...]:
    return tuple(v for v in value if isinstance(v, Length)) if isinstance(value, tuple) else ()


def format_number(number: float) -> str:
    """The shortest text that parses to the same number, without a plus sign."""
    return str(int(number)) if number == int(number) else repr(float(number)).replace("e+", "e")


def quote(text: str) -> str:
    """The text in double quotes, with escapes."""
    inside = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'


def format_value(value: Value, *, quotes: bool = False) -> str:
    """The text of a value; with `quotes`, text is always quoted."""
    if isinstance(value, str):
        return quote(value) if quotes or not _SAFE.fullmatch(value) else value
    if not isinstance(value, tuple):
        return str(value) if isinstance(value, Length) else format_number(value)
    if all(isinstance(item, Length) for item in value):
        return "/".join(map(str, value))
    return "..".join(format_number(item) for item in value if isinstance(item, int | float))


def _length(text: str) -> Length | None:
    found = _LENGTH.fullmatch(text)
    if found is None or abs(float(found.group(1))) > _FAR:
        return None
    return Length(float(found.group(1)), found.group(2) == "%")


def _distance(text: str) -> Length | None:
    length = _length(text)
    return length if length is not None and length.value >= 0 else None


def _number(low: float, high: float) -> Callable[[str], float | None]:
    def read(text: str) -> float | None:
        length = _length(text)
        if length is None or (text.endswith("px")):
            return None
        value = length.value / 100 if length.percent and high <= 1 else length.value
        return value if low <= value <= high else None

    return read


def _range(text: str) -> tuple[float, float] | None:
    found = re.fullmatch(rf"({_NUMBER})(?:\.\.|-)({_NUMBER})", text)
    if found is None:
        return None
    low, high = map(float, found.groups())
    return (low, high) if 0 <= low <= high <= 100 else None


def _word(*words: str) -> Callable[[str], str | None]:
    return lambda text: text if text in words else None


def _words(text: str) -> str | None:
    return text if text.strip() and _is_encodable(text) else None


def _color(text: str) -> str | None:
    from PIL import ImageColor

    try:
        ImageColor.getrgb(text)
    except ValueError:
        return None
    return text if re.fullmatch(r"#(?:[0-9a-fA-F]{3}){1,2}|[A-Za-z]+", text) else None


def _tuple_of(count: int) -> Callable[[str], tuple[Length, ...] | None]:
    def read(text: str) -> tuple[Length, ...] | None:
        parts = [_length(part) for part in text.split("/")]
        lengths = tuple(part for part in parts if part is not None)
        return lengths if len(lengths) == len(parts) == count else None

    return read


def _file(text: str) -> str | None:
    return text if text and "\0" not in text and _is_encodable(text) else None


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


PLACE = ArgumentType("a place in pixels or percent", _length)
DISTANCE = ArgumentType(
    "a distance of 0 or more, in pixels or percent of the short side", _distance
)
AREA = ArgumentType(
    "an area in pixels, or the side of a square in percent of the short side", _distance
)
COLOR = ArgumentType("a color such as red or #ff8800", _color)
TOLERANCE = ArgumentType("a tolerance from 0 to 500 in CIELAB", _number(0, 500))
SHARE = ArgumentType("a number from 0 to 1", _number(0, 1))
RANGE = ArgumentType("a range such as 20..60, of 0 to 100", _range)
WORDS = ArgumentType('what to look for, such as dog or "red car"', _words)
FILE = ArgumentType("the name of a file", _file)
MODEL = ArgumentType("a folder or an id such as owner/name", _words)

_WANTED = (
    Parameter("quality", ArgumentType("fast or best", _word("fast", "best"))),
    Parameter("threshold", SHARE),
    Parameter("model", MODEL),
    Parameter("sam", MODEL),
)
_BOX = tuple(Parameter(name, PLACE, needed=True) for name in ("left", "top", "right", "bottom"))
_TOLERANCE = Parameter("tolerance", TOLERANCE)

SOURCES: Mapping[str, Spec] = {
    "file": Spec(
        "A mask file; white is selected. `alpha` or `luma` uses only that channel.",
        (
            Parameter("name", FILE, needed=True),
            Parameter("part", ArgumentType("alpha or luma", _word("alpha", "luma"))),
        ),
        usage="NAME[,alpha|luma]",
    ),
    "all": Spec("Everything."),
    "none": Spec("Nothing."),
    "box": Spec(
        "A rectangle; right and bottom are not included.", _BOX, usage="LEFT,TOP,RIGHT,BOTTOM"
    ),
    "ellipse": Spec(
        "An ellipse by its center and radii; one radius makes a disc.",
        (
            Parameter("x", PLACE, needed=True),
            Parameter("y", PLACE, needed=True),
            Parameter("rx", DISTANCE, needed=True),
            Parameter("ry", DISTANCE),
        ),
        usage="X,Y,RX[,RY]",
    ),
    "polygon": Spec("A polygon through points, even-odd.", (), 3, usage="X,Y,X,Y,X,Y..."),
    "stroke": Spec(
        "A line through points with round ends; 2% wide by default.",
        (Parameter("width", DISTANCE),),
        1,
        usage="X,Y[,X,Y...][,width=W]",
    ),
    "border": Spec(
        "A frame along the edges: one width, or top,right,bottom,left.",
        (
            Parameter("top", DISTANCE, needed=True),
            Parameter("right", DISTANCE),
            Parameter("bottom", DISTANCE),
            Parameter("left", DISTANCE),
        ),
        usage="WIDTH or TOP,RIGHT,BOTTOM,LEFT",
    ),
    "point": Spec(
        "The connected area of a point's color (flood fill); tolerance 10 by default.",
        (Parameter("x", PLACE, needed=True), Parameter("y", PLACE, needed=True), _TOLERANCE),
        usage="X,Y[,TOLERANCE]",
    ),
    "color": Spec(
        "A color, or all between two; tolerance in CIELAB, 15 by default; soft=N fades.",
        (
            Parameter("color", COLOR, needed=True, alias="colour"),
            Parameter("to", COLOR),
            _TOLERANCE,
            Parameter("soft", TOLERANCE),
        ),
        usage="COLOR[,COLOR][,TOLERANCE][,soft=N]",
    ),
    "luma": Spec(
        "Lightness in a range of 0 to 100 (CIELAB L); alone, the lightness itself as a soft mask.",
        (Parameter("range", RANGE), Parameter("soft", TOLERANCE)),
        usage="[LOW..HIGH][,soft=N]",
    ),
    "edges": Spec(
        "Edges (Canny); the share of gradients that count as strong, 10% by default.",
        (Parameter("share", SHARE),),
        usage="[SHARE]",
    ),
    "alpha": Spec("The photo's own alpha: opaque pixels."),
    "grabcut": Spec(
        "The object in a box, cut out by its colors (GrabCut).",
        _BOX,
        usage="LEFT,TOP,RIGHT,BOTTOM",
    ),
    "superpixels": Spec(
        "The superpixels (SLIC) that a stroke touches; size is about their side, 3% by default.",
        (Parameter("width", DISTANCE), Parameter("size", DISTANCE)),
        1,
        usage="X,Y[,X,Y...][,width=W][,size=S]",
    ),
    "saliency": Spec("Objects that stand out from their surroundings, without a model."),
    "sky": Spec("Sky, by color, smoothness and position."),
    "face": Spec("Faces seen from the front, as ellipses (a cascade of local binary patterns)."),
    "text": Spec(
        "Objects that words name, by a model: CLIPSeg, or with `best` a detector and SAM.",
        (Parameter("words", WORDS, needed=True), *_WANTED),
        usage='"WORDS"[,best][,threshold=T][,model=ID][,sam=ID]',
    ),
    "person": Spec(
        'People, by a model: short for text:"person".',
        _WANTED,
        usage="[best][,threshold=T][,model=ID][,sam=ID]",
    ),
    "sam": Spec(
        "The object at points, or in a box, by a model (SAM, SAM 2); not=X/Y lies outside.",
        (
            Parameter("not", ArgumentType("a point such as 40/50", _tuple_of(2))),
            Parameter("box", ArgumentType("a box such as 10/20/300/400", _tuple_of(4))),
            Parameter("model", MODEL),
        ),
        0,
        usage="X,Y[,X,Y...][,not=X/Y][,box=L/T/R/B][,model=ID]",
    ),
    "subject": Spec(
        "The main objects of the photo, by a model; with `best` a second one softens their edges.",
        (
            Parameter("quality", ArgumentType("fast or best", _word("fast", "best"))),
            Parameter("model", MODEL),
            Parameter("matte", MODEL),
        ),
        usage="[best][,model=ID][,matte=ID]",
    ),
}
"""Selections by name."""

REFINEMENTS: Mapping[str, Spec] = {
    "grow": Spec(
        "Adds everything within a distance.", (Parameter("by", DISTANCE, needed=True),), usage="BY"
    ),
    "shrink": Spec(
        "Removes everything within a distance of unselected pixels.",
        (Parameter("by", DISTANCE, needed=True),),
        usage="BY",
    ),
    "feather": Spec(
        "Fades in over a width, inside the edge: nothing is added outside.",
        (Parameter("width", DISTANCE, needed=True),),
        usage="WIDTH",
    ),
    "blur": Spec(
        "Softens both sides of the edge (Gaussian of that deviation).",
        (Parameter("sigma", DISTANCE, needed=True),),
        usage="SIGMA",
    ),
    "holes": Spec(
        "Fills holes, all or those up to an area.", (Parameter("most", AREA),), usage="[MOST]"
    ),
    "islands": Spec(
        "Drops islands smaller than an area; by default a square of 1% of the short side.",
        (Parameter("least", AREA),),
        usage="[LEAST]",
    ),
    "hull": Spec("Fills the convex hull."),
    "smooth": Spec(
        "Rounds off corners and teeth of about that size.",
        (Parameter("by", DISTANCE, needed=True),),
        usage="BY",
    ),
    "threshold": Spec(
        "Makes the mask hard: selected from that value on, 0.5 by default.",
        (Parameter("value", SHARE),),
        usage="[VALUE]",
    ),
    "snap": Spec(
        "Moves the edge onto edges of the photo within a distance, 1% by default: by a guided "
        "filter, or `grabcut`.",
        (
            Parameter("by", DISTANCE),
            Parameter("method", ArgumentType("guided or grabcut", _word("guided", "grabcut"))),
        ),
        usage="[BY][,guided|grabcut]",
    ),
    "matte": Spec(
        "Gives the edge its true softness, hair included, within a distance, 2% by default; by a "
        "model (matting).",
        (Parameter("by", DISTANCE), Parameter("model", MODEL)),
        usage="[BY][,model=ID]",
    ),
    "invert": Spec("Selects the complement."),
}
"""Refinements by name."""
