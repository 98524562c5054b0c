"""A second reader of files, to prove an edit independently: it shares no code with `reading.py`.

A proof that uses the reader of the tested code would hide that reader's faults. So both files are
read again by other libraries: TIFFs of equal layout by tifffile, as stored, all others by OpenCV.
"""

import hashlib
from collections.abc import Iterator
from io import BytesIO
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.photo.io.orientation import apply_orientation
from editkit.photo.io.photo import Photo
from editkit.photo.silence import silence_libraries
from editkit.types import Coverage

_SAME = ("photometric", "bitspersample", "sampleformat", "extrasamples", "samplesperpixel")
_ROWS = 256
_PNG = b"\x89PNG"


class SampleDifference(NamedTuple):
    """The number of differing samples outside a mask, and the largest difference."""

    samples: int
    largest: int


def compare_by_other_readers(
    original: Photo, edited: bytes, orientation: int, mask: Coverage
) -> SampleDifference | None:
    """Differing kept samples of an edit's file, as other libraries read it.

    Args:
        original: the photo before the edit.
        edited: the file after the edit.
        orientation: of the file after the edit.
        mask: (H, W), upright; samples where it is 0 must be kept.

    Returns:
        None if the original file is gone, or no other library reads both alike (samples of 12 bits,
        say).
    """
    before = original_bytes(original)
    if (
        before is None
        or original.frame
        or not (_is_unambiguous(before) and _is_unambiguous(edited))
    ):
        return None
    pair = _read_tiff_pair(before, edited) or _read_opencv_pair(before, edited)
    if pair is None:
        return None
    old, new = (
        apply_orientation(pair[0], original.orientation),
        apply_orientation(pair[1], orientation),
    )
    if old.shape != new.shape or old.shape[:2] != mask.shape:
        return None
    return _count_differences(old, new, mask)


def original_bytes(photo: Photo) -> bytes | None:
    """The file of a photo; None if it is gone or has changed."""
    held = photo.data or photo.carried.get("jpeg")
    if held is not None:
        return held
    try:
        found = photo.path.read_bytes() if photo.path is not None and photo.path.is_file() else None
    except OSError:
        return None
    return found if found and hashlib.sha256(found).hexdigest() == photo.digest else None


def _is_unambiguous(data: bytes) -> bool:
    """True if all readers return the same samples; odd depths are scaled differently."""
    if data.startswith(b"GIF") or (data.startswith(_PNG) and b"acTL" in data[:4096]):
        return False  # pictures of animations are put together by rules of each reader's own
    if data[:2] == b"BM":
        return len(data) > 34 and data[28] in (8, 24) and not any(data[30:34])
    if data[:2] not in (b"II", b"MM"):
        return True
    import tifffile

    try:
        with tifffile.TiffFile(BytesIO(data)) as file:
            page: Any = file.pages[0]
            return page.bitspersample in (8, 16) and page.sampleformat == 1
    except Exception:  # noqa: BLE001 - whatever another maker's reader makes of a stranger's file
        return False


def _read_tiff_pair(before: bytes, after: bytes) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """The stored samples of two TIFFs with equal sample layout."""
    import tifffile

    if before[:2] not in (b"II", b"MM") or after[:2] not in (b"II", b"MM"):
        return None
    try:
        with tifffile.TiffFile(BytesIO(before)) as one, tifffile.TiffFile(BytesIO(after)) as two:
            pages: tuple[Any, Any] = (one.pages[0], two.pages[0])
            if any(getattr(pages[0], key) != getattr(pages[1], key) for key in _SAME):
                return None
            old, new = (_channels_last(page) for page in pages)
            return old, new
    except Exception:  # noqa: BLE001 - whatever another maker's reader makes of a stranger's file
        return None


def _channels_last(page: Any) -> NDArray[Any]:  # noqa: ANN401 - tifffile's own, loosely typed
    array = np.asarray(page.asarray())
    return np.moveaxis(array, 0, -1) if page.axes.startswith("S") and array.ndim == 3 else array


def _read_opencv_pair(before: bytes, after: bytes) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """Both files read by OpenCV, with equal type and channels."""
    old, new = _decode_with_opencv(before), _decode_with_opencv(after)
    if old is None or new is None or old.dtype != new.dtype:
        return None
    if old.shape[2] == new.shape[2]:
        return old, new
    # OpenCV may return gray photos as color, and opaque ones with alpha.
    return _three_channels(old), _three_channels(new)


def _decode_with_opencv(data: bytes) -> NDArray[Any] | None:
    """(H, W, C) as stored, not rotated; None if OpenCV cannot read it."""
    try:
        with silence_libraries():
            found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except (cv2.error, MemoryError):
        return None
    if found is None:
        return None
    return found if found.ndim == 3 else found[..., None]


def _three_channels(array: NDArray[Any]) -> NDArray[Any]:
    channels = array.shape[2]
    return array.repeat(3, 2) if channels < 3 else array[..., :3]


def _count_differences(old: NDArray[Any], new: NDArray[Any], mask: Coverage) -> SampleDifference:
    count = largest = 0
    for rows in _row_strips(len(mask)):
        kept = mask[rows] == 0
        if not (old[rows] != new[rows]).any():
            continue
        # Wide enough for the difference of any two samples of 32 bits.
        gap = np.abs(old[rows][kept].astype(np.int64) - new[rows][kept])
        count += int(np.count_nonzero(gap))
        largest = max(largest, int(gap.max(initial=0)))
    return SampleDifference(count, largest)


def _row_strips(height: int) -> Iterator[slice]:
    return (slice(top, top + _ROWS) for top in range(0, height, _ROWS))
