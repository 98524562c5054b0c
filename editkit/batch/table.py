"""Tables of variables, a row for each photo: CSV, by commas, semicolons or tabs, or JSON lines."""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

from editkit.batch.texts import read_text, shown, whole
from editkit.errors import InputError

KEYS = ("photo", "file", "path", "name", "filename")
"""Columns that may name the photo; the first of them that is there does."""

_LARGEST = 2**26
_DELIMITERS = (",", ";", "\t", "|")
_TOLD = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""The line by which Excel tells the delimiter."""

_LINES = (".jsonl", ".ndjson")

Row = Mapping[str, str]


@dataclass(frozen=True)
class Table:
    """Rows by the photo that they are for.

    Attributes:
        name: how messages call it.
        rows: by what the row calls the photo: its path below the folder, its name, or its stem.
        columns: the variables of a row.
        lines: where each row stands.
    """

    name: str = ""
    rows: Mapping[str, Row] = field(default_factory=dict[str, Row])
    columns: tuple[str, ...] = ()
    lines: Mapping[str, int] = field(default_factory=dict[str, int])

    def key_of(self, photo: PurePosixPath) -> str | None:
        """What the row of a photo calls it; None where there is none."""
        names = (str(photo), str(photo).replace("/", "\\"), photo.name, photo.stem)
        return next((name for name in names if name in self.rows), None)

    def row(self, photo: PurePosixPath) -> Row:
        """The row of a photo; empty where there is none."""
        key = self.key_of(photo)
        return {} if key is None else self.rows[key]

    def unused(self, photos: list[PurePosixPath]) -> list[str]:
        """What the table calls photos that are not there, or have a row that says more exactly."""
        used = {self.key_of(photo) for photo in photos}
        return [name for name in self.rows if name not in used]


def read_table(path: Path) -> Table:
    """The table in a CSV file, or in a file of one JSON object a line (`.jsonl`, `.ndjson`).

    Raises:
        InputError: it cannot be read, is too large, has no rows, a column is missing or given
            twice, or a photo has two rows.
    """
    text = read_text(path, "table", _LARGEST)
    lines = _jsonl(path, text) if path.suffix.lower() in _LINES else _csv(path, text)
    rows, places = dict[str, Row](), dict[str, int]()
    columns = dict[str, None]()
    for line, row in lines:
        key = next((name for name in KEYS if row.get(name)), None)
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
    return Table(str(path), rows, tuple(columns), places)


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
    """What stands between the names of columns: what makes most of them, a photo's among them."""
    head = text.lstrip("\r\n")[:100_000]

    def score(delimiter: str) -> tuple[bool, int]:
        try:
            names = next(csv.reader(StringIO(head, newline=""), delimiter=delimiter), [])
        except csv.Error:
            return False, 0
        return any(name.strip() in KEYS for name in names), len(names)

    return max(_DELIMITERS, key=score)


def _header(place: str, cells: list[str]) -> list[str]:
    names = [_whole(place, cell.strip()) for cell in cells]
    while not names[-1]:  # a delimiter at the end of the line
        names.pop()
    for number, name in enumerate(names, 1):
        if not name:
            raise InputError(f"{place}: column {number} has no name; give it one")
        if name in names[: number - 1]:
            raise InputError(f"{place}: the column {shown(name)} is given twice; keep one")
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
