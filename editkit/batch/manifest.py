"""What was done, photo by photo and step by step, in an SQLite file beside the results.

Rows are committed before a photo is handed out and after it is done, so that a process that is
killed leaves nothing worse than rows that say `running`. The file is in WAL mode: whoever reads it
while a batch runs disturbs nothing.
"""

import json
import sqlite3
from collections.abc import Generator, Iterable, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from editkit.batch.stats import Stat
from editkit.errors import BatchError

VERSION = 1

_SCHEMA = """
create table if not exists photos (
    photo text not null, variant integer not null, source text not null, output text not null,
    settings text not null, state text not null, error text, passing integer,
    sha256 text, size integer, mtime integer,
    output_sha256 text, output_size integer, output_mtime integer,
    mask_sha256 text, variables text, seed text, model text, weights text, versions text,
    seconds real, timings text, peak integer, report text, started real, finished real,
    before blob, after blob, overlay blob,
    primary key (photo, variant)
);
create table if not exists steps (
    photo text not null, variant integer not null, step integer not null,
    operation text not null, mask text, settings text not null, seed text not null,
    state text not null, error text, seconds real, report text,
    primary key (photo, variant, step)
);
create table if not exists files (
    path text primary key, size integer not null, mtime integer not null, sha256 text not null
);
create table if not exists runs (
    id integer primary key, started real not null, finished real, recipe text, versions text,
    done integer, failed integer
);
"""


@dataclass(frozen=True)
class Row:
    """What the manifest knows of a photo (or of one variant of it).

    Attributes:
        settings: fingerprint of all that the result depends on beside the photo's own bytes.
        state: `running`, `done` or `failed`.
        passing: whether a failure may pass by itself, so that trying again makes sense.
        sha256: of the photo; `stat` is its file's.
        output_sha256: of the result; `output_stat` is its file's.
        touched: when it was finished, or else begun.
    """

    photo: str
    variant: int
    output: str
    settings: str
    state: str
    error: str | None
    passing: bool
    sha256: str | None
    stat: Stat | None
    output_sha256: str | None
    output_stat: Stat | None
    seconds: float | None
    peak: int | None
    touched: float | None


_ROW = (
    "photo, variant, output, settings, state, error, passing, sha256, size, mtime, "
    # Of several manifests that know a photo, the one that began with it last knows best.
    "output_sha256, output_size, output_mtime, seconds, peak, coalesce(finished, started)"
)


class Manifest:
    """An open manifest; only one process writes it at a time."""

    def __init__(self, path: Path, out: object = None) -> None:
        """Opens the file, and makes it where there is none.

        Args:
            path: the file.
            out: what it is of, for messages; the folder above its own where None.

        Raises:
            BatchError: it cannot be opened, is of another version, or another batch is writing it.
        """
        self.path = path
        self._lock = _locked(path.with_suffix(".lock"), out or path.parent.parent)
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            (version,) = self._db.execute("pragma user_version").fetchone()
            if version in (0, VERSION):
                self._db.executescript(_SCHEMA)
                self._db.execute(f"pragma user_version = {VERSION}")
        except sqlite3.Error as error:
            self.close()
            raise BatchError(f"the manifest {path} cannot be used: {error}") from error
        if version not in (0, VERSION):
            self.close()
            raise BatchError(f"{path} is of another version of editkit; give another folder")

    def close(self) -> None:
        """Closes the file; nothing is lost without it."""
        self._db.close()
        self._lock.close()

    def __enter__(self) -> "Manifest":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _writing(self) -> Generator[sqlite3.Connection]:
        try:
            self._db.execute("begin immediate")
            yield self._db
            self._db.execute("commit")
        except sqlite3.Error as error:
            with suppress(sqlite3.Error):
                self._db.execute("rollback")
            raise BatchError(f"the manifest {self.path} cannot be written: {error}") from error

    def rows(self) -> dict[tuple[str, int], Row]:
        """Every row, also of manifests of other shards beside this one."""
        found = _rows(self._db)
        for other in sorted(self.path.parent.glob("*.sqlite")):
            if other.name != self.path.name:
                with suppress(sqlite3.Error), closing(sqlite3.connect(other)) as beside:
                    found |= {k: r for k, r in _rows(beside).items() if _newer(r, found.get(k))}
        return found

    def known_files(self) -> dict[str, tuple[Stat, str]]:
        """Digests of files, with what their files were then."""
        rows = self._db.execute("select path, size, mtime, sha256 from files")
        return {path: (Stat(size, mtime), sha256) for path, size, mtime, sha256 in rows}

    def remember_files(self, files: Mapping[str, tuple[Stat, str]]) -> None:
        """Keeps digests of files."""
        if not files:
            return
        rows = [(path, stat.size, stat.mtime, sha) for path, (stat, sha) in files.items()]
        with self._writing() as db:
            db.executemany("insert or replace into files values (?, ?, ?, ?)", rows)

    def begin_run(self, started: float, recipe: Mapping[str, Any], versions: Any) -> int:  # noqa: ANN401
        """Notes that a run began; its number."""
        with self._writing() as db:
            values = (started, _json(recipe), _json(versions))
            sql = "insert into runs (started, recipe, versions) values (?, ?, ?)"
            return int(db.execute(sql, values).lastrowid or 0)

    def end_run(self, number: int, finished: float, done: int, failed: int) -> None:
        """Notes that a run ended."""
        with self._writing() as db:
            sql = "update runs set finished = ?, done = ?, failed = ? where id = ?"
            db.execute(sql, (finished, done, failed, number))

    def write(self, row: Mapping[str, Any], steps: Iterable[Mapping[str, Any]] = ()) -> None:
        """Writes a row of `photos`, and those of its steps, in place of what was there.

        Columns that are not given, such as the digest of a result, are emptied.
        """
        with self._writing() as db:
            _put(db, "photos", row)
            key = (row["photo"], row["variant"])
            db.execute("delete from steps where photo = ? and variant = ?", key)
            for step in steps:
                _put(db, "steps", {"photo": key[0], "variant": key[1], **step})

    def copy(self, file: Path) -> None:
        """Makes a whole copy in another file, as of now.

        Raises:
            BatchError: it cannot be made.
        """
        try:
            with closing(sqlite3.connect(file)) as target:
                self._db.backup(target)
        except sqlite3.Error as error:
            raise BatchError(f"the manifest {self.path} cannot be copied: {error}") from error

    def seen(self, photo: str, variant: int, stat: Stat, output: Stat | None) -> None:
        """Notes that files which were touched are still the same."""
        with self._writing() as db:
            sql = "update photos set size = ?, mtime = ? where photo = ? and variant = ?"
            db.execute(sql, (stat.size, stat.mtime, photo, variant))
            if output is not None:
                sql = (
                    "update photos set output_size = ?, output_mtime = ? "
                    "where photo = ? and variant = ?"
                )
                db.execute(sql, (output.size, output.mtime, photo, variant))


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """Every row of all manifests in a folder, as tables, sorted by photo; the newest of each.

    Raises:
        BatchError: there is none, or it cannot be read.
    """
    files = sorted(folder.glob("*.sqlite"))
    if not files:
        raise BatchError(f"{folder.parent} is the result of no batch: it has no manifest")
    found = dict[tuple[str, int], dict[str, Any]]()
    for file in files:
        try:
            with closing(sqlite3.connect(file)) as db:
                db.row_factory = sqlite3.Row
                for row in db.execute("select * from photos"):
                    key = (row["photo"], row["variant"])
                    if key not in found or (row["finished"] or 0) > (found[key]["finished"] or 0):
                        found[key] = dict(row)
        except sqlite3.Error as error:
            raise BatchError(f"the manifest {file} cannot be read: {error}") from error
    return [found[key] for key in sorted(found)]


def _rows(db: sqlite3.Connection) -> dict[tuple[str, int], Row]:
    rows = db.execute(f"select {_ROW} from photos")  # noqa: S608 - our own constant
    return {(r[0], r[1]): _row(r) for r in rows}


def _row(r: tuple[Any, ...]) -> Row:
    stat = None if r[8] is None else Stat(r[8], r[9])
    output = None if r[11] is None else Stat(r[11], r[12])
    photo, variant, target, settings, state, error, passing, sha = r[:8]
    known = (photo, variant, target, settings, state, error, bool(passing), sha)
    return Row(*known, stat, r[10], output, r[13], r[14], r[15])


def _newer(row: Row, other: Row | None) -> bool:
    return other is None or (row.touched or 0) > (other.touched or 0)


def _put(db: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> None:
    names, places = ", ".join(row), ", ".join("?" * len(row))
    values = [_json(v) if isinstance(v, dict | list) else v for v in row.values()]
    sql = f"insert or replace into {table} ({names}) values ({places})"  # noqa: S608 - our names
    db.execute(sql, values)


def _json(value: Any) -> str:  # noqa: ANN401
    return json.dumps(value, ensure_ascii=False, default=str)


def _locked(path: Path, out: object) -> Any:  # noqa: ANN401 - an open file
    """An open file that says that this process is at work.

    Raises:
        BatchError: another one is.
    """
    try:
        stream = path.open("a")
    except OSError as error:
        raise BatchError(f"{path.parent} cannot be written in: {error.strerror}") from error
    try:
        import fcntl
    except ImportError:  # Windows; two runs at once do work twice, and harm nothing
        return stream
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        stream.close()
        raise BatchError(f"another batch is at work in {out}; wait for it") from error
    except OSError:  # some file systems know no locks
        return stream
    return stream
