"""Recipes: edits in a row, for one photo or many, checked as a whole before anything runs.

    model: builtin
    steps:
      - {inpaint: clear sky, mask: 'sky - box:0,50%,100%,100%', steps: 20}
      - {img2img: '{style}', strength: 0.2}

A step is named by its operation, whose value is the prompt; other keys are the parameters of the
edit's class, and `mask` is a file, a folder of masks, or an expression.
"""

import os
import warnings
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import date, time
from pathlib import Path
from types import MappingProxyType
from typing import Any

from editkit.batch.recipes.document import Document, Places, read_document
from editkit.batch.recipes.steps import Operation, check_mask, converted, operations
from editkit.batch.recipes.table import VariableTable, read_table
from editkit.batch.recipes.template import filled, has_variables, names_in, unknown
from editkit.batch.recipes.text_files import shown
from editkit.errors import InputError, RecipeError
from editkit.names import SCORES
from editkit.options import Fact, facts_of, renamed
from editkit.run_options import (
    MAX_SEAM,
    BatchSize,
    BestOf,
    Device,
    DType,
    Frame,
    Jpeg,
    KeepRecords,
    MaxSeam,
    ModelName,
    Num,
    Offline,
    Provenance,
    Seed,
    SeedPolicy,
    Sign,
    Strict,
)
from editkit.storage.url import as_text, is_url

BUILT_IN = ("stem", "name", "folder")
"""Variables that every photo has: its name without and with suffix, and the folder it is in."""


@dataclass(frozen=True)
class Step:
    """One edit of a recipe, its variables not yet filled in.

    Attributes:
        operation: which edit.
        options: parameters of the edit; text may hold variables.
        mask: the mask as text; None for edits of the whole photo.
        files: files that the edit takes beside photo and mask.
        places: where each key stands, for messages.
    """

    operation: Operation
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    mask: str | None = None
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    places: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)

    @property
    def method(self) -> str | None:
        """Its parameter `method`; None where it has none, or a variable says which."""
        default = self.operation.parameters.get("method")
        found = self.options.get("method", default.default if default is not None else None)
        return found if isinstance(found, str) and not has_variables(found) else None

    @property
    def needs_model(self) -> bool:
        """Whether a model makes it, as far as can be known without a photo."""
        return self.operation.needs_model(self.method)

    def names(self) -> Iterator[tuple[str, str]]:
        """Each variable that is asked for, with the key that asks for it."""
        for key, text in {**self.options, "mask": self.mask, **self.files}.items():
            if isinstance(text, str):
                with self.at(key):
                    names = list(names_in(text))
                yield from ((key, name) for name in names)

    @contextmanager
    def at(self, key: str) -> Generator[None]:
        """Puts the place of a key before what is wrong with it."""
        try:
            yield
        except RecipeError:
            raise
        except InputError as error:
            place = self.places.get(key, self.places.get("", ""))
            if not place:
                raise
            raise RecipeError(f"{place}: {error}") from error


@dataclass(frozen=True)
class Bound:
    """A step for one photo: an edit, the mask's text, and files it takes."""

    name: str
    edit: Any
    mask: str | None
    files: Mapping[str, str]


@dataclass(frozen=True)
class Recipe:
    """Edits in a row, and how photos are read, written and judged.

    Attributes:
        steps: the edits; each works on what the one before it made.
        model: what `load_model` takes; so are `device`, `dtype` and `offline`.
        seed: of all noise; see `seeds`.
        seeds: `photo` derives each photo's seed from `seed` and the photo's path below its
            folder, so that it depends on neither order nor shard; `same` gives all the same.
        num: variants of each photo, of seeds that follow.
        best_of: variants of each photo, of which the best is kept.
        rank: scores that say which is best; the sum of the places in each decides.
        gates: the highest score that passes, by name; grain counts in both directions.
        frame: which picture of files of several.
        batch_size: photos that share a call of the network; 1 or None for none. 0 where it says
            `auto`, which had a meaning in earlier versions.
        fixed_batch: whether pictures that were made with another size are made again.
        jpeg: how a JPEG is written, as `Saving`; so are `provenance`, `keep_records`,
            `strict`, `max_seam`.
        sign: certificates and key, to sign by C2PA.
        variables: defaults of variables.
        table: variables of each photo.
        folder: where paths are looked for first.
        places: where each key stands, for messages.
    """

    steps: tuple[Step, ...]
    model: ModelName = "builtin"
    device: Device = "auto"
    dtype: DType = "auto"
    offline: Offline = False
    seed: Seed = 0
    seeds: SeedPolicy = "photo"
    num: Num = 1
    best_of: BestOf = 1
    rank: tuple[str, ...] = ("seam",)
    gates: Mapping[str, float] = field(default_factory=dict[str, float])
    frame: Frame = None
    batch_size: BatchSize = None
    fixed_batch: bool = False
    jpeg: Jpeg = "auto"
    provenance: Provenance = True
    keep_records: KeepRecords = False
    strict: Strict = False
    max_seam: MaxSeam = MAX_SEAM
    sign: Sign = None
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    table: VariableTable = field(default_factory=VariableTable)
    folder: Path | None = None
    places: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)

    def __post_init__(self) -> None:
        if not self.steps:
            raise RecipeError("a recipe needs at least one step")
        if self.num > 1 and self.best_of > 1:
            raise RecipeError("num and best_of exclude each other; give one of them")
        if self.fixed_batch and not self.batch_size:
            raise RecipeError("a fixed batch needs its size; give a batch size, such as 4")

    def check(self) -> "Recipe":
        """The recipe, if all can be checked of it that does not depend on a photo.

        Raises:
            RecipeError: a variable that no photo has, or a value that cannot be used.
        """
        known = {*BUILT_IN, *self.variables, *self.table.columns}
        for step in self.steps:
            for key, name in step.names():
                if name not in known:
                    with step.at(key):
                        raise InputError(unknown("variable", name, dict.fromkeys(sorted(known))))
            if not any(True for _ in step.names()):
                bind(step, {})
        return self

    def bound(self, variables: Mapping[str, str]) -> tuple[Bound, ...]:
        """The steps with a photo's variables filled in.

        Raises:
            RecipeError: a variable is missing, or a value cannot be used.
        """
        return tuple(bind(step, {**self.variables, **variables}) for step in self.steps)

    def path(self, text: str) -> str:
        """A path as the recipe means it: beside itself, if it is there; else from where we are."""
        if is_url(text):
            return as_text(text)
        beside = str((self.folder or Path()) / text)
        # pathlib's `exists` raises where a name, such as a long expression, is too long for one.
        return beside if self.folder is not None and os.path.exists(beside) else text  # noqa: PTH110


def bind(step: Step, variables: Mapping[str, str]) -> Bound:
    """A step with its variables filled in, as an edit.

    Raises:
        RecipeError (or InputError, where the step has no place): it cannot be used.
    """
    options = dict[str, Any]()
    for key, value in step.options.items():
        with step.at(key):
            options[key] = _option(step.operation, key, value, variables)
    edit = _made(step, options)
    mask = None
    if step.mask is not None:
        with step.at("mask"):
            mask = filled(step.mask, variables)
            check_mask(mask)
    files = dict[str, str]()
    for key, text in step.files.items():
        with step.at(key):
            files[key] = filled(text, variables)
    return Bound(step.operation.name, edit, mask, files)


def _made(step: Step, options: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """The step's edit; what is wrong is said with the place of the option that is to blame."""
    try:
        return step.operation.edit(options)
    except InputError as error:
        with step.at(_blamed(step.operation, options, str(error))):
            raise


def _blamed(operation: Operation, options: Mapping[str, Any], message: str) -> str:
    """The option without which a message would not come, of several the one that it names."""
    found = list[str]()
    for key in options:
        try:
            operation.edit({k: v for k, v in options.items() if k != key})
        except InputError as error:
            if str(error) == message:
                continue
        found.append(key)
    named = [key for key in found if message.startswith(f"{key} ")]
    return next(iter(named or found), "")


def _option(operation: Operation, key: str, value: Any, variables: Mapping[str, str]) -> Any:  # noqa: ANN401
    text = isinstance(value, str) and has_variables(value)
    if text:
        value = filled(value, variables)
    return converted(key, value, operation.parameters[key].hint, text=text)


def read_recipe(
    path: Path, variables: Mapping[str, str] | None = None, table: VariableTable | None = None
) -> Recipe:
    """The recipe in a YAML or TOML file, checked.

    Args:
        path: the file.
        variables: values that go before the recipe's own.
        table: the table that goes before the recipe's own.

    Raises:
        RecipeError: it cannot be read, or anything in it cannot be used; the message begins with
            `file:line:column`.
    """
    document = read_document(path)
    if not isinstance(document.data, dict):
        raise document.error((), "a recipe is a table with a key 'steps'")
    data = _names(document, (), document.data)
    known = {**dict.fromkeys(SETTINGS), "steps": None}
    for name, key in data.items():
        if name not in known:
            raise document.error((key,), unknown("key", str(key), known), at_key=True)
    if "steps" not in data:
        raise document.error((), "there are no steps; give a list under the key 'steps'")
    given = {name: document.data[key] for name, key in data.items() if name != "steps"}
    settings = {
        name: _setting(document, (data[name],), name, value, path.parent)
        for name, value in given.items()
    }
    settings |= {} if table is None else {"table": table}
    steps = tuple(_steps(document, data["steps"]))
    places = Places(document, {name: (key,) for name, key in data.items()})
    with _placed(document, (data.get("best_of", "steps"),)):
        recipe = Recipe(steps=steps, folder=path.parent, places=places, **settings)
    return replace(recipe, variables={**recipe.variables, **(variables or {})}).check()


def _names(
    document: Document, keys: tuple[str | int, ...], table: Mapping[Any, Any]
) -> dict[str, Any]:
    """The keys of a table by what they mean: `best-of` is `best_of`."""
    found = dict[str, Any]()
    for key in table:
        name = str(key).replace("-", "_")
        if name in found:
            message = f"{shown(str(found[name]))} and {shown(str(key))} are the same; give one"
            raise document.error((*keys, key), message, at_key=True)
        found[name] = key
    return found


def _steps(document: Document, key: str) -> Iterator[Step]:
    steps = document.data[key]
    if not isinstance(steps, list) or not steps:
        raise document.error((key,), "steps is a list of at least one step")
    for number, step in enumerate(steps):
        if not isinstance(step, dict):
            raise document.error((key, number), "a step is a table, such as {inpaint: sky, ...}")
        yield _step(document, (key, number), step)


def _step(document: Document, keys: tuple[str | int, ...], step: Mapping[Any, Any]) -> Step:
    names = _names(document, keys, step)
    known = operations()
    found = [name for name in names if name in known]
    # `composite` is an edit, and was a parameter of others.
    named = [n for n in found if not any(n in known[other].former for other in found)]
    if len(named) != 1:
        raise document.error(keys, _not_one(named, names, known))
    operation = known[named[0]]
    names = _renamed(document, keys, operation, names)
    allowed = {**operation.parameters, **dict.fromkeys(operation.files)}
    allowed |= {"mask": None} if "mask" in operation.inputs else {}
    allowed.pop("prompt", None)
    for name, key in names.items():
        if name not in allowed and name != operation.name:
            message = unknown("key", str(key), allowed)
            raise document.error((*keys, key), message, at_key=True)
    ways = {name: (*keys, key) for name, key in names.items()}
    _tell_former(document, ways)
    places = Places(document, {**ways, "prompt": ways[operation.name], "": keys})
    return made_step(operation, {name: step[key] for name, key in names.items()}, places)


def _renamed(
    document: Document,
    keys: tuple[str | int, ...],
    operation: Operation,
    names: Mapping[str, Any],
) -> dict[str, Any]:
    """The keys of a step by today's names of its parameters."""
    found = dict[str, Any]()
    for name, key in names.items():
        new = operation.former.get(name, name)
        if new in found or (new != name and new in names):
            message = f"{new} is given twice, once as {name}; give one of them"
            raise document.error((*keys, key), message, at_key=True)
        found[new] = key
    return found


def _tell_former(document: Document, ways: Mapping[str, tuple[Any, ...]]) -> None:
    """Warns of keys that have another name today."""
    for name, way in ways.items():
        old = str(way[-1]).replace("-", "_")
        if old != name:
            message = f"{document.place(way, at_key=True)}: {old} is now {name}"
            warnings.warn(message, FutureWarning, stacklevel=2)


def _not_one(named: list[str], names: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    if named:
        return f"a step is one operation; these are {' and '.join(named)}"
    first = next(iter(names), "")
    close = unknown("operation", first, known)
    return close if "did you mean" in close else f"a step names one of {', '.join(known)}"


def made_step(
    operation: Operation, given: Mapping[str, Any], places: Mapping[str, str] | None = None
) -> Step:
    """A step of what was given under the names of its keys.

    Args:
        operation: the step's operation.
        given: parameters, `mask`, files, and the prompt under the operation's own name.
        places: where each key stands.

    Raises:
        RecipeError: the mask or a file is missing, or a value is of the wrong type.
    """
    places, options = places or {}, renamed(operation.entry.kind, given)
    prompt = options.pop(operation.name, None)
    bare = Step(operation, places=places)
    if prompt == "" and "prompt" not in operation.parameters:  # TOML knows no empty value but this
        prompt = None
    with bare.at("prompt"):
        if prompt is not None and "prompt" not in operation.parameters:
            raise InputError(f"{operation.name} takes no prompt; leave the value empty")
    if prompt is not None:
        options["prompt"] = prompt
    mask = None
    if operation.needs_mask or ("mask" in operation.inputs and "mask" in options):
        mask = _text_of(bare, options, "mask")
    files = {name: _text_of(bare, options, name) for name in operation.files}
    return replace(bare, options=options, mask=mask, files=files)


def _text_of(step: Step, options: dict[str, Any], name: str) -> str:
    value = options.pop(name, None)
    with step.at(name):
        if not isinstance(value, str):
            what = (
                f"{name} is {shown(value)}; give text"
                if value is not None
                else f"it needs a key {name!r}"
            )
            raise InputError(f"{step.operation.name}: {what}, such as '{name}: ...'")
    return value


@contextmanager
def _placed(document: Document, keys: tuple[str | int, ...]) -> Generator[None]:
    try:
        yield
    except InputError as error:
        raise document.error(keys, str(error)) from error


def _setting(
    document: Document,
    keys: tuple[str | int, ...],
    name: str,
    value: Any,  # noqa: ANN401
    folder: Path,
) -> Any:  # noqa: ANN401
    if name in ("variables", "gates"):
        return _table_setting(document, keys, name, value)
    if name == "rank":
        return _rank(document, keys, value)
    with _placed(document, keys):
        if name == "table":
            return read_table(_beside(folder, converted(name, value, str)))
        if name == "sign":
            return _sign(value, folder)
        if name == "batch_size" and value == "auto":
            return 0
        return _checked(name, converted(name, value, SETTINGS[name].hint))


def _beside(folder: Path, text: str) -> Path:
    """The path of a file that a recipe names; a URL stays one, so that it is refused as such."""
    return Path(text) if is_url(text) else folder / text


def _rank(document: Document, keys: tuple[str | int, ...], value: Any) -> tuple[str, ...]:  # noqa: ANN401
    scores = value.split(",") if isinstance(value, str) else value
    if not isinstance(scores, list) or not scores:
        raise document.error(keys, f"rank is {shown(value)}; give a list of scores")
    for number, score in enumerate(scores):
        if score not in SCORES:
            raise document.error((*keys, number), unknown("score", str(score), _SCORES))
    return tuple(scores)


def _sign(value: Any, folder: Path) -> tuple[str, str]:  # noqa: ANN401
    if isinstance(value, list) and len(value) == 2 and all(isinstance(v, str) for v in value):
        return str(folder / value[0]), str(folder / value[1])
    raise InputError("sign is a list of two files: certificates and key")


def _table_setting(
    document: Document,
    keys: tuple[str | int, ...],
    name: str,
    value: Any,  # noqa: ANN401
) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise document.error(keys, f"{name} is a table of names and values")
    out = dict[str, Any]()
    for key, item in value.items():
        if name == "gates" and key not in SCORES:
            message = unknown("score", str(key), _SCORES)
            raise document.error((*keys, key), message, at_key=True)
        with _placed(document, (*keys, key)):
            if name == "gates":
                out[key] = _within(f"gates.{key}", converted(str(key), item, float), 0, 1e9)
            else:
                out[_variable(key)] = _value(key, item)
    return out


def _variable(key: Any) -> str:  # noqa: ANN401
    if isinstance(key, str):
        return key
    raise InputError(f"the name of a variable is {shown(key)}; quote it, to give text")


def _value(key: str, value: Any) -> str:  # noqa: ANN401
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float | date | time):
        raise InputError(f"the variable {key} is {shown(value)}; give text or a number")
    return str(value)


def _checked(name: str, value: Any) -> Any:  # noqa: ANN401
    option = SETTINGS[name].option
    if option.choices and value not in option.choices:
        raise InputError(f"{name} is {shown(value)}; give one of {', '.join(option.choices)}")
    if option.low is not None and option.high is not None and value is not None:
        _within(name, value, option.low, option.high)
    return value


def check_settings(settings: Mapping[str, Any]) -> None:
    """Checks settings that did not come from a file.

    Raises:
        InputError: a value cannot be used.
    """
    for name, value in settings.items():
        _checked(name, value)


def _within(name: str, value: float, low: float, high: float) -> float:
    if not low <= value <= high:
        raise InputError(f"{name} is {value:g}; give a number from {low:g} to {high:g}")
    return value


_SCORES: Mapping[str, None] = MappingProxyType(dict.fromkeys(SCORES))
SETTINGS: Mapping[str, Fact] = MappingProxyType(
    {
        name: fact
        for name, fact in facts_of(Recipe).items()
        if name not in ("steps", "folder", "places")
    }
)
"""What a recipe can set beside its steps."""


def asked_scores(recipe: Recipe) -> tuple[str, ...]:
    """The scores that decide about pictures of a recipe."""
    ranks = recipe.rank if recipe.best_of > 1 else ()
    return tuple(dict.fromkeys((*ranks, *recipe.gates)))


def described(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain values: what `editkit recipe show` prints."""
    default = {f.name: f.default for f in fields(Recipe)}
    plain = {
        name: list(value) if isinstance(value, tuple) else value
        for name in SETTINGS
        if name != "table" and (value := getattr(recipe, name)) != default[name]
    }
    plain = {name: value for name, value in plain.items() if value not in ({}, [])}
    if recipe.table.name:
        plain["table"] = recipe.table.name
    return {**plain, "steps": [_step_shown(step) for step in recipe.steps]}


def _step_shown(step: Step) -> dict[str, Any]:
    options = dict(step.options)
    shown: dict[str, Any] = {step.operation.name: options.pop("prompt", None)}
    if step.mask is not None:
        shown["mask"] = step.mask
    return {**shown, **step.files, **options}
