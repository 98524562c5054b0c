"""The manifest: an SQLite file beside the results, with a row for each photo and each step.

Rows are committed before a photo is handed out and after it is done, so that a process that is
killed leaves nothing worse than rows that say `running`. The file is in WAL mode: whoever reads it
while a batch runs disturbs nothing.
"""

import json
import os
import sqlite3
import stat as modes
import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from editkit.batch.manifest_checks import (
    VERSION,
    DamagedError,
    check_row,
    check_schema,
    check_types,
)
from editkit.errors import BatchError
from editkit.redact import shareable
from editkit.storage.stat import Stat

PATIENCE = 10.0
"""Seconds that a lock is waited for: that of a run which is ending, or of a look into the file."""

_GLANCE = 0.05
_LARGEST = 2**27
"""Bytes of a value; previews and reports have much less."""

_ADVICE = "delete it, and results are known again by their own records"

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
    """A row of the manifest: a photo, or one variant of it.

    Attributes:
        settings: fingerprint of all that the result depends on beside the photo's own bytes.
        state: `running`, `done` or `failed`.
        passing: True for a failure that may pass by itself and is tried again.
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
    "output_sha256, output_size, output_mtime, seconds, peak, "
    "coalesce(finished, started) as finished"
)


class Manifest:
    """An open manifest; only one process writes it at a time."""

    def __init__(self, path: Path, out: object = None, *, reading: bool = False) -> None:
        """Opens the file, and makes it where there is none.

        Args:
            path: the file.
            out: the place of the results, for messages; the folder above its own where None.
            reading: only read it, as it is; it must be there.

        Raises:
            BatchError: it cannot be opened, is of another version, or another batch is writing it.
        """
        self.path = path
        self._lock = None if reading else _locked(path.with_suffix(".lock"), _of(path, out))
        try:
            self._db = _opened(path, new=not reading)
        except BaseException:
            self._unlock()
            raise
        self._file = path.stat()
        if not reading:
            self._prepare()

    def _prepare(self) -> None:
        """Makes the tables that are not there yet."""
        try:
            with _reading(self.path):
                self._db.execute("pragma journal_mode = wal")
                self._db.execute("pragma synchronous = normal")
                self._db.executescript(_SCHEMA)
                self._db.execute(f"pragma user_version = {VERSION}")
        except BaseException:
            self.close()
            raise

    def is_there(self) -> bool:
        """Tells whether the same file is still in its place."""
        try:
            return os.path.samestat(self.path.stat(), self._file)
        except OSError:
            return False

    def close(self) -> None:
        """Closes the file; nothing is lost without it."""
        self._db.close()
        self._unlock()

    def _unlock(self) -> None:
        if self._lock is not None:
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
        """Every row, also of manifests of other shards beside this one.

        Raises:
            BatchError: one of them is damaged.
        """
        with _reading(self.path):
            found = _rows(self._db)
        out = self.path.parent.parent
        for other in sorted(self.path.parent.glob("*.sqlite")):
            if other.name != self.path.name:
                with closing(_opened(other)) as beside, _reading(other):
                    rows = _rows(beside).items()
                found |= {k: r for k, r in rows if _newer(r, found.get(k), out)}
        return found

    def known_files(self) -> dict[str, tuple[Stat, str]]:
        """Digests of files, with what their files were then.

        Raises:
            BatchError: the file is damaged.
        """
        with _reading(self.path):
            rows = self._db.execute("select path, size, mtime, sha256 from files").fetchall()
            for row in rows:
                check_types(row, (str, int, int, str))
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
        raise BatchError(f"{folder.parent} is not the result of a batch: it has no manifest")
    found = dict[tuple[str, int], dict[str, Any]]()
    for file in files:
        with closing(_opened(file)) as db, _reading(file):
            for row in _photos(db, "*"):
                key = (row["photo"], row["variant"])
                if key not in found or _rank(row, folder.parent) > _rank(found[key], folder.parent):
                    found[key] = dict(row)
    return [found[key] for key in sorted(found)]


def _rank(row: Any, out: Path) -> tuple[bool, float]:  # noqa: ANN401 - a row, or a copy of it
    """The rank of a row among those of several manifests; the highest counts: see `_newer`."""
    size, mtime = row["output_size"], row["output_mtime"]
    told = None if size is None or mtime is None else Stat(size, mtime)
    return _is_as_told(row["photo"], row["output"], told, out), row["finished"] or 0


@contextmanager
def _reading(path: Path) -> Generator[None]:
    """Turns what is wrong with a file into a line.

    Raises:
        BatchError: it is locked, or damaged.
    """
    try:
        yield
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            advice = "close the program that reads it, and run again"
            raise BatchError(f"the manifest {path} is locked; {advice}") from error
        raise BatchError(f"the manifest {path} cannot be used: {error}; {_ADVICE}") from error
    # What is no text, though it says so, is none to decode; numbers may be too large for C.
    except (sqlite3.Error, DamagedError, UnicodeError, ValueError, OverflowError) as error:
        raise BatchError(f"the manifest {path} cannot be used: {error}; {_ADVICE}") from error


def _opened(path: Path, *, new: bool = False) -> sqlite3.Connection:
    """The database in a file, if it is a manifest of ours; or a new one, if there is none yet.

    Raises:
        BatchError: it is another file, of another version, or locked.
    """
    with _reading(path):
        if (path.exists() or path.is_symlink()) and not path.is_file():
            raise DamagedError("it is no regular file")
        if not new and not path.exists():
            raise DamagedError("it is gone")
        name = str(path.absolute()) if new else _readable(path)
        uri = name.startswith("file:")
        db = sqlite3.connect(name, timeout=PATIENCE, isolation_level=None, uri=uri)
        try:
            db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST)
            db.execute("pragma trusted_schema = off")
            check_schema(db, path)
        except BaseException:
            db.close()
            raise
        return db


def _of(path: Path, out: object) -> object:
    return out or path.parent.parent


def can_write(folder: Path) -> bool:
    """Tells whether files can be made in a folder."""
    return os.access(folder, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _readable(path: Path) -> str:
    """How SQLite is to open a file to read it: where nothing can be written, without a journal."""
    if can_write(path.parent):
        return str(path.absolute())
    journal = path.with_name(f"{path.name}-wal")
    whole = not journal.exists() or not journal.stat().st_size
    return f"{path.absolute().as_uri()}?mode=ro{'&immutable=1' if whole else ''}"


def _rows(db: sqlite3.Connection) -> dict[tuple[str, int], Row]:
    return {(r[0], r[1]): _row(tuple(r)) for r in _photos(db, _ROW)}


def _photos(db: sqlite3.Connection, columns: str) -> Iterator[sqlite3.Row]:
    """The rows of photos, each as we write them."""
    if not db.execute("pragma table_xinfo(photos)").fetchall():
        return
    cursor = db.cursor()
    cursor.row_factory = sqlite3.Row
    for row in cursor.execute(f"select {columns} from photos"):  # noqa: S608 - our own constants
        check_row(row)
        yield row


def _row(r: tuple[Any, ...]) -> Row:
    stat = None if r[8] is None else Stat(r[8], r[9])
    output = None if r[11] is None else Stat(r[11], r[12])
    photo, variant, target, settings, state, error, passing, sha = r[:8]
    known = (photo, variant, target, settings, state, error, bool(passing), sha)
    return Row(*known, stat, r[10], output, r[13], r[14], r[15])


def _newer(row: Row, other: Row | None, out: Path) -> bool:
    """Tells whether a row is newer than another one: clocks may have been set back.

    So what its file is like tells first, and the time only where that does not.
    """
    if other is None or row == other:
        return other is None
    ours, theirs = (_is_as_told(r.photo, r.output, r.output_stat, out) for r in (row, other))
    return (ours, row.touched or 0) > (theirs, other.touched or 0)


def _is_as_told(photo: str, output: str, told: Stat | None, out: Path) -> bool:
    """Tells whether a result in a folder is the file of a row."""
    if told is None:
        return False
    below = PurePath(output).parts[-len(PurePosixPath(photo).parts) :]
    return Stat.of(out.joinpath(*below)) == told


def _put(db: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> None:
    names, places = ", ".join(row), ", ".join("?" * len(row))
    values = [_json(v) if isinstance(v, dict | list) else _storable(v) for v in row.values()]
    sql = f"insert or replace into {table} ({names}) values ({places})"  # noqa: S608 - our names
    db.execute(sql, values)


def _json(value: Any) -> str:  # noqa: ANN401
    text = json.dumps(shareable(value), ensure_ascii=False, default=str)
    return text if _is_text(text) else json.dumps(shareable(value), default=str)


def _storable(value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    """A value without secrets, and without bytes that are no text, which names may have."""
    value = shareable(value)
    if not isinstance(value, str) or _is_text(value):
        return value
    return value.encode("utf-8", "surrogateescape" if _is_name(value) else "replace").decode(
        "utf-8", "backslashreplace"
    )


def _is_text(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _is_name(text: str) -> bool:
    """Tells whether it is text, bytes of file names aside."""
    return not any("\ud800" <= c <= "\udfff" and not "\udc80" <= c <= "\udcff" for c in text)


def _locked(path: Path, out: object) -> Any:  # noqa: ANN401 - an open file
    """An open file that says that this process is at work.

    A process that is killed holds it no longer, whether or not its file is still there.

    Raises:
        BatchError: another one is, for longer than we are patient.
    """
    try:
        # A pipe in its place would be waited for without this.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o666)
    except OSError as error:
        raise BatchError(f"{path.parent} cannot be written to: {error.strerror}") from error
    stream = os.fdopen(handle, "ab")
    if not modes.S_ISREG(os.fstat(handle).st_mode):
        stream.close()
        raise BatchError(f"{path} is no regular file; delete it")
    try:
        import fcntl
    except ImportError:  # Windows; two runs at once do work twice, and harm nothing
        return stream
    until = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() >= until:
                stream.close()
                raise BatchError(f"another batch writes to {out}; wait for it") from error
            time.sleep(_GLANCE)
            continue
        except OSError:  # some file systems know no locks
            return stream
        return stream
