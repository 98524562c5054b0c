"""Registration: the position of each pixel of a photo in an edited copy.

Corners of the photo are tracked in the copy (Lucas and Kanade, 1981; pyramids after Bouguet, 2000),
starting from aligned frames or, if that fails, from matched features (SIFT, Lowe 2004). Points that
agree on one motion (MAGSAC++, arXiv 1912.05909) are unedited; the rest is the edit. Contrast is
equalized locally before, so that tone, cast and vignettes do not matter.

Of the motions that explain the agreeing points, the simplest is chosen by the Bayesian information
criterion and a tolerance: a copy that did not move shall be the identity, not nearly so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.errors import InputError
from editkit.names import MOTIONS
from editkit.photo.geometry.warp import (
    Matrix,
    Points,
    corners,
    fit_matrix,
    local_scale,
    render_grid,
    resize_photo,
    transform_points,
)
from editkit.photo.io.files import Photo
from editkit.types import Coverage, Rgb, Size

_GRID = 3_000_000
_FEATURES = 1000
_CORNERS = 3000
_WINDOW = 21
_ROUNDS = 5
_FEWEST = 12
_AGREEING = 0.15
_SETTLED = 0.03
_TOLERANCE = 0.04
_UNCERTAIN = 0.02
_CORRELATED = 8
_SAME_ASPECT = 0.02
_PARAMETERS = {"none": 0, "shift": 2, "scale": 4, "affine": 6, "perspective": 8}

Gray = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Registration:
    """The motion from a photo to its edited copy.

    Attributes:
        matrix: from the photo to the copy.
        motion: the simplest of `editkit.names.MOTIONS` that explains it.
        points: the number of points of the photo that were tracked.
        agreeing: the number of points that agree on the motion.
        residual: the root mean square of their error, in pixels of the photo; None if nothing was
            measured.
        notes: notes for the report.
    """

    matrix: Matrix
    motion: str
    points: int = 0
    agreeing: int = 0
    residual: float | None = None
    notes: tuple[str, ...] = ()

    def report(self, photo: Size) -> dict[str, Any]:
        """The registration as JSON-compatible values."""
        across, down = local_scale(self.matrix, photo)
        return {
            "motion": self.motion,
            "matrix": [[float(f"{v:.9g}") for v in row] for row in self.matrix],
            "scale": [round(across, 5), round(down, 5)],
            "points": self.points,
            "points_agreeing": self.agreeing,
            "residual_px": None if self.residual is None else round(self.residual, 3),
        }


def register(
    photo: Photo, copy: Photo, changed: Coverage | None = None, *, motion: str = "auto"
) -> Registration:
    """The registration of an edited copy with its photo.

    Args:
        photo: the photo before.
        copy: the photo after, of any size.
        changed: the area that is known to have changed, at the photo's size; it is ignored.
        motion: one of `editkit.names.MOTIONS`: the frame's scale alone, a shift, a scale and a
            shift, and so on.

    Raises:
        InputError: an unknown motion, or pictures with too little agreement.
    """
    if motion not in MOTIONS:
        raise InputError(f"motion is {motion!r}; give one of {', '.join(MOTIONS)}")
    frame = fit_matrix(photo.size, copy.size)
    if motion == "none":
        return Registration(frame, "none", notes=_stretch_notes(photo.size, copy.size))
    pair = _PhotoPair(photo, copy, changed)
    found = None
    if _same_aspect(photo.size, copy.size):
        found = _refine(pair, frame, motion)
    if found is None:
        found = _register_by_features(pair, motion)
    if found is None:
        found = _register_by_frame(pair, frame)
    return found


@dataclass(frozen=True, eq=False)
class _PhotoPair:
    """The two pictures, and the area that is known to have changed."""

    photo: Photo
    copy: Photo
    changed: Coverage | None


@dataclass(frozen=True, eq=False)
class _Match:
    """Both pictures at the size of the matching: neither is enlarged, and the memory is limited.

    Attributes:
        gray: the photo at that size.
        grid: from that size to the photo.
        corners: corners of the photo at that size, in areas that may be unchanged.
        copy: the copy, reduced to a useful size.
        shrunk: from the copy to the reduced copy.
    """

    gray: Gray
    grid: Matrix
    corners: Points
    copy: Photo
    shrunk: Matrix

    @property
    def size(self) -> Size:
        return Size(*self.gray.shape)


def _prepare_match(pair: _PhotoPair, start: Matrix) -> _Match:
    whole = pair.photo.size
    across, down = local_scale(start, whole)
    factor = min(1.0, across, down, sqrt(_GRID / whole.area))
    size, seen = (
        _scale_size(whole, factor),
        _scale_size(pair.copy.size, min(1.0, factor / min(across, down))),
    )
    grid = fit_matrix(size, whole)
    gray = _even_contrast(resize_photo(pair.photo, size))
    copy = pair.copy
    if seen != copy.size:
        copy = Photo(resize_photo(copy, seen), "RGB")
    find: Any = cv2.goodFeaturesToTrack
    kept = None if pair.changed is None else _unchanged_at(pair.changed, size)
    apart = max(3.0, sqrt(size.area / _CORNERS))
    found = find(gray, _CORNERS, 0.01, apart, mask=kept, blockSize=5)
    places = np.zeros((0, 2)) if found is None else np.asarray(found, np.float64).reshape(-1, 2)
    return _Match(gray, grid, places, copy, fit_matrix(pair.copy.size, seen))


def _scale_size(size: Size, factor: float) -> Size:
    return Size(*(max(1, round(side * factor)) for side in size))


@dataclass(frozen=True, eq=False)
class _Tracks:
    """Points found in both pictures, each in its own pixels.

    Attributes:
        photo: in the photo.
        copy: in the copy.
        sought: the number of tracked points.
        pixel: pixels of the copy per grid pixel.
        scale: pixels of the copy per pixel of the photo.
    """

    photo: Points
    copy: Points
    sought: int
    pixel: float
    scale: float

    def only(self, which: NDArray[np.bool_]) -> "_Tracks":
        return _Tracks(self.photo[which], self.copy[which], self.sought, self.pixel, self.scale)


def _refine(pair: _PhotoPair, start: Matrix, motion: str) -> Registration | None:
    """The motion from repeated tracking from a start; None if tracking fails."""
    matrix, found = start, None
    frame = corners(pair.photo.size)
    match = _prepare_match(pair, start)
    for number in range(_ROUNDS):
        tracks = _track(match, matrix, pair.photo.size, wide=number == 0)
        found = _fit_simplest(pair, tracks, motion, wide=number == 0)
        if found is None:
            return None
        step = np.abs(transform_points(found.matrix, frame) - transform_points(matrix, frame)).max()
        matrix = found.matrix
        if float(step) < _SETTLED * tracks.pixel:
            break
    return found


def _track(match: _Match, matrix: Matrix, size: Size, *, wide: bool) -> _Tracks:
    """The photo's corners tracked in the copy, which `matrix` aligns with it."""
    laid = matrix @ match.grid
    rgb, covered = render_grid(match.copy, match.shrunk @ laid, match.size)
    gray, other, places = match.gray, _even_contrast(rgb), match.corners
    scale, pixel = _mean_scale(matrix, size), _mean_scale(laid, match.size)
    whole = np.rint(places).astype(int)
    shown = _erode(covered)[whole[:, 1], whole[:, 0]]
    start = places[shown]
    if len(start) < _FEWEST:
        return _Tracks(start, start, len(start), pixel, scale)
    there, found = _flow(gray, other, start, wide=wide)
    back, again = _flow(other, gray, there, wide=wide)
    off = np.hypot(*(back - start).T)
    good = found & again & (off < (1.0 if wide else 0.3))
    in_photo, in_copy = transform_points(match.grid, start), transform_points(laid, there)
    return _Tracks(in_photo, in_copy, len(start), pixel, scale).only(good)


def _flow(one: Gray, other: Gray, start: Points, *, wide: bool) -> tuple[Points, NDArray[np.bool_]]:
    """The positions of points of one picture in the other, and which were found."""
    where = start.astype(np.float32).reshape(-1, 1, 2)
    flow: Any = cv2.calcOpticalFlowPyrLK
    there, found, _ = flow(
        one,
        other,
        where,
        None,
        winSize=(_WINDOW, _WINDOW),
        maxLevel=4 if wide else 1,
        criteria=(cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 40, 0.003),
    )
    return np.asarray(there, np.float64).reshape(-1, 2), np.asarray(found).ravel() > 0


def _fit_simplest(
    pair: _PhotoPair, tracks: _Tracks, motion: str, *, wide: bool
) -> Registration | None:
    """The simplest motion that the tracks agree on; None if too few agree."""
    agreeing = _inliers(tracks, 2.0 if wide else 0.75)
    if agreeing is None or len(agreeing.photo) < max(_FEWEST, _AGREEING * tracks.sought):
        return None
    names = list(_PARAMETERS) if motion == "auto" else [motion]
    fits = [fit for name in names for fit in _fit_motions(name, agreeing, pair)]
    matrix, name = _simplest(fits, agreeing, pair.photo.size)
    off = _residuals(matrix, agreeing) / tracks.scale
    residual = float(np.sqrt(np.mean(off**2)))
    return Registration(matrix, name, tracks.sought, len(agreeing.photo), residual)


def _inliers(tracks: _Tracks, limit: float) -> _Tracks | None:
    """The tracks that one perspective explains; the limit is in pixels of the grid."""
    if len(tracks.photo) < _FEWEST:
        return None
    find: Any = cv2.findHomography
    matrix, _ = find(
        tracks.photo, tracks.copy, cv2.USAC_MAGSAC, limit * tracks.pixel, None, 5000, 0.999
    )
    if matrix is None:
        return None
    off = _residuals(np.asarray(matrix, np.float64), tracks)
    near = tracks.only(off < limit * tracks.pixel)
    if len(near.photo) < _FEWEST:
        return None
    # Errors beyond three standard deviations are no tracking noise.
    off = _residuals(np.asarray(matrix, np.float64), near)
    spread = max(1.4826 * float(np.median(off)), _UNCERTAIN * tracks.pixel)
    return near.only(off < 3 * spread)


def _residuals(matrix: Matrix, tracks: _Tracks) -> NDArray[np.float64]:
    return np.hypot(*(transform_points(matrix, tracks.photo) - tracks.copy).T)


Fit = tuple[str, Matrix]


def _fit_motions(name: str, tracks: _Tracks, pair: _PhotoPair) -> list[Fit]:
    """Motions of a name, each fitted by least squares."""
    frame = fit_matrix(pair.photo.size, pair.copy.size)
    if name == "none":
        return [(name, frame)]
    if name == "shift":
        starts = [np.eye(3), frame] if not np.array_equal(frame, np.eye(3)) else [frame]
        return [(name, _fit_shift(start, tracks)) for start in starts]
    if name == "scale":
        return [(name, _fit_scale(tracks))]
    if name == "affine":
        known = np.c_[tracks.photo, np.ones(len(tracks.photo))]
        solved = np.linalg.lstsq(known, tracks.copy, rcond=None)[0]
        return [(name, np.vstack([solved.T, [0, 0, 1]]))]
    find: Any = cv2.findHomography
    matrix, _ = find(tracks.photo, tracks.copy, 0)
    return [] if matrix is None else [(name, np.asarray(matrix, np.float64))]


def _fit_shift(start: Matrix, tracks: _Tracks) -> Matrix:
    shift = (tracks.copy - transform_points(start, tracks.photo)).mean(axis=0)
    matrix = start.copy()
    matrix[:2, 2] += shift
    whole = np.rint(matrix[:2, 2])
    # A crop moves by whole pixels; then no interpolation is needed.
    same_size = np.array_equal(start, np.eye(3))
    if same_size and float(np.abs(whole - matrix[:2, 2]).max()) < _TOLERANCE * tracks.pixel:
        matrix[:2, 2] = whole
    return matrix


def _fit_scale(tracks: _Tracks) -> Matrix:
    matrix = np.eye(3)
    for axis in (0, 1):
        known = np.c_[tracks.photo[:, axis], np.ones(len(tracks.photo))]
        matrix[axis, [axis, 2]] = np.linalg.lstsq(known, tracks.copy[:, axis], rcond=None)[0]
    return matrix


def _simplest(fits: Sequence[Fit], tracks: _Tracks, size: Size) -> tuple[Matrix, str]:
    """The fit with the best criterion, or a simpler one that is equal all over the frame."""
    costs = [_cost(name, matrix, tracks) for name, matrix in fits]
    best_name, best = fits[int(np.argmin(costs))]
    places = np.concatenate([corners(size), corners(size) / 2 + corners(size).mean(axis=0) / 2])
    for name, matrix in fits:
        apart = np.hypot(
            *(transform_points(matrix, places) - transform_points(best, places)).T
        ).max()
        if name == best_name or float(apart) < _TOLERANCE * tracks.pixel:
            return (best, name) if name == best_name else (matrix, name)
    return best, best_name


def _cost(name: str, matrix: Matrix, tracks: _Tracks) -> float:
    """The Bayesian information criterion; the count is reduced, as neighboring tracks overlap."""
    off = _residuals(matrix, tracks) / tracks.pixel
    count = len(off) / _CORRELATED
    noise = float(np.mean(off**2)) + _UNCERTAIN**2
    return count * np.log(noise) + _PARAMETERS[name] * np.log(max(count, 2.0))


def _register_by_features(pair: _PhotoPair, motion: str) -> Registration | None:
    """The motion from matched features; None if the photo or the copy has none.

    Raises:
        InputError: there are features, and they do not match.
    """
    small = [_shrink(picture) for picture in (pair.photo, pair.copy)]
    make: Any = cv2.SIFT.create
    sift = make(4000, contrastThreshold=0.02)
    found: list[tuple[Any, Any]] = [
        sift.detectAndCompute(_even_contrast(rgb), None if k else _unchanged_mask(pair, rgb))
        for k, rgb in enumerate(small)
    ]
    if min(len(points) for points, _ in found) < 2 * _FEWEST:
        return None
    matches = _matches(found[0][1], found[1][1])
    places = [
        np.array([points[match[k]].pt for match in matches], np.float64).reshape(-1, 2)
        for k, (points, _) in enumerate(found)
    ]
    to_photo, to_copy = (
        fit_matrix(Size(*rgb.shape[:2]), picture.size)
        for rgb, picture in zip(small, (pair.photo, pair.copy), strict=True)
    )
    pixel = _mean_scale(to_copy, pair.copy.size)
    tracks = _Tracks(
        transform_points(to_photo, places[0]),
        transform_points(to_copy, places[1]),
        len(matches),
        pixel,
        1.0,
    )
    agreeing = _inliers(tracks, 3.0)
    start = None if agreeing is None else _plausible(_fit_motions("affine", agreeing, pair)[0][1])
    result = None if start is None else _refine(pair, start, motion)
    if result is None:
        count = 0 if agreeing is None else len(agreeing.photo)
        raise InputError(
            f"the edited picture does not match the original: {count} of {len(matches)} matches "
            "agree; is it an edit of this photo? motion=none aligns the frames"
        )
    return result


def _matches(one: NDArray[np.float32], other: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Pairs of features that are each other's nearest, and clearly so."""
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    there: Any = matcher.knnMatch(one, other, k=2)
    back: Any = matcher.match(other, one)
    nearest = {match.queryIdx: match.trainIdx for match in back}
    return [
        (best.queryIdx, best.trainIdx)
        for best, second in there
        if best.distance < 0.8 * second.distance and nearest.get(best.trainIdx) == best.queryIdx
    ]


def _plausible(matrix: Matrix) -> Matrix | None:
    """The matrix, if it neither mirrors, squeezes nor enlarges implausibly."""
    sizes = np.linalg.svd(matrix[:2, :2], compute_uv=False)
    upright = float(np.linalg.det(matrix[:2, :2])) > 0
    return matrix if upright and sizes[1] > 0.02 and sizes[0] < min(50, 2 * sizes[1]) else None


def _register_by_frame(pair: _PhotoPair, frame: Matrix) -> Registration:
    """Aligned frames, for pictures without enough detail.

    Raises:
        InputError: the aspect ratios differ.
    """
    if not _same_aspect(pair.photo.size, pair.copy.size):
        raise InputError(
            f"the edited picture is {pair.copy.size}, the original {pair.photo.size}, and they "
            "have too little detail to be matched; give an edit of the same shape"
        )
    note = "there is too little detail to match: the frames were aligned instead"
    return Registration(frame, "none", notes=(note,))


def _shrink(photo: Photo) -> Rgb:
    size = _scale_size(photo.size, min(1.0, _FEATURES / max(photo.size)))
    return resize_photo(photo, size)


def _unchanged_mask(pair: _PhotoPair, rgb: Rgb) -> Gray | None:
    return None if pair.changed is None else _unchanged_at(pair.changed, Size(*rgb.shape[:2]))


def _unchanged_at(changed: Coverage, size: Size) -> Gray:
    """255 where nothing is known to have changed, with a margin of the tracking window."""
    cell = (ceil(changed.shape[1] / size.width), ceil(changed.shape[0] / size.height))
    bits = cv2.dilate((changed > 0).astype(np.uint8), np.ones(cell[::-1], np.uint8))
    small = cv2.resize(bits, size[::-1], interpolation=cv2.INTER_NEAREST)
    grown = cv2.dilate(small, np.ones((_WINDOW, _WINDOW), np.uint8))
    return np.where(np.asarray(grown) > 0, 0, 255).astype(np.uint8)


def _even_contrast(rgb: Rgb) -> Gray:
    """The lightness with its local mean and contrast equalized."""
    gray = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mean = cv2.GaussianBlur(gray, (0, 0), 8)
    spread = np.sqrt(cv2.GaussianBlur((gray - mean) ** 2, (0, 0), 8) + np.float32(16))
    return np.clip(128 + 40 * (gray - mean) / spread, 0, 255).astype(np.uint8)


def _erode(covered: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Covered pixels away from the border of the covered area."""
    bits = np.pad(covered, 1).astype(np.uint8)
    small = cv2.erode(bits, np.ones((5, 5), np.uint8))
    return np.asarray(small)[1:-1, 1:-1] > 0


def _mean_scale(matrix: Matrix, size: Size) -> float:
    across, down = local_scale(matrix, size)
    return sqrt(max(across * down, 1e-12))


def _same_aspect(one: Size, other: Size) -> bool:
    ratio = (one.width * other.height) / (one.height * other.width)
    # A side rounded to whole pixels may differ by one.
    rounding = 1 / min(*one, *other)
    return abs(ratio - 1) <= _SAME_ASPECT + rounding


def _stretch_notes(one: Size, other: Size) -> tuple[str, ...]:
    if _same_aspect(one, other):
        return ()
    return (f"the edit of {other} was stretched to the original's {one}",)
