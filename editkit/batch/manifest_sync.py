"""Where a batch keeps its manifest: beside results on a disk; for those in a store, here and there.

SQLite wants a disk, so the manifest of results in a store lies in the user's folder for state, and
a whole copy of it is put beside the results from time to time. Each machine writes a manifest of
its own name, and reads those of all others: no copy is ever written over another's.
"""

import hashlib
import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from editkit.batch.inputs import OWN
from editkit.batch.manifest import Manifest
from editkit.errors import BatchError
from editkit.storage.timeouts import await_text, list_folder
from editkit.storage.url import Place, Url

STATE = "EDITKIT_STATE"
"""Variable of the environment: another folder for state than the system's."""

_PAUSE, _SHARE = 60.0, 20.0
_HEAD = 4096
_SEEN = "copies.json"


@dataclass
class ManifestStore:
    """The manifest of a batch, and its copy beside results in a store.

    A copy is put when photos are handed out for the first time, so that whatever machine goes on
    knows the results as ours; then once a minute, or seldom enough that it takes a twentieth of
    the time; and in the end.

    Attributes:
        out: where results go.
        shard: which part of the photos is done.
    """

    out: Place
    shard: tuple[int, int] | None = None
    _put_at: float = field(default=0.0, repr=False)
    _took: float = field(default=0.0, repr=False)

    @property
    def folder(self) -> Path:
        """The folder on this machine that manifests lie in."""
        if isinstance(self.out, Path):
            return self.out / OWN
        return _state() / "batches" / hashlib.sha256(str(self.out).encode()).hexdigest()[:32]

    @property
    def manifest(self) -> Path:
        """The manifest's file; each shard has its own, so that no two machines write one."""
        part = "" if self.shard is None else f"-{self.shard[0]}-of-{self.shard[1]}"
        own = "" if isinstance(self.out, Path) else f"-{self._own()}"
        return self.folder / f"manifest{own}{part}.sqlite"

    def _own(self) -> str:
        """This machine's part of the name."""
        file = self.folder / "name"
        with suppress(FileNotFoundError):
            return file.read_text(encoding="utf-8")
        _make(self.folder)
        name = secrets.token_hex(8)
        with suppress(FileExistsError), file.open("x", encoding="utf-8") as stream:
            stream.write(name)
        return file.read_text(encoding="utf-8") or name

    def await_manifests(self) -> None:
        """Waits until manifests on this machine, or its disks, have answered.

        Raises:
            BatchError: one of them does not.
        """
        with suppress(OSError):
            for name in list_folder(self.folder).files:
                await_text(self.folder / name, _HEAD)

    def pull(self) -> None:
        """Fetches what other machines have written of results in a store.

        Raises:
            BatchError: the store cannot be read, or the folder here cannot be written.
        """
        if isinstance(self.out, Path):
            return
        _make(self.folder)
        own = self._own()
        there = {u.name: u for u in (self.out / OWN).files(recursive=False) if _is_copy(u, own)}
        seen = self._seen()
        for file in self.folder.glob("*.sqlite"):
            if own not in file.name and file.name not in there:
                file.unlink()
        for name, url in there.items():
            mark = str(url.known)
            if seen.get(name) != mark or not (self.folder / name).exists():
                part = self.folder / f"{name}.part"
                url.fetch(part)
                part.replace(self.folder / name)
                seen[name] = mark
        (self.folder / _SEEN).write_text(json.dumps(seen), encoding="utf-8")

    def _seen(self) -> dict[str, Any]:
        with suppress(OSError, ValueError):
            return json.loads((self.folder / _SEEN).read_text(encoding="utf-8"))
        return {}

    def push(self, manifest: Manifest, *, due: bool = True) -> None:
        """Puts the copy of the manifest beside results in a store.

        Args:
            manifest: the open manifest.
            due: puts it in any case; otherwise only if the last time is long ago.

        Raises:
            BatchError: the store cannot be written.
        """
        if isinstance(self.out, Path):
            return
        began = time.monotonic()
        if not due and began - self._put_at < max(_PAUSE, _SHARE * self._took):
            return
        copy = manifest.path.with_suffix(".copy")
        copy.unlink(missing_ok=True)  # what a killed process left is no manifest
        try:
            manifest.copy(copy)
            (self.out / OWN / manifest.path.name).upload(copy)
        finally:
            copy.unlink(missing_ok=True)
        self._put_at = time.monotonic()
        self._took = self._put_at - began


def manifests_of(out: Place) -> Path:
    """The folder that the manifests of a batch's results lie in.

    Raises:
        BatchError: there are none.
    """
    store = ManifestStore(out)
    store.await_manifests()
    store.pull()
    if not any(store.folder.glob("*.sqlite")):
        raise BatchError(f"{out} is not the result of a batch: it has no manifest")
    return store.folder


def _is_copy(url: Url, own: str) -> bool:
    return url.suffix == ".sqlite" and own not in url.name


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        advice = f"give another by {STATE}"
        raise BatchError(f"{folder} cannot be made: {error.strerror}; {advice}") from error


def _state() -> Path:
    given = os.environ.get(STATE)
    if given:
        return Path(given).expanduser()
    from platformdirs import user_state_path

    return user_state_path("editkit", appauthor=False)
