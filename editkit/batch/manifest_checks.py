"""Checks of a manifest that another program may have written or damaged."""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from editkit.errors import BatchError

VERSION = 1
"""Version of the tables of a manifest."""

_NEEDED = ("photo", "variant", "source", "output", "settings", "state")
_TABLES = ("variables", "versions", "timings", "report")
WHOLE_NUMBERS = ("variant", "passing", "size", "mtime", "output_size", "output_mtime", "peak")
_KINDS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        **dict[str, tuple[type, ...]].fromkeys(WHOLE_NUMBERS, (int,)),
        **dict.fromkeys(("seconds", "started", "finished"), (int, float)),
        **dict.fromkeys(("before", "after", "overlay"), (bytes,)),
    }
)
_OWN_COLUMNS = frozenset(
    (
        *(*_NEEDED, *_TABLES, *_KINDS, "error", "seed", "model", "weights"),
        *("sha256", "output_sha256", "mask_sha256"),
    )
)


class DamagedError(Exception):
    """A manifest holds what none of ours does."""


def check_schema(db: sqlite3.Connection, path: Path) -> None:
    """Refuses what is no manifest: other tables, and views or triggers, which could do anything."""
    (version,) = db.execute("pragma user_version").fetchone()
    kinds = dict(db.execute("select name, type from sqlite_master where type != 'index'"))
    if version not in (0, VERSION):
        raise BatchError(f"{path} is from another version of editkit; give another folder")
    if not kinds:  # nobody has written anything yet
        return
    columns = {row[1]: row[6] for row in db.execute("pragma table_xinfo(photos)")}
    if (
        set(kinds.values()) != {"table"}
        or not set(columns) >= _OWN_COLUMNS
        or any(columns.values())
    ):
        raise DamagedError("it is no manifest")


def check_types(values: Iterable[object], kinds: Iterable[type]) -> None:
    """Checks values against types.

    Raises:
        DamagedError: one has another.
    """
    for value, kind in zip(values, kinds, strict=True):
        if not isinstance(value, kind):
            raise DamagedError(f"it holds {value!r:.40} for a {kind.__name__}")


def check_row(row: sqlite3.Row) -> None:
    """Refuses values that we do not write: SQLite takes any type in any column."""
    for name in row.keys():  # noqa: SIM118 - a row is no mapping
        value, kinds = row[name], _KINDS.get(name, (str,))
        if value is None and name not in _NEEDED:
            continue
        if not isinstance(value, kinds):
            raise DamagedError(f"it holds {value!r:.40} for {name}")
        if isinstance(value, str) and name in _TABLES:
            _check_table(name, value)
    if row["state"] not in ("running", "done", "failed"):
        raise DamagedError(f"it holds {row['state']!r:.40} for state")


def _check_table(name: str, text: str) -> None:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or (name == "report" and not _is_report(found)):
        raise DamagedError(f"it holds {text!r:.40} for {name}")


def _is_report(found: Mapping[str, Any]) -> bool:
    """Tells whether a report has the fields that pages and displays read."""
    scores, notes = found.get("scores") or {}, found.get("notes") or []
    return (
        isinstance(scores, dict)
        and all(isinstance(v, int | float | None) for v in scores.values())
        and isinstance(notes, list)
        and all(isinstance(note, str) for note in notes)
        and isinstance(found.get("prompt"), str | None)
        and isinstance(found.get("samples_changed_outside"), int | None)
    )
