"""Filling a hole with patches of its surroundings.

Each patch that touches the hole is assigned the most similar known patch (PatchMatch, Barnes et al.
2009), and each missing sample the weighted mean of what those patches vote (Wexler et al.,
Space-Time Completion of Video, 2007). Both steps are repeated on a pyramid from coarse to fine. The
remaining error at the hole's edge is interpolated smoothly into the hole.

Patches are compared by the low frequencies of their cosine transform (after He and Sun, Computing
Nearest-Neighbor Fields via Propagation-Assisted KD-Trees, 2012) and by local activity (after Newson
et al., Video Inpainting of Complex Scenes, 2014), so that a blurred first guess finds a sharp
patch.

All patches are updated at once, as arrays; the result depends only on the seed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from editkit.photo.blend.laplace import solve_laplace
from editkit.types import Box, Rgb

_R = 3
_SIDE = 2 * _R + 1
_LUMA_ORDER, _CHROMA_ORDER = 4, 1
_BUSY = 2.0
_FEWEST_SOURCES = 64
_MOST_TARGETS, _MOST_PIXELS = 300_000, 4_000_000
_MOST_LEVELS = 10
_MOST_PEELED = 3000
_ROUNDS_COARSEST, _ROUNDS = 12, (2, 3, 4)
_JUMPS = (4, 1)
_CHUNK = 1 << 17
_TRUST = 1.3
_OPPONENT: NDArray[np.float32] = (
    np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
).astype(np.float32)

Hole = NDArray[np.bool_]
Real = NDArray[np.float32]
Places = NDArray[np.int32]


@dataclass(eq=False)
class _PyramidLevel:
    """One size of the picture, and the source of each of its patches.

    Attributes:
        guide: (H, W, 5): three opponent colors and the local activity in x and y.
        hole: (H, W).
        sources: (H, W), true where a whole patch is known.
        targets: flat positions of the patches that touch the hole and lie inside the picture.
        found: the flat position of the source of each target.
        distances: the distance of each target to its source.
    """

    guide: Real
    hole: Hole
    sources: Hole
    targets: Places
    found: Places
    distances: Real

    @property
    def width(self) -> int:
        return self.hole.shape[1]


def patchmatch(
    samples: NDArray[Any], hole: Hole, *, seed: int = 0, guide: Rgb | None = None
) -> NDArray[Any] | None:
    """The samples with the hole filled by patches of the rest; kept samples are copies.

    None if the known area is too small to copy from. Large holes are searched at a reduced size and
    filled at full size. The result does not depend on the samples in the hole.

    Args:
        samples: (H, W) or (H, W, C), of any type.
        hole: (H, W), true where to fill; its samples are ignored.
        seed: of the search.
        guide: the picture to compare, (H, W, 3) in [0, 255]; the samples themselves unless given.
    """
    if not hole.any():
        return samples.copy()
    seen = _as_guide(samples) if guide is None else guide
    levels = _pyramid(seen, hole)
    if not levels:
        return None
    rng = np.random.Generator(np.random.Philox(seed))
    level = _solve(levels, rng)
    channels = samples.reshape(*hole.shape, -1).astype(np.float32)
    out = channels.copy()
    _finish(level, channels, out)
    if np.issubdtype(samples.dtype, np.integer):
        out = np.rint(np.clip(out, 0, np.iinfo(samples.dtype).max))
    filled = out.astype(samples.dtype).reshape(samples.shape)
    keep = ~hole if samples.ndim == 2 else ~hole[..., None]
    return np.where(keep, samples, filled)


def _as_guide(samples: NDArray[Any]) -> Rgb:
    """Samples of any kind as uint8 (H, W, 3)."""
    colors = samples.reshape(*samples.shape[:2], -1).astype(np.float32)
    if samples.dtype == np.uint16:
        colors /= 257
    if colors.shape[2] < 3:
        colors = colors[..., :1].repeat(3, axis=2)
    return np.clip(np.rint(colors[..., :3]), 0, 255).astype(np.uint8)


# The pyramid.


def _pyramid(image: Rgb, hole: Hole) -> list[_PyramidLevel]:
    """Levels from fine to coarse, until the hole is as thin as a patch; empty without a source."""
    known: Real = image.astype(np.float32) @ _OPPONENT.T
    known[hole] = 0
    guide: Real = np.concatenate([known, _busyness(known[..., 0], hole)], axis=2)
    levels = list[_PyramidLevel]()
    while len(levels) < _MOST_LEVELS:
        sources = _whole_patches(~hole)
        if not sources.any() or (levels and sources.sum() < _FEWEST_SOURCES):
            break
        touching = cv2.dilate(hole.astype(np.uint8), np.ones((_SIDE, _SIDE))).astype(np.bool_)
        targets = np.flatnonzero(touching & _whole_patches(np.ones_like(hole)))
        blank = np.zeros(len(targets), np.int32)
        levels.append(
            _PyramidLevel(
                guide, hole, sources, targets.astype(np.int32), blank, blank.astype(np.float32)
            )
        )
        if _hole_depth(hole) <= _R + 1:
            break
        guide, hole = _halve(guide, hole)
    return levels


def _whole_patches(known: Hole) -> Hole:
    """True where a patch lies inside the picture and is fully known."""
    return cv2.erode(
        known.astype(np.uint8),
        np.ones((_SIDE, _SIDE)),
        borderType=cv2.BORDER_CONSTANT,
        borderValue=0,
    ).astype(np.bool_)


def _hole_depth(hole: Hole) -> float:
    """The largest distance of a missing pixel from the known area."""
    padded = np.pad(hole, 1, mode="edge").astype(np.uint8)
    return float(cv2.distanceTransform(padded, cv2.DIST_C, 3).max())


def _busyness(luma: Real, hole: Hole) -> Real:
    """The mean absolute differences in x and y around each pixel, of known pixels only."""
    out = np.empty((*luma.shape, 2), np.float32)
    for axis in (0, 1):
        step, both = np.zeros_like(luma), np.zeros_like(luma)
        inner = (slice(1, None), slice(None)) if axis == 0 else (slice(None), slice(1, None))
        step[inner] = np.abs(np.diff(luma, axis=axis))
        both[inner] = ~(hole | np.roll(hole, 1, axis))[inner]
        size = (4 * _R + 1, 4 * _R + 1)
        total = cv2.boxFilter(step * both, -1, size, normalize=False)
        count = cv2.boxFilter(both, -1, size, normalize=False)
        out[..., axis] = np.where(hole, 0, total / np.maximum(count, 1))
    return out


def _halve(guide: Real, hole: Hole) -> tuple[Real, Hole]:
    """Guide and hole at half the size: means of known values; partly missing cells are hole."""
    height, width = (-(-n // 2) for n in hole.shape)
    pad = ((0, 2 * height - hole.shape[0]), (0, 2 * width - hole.shape[1]))
    known = np.pad(~hole, pad, mode="edge").astype(np.float32)
    values = np.pad(guide, (*pad, (0, 0)), mode="edge") * known[..., None]
    share = known.reshape(height, 2, width, 2).sum((1, 3))
    total = values.reshape(height, 2, width, 2, -1).sum((1, 3))
    mean = total / np.maximum(share, 1)[..., None]
    return mean.astype(np.float32), share < 4


# Searching and voting.


def _solve(levels: list[_PyramidLevel], rng: np.random.Generator) -> _PyramidLevel:
    """The finest level with a source for each target."""
    coarse = None
    for number in reversed(range(len(levels))):
        level = levels[number]
        if coarse is None:
            _peel(level, rng)
            level.found = _any_source(level, len(level.targets), rng)
        else:
            _inherit(level, coarse, rng)
        small = level.hole.size <= _MOST_PIXELS and len(level.targets) <= _MOST_TARGETS
        if coarse is None or small:
            rounds = _ROUNDS_COARSEST if coarse is None else _ROUNDS[min(number, 2)]
            _improve(level, rounds, rng, voted=coarse is not None)
        coarse = level
    return levels[0]


def _peel(level: _PyramidLevel, rng: np.random.Generator) -> None:
    """Makes a first guess: the hole is filled layer by layer from its edge inward.

    Each pixel of a layer becomes the center of the most similar patch, compared where both are
    known.
    """
    places = np.flatnonzero(level.sources)
    if len(places) > _MOST_PEELED:
        places = np.sort(rng.choice(places, _MOST_PEELED, replace=False))
    pool = _patches(level.guide, places)
    known = ~level.hole
    while not known.all():
        ring = ~known & cv2.dilate(known.astype(np.uint8), np.ones((3, 3))).astype(np.bool_)
        layer = np.flatnonzero(ring)
        told = _patches(known[..., None].astype(np.float32), layer)
        told = np.tile(told, level.guide.shape[2])
        seen = _patches(level.guide, layer) * told
        # The squared distance without the terms that are equal for all sources.
        distances = told @ (pool**2).T - 2 * (seen @ pool.T)
        best = places[distances.argmin(axis=1)]
        rows = level.guide.reshape(level.hole.size, -1)
        rows[layer] = rows[best]
        known |= ring


def _patches(values: Real, places: NDArray[np.intp]) -> Real:
    """The patches around flat positions, a row each, channel by channel; zeros outside."""
    padded = np.pad(values, ((_R, _R), (_R, _R), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (_SIDE, _SIDE), axis=(0, 1))
    y, x = np.divmod(places, values.shape[1])
    return windows[y, x].reshape(len(places), -1)


def _inherit(level: _PyramidLevel, coarse: _PyramidLevel, rng: np.random.Generator) -> None:
    """Takes the sources from the level of half the size."""
    owner = np.full(coarse.hole.size, -1, np.int32)
    owner[coarse.targets] = np.arange(len(coarse.targets), dtype=np.int32)
    y, x = np.divmod(level.targets, level.width)
    # At the picture's border the half-size patch may extend beyond it; its neighbor does not.
    near_y = np.clip(y >> 1, _R, coarse.hole.shape[0] - 1 - _R)
    near_x = np.clip(x >> 1, _R, coarse.hole.shape[1] - 1 - _R)
    parent = owner[near_y * coarse.width + near_x]
    from_y, from_x = np.divmod(coarse.found[parent], coarse.width)
    from_y, from_x = 2 * (from_y - near_y) + y, 2 * (from_x - near_x) + x
    height, width = level.hole.shape
    inside = (from_y >= 0) & (from_x >= 0) & (from_y < height) & (from_x < width)
    flat = np.where(inside, from_y * width + from_x, 0).astype(np.int32)
    good = inside & level.sources.ravel()[flat]
    level.found = np.where(good, flat, _any_source(level, len(flat), rng)).astype(np.int32)
    level.distances = coarse.distances[parent]


def _any_source(level: _PyramidLevel, count: int, rng: np.random.Generator) -> Places:
    places = np.flatnonzero(level.sources)
    return places[rng.integers(0, len(places), count)].astype(np.int32)


def _improve(level: _PyramidLevel, rounds: int, rng: np.random.Generator, *, voted: bool) -> None:
    """Alternates searching and voting."""
    if voted:
        _vote(level, level.guide, level.guide, even=True)
    features = np.empty((level.hole.size, _feature_count()), np.float32)
    everywhere = Box(0, 0, *level.hole.shape)
    _describe(level, features, everywhere)
    near = _enclosing_box(level.targets, level.hole.shape)
    for k in range(rounds):
        if k:
            _vote(level, level.guide, level.guide)
            _describe(level, features, near)
        _search(level, features, rng, fresh=not voted and k == 0)


def _search(level: _PyramidLevel, features: Real, rng: np.random.Generator, *, fresh: bool) -> None:
    """PatchMatch: propagation from neighbors, and random search around the current sources."""
    wanted = features[level.targets]
    level.distances = _distance(features, level.found, wanted)
    owner = np.full(level.hole.size, -1, np.int32)
    owner[level.targets] = np.arange(len(level.targets), dtype=np.int32)
    y, x = np.divmod(level.targets, level.width)
    for _ in range(4 if fresh else 2):
        for dy, dx in _steps():
            other = _look_up(owner, level.hole.shape, y + dy, x + dx)
            from_y, from_x = np.divmod(level.found[other], level.width)
            _take_better(level, features, wanted, from_y - dy, from_x - dx, other >= 0)
        reach = max(level.hole.shape)
        while reach >= 1:
            from_y, from_x = np.divmod(level.found, level.width)
            shift = rng.integers(-reach, reach + 1, (2, len(from_y)), np.int32)
            _take_better(level, features, wanted, from_y + shift[0], from_x + shift[1], None)
            reach //= 2


def _steps() -> Iterator[tuple[int, int]]:
    for jump in _JUMPS:
        yield from ((0, jump), (jump, 0), (0, -jump), (-jump, 0))


def _take_better(
    level: _PyramidLevel, features: Real, wanted: Real, y: Places, x: Places, given: Hole | None
) -> None:
    """Replaces the sources of targets by the given ones where those are nearer."""
    flat = _look_up(None, level.hole.shape, y, x)
    good = (flat >= 0) & (flat != level.found) & level.sources.ravel()[flat]
    rows = np.flatnonzero(good if given is None else good & given)
    distances = _distance(features, flat[rows], wanted[rows])
    better = distances < level.distances[rows]
    rows, flat = rows[better], flat[rows[better]]
    level.found[rows], level.distances[rows] = flat, distances[better]


def _look_up(
    table: Places | None, shape: tuple[int, ...], y: NDArray[Any], x: NDArray[Any]
) -> Places:
    """Values of a flat table at positions, or the positions themselves; -1 outside the picture."""
    inside = (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    flat = np.where(inside, y * shape[1] + x, 0)
    return np.where(inside, flat if table is None else table[flat], -1).astype(np.int32)


def _distance(features: Real, places: Places, wanted: Real) -> Real:
    off = features[places]
    off -= wanted
    return np.einsum("kd,kd->k", off, off)


def _vote(
    level: _PyramidLevel,
    values: Real,
    out: Real,
    *,
    even: bool = False,
    sharp: bool = False,
    where: Hole | None = None,
) -> None:
    """Writes the weighted mean of the votes of all patches into the hole of `out`.

    Args:
        level: with sources found.
        values: (H, W, C), the values to copy.
        out: the same; may be `values` itself.
        even: all patches have the same weight.
        sharp: the most similar patches have more weight.
        where: pixels to write in place of the hole; at most beside the hole.
    """
    owner = np.full(level.hole.size, -1, np.int32)
    owner[level.targets] = np.arange(len(level.targets), dtype=np.int32)
    weights = np.ones(len(level.targets), np.float32) if even else _weights(level, sharp=sharp)
    rows = values.reshape(level.hole.size, -1)
    missing = np.flatnonzero(level.hole if where is None else where)
    made = np.empty((len(missing), rows.shape[1]), np.float32)
    for start in range(0, len(missing), _CHUNK):
        part = missing[start : start + _CHUNK]
        made[start : start + _CHUNK] = _weighted_votes(level, rows, owner, weights, part)
    out.reshape(rows.shape)[missing] = made


def _finish(level: _PyramidLevel, values: Real, out: Real) -> None:
    """Writes the result into the hole of `out`: the vote, joined smoothly to its surroundings.

    The vote's error on the hole's edge, where the truth is known, is interpolated into the hole.
    """
    _vote(level, values, out, sharp=True)
    edge = cv2.dilate(level.hole.astype(np.uint8), np.ones((3, 3))).astype(np.bool_) & ~level.hole
    off = np.zeros_like(values)
    _vote(level, values, off, sharp=True, where=edge)
    off[edge] = values[edge] - off[edge]
    here = _enclosing_box(np.flatnonzero(edge | level.hole), level.hole.shape).slices
    for c in range(values.shape[2]):
        step = solve_laplace(np.ascontiguousarray(off[here][..., c : c + 1]), edge[here])
        out[here][..., c] += np.where(level.hole[here], step[..., 0], 0)


def _weighted_votes(
    level: _PyramidLevel, rows: Real, owner: Places, weights: Real, missing: NDArray[np.intp]
) -> Real:
    y, x = np.divmod(missing, level.width)
    total = np.zeros((len(missing), rows.shape[1]), np.float32)
    share = np.zeros((len(missing), 1), np.float32)
    for dy in range(-_R, _R + 1):
        for dx in range(-_R, _R + 1):
            patch = _look_up(owner, level.hole.shape, y + dy, x + dx)
            weight = np.where(patch >= 0, weights[patch], 0)[:, None]
            # A source's patch is whole, so this stays in the picture wherever the weight is not 0.
            source = level.found[patch] - (dy * level.width + dx)
            total += weight * rows[np.clip(source, 0, len(rows) - 1)]
            share += weight
    return total / share


def _weights(level: _PyramidLevel, *, sharp: bool) -> Real:
    """The weight of each patch: less if it is less similar, and less farther inside the hole."""
    spread = max(float(np.quantile(level.distances, 0.75)), 1e-3) * (0.1 if sharp else 1)
    similar = np.exp(-np.minimum(level.distances / (2 * spread), 60))
    inside = cv2.distanceTransform(level.hole.astype(np.uint8), cv2.DIST_L2, 3).ravel()
    return (similar * _TRUST ** -np.minimum(inside[level.targets], 100)).astype(np.float32)


# Features.


def _describe(level: _PyramidLevel, features: Real, box: Box) -> None:
    """Writes the features of all patches in a box."""
    outer = Box(max(box.top - _R, 0), max(box.left - _R, 0), box.bottom + _R, box.right + _R)
    guide = level.guide[outer.slices]
    top, left = box.top - outer.top, box.left - outer.left
    inner = (slice(top, top + box.size.height), slice(left, left + box.size.width))
    grid = features.reshape(*level.hole.shape, -1)[box.slices]
    number = 0
    for channel, order in ((0, _LUMA_ORDER), (1, _CHROMA_ORDER), (2, _CHROMA_ORDER)):
        plane = np.ascontiguousarray(guide[..., channel])
        for u, v in _orders(order):
            found = cv2.sepFilter2D(plane, -1, _wave(u), _wave(v), borderType=cv2.BORDER_REFLECT)
            grid[..., number] = found[inner]
            number += 1
    grid[..., number:] = guide[inner][..., 3:] * (_BUSY * _SIDE)


def _feature_count() -> int:
    return len(_orders(_LUMA_ORDER)) + 2 * len(_orders(_CHROMA_ORDER)) + 2


def _orders(most: int) -> list[tuple[int, int]]:
    return [(u, v) for u in range(most + 1) for v in range(most + 1 - u)]


def _wave(order: int) -> Real:
    """One row of the orthonormal cosine transform of a patch's side."""
    wave = np.cos(np.pi * (np.arange(_SIDE) + 0.5) * order / _SIDE)
    return (wave / np.linalg.norm(wave)).astype(np.float32)


def _enclosing_box(places: NDArray[np.integer[Any]], shape: tuple[int, ...]) -> Box:
    y, x = np.divmod(places, shape[1])
    return Box(int(y.min()), int(x.min()), int(y.max()) + 1, int(x.max()) + 1)
