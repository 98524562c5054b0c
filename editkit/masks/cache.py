"""A disk cache of the coverage that slow selections compute.

A file holds one coverage, bit for bit, under a key of everything that it was computed from. A file
that does not match its key and its checksum counts as missing. No method raises: without a writable
folder there is no cache.
"""

import contextlib
import hashlib
import os
import struct
import tempfile
import time
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from editkit._version import __version__
from editkit.models.fingerprint import file_sha256
from editkit.types import Coverage, Size

FOLDER, OFF = "EDITKIT_CACHE", "EDITKIT_NO_CACHE"
"""Variables of the environment: another folder; and, set to 1, none."""

MOST = 512 << 20
_HEAD = struct.Struct("<8s32sIIc")
_MARK = b"editmsk1"
_DAY = 86400.0
_COMPUTE = (
    *("numpy", "opencv-python", "pillow", "scikit-image", "scipy"),
    *("tokenizers", "torch", "transformers"),
)


@dataclass(frozen=True)
class Cache:
    """Coverage on disk; the entries that were unused longest are dropped beyond a total size.

    Attributes:
        folder: the folder of the files.
        most: the largest total size, in bytes.
    """

    folder: Path
    most: int = MOST

    def read(self, key: str, size: Size) -> Coverage | None:
        """The float32 coverage stored under a key; None if missing, damaged or of other size."""
        file = self._file(key)
        try:
            found = _decode(file.read_bytes(), key, size)
            os.utime(file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, zlib.error, struct.error):
            with contextlib.suppress(OSError):
                file.unlink()
            return None
        return found

    def write(self, key: str, coverage: Coverage) -> None:
        """Stores a coverage, if it fits and the folder is writable."""
        data = _encode(coverage, key)
        if len(data) > self.most:
            return
        with contextlib.suppress(OSError):
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as stream:
                    stream.write(data)
                Path(name).replace(self._file(key))
            finally:
                Path(name).unlink(missing_ok=True)
            self._trim()

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.mask"

    def _trim(self) -> None:
        """Drops the entries that were unused longest, and part files of killed processes."""
        for part in self.folder.glob("*.part"):
            if time.time() - part.stat().st_mtime > _DAY:
                part.unlink(missing_ok=True)
        files = [(file.stat(), file) for file in self.folder.glob("*.mask")]
        total = sum(stat.st_size for stat, _ in files)
        for stat, file in sorted(files, key=lambda one: one[0].st_mtime_ns):
            if total <= self.most:
                return
            file.unlink(missing_ok=True)
            total -= stat.st_size


def open_cache() -> Cache | None:
    """The user's cache, or None where it is switched off."""
    if os.environ.get(OFF, "").upper() in ("1", "ON", "YES", "TRUE"):
        return None
    given = os.environ.get(FOLDER)
    if given:
        return Cache(Path(given).expanduser() / "masks")
    from platformdirs import user_cache_path

    return Cache(user_cache_path("editkit", appauthor=False) / "masks")


def cache_key(parts: Iterable[str]) -> str:
    """The SHA-256, in hexadecimal, of everything that a coverage depends on, our code included."""
    whole = hashlib.sha256()
    for part in (*_code_versions(), *parts):
        whole.update(f"{len(part)}:{part}".encode())
    return whole.hexdigest()


def _code_versions() -> tuple[str, ...]:
    """Versions of the packages that compute, and digests of our own modules."""
    from importlib.metadata import PackageNotFoundError, version

    found = [__version__]
    for package in _COMPUTE:
        with contextlib.suppress(PackageNotFoundError):
            found.append(f"{package} {version(package)}")
    found += map(file_sha256, sorted(Path(__file__).parent.glob("*.py")))
    return tuple(found)


def _encode(coverage: Coverage, key: str) -> bytes:
    """The file's bytes: a header, then one bit a pixel if all values are 0 or 1, else float32."""
    hard = bool(((coverage == 0) | (coverage == 1)).all())
    values = np.packbits(coverage > 0) if hard else np.ascontiguousarray(coverage, "<f4")
    raw = values.tobytes()
    kind = b"b" if hard else b"f"
    return _HEAD.pack(_MARK, _checksum(key, raw), *coverage.shape, kind) + zlib.compress(raw, 1)


def _decode(data: bytes, key: str, size: Size) -> Coverage:
    mark, checksum, height, width, kind = _HEAD.unpack_from(data)
    if mark != _MARK or (height, width) != size or kind not in (b"b", b"f"):
        raise ValueError("not this mask")
    length = -(-size.area // 8) if kind == b"b" else size.area * 4
    # Decompression stops at the expected length, whatever the file declares.
    raw = zlib.decompressobj().decompress(data[_HEAD.size :], length + 1)
    if len(raw) != length or _checksum(key, raw) != checksum:
        raise ValueError("damaged")
    if kind == b"f":
        return np.frombuffer(raw, "<f4").reshape(size).astype(np.float32)
    bits = np.unpackbits(np.frombuffer(raw, np.uint8), count=size.area)
    return bits.reshape(size).astype(np.float32)


def _checksum(key: str, raw: bytes) -> bytes:
    return hashlib.sha256(key.encode() + raw).digest()
