"""Photos, masks and results by URL: objects in a store, read and written through fsspec.

`s3://`, `gs://` and whatever else there is a driver for; `file://` is a path. An object appears
whole or not at all, and one that is there is replaced only if that was asked for.

universal-pathlib 0.3 was tried: it would save about 60 of these lines, but shows passwords, drops
hosts, follows `..`, keeps nothing of listings, and has no exclusive or atomic put, nor `replace`.
"""

import errno
import hashlib
import os
import re
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Self

from editkit.errors import BatchError, EditkitError, ImageError, InputError, one_line
from editkit.redact import parted, without_secrets
from editkit.storage.stat import Stat

if TYPE_CHECKING:
    from editkit.photo.io.files import Photo

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
_FILES = ("file", "local")
_HERE = (*_FILES, "memory")
_EXTRA = ("s3", "gs")
_MAGIC = re.compile(r"[*?\[]")

_LARGEST = 2**32
"""Bytes of the largest object that is fetched."""

_SHORT = 2
_AT_ONCE = ("s3", "gs", "abfs", "abfss", "az", "oci", "oss", "memory")
"""Stores in which an object that is put is there as a whole, or not at all."""

_EXCLUSIVE = ("s3", "gs", "memory")
"""Stores of which one can ask to make an object only if there is none, whose drivers know that."""

_Put = Callable[[Any, str, Mapping[str, str]], None]

_MARKS = (
    "etag",
    "generation",
    "md5hash",
    "mtime",
    "lastmodified",
    "last_modified",
    "last-modified",
    "created",
)
"""Fields of a listing that change with an object; the first that a store gives counts."""


@dataclass(frozen=True)
class Url:
    """An object in a store, or a folder of objects, with the methods of a `Path`.

    Attributes:
        protocol: such as `s3`.
        key: the part after `://`, without a slash at its end, and without secrets.
        known: size and mark from a listing, which spares a request.
        user: name and password, with their `@`; secret, as is `query`.
    """

    protocol: str
    key: str
    known: Stat | None = field(default=None, compare=False, repr=False)
    user: str = field(default="", compare=False, repr=False)
    query: str = field(default="", compare=False, repr=False)

    def __str__(self) -> str:
        return without_secrets(f"{self.protocol}://{self.key}")

    @property
    def address(self) -> str:
        """All of it, with its secrets: for those who fetch it, and for nobody to see."""
        return f"{self.protocol}://{self.user}{self.key}{self.query}"

    def _of(self, key: str, known: Stat | None = None) -> "Url":
        """Another object of the same store, asked for in the same way."""
        return Url(self.protocol, key, known, self.user, self.query)

    def __truediv__(self, below: str | PurePosixPath) -> "Url":
        return self._of(f"{self.key}/{PurePosixPath(below)}")

    @property
    def name(self) -> str:
        """The last part."""
        return self.key.rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The name's suffix."""
        return PurePosixPath(self.name).suffix

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def parent(self) -> "Url":
        """The folder that it is in."""
        return self._of(self.key.rpartition("/")[0])

    @property
    def root(self) -> str:
        """Protocol and bucket; URLs with the same lie in one store."""
        return f"{self.protocol}://{self.key.partition('/')[0]}"

    def with_name(self, name: str) -> "Url":
        """The object of that name beside it."""
        return self.parent / name

    def relative_to(self, folder: "Url") -> PurePosixPath:
        """Its path below a folder.

        Raises:
            InputError: it lies elsewhere, or has a name that no file can have.
        """
        inside = f"{folder.key}/" if folder.key else ""
        below = self.key.removeprefix(inside)
        parts = below.split("/")
        if folder.protocol != self.protocol or not self.key.startswith(inside):
            raise InputError(f"{self} does not lie in {folder}")
        # A store takes any text for a name; as a path, some would lead out of the folder.
        if any(part in ("", ".", "..") for part in parts) or "\\" in below or "\0" in below:
            raise InputError(f"{self!s:.200} has a name that is no path; rename it")
        return PurePosixPath(below)

    def absolute(self) -> Self:
        """Itself."""
        return self

    def mkdir(self, *, parents: bool = True, exist_ok: bool = True) -> None:
        """Nothing: stores make folders by themselves."""

    def stat(self) -> "_FileStat":
        """Size and mark.

        Raises:
            FileNotFoundError: there is no such object.
            BatchError: the store cannot be asked.
        """
        if self.known is not None:
            return _FileStat(self.known.size, self.known.mtime)
        info = self._info()
        if info["type"] == "directory":
            raise FileNotFoundError(str(self))
        found = _stat_of(info)
        return _FileStat(found.size, found.mtime)

    def exists(self) -> bool:
        """Tells whether there is such an object or folder."""
        return self._kind() is not None

    def is_file(self) -> bool:
        """Tells whether there is such an object."""
        return self.known is not None or self._kind() == "file"

    def is_dir(self) -> bool:
        """Tells whether there is such a folder."""
        return self.known is None and self._kind() == "directory"

    def _kind(self) -> str | None:
        try:
            return self._info()["type"]
        except FileNotFoundError:
            return None

    def _info(self) -> Mapping[str, Any]:
        with self._reached("read") as (store, path):
            store.invalidate_cache()
            return store.info(path)

    def files(self, *, recursive: bool = True) -> list["Url"]:
        """The objects in a folder.

        Raises:
            BatchError: they cannot be listed.
        """
        with self._reached("listed") as (store, path):
            store.invalidate_cache()
            try:
                found = store.find(path, maxdepth=None if recursive else 1, detail=True)
            except FileNotFoundError:
                return []
            return list(self._children(found, path))

    def glob(self) -> list["Url"]:
        """The objects that it matches, as a pattern.

        Raises:
            BatchError: they cannot be listed.
        """
        with self._reached("listed") as (store, path):
            store.invalidate_cache()
            return list(self._children(store.glob(path, detail=True), path))

    def _children(self, found: Mapping[str, Any], path: str) -> Iterator["Url"]:
        head = self.key.removesuffix(path.strip("/"))
        for name, info in found.items():
            if info.get("type", "file") == "file":
                known = _stat_of(info) if info else None
                yield self._of(head + name.lstrip("/"), known)

    def open(self, mode: str = "rb") -> Any:  # noqa: ANN401 - an open file of a driver's
        """The object, to be read bit by bit.

        Raises:
            OSError: there is none.
            BatchError: it cannot be read.
        """
        with self._reached("read") as (store, path):
            return store.open(path, mode)

    def digest(self) -> str:
        """SHA-256 of the object.

        Raises:
            FileNotFoundError: there is none.
            BatchError: it cannot be read.
        """
        with self._reached("read") as (store, path), store.open(path, "rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()

    def fetch(self, file: Path) -> None:
        """Copies the object to a file of this machine.

        Raises:
            ImageError: there is none, or it is larger than any photo.
            BatchError: it cannot be read.
        """
        try:
            with self._reached("read") as (store, path):
                size = int(store.info(path).get("size") or 0)
                if size > _LARGEST:
                    raise ImageError(f"{self} has {size} bytes; a photo has at most {_LARGEST}")
                file.parent.mkdir(parents=True, exist_ok=True)
                store.get_file(path, str(file))
        except FileNotFoundError as error:
            raise ImageError(f"there is no {self}") from error

    def check_free(self, *, force: bool = False) -> None:
        """Finds what would keep `write` from writing, as far as can be seen.

        Raises:
            ImageError: it exists (and no `force`).
            BatchError: the store cannot be asked.
        """
        if not force and self.exists():
            raise ImageError(_exists(self))

    def write(self, data: bytes, *, force: bool = False) -> None:
        """Makes the object of these bytes.

        Raises:
            ImageError: it exists (and no `force`), or there is no such bucket.
            BatchError: it cannot be written.
        """
        self._put(lambda store, path, how: store.pipe_file(path, data, **how), force=force)

    def upload(self, file: Path) -> None:
        """Makes the object of a file, in place of what was there.

        Raises:
            ImageError: there is no such bucket.
            BatchError: it cannot be written.
        """
        self._put(lambda store, path, how: store.put_file(str(file), path, **how), force=True)

    def _put(self, put: _Put, *, force: bool) -> None:
        try:
            self._put_there(put, force=force)
        except FileNotFoundError as error:  # the bucket
            raise ImageError(f"{self} cannot be written: {one_line(error)}") from error

    def _put_there(self, put: _Put, *, force: bool) -> None:
        with self._reached("written") as (store, path):
            store.invalidate_cache()
            if not force and store.exists(path):
                raise ImageError(_exists(self))
            if self.protocol not in _AT_ONCE:
                self._put_in_parts(store, path, put)
            elif force or self.protocol not in _EXCLUSIVE:
                put(store, path, {})
            else:
                self._put_new(store, path, put)

    def _put_new(self, store: Any, path: str, put: _Put) -> None:  # noqa: ANN401
        try:
            put(store, path, {"mode": "create"})
        except FileExistsError as error:
            raise ImageError(_exists(self)) from error
        except OSError as error:
            # Some that speak S3 know no such condition; a moment ago there was no such object.
            if error.errno != errno.ENOSYS and "NotImplemented" not in str(error):
                raise
            put(store, path, {})

    def _put_in_parts(self, store: Any, path: str, put: _Put) -> None:  # noqa: ANN401
        """Writes under another name, and renames what is whole."""
        folder, _, _ = path.rpartition("/")
        part = f"{folder}/.editkit-{secrets.token_hex(8)}.part"
        store.makedirs(folder, exist_ok=True)
        try:
            put(store, part, {})
            store.mv(part, path)
        except BaseException:
            with suppress(Exception):
                store.rm_file(part)
            raise

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Deletes the object."""
        with self._reached("deleted") as (store, path):
            try:
                store.rm_file(path)
            except FileNotFoundError:
                if not missing_ok:
                    raise

    def replace(self, target: "Url") -> None:
        """Moves the object to another name in the same store."""
        with self._reached("moved") as (store, path):
            _, aim = target._opened()  # noqa: SLF001 - one of us
            with suppress(Exception):  # stores of objects know no folders
                store.makedirs(aim.rpartition("/")[0], exist_ok=True)
            store.mv(path, aim)

    def _opened(self) -> tuple[Any, str]:
        """The store, and what it calls the object.

        Raises:
            InputError: there is no driver for it.
        """
        if "::" in self.key:
            raise InputError(f"{self}: names with :: in them are not read; rename it")
        try:
            from fsspec.core import url_to_fs

            return url_to_fs(self.address)
        except ImportError as error:
            raise InputError(self._missing(error)) from error
        except ValueError as error:
            if "rotocol not known" not in str(error):
                raise
            raise InputError(f"there is no driver for {self.protocol}://, in {self}") from error

    def _missing(self, error: ImportError) -> str:
        if error.name == "fsspec" or self.protocol in _EXTRA:
            advice = "install it with pip install 'editkit[remote]'"
            return f"{self.protocol}:// needs a driver that is not installed; {advice}"
        return f"{self.protocol}:// needs a driver that is not installed: {one_line(error)}"

    @contextmanager
    def _reached(self, done: str) -> Generator[tuple[Any, str]]:
        """The store and the object's name in it; what goes wrong there becomes an error of ours."""
        try:
            yield self._opened()
        except EditkitError:
            raise
        # Where nobody catches an error, its cause is shown, too, with all that the driver says.
        except FileNotFoundError as error:
            if not (self.user or self.query):
                raise
            raise FileNotFoundError(error.errno, "there is no such object", str(self)) from None
        except Exception as error:  # noqa: BLE001 - each driver has errors of its own
            said = f"{self} cannot be {done}: {self._hushed(one_line(error))}"
            raise BatchError(said) from (None if self.user or self.query else error)

    def _hushed(self, text: str) -> str:
        """A driver's message without our secrets, which may stand in it in parts."""
        secrets_of = [self.address, self.query, self.user.rstrip("@"), *self.user[:-1].split(":")]
        secrets_of += [value for pair in self.query.split("&") for value in pair.split("=")[1:]]
        for secret in sorted((s for s in secrets_of if len(s) > _SHORT), key=len, reverse=True):
            text = text.replace(secret, "...")
        return text


Place = Path | Url
"""Where a file lies: on this machine, or in a store."""


@dataclass(frozen=True)
class _FileStat:
    """The fields of `os.stat_result` that are asked for."""

    st_size: int
    st_mtime_ns: int


def is_url(text: str) -> bool:
    """Tells whether a text is a URL."""
    return _URL.match(text) is not None


def place_of(text: str | Place) -> Place:
    """The place that a path or URL names; `file://` is a path."""
    if not isinstance(text, str):
        return text
    found = _URL.match(text)
    if found is None:
        return Path(text)
    protocol = found[1].lower()
    if protocol in _FILES:
        return Path(found[2])
    protocol = {"s3a": "s3", "gcs": "gs"}.get(protocol, protocol)
    user, key, query = parted(protocol, found[2])
    key = key.lstrip("/") if protocol == "memory" else key
    return Url(protocol, key.rstrip("/"), None, user, query)


def address(place: Place) -> str:
    """A place as text by which it can be reached: of a URL with its secrets, not to be shown."""
    return place.address if isinstance(place, Url) else str(place)


def is_folder(place: Place) -> bool:
    """Tells whether a place is a folder; a text too long for a name is none."""
    if isinstance(place, Url):
        return place.is_dir()
    return os.path.isdir(place)  # noqa: PTH112 - pathlib's raises where a name is too long


def is_plain(place: Place) -> bool:
    """Tells whether a place is a file; a text too long for a name is none."""
    return place.is_file() if isinstance(place, Url) else os.path.isfile(place)  # noqa: PTH113


def is_there(place: Place) -> bool:
    """Tells whether anything is at a place, as far as can be seen."""
    return place.exists() if isinstance(place, Url) else os.path.exists(place)  # noqa: PTH110


def write_place(
    data: bytes, target: Place, *, force: bool = False, photo: "Photo | None" = None
) -> None:
    """Writes a file or an object, but not over the photo; whole, or not at all.

    Raises:
        ImageError: it exists (and no `force`), or cannot be written.
        BatchError: a store cannot be written.
    """
    if isinstance(target, Url):
        target.write(data, force=force)
    else:
        from editkit.photo.io.files import write_bytes

        write_bytes(photo, data, target, force=force)


def as_text(text: str) -> str:
    """A path or URL as text, `file://` as a path; not to be shown."""
    return address(place_of(text)) if is_url(text) else text


def has_magic(text: str) -> bool:
    """Tells whether a text is a pattern."""
    return _MAGIC.search(text) is not None


def check_here(texts: Iterable[str | None]) -> None:
    """Refuses URLs of other machines, for whoever works offline.

    Raises:
        InputError: one is.
    """
    for text in texts:
        found = _URL.match(text or "")
        if found is not None and found[1].lower() not in _HERE:
            raise InputError(f"--offline: {text} is not on this machine; give a path")


def _stat_of(info: Mapping[str, Any]) -> Stat:
    """Size and mark from an entry of a listing."""
    lower = {key.lower(): value for key, value in info.items() if value is not None}
    mark = next((f"{key} {lower[key]}" for key in _MARKS if key in lower), "").replace('"', "")
    number = int.from_bytes(hashlib.sha256(mark.encode()).digest()[:8], "big") >> 1
    return Stat(int(info.get("size") or 0), number)


def _exists(url: Url) -> str:
    return f"{url} exists; give force=True to replace it, or another name"
