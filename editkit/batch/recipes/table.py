"""Tables of variables, a row for each photo: CSV, by commas, semicolons or tabs, or JSON lines."""

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from editkit.batch.recipes.text_files import read_text, shown, whole
from editkit.errors import InputError

KEYS = ("photo", "file", "path", "name", "filename")
"""Columns that may name the photo; the first of them that is there does."""

_LARGEST = 2**26
_DELIMITERS = (",", ";", "\t", "|")
_TOLD = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""The line by which Excel tells the delimiter."""

_LINES = (".jsonl", ".ndjson")
_OTHERS = {
    ".json": "JSON; give a .jsonl file, with one object a line",
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "a spreadsheet; export it as CSV"),
}

Row = Mapping[str, str]


@dataclass(frozen=True)
class VariableTable:
    """Rows by the photo that they are for.

    Attributes:
        name: how messages call it.
        rows: by what the row calls the photo: its path below the folder, its name, or its stem.
        columns: the variables of a row.
        lines: where each row stands.
        spaced: rows that call a photo with spaces around its name, by that name without.
    """

    name: str = ""
    rows: Mapping[str, Row] = field(default_factory=dict[str, Row])
    columns: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict[str, int])
    spaced: Mapping[str, str] = field(default_factory=dict[str, str])

    def key_of(self, photo: PurePosixPath, source: PurePath | None = None) -> str | None:
        """The name of a photo in its row; None where it has no row.

        Args:
            photo: the photo's path below its folder.
            source: its file: rows may tell more of its path than lies below the folder.
        """
        names = [str(photo), *_longer(photo, source)]
        names += [name.replace("/", "\\") for name in names]
        names += [photo.name, photo.stem]
        found = next((name for name in names if name in self.rows), None)
        if found is None and self.spaced:
            return next((self.spaced[name] for name in names if name in self.spaced), None)
        return found

    def row(self, photo: PurePosixPath, source: PurePath | None = None) -> Row:
        """The row of a photo; empty where there is none."""
        key = self.key_of(photo, source)
        return {} if key is None else self.rows[key]

    def lacking(self, photo: PurePosixPath, source: PurePath | None = None) -> str:
        """The message about a photo without a row; empty where it has one, or there is no table."""
        if not self.rows or self.key_of(photo, source) is not None:
            return ""
        return f"; {self.name} has no row for it"

    def unused(
        self, photos: Sequence[PurePosixPath], sources: Sequence[PurePath | None] = ()
    ) -> list[str]:
        """Names in the table that no photo has, or whose photo has a more exact row."""
        files = sources or [None] * len(photos)
        used = {self.key_of(*pair) for pair in zip(photos, files, strict=True)}
        return [name for name in self.rows if name not in used]


def _longer(photo: PurePosixPath, source: PurePath | None) -> list[str]:
    """Names of a file that are longer than its path below its folder, the longest first."""
    if source is None:
        return []
    parts = source.parts
    return [str(PurePosixPath(*parts[k:])) for k in range(len(parts) - len(photo.parts) + 1)]


def read_table(path: Path) -> VariableTable:
    """The table in a CSV file, or in a file of one JSON object a line (`.jsonl`, `.ndjson`).

    Raises:
        InputError: it cannot be read, is too large, has no rows, a column is missing or given
            twice, or a photo has two rows.
    """
    if path.suffix.lower() in _OTHERS:
        raise InputError(f"the table {path} is {_OTHERS[path.suffix.lower()]}")
    text = read_text(path, "table", _LARGEST)
    lines = _jsonl(path, text) if path.suffix.lower() in _LINES else _csv(path, text)
    rows, places = dict[str, Row](), dict[str, int]()
    columns = dict[str, None]()
    for line, row in lines:
        key = next((name for name in KEYS if row.get(name)), None) or _key(row)
        if key is None:
            raise InputError(f"{path}:{line}: no photo is named; give a column {KEYS[0]!r}")
        photo = str(PurePosixPath(row[key]))
        if photo in rows:
            message = f"{photo:.200} has a row already, in line {places[photo]}"
            raise InputError(f"{path}:{line}: {message}")
        rows[photo], places[photo] = row, line
        columns |= dict.fromkeys(row)
    if not rows:
        raise InputError(f"the table {path} has no rows; give one for each photo")
    spaced = {bare: name for name in rows if (bare := name.strip()) != name}
    return VariableTable(str(path), rows, tuple(columns), places, spaced)


def _key(row: Row) -> str | None:
    """The column that names the photo, however large its letters are."""
    names = {name.strip().casefold(): name for name in row}
    return next((names[name] for name in KEYS if name in names and row[names[name]]), None)


def _csv(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    told = _TOLD.match(text)
    delimiter = told[1] if told is not None else _delimiter(text)
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    names, line = list[str](), 1
    try:
        for cells in reader:
            first, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells) or (told is not None and first == 1):
                continue
            if not names:
                names = _header(f"{path}:{first}", cells)
            else:
                yield first, _cells(f"{path}:{first}", names, cells)
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: it is not CSV: {error}") from error


def _delimiter(text: str) -> str:
    """The separator of columns: the one that gives most columns, `photo` among them."""
    head = text.lstrip("\r\n")[:100_000]

    def score(delimiter: str) -> tuple[bool, int]:
        try:
            names = next(csv.reader(StringIO(head, newline=""), delimiter=delimiter), [])
        except csv.Error:
            return False, 0
        return any(name.strip().casefold() in KEYS for name in names), len(names)

    return max(_DELIMITERS, key=score)


def _header(place: str, cells: list[str]) -> list[str]:
    names = [_whole(place, cell.strip()) for cell in cells]
    while not names[-1]:  # a delimiter at the end of the line
        names.pop()
    seen = set[str]()
    for number, name in enumerate(names, 1):
        if not name:
            raise InputError(f"{place}: column {number} has no name; give it one")
        if name in seen:
            raise InputError(f"{place}: the column {shown(name)} is given twice; keep one")
        seen.add(name)
    return names


def _cells(place: str, names: list[str], cells: list[str]) -> dict[str, str]:
    extra = cells[len(names) :]
    if len(cells) < len(names) or any(extra):
        counts = f"{len(cells)}, not {len(names)}"
        raise InputError(f"{place}: it has another number of fields than the header: {counts}")
    return dict(zip(names, cells, strict=False))


def _jsonl(path: Path, text: str) -> Iterator[tuple[int, dict[str, str]]]:
    # By \n alone: JSON's text may hold whatever else Unicode takes for the end of a line.
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        row = _json(place, line)
        if not isinstance(row, dict):
            raise InputError(f"{place}: it holds {type(row).__name__}, not an object")
        yield number, {key: _text(place, value) for key, value in row.items() if value is not None}


def _json(place: str, line: str) -> Any:  # noqa: ANN401 - whatever JSON held
    def table(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict[str, Any]()
        for key, value in pairs:
            if key in found:
                raise InputError(f"{place}: {shown(key)} is given twice; keep one")
            found[_whole(place, key)] = value
        return found

    try:
        return json.loads(line, object_pairs_hook=table)
    except InputError:
        raise
    except json.JSONDecodeError as error:
        raise InputError(f"{place}:{error.colno}: it is not JSON: {error.msg}") from error
    except RecursionError as error:
        raise InputError(f"{place}: it is nested too deeply") from error
    except ValueError as error:
        raise InputError(f"{place}: a number has too many digits; quote it") from error


def _text(place: str, value: Any) -> str:  # noqa: ANN401 - whatever JSON held
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False)
    return _whole(place, value)


def _whole(place: str, text: str) -> str:
    try:
        return whole(text)
    except InputError as error:
        raise InputError(f"{place}: {error}") from error
