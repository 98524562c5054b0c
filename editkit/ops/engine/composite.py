"""Bringing home an edit made elsewhere: only what changed, into the untouched original."""

import time
from dataclasses import dataclass, fields
from typing import Any

import cv2
import numpy as np

from editkit.compare.aligned import Bits, Overlay, Values, overlay_copy
from editkit.compare.detect import Changes, find_changes
from editkit.compare.registration import Registration, register
from editkit.errors import MaskError
from editkit.masks.evaluate import advice
from editkit.masks.roles import MaskLike, composite_reading
from editkit.names import MAKERS
from editkit.ops.composite import Composite
from editkit.ops.record import digest_of, mask_told
from editkit.ops.report import describe_changes, plain, versions
from editkit.ops.result import Result
from editkit.options import stored_options
from editkit.photo import color
from editkit.photo.blend.composite import composite
from editkit.photo.blend.harmonize import Harmonization, harmonize, resolve_seam
from editkit.photo.geometry.boxes import bounding_box
from editkit.photo.geometry.components import MaskComponent, split_components
from editkit.photo.geometry.warp import local_scale, sample_box
from editkit.photo.io.files import Photo, PhotoLike, read_photo
from editkit.photo.metadata import xmp
from editkit.photo.quality.scores import scored_box
from editkit.types import Coverage, Report

_SOURCES: dict[str, str] = dict(
    zip(MAKERS, (xmp.COMPOSITE, "humanEdits", "compositeCapture", "composite"), strict=True)
)
"""The IPTC DigitalSourceType that says who made an edit."""

_BY_MODELS = (xmp.COMPOSITE, xmp.GENERATED, "compositeSynthetic")
_MOST = 0.6
_SOFT = 0.75
_TOGETHER = 2048
_UNSURE = 0.5
_BLURRED = 2.0
_EDITED = 24.0
_SMALL = 512
_APART = 3
_CUT_OFF = 2.5
_DULL = 12.0
_DULLED = 0.02
_HIDDEN = 0.002


@dataclass(frozen=True, eq=False)
class _Brought:
    """A photo with a part of the edit in it.

    Attributes:
        photo: the photo.
        beyond: where in the part the copy does not reach.
        dulled: how many pixels were cut off at white or black, and are not any more.
    """

    photo: Photo
    beyond: Bits
    dulled: int = 0


def bring_home(
    edit: Composite,
    original: PhotoLike | Photo,
    edited: PhotoLike | Photo,
    mask: MaskLike | None = None,
) -> Result:
    """The original with only the edit in it, with a report: see `Composite.__call__`."""
    started = time.perf_counter()
    photo, copy = map(read_photo, (original, edited))
    read = None if mask is None else composite_reading(mask, photo)
    given = None if read is None else read.coverage
    place = register(photo, copy, given, motion=edit.motion)
    over = overlay_copy(photo, copy, place.matrix, given, drift=edit.drift)
    coverage, notes = _area(edit, over, given)
    after, coverage, cut = _brought(edit, over, coverage)
    read_notes = read.notes if read else ()
    notes = [*_said(photo, copy, place), *_colors_told(over), *read_notes, *notes, *cut]
    report = _report(edit, over, place, after, coverage, notes)
    report["seconds"] = round(time.perf_counter() - started, 2)
    record = _record(edit, photo, copy)
    if given is not None:
        record["mask"] = {"sha256": digest_of(given), **mask_told(mask)}
    return Result(after, report, photo, coverage, record, _source(edit, photo, copy))


def _area(edit: Composite, over: Overlay, given: Coverage | None) -> tuple[Coverage, list[str]]:
    """The area that is brought home, and what is to be said of it."""
    if given is not None:
        return given, [*advice(given)]
    found = find_changes(over, threshold=edit.threshold, grow=edit.grow)
    return found.coverage, _found_told(over, found)


def _brought(
    edit: Composite, over: Overlay, coverage: Coverage
) -> tuple[Photo, Coverage, list[str]]:
    """The photo with the area in it, the area as far as the copy reaches, and what was cut."""
    after, reached, cut, dulled = over.photo, coverage, 0, 0
    for part in split_components(coverage, "auto", _TOGETHER):
        made = _part_brought(edit, over, after, part, coverage)
        after, dulled = made.photo, dulled + made.dulled
        if not made.beyond.any():
            continue
        reached = coverage.copy() if reached is coverage else reached
        reached[part.box.slices][made.beyond] = 0
        cut += int(np.count_nonzero(made.beyond))
    if not reached.any():
        raise MaskError(
            "the edited picture does not reach to where the mask is; was it cropped? "
            "Give another mask"
        )
    notes = [f"{cut} pixels of the area lie outside of the edited picture and were kept"]
    told = _dulled_told(dulled, int(np.count_nonzero(reached)))
    return after, reached, [*(notes if cut else []), *told]


def _part_brought(
    edit: Composite, over: Overlay, photo: Photo, part: MaskComponent, coverage: Coverage
) -> _Brought:
    """The photo with a part of the area in it.

    What surrounds it is the original, other parts of the area included, so that none depends
    on another.
    """
    box = scored_box(part.box, photo.size)
    patch, covered = sample_box(over.copy, over.matrix, box, precise=True)
    asked = np.zeros(box.size, np.float32)
    inner = part.box.seen_from(box).slices
    asked[inner] = part.coverage
    beyond = (asked > 0) & ~covered
    asked[beyond] = 0
    if not asked.any():
        return _Brought(photo, beyond[inner])
    before = over.photo
    kept = color.to_float_rgb(before.samples[box.slices], before.mode, before.profile)
    patch, flat = _undone(over, patch, kept)
    dulled = int(np.count_nonzero(flat & (asked > 0)))
    seen = covered & ((asked > 0) | ((coverage[box.slices] == 0) & ~_other(patch, kept)))
    patch = np.where(seen[..., None], patch, kept)
    if not over.exact:
        patch = harmonize(patch, kept, asked > 0, _harmony(edit), edit.seed)
    # Noise hides the steps of 8 bits; where there are 16 there are none to hide.
    dither = color.bit_depth(over.copy.mode) == 8
    after = composite(photo, patch, box, asked, seed=edit.seed, dither=dither)
    return _Brought(after, beyond[inner], dulled)


def _harmony(edit: Composite) -> Harmonization:
    blend, feather = resolve_seam(edit.seam, edit.feather)
    return Harmonization(
        color=edit.match,
        blend=blend,
        feather=feather,
        grain=edit.grain,
        sharpen=edit.sharpen,
    )


def _report(
    edit: Composite,
    over: Overlay,
    place: Registration,
    after: Photo,
    coverage: Coverage,
    notes: list[str],
) -> Report:
    """What was found, done and changed."""
    before = over.photo
    return {
        "edit": "composite",
        **{f.name: plain(getattr(edit, f.name)) for f in fields(edit)},
        "registration": place.report(before.size),
        "exact": over.exact,
        "color_drift": _drift_told(over),
        "area": bounding_box(coverage)._asdict(),
        "versions": versions(),
        **describe_changes(before, after, coverage),
        "notes": notes,
    }


def _record(edit: Composite, photo: Photo, copy: Photo) -> dict[str, Any]:
    """What is needed to repeat it; there is no model in it."""
    record: dict[str, Any] = {
        "format": 1,
        "edit": "Composite",
        "options": plain(stored_options(edit)),
        "versions": versions(),
    }
    for name, picture in (("original", photo), ("edited", copy)):
        record[name] = {"sha256": picture.digest or digest_of(picture.samples)}
        if picture.path is not None:
            record[name]["path"] = str(picture.path)
    return record


def _source(edit: Composite, photo: Photo, copy: Photo) -> str:
    """The IPTC DigitalSourceType; what a model made once, no later edit makes otherwise."""
    said = [xmp.read_source_type(picture.carried.get("xmp")) for picture in (photo, copy)]
    if any(name in _BY_MODELS for name in said):
        return xmp.COMPOSITE
    if edit.made_by != "auto":
        return _SOURCES[edit.made_by]
    own = said[1]
    return own if own is not None and own in _SOURCES.values() else _SOURCES["unknown"]


def _other(patch: Values, kept: Values) -> Bits:
    """Where a patch shows something else than the photo; what is off there is an edit, no cast."""
    off = np.asarray(cv2.GaussianBlur(patch - kept, (0, 0), _BLURRED), np.float32)
    return np.abs(off).max(axis=2) > _EDITED


def _undone(over: Overlay, came: Values, kept: Values) -> tuple[Values, Bits]:
    """A patch with the photo's colors, and where it was cut off so that they are flat and dull.

    What was cut off in the photo, too, if it went the same way, is the photo's own.
    """
    patch = over.drift.apply(came)
    if over.drift.nothing:
        return patch, np.zeros(patch.shape[:2], np.bool_)
    same = over.same_cut_off(kept, came)
    white = (came > 255 - _CUT_OFF) & (patch < 255 - _DULL)
    black = (came < _CUT_OFF) & (patch > _DULL)
    # Of a gray, one channel that is not cut off tells the others.
    lost = over.grade is not None and over.grade.lost
    flat = (white | black).all(axis=2) if lost else (white | black).any(axis=2)
    return np.where(same[..., None], kept, patch), flat & ~same


def _dulled_told(dulled: int, area: int) -> list[str]:
    """A note of what was cut off."""
    if dulled < _DULLED * area:
        return []
    return [
        f"{dulled / area:.0%} of the area is cut off at white or black in the edited picture; "
        "the pasted area is flat there"
    ]


def _found_told(over: Overlay, found: Changes) -> list[str]:
    """Notes of what was found."""
    notes = list[str]()
    if over.hidden > _HIDDEN:
        notes.append(
            f"an even border of the edited picture covers {over.hidden:.1%} of the original, and "
            "was not pasted; give MASK to paste it, too"
        )
    if found.share > _MOST:
        notes.append(
            f"{found.share:.0%} of the picture changed, as if all was drawn anew; "
            "give MASK to paste a part of it"
        )
        return notes
    if over.uneven:
        notes.append(
            "colors differ in most of the picture, by more than curves and a mix of channels (a "
            "vignette, local adjustments?); some of that may be taken for the edit: give MASK"
        )
    places = _places(found.area)
    if places > 1 and not over.exact:
        notes.append(
            f"{places} places differ, and all were pasted; --mask-out shows them, MASK selects one"
        )
    return notes


def _places(area: Bits) -> int:
    """How many parts an area has that are well apart."""
    size = tuple(max(1, round(side * min(1, _SMALL / max(area.shape)))) for side in area.shape)
    shown = cv2.resize(area.astype(np.float32), size[::-1], interpolation=cv2.INTER_AREA)
    near = cv2.dilate((np.asarray(shown) > 0).astype(np.uint8), np.ones((_APART, _APART), np.uint8))
    return cv2.connectedComponents(near)[0] - 1


def _colors_told(over: Overlay) -> list[str]:
    """Notes of what the edited picture's colors went through."""
    grade = over.grade
    if grade is None or not grade.lost or color.is_gray(over.photo.mode):
        return []
    return [
        "the edited picture has lost colors that the original has (black and white, sepia?); "
        "they are missing in the pasted area"
    ]


def _drift_told(over: Overlay) -> list[float] | None:
    """How much of red, green and blue was added to middle gray; None where nothing was."""
    if over.drift.nothing:
        return None
    step = over.drift.step(np.full((1, 3), 127.5, np.float32))
    return [round(float(value), 2) for value in step[0]]


def _said(photo: Photo, copy: Photo, place: Registration) -> list[str]:
    """Notes of the two files, and of how they lie on each other."""
    notes = [*photo.notes, *(f"the edited picture: {note}" for note in copy.notes), *place.notes]
    if color.has_alpha(copy.mode):
        notes.append("the edited picture's alpha channel was not looked at")
    finest = min(local_scale(place.matrix, photo.size))
    if finest < _SOFT:
        notes.append(
            f"the edited picture has {finest:.2g} of the original's resolution; the pasted "
            "area is as soft (sharpen=True helps a little)"
        )
    if place.residual is not None and place.residual * finest > _UNSURE:
        notes.append(f"the two lie on each other to {place.residual:.1f} pixels only")
    return notes
