"""Tables of variables, a row for each photo: CSV or JSON lines."""

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path, PurePosixPath
from typing import Any

from editkit.errors import InputError

KEYS = ("photo", "file", "path", "name", "filename")
"""Columns that may name the photo; the first of them that is there does."""

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

    def row(self, photo: PurePosixPath) -> Row:
        """The row of a photo; empty where there is none."""
        for name in (str(photo), photo.name, photo.stem):
            if name in self.rows:
                return self.rows[name]
        return {}

    def unused(self, photos: list[PurePosixPath]) -> list[str]:
        """What the table calls photos that are not there."""
        known = {name for photo in photos for name in (str(photo), photo.name, photo.stem)}
        return [name for name in self.rows if name not in known]


def read_table(path: Path) -> Table:
    """The table in a CSV file, or in a file of one JSON object a line (`.jsonl`, `.ndjson`).

    Raises:
        InputError: it cannot be read, a column is missing, or a photo has two rows.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"the table {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(f"the table {path} is not UTF-8; save it as that") from error
    lines = _jsonl(path, text) if path.suffix.lower() in (".jsonl", ".ndjson") else _csv(path, text)
    rows, places = dict[str, Row](), dict[str, int]()
    columns = dict[str, None]()
    for line, row in lines:
        key = next((name for name in KEYS if row.get(name)), None)
        if key is None:
            raise InputError(f"{path}:{line}: no photo is named; give a column {KEYS[0]!r}")
        photo = str(PurePosixPath(row[key]))
        if photo in rows:
            raise InputError(f"{path}:{line}: {photo} has a row already, in line {places[photo]}")
        rows[photo], places[photo] = row, line
        columns |= dict.fromkeys(row)
    return Table(str(path), rows, tuple(columns), places)


def _csv(path: Path, text: str) -> list[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(StringIO(text), strict=True, restkey="")
    rows = list[tuple[int, dict[str, str]]]()
    try:
        for row in reader:
            if "" in row or None in row.values():
                raise InputError(
                    f"{path}:{reader.line_num}: it has another number of fields than the header"
                )
            rows.append((reader.line_num, {str(k).strip(): str(v) for k, v in row.items()}))
    except csv.Error as error:
        raise InputError(f"{path}:{reader.line_num}: {error}") from error
    return rows


def _jsonl(path: Path, text: str) -> list[tuple[int, dict[str, str]]]:
    rows = list[tuple[int, dict[str, str]]]()
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}:{number}: it is not JSON: {error}") from error
        if not isinstance(row, dict):
            raise InputError(f"{path}:{number}: it holds {type(row).__name__}, not an object")
        rows.append((number, {str(key): _text(value) for key, value in row.items()}))
    return rows


def _text(value: Any) -> str:  # noqa: ANN401 - whatever JSON held
    return value if isinstance(value, str) else json.dumps(value)
