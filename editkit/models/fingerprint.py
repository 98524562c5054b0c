"""Fingerprints of a model's weights."""

import hashlib
import re
from pathlib import Path

_HUB_BLOB = re.compile(r"[0-9a-f]{64}")


def weights_digest(folder: Path) -> str:
    """SHA-256 over the names and the SHA-256 of all safetensors below the folder, in hexadecimal.

    Hugging Face's cache names large files by their SHA-256, so they are not read again.
    """
    whole = hashlib.sha256()
    for file in sorted(folder.rglob("*.safetensors")):
        name = file.relative_to(folder).as_posix()
        whole.update(f"{name} {_weights_sha256(file)}\n".encode())
    return whole.hexdigest()


def _weights_sha256(file: Path) -> str:
    name = file.resolve().name
    return name if _HUB_BLOB.fullmatch(name) else file_sha256(file)


def file_sha256(file: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        OSError: it cannot be read.
    """
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
