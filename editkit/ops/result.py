"""What an edit gives back: the photo, and a report of what was done."""

import os
from dataclasses import dataclass, replace
from io import IOBase, TextIOBase
from pathlib import Path
from typing import Any, BinaryIO

from PIL import Image

from editkit.errors import ImageError, shown
from editkit.ops.output import Edited, Encoded, Saving, encode
from editkit.photo.io.errors import system_errors
from editkit.photo.io.files import FORMATS, Photo, check_target, format_of, write_bytes

Target = str | os.PathLike[str] | BinaryIO | IOBase
"""Where a photo can be saved."""


@dataclass(frozen=True, eq=False)
class Result(Edited):
    """An edited photo, and the ways to have it: as a Pillow image, as bytes, in a file.

    Its `report` tells, once `save` wrote a file, also what that file shows to others.
    """

    @property
    def image(self) -> Image.Image:
        """The photo as a Pillow image, in the mode of the original (colors of 16 bits in 8)."""
        return self.photo.image

    def encoded(
        self,
        format: str,  # noqa: A002
        saving: Saving | None = None,
        folder: Path | None = None,
    ) -> Encoded:
        """The bytes of a file, and what they prove when they are read again.

        Args:
            format: Pillow's name of a format, or a suffix.
            saving: how it is written.
            folder: where the file is going to lie; paths in its record are seen from there.

        Raises:
            ImageError: the format cannot hold the photo, or `saving` asks for what it cannot do.
            PreservationError: `saving` is strict, and a kept sample changed or the seam shows.
        """
        return encode(self, format, saving or Saving(), folder)

    def save(
        self,
        target: Target,
        *,
        format: str | None = None,  # noqa: A002
        force: bool = False,
        saving: Saving | None = None,
    ) -> Any:  # noqa: ANN401 - the open file, whatever it is, or its path
        """Where the photo was written; from then on `report` holds what the file shows, too.

        Args:
            target: a path, whose suffix chooses the format, or an open file for bytes.
            format: Pillow's name of a format, or a suffix; for an open file, it is the original's
                or PNG unless given.
            force: replace a file that exists.
            saving: how it is written.

        Raises:
            ImageError: the file exists and `force` is not given, or cannot be written.
            PreservationError: as `encoded`.
        """
        if isinstance(target, str | os.PathLike):
            path = Path(target)
            chosen = format_of(path) if format is None else format
            check_target(None, path, force=force)
            encoded = self.encoded(chosen, saving, path.parent)
            write_bytes(self.photo, encoded.data, path, force=force)
            self._shows(encoded)
            return path
        stream = _writable(target)
        encoded = self.encoded(format or _usual_format(self.photo), saving)
        with system_errors("the given file cannot be written"):
            stream.write(encoded.data)
        self._shows(encoded)
        return stream

    def _shows(self, encoded: Encoded) -> None:
        """Makes `report` tell of the file that was written last, and of no other."""
        self.report.clear()
        self.report.update(self.made | encoded.evidence)


def _writable(target: object) -> Any:  # noqa: ANN401 - anything that has a `write` will do
    """The open file.

    Raises:
        ImageError: it is none, or one for text.
    """
    if not callable(getattr(target, "write", None)) or isinstance(target, TextIOBase):
        raise ImageError(f"{shown(target)} is no place to save; give a path, or a file for bytes")
    return target


def _usual_format(photo: Photo) -> str:
    name = photo.format or ""
    return name if name in FORMATS.values() else "PNG"


def with_note(result: Result, note: str) -> Result:
    """The result with one more note in its report."""
    notes = [*result.report["notes"], note]
    return replace(result, report={**result.report, "notes": notes})
