"""Verification from files alone: comparing two of them, and listing the contents of one."""

import warnings

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import ImageError, InputError
from editkit.photo import color
from editkit.photo.blend.composite import compare_samples
from editkit.photo.formats import jpeg
from editkit.photo.geometry.boxes import bounding_box
from editkit.photo.io.files import Photo, undo_orientation
from editkit.photo.metadata import xmp
from editkit.photo.quality.scores import scored_box, scores
from editkit.types import Coverage, Report, Size

_CARRIED = ("icc_profile", "exif", "iptc", "dpi")


def verify(
    original: Photo, edited: Photo, mask: Coverage | None = None, *, tolerance: int = 0
) -> Report:
    """The changes of an edit, and whether kept samples are unchanged, from the two photos alone.

    Two JPEGs of the same structure are compared by their coefficients, too: decoders smooth colors
    across block borders, so that samples beside an edited block differ although their coefficients
    are equal.

    Args:
        original: the photo before.
        edited: the photo after, of the same size and mode.
        mask: the area that may change; without it every change is allowed.
        tolerance: the largest allowed difference of a kept sample, in its own units.

    Returns:
        `kept` (whether all is well), counts of samples, the changed parts with their boxes, scores
        of the edge, and which metadata are equal.

    Raises:
        InputError: the photos or the mask do not match.
    """
    if (original.size, original.mode) != (edited.size, edited.mode):
        raise InputError(
            f"the original is {original.size} {original.mode}, the edited photo {edited.size} "
            f"{edited.mode}; they cannot be compared sample by sample"
        )
    differs = changed_pixels(original, edited)
    area = differs.astype(np.float32) if mask is None else mask
    count = compare_samples(original, edited, area)
    blocks = None if mask is None else _compare_blocks(original, edited, mask)
    kept = count.largest <= tolerance or (blocks is not None and blocks.changed == 0)
    return {
        "kept": kept,
        "size": str(original.size),
        "mode": original.mode,
        "samples_kept": count.kept,
        "samples_changed": count.edited_changed,
        "samples_changed_outside": count.kept_changed,
        "largest_change_outside": count.largest,
        **_block_report(blocks),
        "regions": _regions(differs),
        "scores": _scores(edited, area),
        "same": {key: _is_same(original, edited, key) for key in _CARRIED},
        "source_type": xmp.read_source_type(edited.carried.get("xmp")),
    }


def info(photo: Photo) -> Report:
    """The contents of a photo's file, by names and sizes."""
    packet = photo.carried.get("xmp")
    record = xmp.read_record(packet)
    return {
        "format": photo.format,
        "size": str(photo.size),
        "mode": photo.mode,
        "bits": color.bit_depth(photo.mode),
        "orientation": photo.orientation,
        "sha256": photo.digest,
        "profile": _profile_name(photo),
        "dpi": [float(v) for v in photo.carried["dpi"]] if "dpi" in photo.carried else None,
        "exif": _exif(photo),
        "xmp_bytes": len(packet) if packet else 0,
        "iptc_bytes": len(photo.carried.get("iptc", b"")),
        "text": dict(photo.carried.get("text", {})),
        "comment": _text(photo.carried.get("comment")),
        "source_type": xmp.read_source_type(packet),
        "history": xmp.read_history(packet),
        "record": record,
        "notes": list(photo.notes),
    }


def changed_pixels(original: Photo, edited: Photo) -> NDArray[np.bool_]:
    """Pixels with a differing sample, bool (H, W); computed by strips."""
    differs = np.zeros(original.size, np.bool_)
    for row in range(0, original.size.height, 256):
        rows = slice(row, row + 256)
        found = original.samples[rows] != edited.samples[rows]
        differs[rows] = found.any(axis=2) if found.ndim == 3 else found
    return differs


def _compare_blocks(original: Photo, edited: Photo, mask: Coverage) -> jpeg.BlockCounts | None:
    before, after = (photo.carried.get("jpeg") for photo in (original, edited))
    if original.orientation != edited.orientation or before is None or after is None:
        return None
    try:
        stored = undo_orientation(mask > 0, original.orientation)
        return jpeg.compare_blocks(before, after, stored)
    except ImageError:
        return None


def _block_report(blocks: jpeg.BlockCounts | None) -> Report:
    if blocks is None:
        return {}
    return {"jpeg_blocks_kept": blocks.total, "jpeg_blocks_changed_outside": blocks.changed}


def _regions(differs: NDArray[np.bool_]) -> list[dict[str, int]]:
    """Connected parts of the changed pixels, largest first, at most a hundred."""
    if not differs.any():
        return []
    _, _, stats, _ = cv2.connectedComponentsWithStats(differs.astype(np.uint8), connectivity=8)
    parts = sorted(np.asarray(stats)[1:].tolist(), key=lambda part: -part[4])[:100]
    return [
        {"top": top, "left": left, "bottom": top + high, "right": left + wide, "pixels": area}
        for left, top, wide, high, area in parts
    ]


def _scores(photo: Photo, area: Coverage) -> dict[str, float | None] | None:
    if not area.any():
        return None
    box = scored_box(bounding_box(area), Size(*area.shape))
    return scores(photo.rgb(box), area[box.slices])


def _is_same(original: Photo, edited: Photo, key: str) -> bool:
    old, new = original.carried.get(key), edited.carried.get(key)
    if key == "dpi" and old and new:
        # Some containers store dots per meter, as integers.
        return all(abs(a - b) < 0.02 for a, b in zip(old, new, strict=True))
    return bool(old == new)


def _profile_name(photo: Photo) -> str | None:
    from io import BytesIO

    from PIL import ImageCms

    data = photo.carried.get("icc_profile")
    if data is None:
        return None
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(data))).strip()
    except (OSError, ImageCms.PyCMSError):
        return "unreadable"


def _exif(photo: Photo) -> dict[str, str]:
    """EXIF tags by name, values as text."""
    from PIL import ExifTags, Image

    exif = Image.Exif()
    try:
        with warnings.catch_warnings(action="ignore"):
            exif.load(photo.carried.get("exif", b""))
            inner = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
            place = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except (OSError, ValueError, SyntaxError, LookupError):
        return {}
    named = {ExifTags.TAGS.get(code, hex(code)): value for code, value in inner.items()}
    named |= {ExifTags.GPSTAGS.get(code, hex(code)): value for code, value in place.items()}
    return {
        key: f"{len(value)} bytes" if isinstance(value, bytes) and len(value) > 16 else str(value)
        for key, value in named.items()
        if key not in ("ExifOffset", "GPSInfo")
    }


def _text(value: object) -> str | None:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else None
