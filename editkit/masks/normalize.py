"""Black and white points of masks: noise, reduced ranges, probabilities and label maps.

An edit changes every pixel that is not exactly black, so a mask whose black is 1 of 255 would
repaint the whole photo. Values close to black or white are snapped to it. Soft masks, most of whose
values lie between, stay as they are.
"""

import numpy as np
from numpy.typing import NDArray

from editkit.errors import MaskError
from editkit.types import Coverage

FLOOR = 3 / 255
"""Values within this of black or white are noise, where most intermediate values are that close."""

_RINGING = 16 / 255
_HALF_STEP = 0.5 / 255
_DARKEST_WHITE = 16 / 255
_LABELS, _MOST_LABELS = 32, 10
_DARK, _LIGHT, _BOTH = 0.2, 0.8, 0.9
_MANY = 16
_VIDEO, _VIDEO_BOTH = (16, 235), 0.8

Values = NDArray[np.uint8] | NDArray[np.uint16]


def check_labels(values: Values, name: str) -> None:
    """Refuses label maps and values of fewer bits, by which almost nothing would be edited.

    Raises:
        MaskError: the brightest value is nearly black, or the values are labels.
    """
    full, brightest = int(np.iinfo(values.dtype).max), int(values.max())
    if not brightest:
        return
    if brightest <= _DARKEST_WHITE * full or _is_of_fewer_bits(values, brightest, full):
        black = int(values.min())
        held = f"only {black} and {brightest}" if brightest == 1 else f"{black} to {brightest}"
        factor = full // brightest
        raise MaskError(
            f"{name} holds {held} of {full}; multiply it by {factor} to make white, or make what "
            "is to change white"
        )
    if full == 255 and _is_label_map(values):
        raise MaskError(
            f"{name} is a label map, with small numbers in even areas; make the label that is to "
            "change white and all else black"
        )


def normalize_mask(coverage: Coverage, *, lossy: bool = False) -> tuple[Coverage, tuple[str, ...]]:
    """The mask with black at 0 and white at 1, and notes on the changes.

    Args:
        coverage: (H, W) in [0, 1].
        lossy: whether the values come from a lossy container, which adds ripples at edges.
    """
    if not coverage.size or not _is_doubtful(coverage):
        return coverage, ()
    limited = _expand_video_range(coverage, lossy=lossy)
    if limited is not None:
        return limited, ("the mask's black is 16 and its white 235 of 255, as in video",)
    if lossy:
        coverage = _remove_ringing(coverage, _RINGING)
    if _is_probability(coverage):
        hard = (coverage >= 0.5).astype(np.float32)
        return hard, (
            "the mask is nowhere black, and nearly all dark or light: it was read as a "
            "probability, from 0.5 on",
        )
    return _remove_noise(coverage)


def _is_doubtful(coverage: Coverage) -> bool:
    """True if any value lies strictly between 0 and 1."""
    return bool(((coverage > 0) & (coverage < 1)).any())


def _is_of_fewer_bits(values: Values, brightest: int, full: int) -> bool:
    """True if 16-bit values hold only black and the white of a smaller depth."""
    few = full == 65535 and brightest & (brightest + 1) == 0 and brightest < full
    return few and bool(((values == 0) | (values == brightest)).all())


def _is_label_map(values: Values) -> bool:
    """True if the values are small numbers in even areas, apart from 255."""
    counts = np.bincount(values.ravel(), minlength=256)
    few = 0 < np.count_nonzero(counts[1:_LABELS]) <= _MOST_LABELS
    if counts[_LABELS:255].any() or not counts[0] or not few:
        return False
    small = (values > 0) & (values < _LABELS)
    across = small[:, 1:] & small[:, :-1]
    return bool(across.any()) and bool((values[:, 1:] == values[:, :-1])[across].mean() > 0.8)


def _share(which: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(which)) / which.size


def _expand_video_range(coverage: Coverage, *, lossy: bool) -> Coverage | None:
    """A mask of video range (16 to 235) expanded to [0, 1]; None for any other mask."""
    black, white = _VIDEO
    levels, slack = np.rint(coverage * 255), 12 if lossy else 3
    if _share((levels < black - slack) | (levels > white + slack)) > 0.005:
        return None
    if _share(np.abs(levels - black) <= 1) < 0.02 or _share(np.abs(levels - white) <= 1) < 0.001:
        return None
    if _share((levels <= black + slack) | (levels >= white - slack)) < _VIDEO_BOTH:
        return None
    stretched = np.clip((levels - black) / (white - black), 0, 1).astype(np.float32)
    return _remove_ringing(stretched, _RINGING if lossy else FLOOR)


def _is_probability(coverage: Coverage) -> bool:
    """True if almost no value is 0, and almost all are dark or light, in many levels."""
    if _share(coverage == 0) > 0.01:
        return False
    dark, light = _share(coverage <= _DARK), _share(coverage >= _LIGHT)
    if dark + light < _BOTH or min(dark, light) == 0:
        return False
    if np.unique(coverage.ravel()[:: max(1, coverage.size // 65536)]).size >= _MANY:
        return True
    return float(coverage.min()) > FLOOR + _HALF_STEP and float(coverage.max()) > 1 - FLOOR


def _remove_noise(coverage: Coverage) -> tuple[Coverage, tuple[str, ...]]:
    """The mask with near-black and near-white snapped, if a soft edge would have fewer of them."""
    out = coverage
    for reach, often in ((FLOOR, 0.5), (_RINGING, 2.0)):
        near = reach + _HALF_STEP
        between = np.count_nonzero((coverage >= near) & (coverage <= 1 - near))
        if np.count_nonzero((coverage > 0) & (coverage < near)) > often * between:
            out = np.where(out < near, np.float32(0), out)
        if np.count_nonzero((coverage < 1) & (coverage > 1 - near)) > often * between:
            out = np.where(out > 1 - near, np.float32(1), out)
    changed = _share(out != coverage)
    if changed < 0.01:
        return out, ()
    return out, (
        f"the mask is nearly black or nearly white in {changed:.0%} of it, which was read as black "
        "or white",
    )


def _remove_ringing(coverage: Coverage, reach: float) -> Coverage:
    cleaned = np.where(coverage < reach + _HALF_STEP, np.float32(0), coverage)
    return np.where(cleaned > 1 - reach - _HALF_STEP, np.float32(1), cleaned)
