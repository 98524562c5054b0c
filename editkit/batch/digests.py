"""Digests of files and objects, each asked for once."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from editkit.batch.tasks import printable
from editkit.storage.stat import Stat
from editkit.storage.timeouts import (
    sha256_of,
)
from editkit.storage.url import (
    Place,
    Url,
)

_AT_A_TIME = 8
"""Objects of a store that are read at the same time."""


class Digests:
    """SHA-256 of files; one that has not changed since is not read again."""

    def __init__(self, known: Mapping[str, tuple[Stat, str]]) -> None:
        self.known = dict(known)
        self.new = dict[str, tuple[Stat, str]]()
        self._listed = list[Url]()
        self._stats = dict[Url, Stat]()

    def listed(self, urls: Iterable[Place], folder: Place | None = None) -> None:
        """Takes what listings say of objects, so that a store is not asked for each.

        Args:
            urls: from listings.
            folder: the folder, if the listing is complete: no other object is in it.
        """
        self._stats |= {url: url.known for url in urls if isinstance(url, Url) and url.known}
        self._listed += [folder] if isinstance(folder, Url) else []

    def stat(self, path: Place) -> Stat | None:
        """Size and mark of a file now; None where there is none."""
        if isinstance(path, Path):
            return Stat.of(path)
        if path in self._stats:
            return self._stats[path]
        if any(str(path).startswith(f"{folder}/") for folder in self._listed):
            return None
        found = Stat.of(path)
        self._stats |= {path: found} if found is not None else {}
        return found

    def read_ahead(self, paths: Iterable[Place]) -> None:
        """Digests of many objects, several at a time: a store answers slowly, but many at once."""
        urls = [path for path in paths if isinstance(path, Url)]
        self.listed(urls)
        with ThreadPoolExecutor(_AT_A_TIME) as pool:
            list(pool.map(self.of, urls))

    def of(self, path: Place) -> str | None:
        """A file's digest; None where there is none."""
        stat, name = self.stat(path), printable(str(path.absolute()))
        if stat is None:
            return None
        if name in self.known and self.known[name][0] == stat:
            return self.known[name][1]
        try:
            sha = path.digest() if isinstance(path, Url) else sha256_of(path)
        except OSError:
            return None
        if sha is None:
            return None
        self.known[name] = self.new[name] = (stat, sha)
        return sha
