"""An edited photo as a file: provenance, JPEG blocks kept, and evidence read from its bytes."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from editkit._version import __version__
from editkit.errors import ImageError, InputError, PreservationError
from editkit.names import JPEG_MODES
from editkit.ops.record import with_paths_from
from editkit.photo.blend.composite import compare_samples
from editkit.photo.formats import containers, jpeg, jpeg_app1
from editkit.photo.formats.losses import list_losses
from editkit.photo.geometry.boxes import bounding_box
from editkit.photo.io import second_reader
from editkit.photo.io.files import (
    Photo,
    check_encoding,
    encode_photo,
    format_name,
    is_lossy,
    read_photo,
    undo_orientation_view,
)
from editkit.photo.metadata import exif, xmp
from editkit.run_options import MAX_SEAM
from editkit.types import Coverage, Report, Size

if TYPE_CHECKING:
    from editkit.photo.metadata.c2pa import Signer


@dataclass(frozen=True, eq=False)
class Edited:
    """An edited photo, before it is in any file.

    Attributes:
        photo: the photo, with what it carries beside its samples.
        report: what was done, with what settings, and what it changed; once `save` wrote a file,
            what that file shows to others.
        original: the photo before; None where there was none.
        mask: the composite mask; None where the whole picture was edited.
        record: what is needed to repeat the edit, see `editkit.ops.record`.
        source: the IPTC DigitalSourceType of the file; by default what a model makes: a composite
            where there was a photo, else a picture of its own.
    """

    photo: Photo
    report: Report
    original: Photo | None = field(default=None, repr=False)
    mask: Coverage | None = field(default=None, repr=False)
    record: Mapping[str, Any] | None = field(default=None, repr=False)
    source: str | None = None
    made: Report = field(init=False, repr=False)
    """The report before any file was written."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "made", dict(self.report))

    @property
    def source_type(self) -> str:
        """The IPTC DigitalSourceType, by its short name."""
        return self.source or (xmp.GENERATED if self.original is None else xmp.COMPOSITE)


@dataclass(frozen=True)
class Saving:
    """How an edited photo is written.

    Attributes:
        jpeg: `lossless` keeps the source's coefficients wherever nothing was edited, `encode`
            encodes all again, `auto` is lossless where that can be.
        provenance: write where the picture comes from, and how to repeat the edit, into its
            metadata.
        strict: refuse a file in which a kept sample changed, or whose seam is over `max_seam`.
        max_seam: see `editkit.photo.quality.scores.seam_score`.
        signer: signs the file by C2PA, with the original as an ingredient.
        keep_records: keep the records of the photo's earlier edits, too; else there is that of the
            last. A file that holds some goes on to hold all. The history has every edit anyway.
    """

    jpeg: str = "auto"
    provenance: bool = True
    strict: bool = False
    max_seam: float = MAX_SEAM
    signer: "Signer | None" = field(default=None, repr=False)
    keep_records: bool = False

    def __post_init__(self) -> None:
        if self.jpeg not in JPEG_MODES:
            raise InputError(f"jpeg is {self.jpeg!r}; give one of {', '.join(JPEG_MODES)}")
        if self.provenance:
            _time()


@dataclass(frozen=True)
class Encoded:
    """A file, not yet written.

    Attributes:
        data: its bytes.
        evidence: what reading them again shows.
    """

    data: bytes = field(repr=False)
    evidence: Report


def encode(result: Edited, format_: str, saving: Saving, folder: Path | None = None) -> Encoded:
    """The file of a result, checked by reading it again: see `Result.encoded`."""
    name = format_name(format_)
    photo = _stamped(result, saving, folder) if saving.provenance else result.photo
    blocks, data, reason = None, None, None
    if name == "JPEG":
        data, blocks, reason = _spliced(result, photo, saving)
    data = encode_photo(photo, format_) if data is None else data
    evidence = _evidence(result, data, format_, blocks)
    if reason is not None and result.original is not None and "jpeg" in result.original.carried:
        evidence |= {"jpeg_encoded_again": reason}
    lost = list_losses(photo.carried, name)
    if lost:
        evidence |= {"notes": [*result.made.get("notes", ()), *lost]}
    if saving.strict:
        _check_strict(evidence, result.report, saving)
    if saving.signer is not None:
        original = result.original
        path = None if original is None else original.path
        data = saving.signer.sign(
            data, result.source_type, edited=original is not None, original=path
        )
        evidence |= {"signed": True, **saving.signer.check_signature(data)}
    evidence |= {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    return Encoded(data, evidence)


def check_saving(
    photo: Photo | None,
    format_: str,
    saving: Saving,
    size: Size | None = None,
    *,
    whole: bool = False,
) -> None:
    """Finds before the work what would keep an edit of the photo from being encoded.

    Args:
        photo: what is going to be edited, if there is anything.
        format_: Pillow's name of a format, or a suffix.
        saving: how it is going to be written.
        size: of the edited photo, where it is another one.
        whole: whether the edit is of the whole photo, without a mask.

    Raises:
        ImageError: the format cannot hold it, or `saving` asks for what cannot be done.
        InputError: the format cannot be signed.
    """
    check_encoding(photo, format_, size)
    name = format_name(format_)
    if saving.jpeg == "lossless" and name == "JPEG":
        reason = _obstacle_before(photo, size, whole=whole)
        if reason is not None:
            raise _not_lossless(reason)
    if saving.signer is not None:
        saving.signer.check_format(name)


def _not_lossless(reason: str) -> ImageError:
    return ImageError(f"jpeg=lossless cannot be done: {reason}")


def _stamped(result: Edited, saving: Saving, folder: Path | None) -> Photo:
    """The photo with its provenance in its XMP."""
    if result.record is None:
        return result.photo
    how: dict[str, Any] = {"jpeg": saving.jpeg}
    how |= {"keep_records": True} if saving.keep_records else {}
    record = with_paths_from(result.record, folder) | {"saving": how}
    event = {
        "action": "edited" if result.original is not None else "created",
        "softwareAgent": f"editkit {__version__}",
        "changed": "/",
        "parameters": _done(record),
    }
    # A time of day would make no two files the same; whoever wants one sets it for the build.
    when = _time()
    if when is not None:
        event["when"] = when
    packet = xmp.add_record(
        result.photo.carried.get("xmp"),
        source=result.source_type,
        event=event,
        record=record,
        keep=saving.keep_records,
    )
    return replace(result.photo, carried={**result.photo.carried, "xmp": packet})


def _done(record: Mapping[str, Any]) -> str:
    if "model" not in record:
        return f"{record['edit']} of an edit made elsewhere"
    if record["model"] is None:
        options = [part.get("options", {}) for part in record.get("steps", (record,))]
        methods = dict.fromkeys(told["method"] for told in options if "method" in told)
        return f"{record['edit']} by {' and '.join(methods)}, without a model"
    kind = " (a preview by fast settings)" if record.get("preview") is True else ""
    return f"{record['edit']} by the model {record['model']}{kind}"


def _time() -> str | None:
    """The time of day that the build gives, if it does.

    Raises:
        InputError: it is none.
    """
    from datetime import UTC, datetime

    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return None
    try:
        return datetime.fromtimestamp(int(epoch), UTC).isoformat()
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"SOURCE_DATE_EPOCH is {epoch!r}; give seconds since 1970") from error


def _spliced(
    result: Edited, photo: Photo, saving: Saving
) -> tuple[bytes | None, jpeg.BlockCounts | None, str | None]:
    """A JPEG whose untouched blocks are the source's; or none, and the reason for that.

    Raises:
        ImageError: it cannot be, and `saving` insists.
    """
    reason = "it was told to encode all again" if saving.jpeg == "encode" else _obstacle(result)
    if reason is None:
        try:
            return *_with_source_blocks(result, photo), None
        except ImageError as error:
            reason = str(error)
    if saving.jpeg == "lossless":
        raise _not_lossless(reason)
    return None, None, reason


def _obstacle(result: Edited) -> str | None:
    """Why the source's blocks cannot be kept, if they cannot."""
    original = result.original
    if original is None or "jpeg" not in original.carried:
        return "the original is no JPEG"
    if result.mask is None:
        return "the whole picture was edited"
    if original.samples.shape != result.photo.samples.shape:
        return "the size changed"
    return _obstacle_in(original)


def _obstacle_before(photo: Photo | None, size: Size | None, *, whole: bool) -> str | None:
    """The same, as far as it is known before the work."""
    if photo is None or "jpeg" not in photo.carried:
        return "the original is no JPEG"
    if whole:
        return "the whole picture is edited"
    return "the size changes" if size not in (None, photo.size) else _obstacle_in(photo)


def _obstacle_in(original: Photo) -> str | None:
    """The same, as far as the original alone shows it."""
    if "jpeg" not in original.carried:
        return "the original is no JPEG"
    if original.mode == "CMYK":
        return "CMYK blocks are not kept"
    if jpeg.is_arithmetic(original.carried["jpeg"]):
        return "its coding is arithmetic"
    tagged = exif.read_orientation(jpeg_app1.find_exif(original.carried["segments"]) or b"")
    return None if tagged == original.orientation else "its orientation is not in its EXIF data"


def _with_source_blocks(result: Edited, photo: Photo) -> tuple[bytes, jpeg.BlockCounts]:
    """The source with the difference of the edit added, as stored: not turned, its tag kept."""
    original = result.original
    assert original is not None  # noqa: S101 - `_obstacle` looked
    assert result.mask is not None  # noqa: S101
    before, after, mask = (
        undo_orientation_view(array, original.orientation)
        for array in (original.samples, result.photo.samples, result.mask)
    )
    made, blocks = jpeg.splice(original.carried["jpeg"], before, after, bounding_box(mask))
    segments = photo.carried["segments"]
    block = jpeg_app1.find_exif(segments) if "exif" in photo.carried else None
    segments = containers.update_segments(segments, block, photo.carried.get("xmp"))
    return jpeg.replace_segments(made, segments), blocks


def _evidence(result: Edited, data: bytes, format_: str, blocks: jpeg.BlockCounts | None) -> Report:
    """What the file shows when it is read again."""
    again = read_photo(data)
    found: dict[str, Any] = {"lossless": not is_lossy(format_)}
    if blocks is not None:
        found["jpeg_blocks"] = blocks.total
        found["jpeg_blocks_changed"] = blocks.changed
    original, mask = result.original, result.mask
    if original is None or mask is None or again.samples.shape != original.samples.shape:
        return found
    own, orientation = compare_samples(original, again, mask), again.orientation
    del again  # others need the memory
    other = second_reader.compare_by_other_readers(original, data, orientation, mask)
    # Where two readers disagree, the one that sees a change is believed.
    found["samples_changed_outside"] = max(own.kept_changed, other.samples if other else 0)
    found["largest_change_outside"] = max(own.largest, other.largest if other else 0)
    found["second_reader"] = other is not None
    if blocks is not None:
        stored = undo_orientation_view(mask > 0, original.orientation)
        kept = jpeg.compare_blocks(original.carried["jpeg"], data, stored)
        found["jpeg_blocks_kept"] = kept.total
        found["jpeg_blocks_changed_outside"] = kept.changed
    return found


def _check_strict(evidence: Report, report: Any, saving: Saving) -> None:  # noqa: ANN401
    """Holds a file to what strictness promises.

    Raises:
        PreservationError: a kept sample changed, or the seam shows.
    """
    in_blocks = "jpeg_blocks_changed_outside" in evidence
    key = "jpeg_blocks_changed_outside" if in_blocks else "samples_changed_outside"
    changed = evidence.get(key, 0)
    if changed:
        what = "blocks" if in_blocks else "samples"
        advice = "write PNG or TIFF" if not evidence["lossless"] else "report this as a bug"
        raise PreservationError(f"strict: {changed} kept {what} would change; {advice}")
    seam = (report.get("scores") or {}).get("seam")
    if seam is not None and seam > saving.max_seam:
        raise PreservationError(
            f"strict: the seam score is {seam:.2f}, over the limit of {saving.max_seam:g}; "
            "try another seed, more context or a larger mask"
        )
