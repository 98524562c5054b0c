"""What counts as black and as white in a mask: noise, small ranges, probabilities, label maps.

An edit changes whatever is not exactly black, so a mask whose black is 1 of 255 would repaint all
of a photo. Values that only stand beside black or white are taken for it; soft masks, most of whose
values lie between, are left as they are.
"""

import numpy as np
from numpy.typing import NDArray

from editkit.errors import MaskError
from editkit.types import Coverage

FLOOR = 3 / 255
"""Values up to this beside black, and as much beside white, are noise where most of them are."""

_RINGING = 16 / 255
_HALF_STEP = 0.5 / 255
_DARKEST_WHITE = 16 / 255
_LABELS, _MOST_LABELS = 32, 10
_DARK, _LIGHT, _BOTH = 0.2, 0.8, 0.9
_MANY = 16
_VIDEO, _VIDEO_BOTH = (16, 235), 0.8

Values = NDArray[np.uint8] | NDArray[np.uint16]


def check_labels(values: Values, name: str) -> None:
    """Finds label maps and values of fewer bits, read by which almost nothing would be edited.

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
    """A mask whose black is 0 and whose white is 1, and what was done to make it so.

    Args:
        coverage: values in [0, 1].
        lossy: whether they come from a container that puts ripples beside edges.
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
    """Whether there is anything but black and white."""
    return bool(((coverage > 0) & (coverage < 1)).any())


def _is_of_fewer_bits(values: Values, brightest: int, full: int) -> bool:
    """Whether 16 bits hold a black and a white of fewer."""
    few = full == 65535 and brightest & (brightest + 1) == 0 and brightest < full
    return few and bool(((values == 0) | (values == brightest)).all())


def _is_label_map(values: Values) -> bool:
    """Whether there are small numbers in even areas, and beside them 255 at most."""
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
    """A mask of 16 to 235, stretched; None for any other."""
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
    """Whether hardly anything is 0, and nearly all is either dark or light, in many values."""
    if _share(coverage == 0) > 0.01:
        return False
    dark, light = _share(coverage <= _DARK), _share(coverage >= _LIGHT)
    if dark + light < _BOTH or min(dark, light) == 0:
        return False
    if np.unique(coverage.ravel()[:: max(1, coverage.size // 65536)]).size >= _MANY:
        return True
    return float(coverage.min()) > FLOOR + _HALF_STEP and float(coverage.max()) > 1 - FLOOR


def _remove_noise(coverage: Coverage) -> tuple[Coverage, tuple[str, ...]]:
    """Without what lies beside black and white, where that is more than a soft edge would have."""
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
