"""Tags of a TIFF that are still valid after an edit."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from editkit.photo.metadata import opaque, photoshop, previews

Tag = tuple[int, int, int, Any, bool]
"""Code, type, count, value, and True, as tifffile takes them."""

_IPTC, _PHOTOSHOP = 33723, 34377
_SHOWING = {
    37724: "Photoshop's layers (tag 37724)",
    50828: "the raw file it came from (tag 50828)",
    33628: "further pictures (tag 33628)",
    34310: "camera data with pictures (tag 34310)",
}
_ELSEWHERE = {
    400: "GlobalParametersIFD",
    33424: "KodakIFD",
    34954: "LeafSubIFD",
    40965: "InteropIFD",
}
"""Tags that point to a directory elsewhere in the file, which is not carried along."""

_STATISTICS = {
    280: "MinSampleValue",
    281: "MaxSampleValue",
    340: "SMinSampleValue",
    341: "SMaxSampleValue",
}
_FIGURES = {
    290: "GrayResponseUnit",
    291: "GrayResponseCurve",
    300: "ColorResponseUnit",
    301: "TransferFunction",
    342: "TransferRange",
    532: "ReferenceBlackWhite",
}
"""Tags whose values depend on the file's own depth and sample layout."""

_BYTES, _DIRECTORIES = (1, 6, 7), (13, 18)


def select_tags(layout: Mapping[str, Any]) -> tuple[list[Tag], list[str]]:
    """The tags that are still valid after an edit, and notes on the others.

    Args:
        layout: as returned by `tiff.read_layout`.
    """
    found, notes = list[Tag](), list[str]()
    if layout["further"]:
        notes.append(previews.omission_note("further pages or sub-directories of its TIFF"))
    for tag in layout["tags"]:
        remaining, lost = _select_tag(tag, figures=layout["figures"])
        found += [remaining] if remaining is not None else []
        notes += lost
    return found, list(dict.fromkeys(notes))


def tag_bytes(value: Any, kind: int) -> bytes:  # noqa: ANN401 - whatever tifffile made of it
    """A tag's value as little-endian bytes."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if kind in (*_BYTES, 3, 4, 8, 9):
        code = {1: "u1", 6: "i1", 7: "u1", 3: "<u2", 4: "<u4", 8: "<i2", 9: "<i4"}[kind]
        try:
            return np.asarray(value).astype(code).tobytes()
        except (TypeError, ValueError, OverflowError):
            return b""
    return b""


def _select_tag(tag: Tag, *, figures: bool) -> tuple[Tag | None, list[str]]:
    code, kind, _, value, _ = tag
    reason = _reason(code, kind, figures=figures)
    if reason is not None:
        return None, [reason]
    data = tag_bytes(value, kind)
    if code == _PHOTOSHOP:
        return _clean_resources(tag, data)
    if code == _IPTC:
        iptc, notes = photoshop.clean_iptc(data)
        return ((code, 7, len(iptc), iptc, True) if notes and iptc else tag), notes
    if previews.holds_picture(data):
        return None, [previews.omission_note(f"TIFF tag {code} with a picture")]
    if not _is_figure(code, kind) and opaque.is_opaque(data):
        return None, [previews.omission_note(f"TIFF tag {code} of {len(data)} bytes")]
    return tag, []


def _is_figure(code: int, kind: int) -> bool:
    """True if the values are numbers of a known tag; bytes may be anything."""
    import tifffile

    return kind not in _BYTES and code in tifffile.TIFF.TAGS


def _reason(code: int, kind: int, *, figures: bool) -> str | None:
    """The reason for dropping a tag regardless of its value, or None."""
    if code in _STATISTICS or (code in _FIGURES and not figures):
        name = _STATISTICS.get(code) or _FIGURES[code]
        return f"tag {code} ({name}): left out, as it applies to the original only"
    if code in _SHOWING:
        return previews.omission_note(_SHOWING[code])
    if code in _ELSEWHERE or kind in _DIRECTORIES:
        name = _ELSEWHERE.get(code, "a directory")
        return f"tag {code} ({name}): left out, as it points to data elsewhere in the file"
    return None


def _clean_resources(tag: Tag, data: bytes) -> tuple[Tag | None, list[str]]:
    try:
        cleaned, notes = photoshop.clean_resources(data)
    except ValueError:
        return None, ["damaged Photoshop data were left out"]
    if not notes:
        return tag, []
    return ((tag[0], 7, len(cleaned), cleaned, True) if cleaned else None), notes
