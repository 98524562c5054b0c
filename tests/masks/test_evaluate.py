"""Masks on photos: the laws of the algebra, refinements against scipy and scikit-image."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.ndimage
import shell
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from scipy.spatial import ConvexHull
from skimage import color as skcolor
from skimage.draw import polygon2mask

import editkit
from editkit import Mask, MaskError, Masks
from editkit.errors import InputError
from editkit.masks import refine, select, shapes
from editkit.masks.evaluate import advice
from editkit.masks.roles import composite_reading, derive
from editkit.masks.value import coverage_of, select_in
from editkit.models.base import Model
from editkit.photo.io.files import read_photo
from editkit.types import Coverage, Size

SIZE = Size(20, 28)
ndi: Any = scipy.ndimage  # whose stubs know no overloads

soft = hnp.arrays(np.float32, SIZE, elements=st.floats(0, 1, width=32))
hard = hnp.arrays(np.bool_, SIZE).map(lambda bits: bits.astype(np.float32))
PHOTO = read_photo(np.zeros((*SIZE, 3), np.uint8))


def on(mask: Mask) -> Coverage:
    return mask.on(PHOTO)


@settings(deadline=None, max_examples=40)
@given(soft, soft)
def test_laws_of_the_algebra(one: np.ndarray, two: np.ndarray) -> None:
    a, b = Mask.of(one), Mask.of(two.copy())
    same = [
        (~(a | b), ~a & ~b),
        (~(a & b), ~a | ~b),
        (a - b, a & ~b),
        (a | b, b | a),
        (a | (a & b), a),
        (a | a, a),
        (a & Mask.all(), a),
        (a | Mask.none(), a),
        (a - Mask.none(), a),
        (a.invert(), ~a),
    ]
    for left, right in same:
        assert np.array_equal(on(left), on(right)), (left, right)
    assert np.allclose(on(~~a), one, atol=1e-7)


@settings(deadline=None, max_examples=20)
@given(soft, soft, soft)
def test_more_laws_of_the_algebra(one: np.ndarray, two: np.ndarray, three: np.ndarray) -> None:
    a, b, c = Mask.of(one), Mask.of(two.copy()), Mask.of(three.copy())
    same = [
        ((a | b) | c, a | (b | c)),
        ((a & b) & c, a & (b & c)),
        (a & (b | c), (a & b) | (a & c)),
        (a | (b & c), (a | b) & (a | c)),
        (a & (a | b), a),
        (a & b, b & a),
        (a & a, a),
        (a - (b | c), (a - b) - c),
        ((a | b) - c, (a - c) | (b - c)),
        (a & Mask.none(), Mask.none()),
        (a | Mask.all(), Mask.all()),
        (a - Mask.all(), Mask.none()),
    ]
    for left, right in same:
        assert np.array_equal(on(left), on(right)), (left, right)


@settings(deadline=None, max_examples=15)
@given(hard, st.floats(1, 6), st.integers(1, 40))
def test_what_is_done_twice_is_done(mask: np.ndarray, by: float, area: int) -> None:
    one = Mask.of(mask)
    twice: list[Callable[[Mask], Mask]] = [
        Mask.holes,
        lambda m: m.holes(area),
        lambda m: m.islands(area),
        Mask.threshold,
        lambda m: m.grow(by).shrink(by),
        lambda m: m.shrink(by).grow(by),
    ]
    for done in twice:
        assert np.array_equal(on(done(done(one))), on(done(one)))
    assert np.array_equal(on(one.invert().invert()), mask)
    # Growing and shrinking enclose what was there, and mirror each other.
    assert (on(one.grow(by)) >= mask).all()
    assert (on(one.shrink(by)) <= mask).all()
    assert np.array_equal(on((~one).grow(by)), on(~one.shrink(by)))


@settings(deadline=None, max_examples=40)
@given(hard, st.integers(0, 900).map(lambda hundredths: hundredths / 100))
def test_growing_a_hard_mask_is_a_distance(mask: np.ndarray, by: float) -> None:
    grown = refine.grow(mask, by)
    if mask.any():
        # The precise transform of OpenCV is float32.
        assert np.array_equal(grown > 0, ndi.distance_transform_edt(mask == 0) <= by + 1e-4)
    assert np.array_equal(refine.shrink(mask, by), 1 - refine.grow(1 - mask, by))
    assert (refine.grow(refine.shrink(mask, by), by) <= mask).all()
    assert (refine.shrink(grown, by) >= mask).all()


@settings(deadline=None, max_examples=25)
@given(soft, st.floats(1, 6))
def test_growing_a_soft_mask_is_dilation_by_a_disc(mask: np.ndarray, by: float) -> None:
    rows, columns = np.mgrid[-int(by) : int(by) + 1, -int(by) : int(by) + 1]
    disc = rows**2 + columns**2 <= by * by
    wanted = ndi.grey_dilation(mask, footprint=disc, mode="constant", cval=0)
    assert np.array_equal(refine.grow(mask, by), wanted)


def test_a_grown_point_is_a_disc() -> None:
    point = np.zeros((41, 41), np.float32)
    point[20, 20] = 1
    rows, columns = np.mgrid[-20:21, -20:21]
    assert np.array_equal(refine.grow(point, 12) > 0, rows**2 + columns**2 <= 144)


@settings(deadline=None, max_examples=40)
@given(hard)
def test_parts_against_scipy(mask: np.ndarray) -> None:
    assert np.array_equal(refine.holes(mask) > 0, ndi.binary_fill_holes(mask > 0))
    labels, count = ndi.label(mask, np.ones((3, 3)))
    areas = ndi.sum(mask, labels, range(1, count + 1))
    keep = np.isin(labels, 1 + np.flatnonzero(np.asarray(areas) >= 5))
    assert np.array_equal(refine.islands(mask, 5) > 0, keep)
    corners = np.argwhere(mask > 0)
    if len(corners) and np.linalg.matrix_rank(corners - corners[0]) == 2:
        hull = refine.hull(mask) > 0
        assert (hull >= (mask > 0)).all()
        # The half-planes of the same corners; pixels within one of an edge may go either way.
        planes = ConvexHull(corners).equations
        outside = (np.argwhere(np.ones_like(hull)) @ planes[:, :2].T + planes[:, 2]).max(axis=1)
        outside = outside.reshape(hull.shape)
        assert hull[outside < -1e-9].all()
        assert not hull[outside > 1].any()


@settings(deadline=None, max_examples=30)
@given(hard, st.floats(0.5, 8))
def test_feathering_is_a_ramp_inside(mask: np.ndarray, width: float) -> None:
    faded = refine.feather(mask, width)
    assert not faded[mask == 0].any()
    if not mask.all():
        ramp = np.clip(ndi.distance_transform_edt(mask) / (width + 1), 0, 1)
        assert np.allclose(faded, ramp * mask, atol=1e-5)


@pytest.mark.parametrize(("sigma", "within"), [(2.0, 1e-3), (9.0, 1e-3), (40.0, 0.01)])
def test_blurring_is_gaussian(sigma: float, within: float) -> None:
    mask = np.zeros((300, 400), np.float32)
    mask[100:220, 150:260] = 1
    wanted = ndi.gaussian_filter(mask, sigma, mode="nearest", truncate=6)
    assert np.abs(refine.blur(mask, sigma) - wanted).max() < within


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.floats(-5, 33), st.floats(-5, 25)), min_size=3, max_size=7))
def test_polygons_by_their_centers(points: list[tuple[float, float]]) -> None:
    corners = np.array(points)
    found = shapes.polygon(SIZE, corners) > 0
    wanted = polygon2mask(SIZE, corners[:, ::-1] - 0.5)
    # Centers on an outline, to rounding, belong to either side.
    assert (found != wanted).sum() <= 3


def test_shapes() -> None:
    assert on(Mask.box(2, 3, 5, 7)).sum() == 12
    assert np.argwhere(on(Mask.box(2, 3, 5, 7))).min(0).tolist() == [3, 2]
    assert on(Mask.box("50%", 0, "100%", "50%")).sum() == 14 * 10
    assert on(Mask.border(2)).sum() == SIZE.area - 16 * 24
    assert on(Mask.parse("border:1,0,0,0")).sum() == 28
    rows, columns = np.mgrid[:20, :28] + 0.5
    disc = (rows - 10) ** 2 + (columns - 12) ** 2 <= 25
    assert np.array_equal(on(Mask.ellipse(12, 10, 5)) > 0, disc)
    along = np.clip(((columns - 5) * 15 + (rows - 4) * 9) / (15**2 + 9**2), 0, 1)
    away = np.hypot(columns - 5 - 15 * along, rows - 4 - 9 * along)
    line = on(Mask.stroke((5, 4), (20, 13), width=5)) > 0
    assert np.array_equal(line[np.abs(away - 2.5) > 1e-6], (away < 2.5)[np.abs(away - 2.5) > 1e-6])


def test_colors_against_scikit_image() -> None:
    image = np.asarray(shell.noise(40, 50))
    photo, lab = read_photo(image), skcolor.rgb2lab(image)
    red = skcolor.rgb2lab(np.array([[[1.0, 0, 0]]]))[0, 0]
    distance = np.linalg.norm(lab - red, axis=-1)
    found = select_in("color:red,tolerance=60", photo) > 0
    sure = np.abs(distance - 60) > 1  # the two libraries differ by less in CIELAB
    assert np.array_equal(found[sure], (distance <= 60)[sure])
    assert np.allclose(select_in("luma", photo), lab[..., 0] / 100, atol=2e-3)
    bright = select_in("luma:40..70", photo) > 0
    sure = np.minimum(np.abs(lab[..., 0] - 40), np.abs(lab[..., 0] - 70)) > 0.5
    assert np.array_equal(bright[sure], ((lab[..., 0] > 40) & (lab[..., 0] < 70))[sure])


def scene() -> np.ndarray:
    """A red disc on textured green under a smooth blue sky."""
    rng = np.random.default_rng(0)
    image = rng.normal((60, 140, 50), 18, (160, 200, 3))
    image[:60] = np.array([120, 160, 230]) + rng.normal(0, 1, (60, 200, 3))
    rows, columns = np.mgrid[:160, :200]
    disc = (rows - 105) ** 2 + (columns - 100) ** 2 <= 30**2
    image[disc] = np.array([200, 30, 30]) + rng.normal(0, 6, (int(disc.sum()), 3))
    return np.clip(image, 0, 255).astype(np.uint8)


DISC = shapes.ellipse(Size(160, 200), 100.5, 105.5, 30.2, 30.2)


def overlap(one: Coverage, two: Coverage) -> float:
    a, b = one >= 0.5, two >= 0.5
    return float((a & b).sum() / (a | b).sum())


@pytest.mark.parametrize(
    "expression",
    [
        "grabcut:60,65,140,145",
        "point:100,105,30 ~holes",
        "color:#c81e1e,25",
        "ellipse:100,105,26 ~snap:10 ~threshold",
        "ellipse:100,105,26 ~snap:10,grabcut",
        "saliency",
    ],
)
def test_selections_find_the_disc(expression: str) -> None:
    assert overlap(select_in(expression, read_photo(scene())), DISC) > 0.78


def test_superpixels_hold_what_the_stroke_touches() -> None:
    photo = read_photo(scene())
    chosen = select_in("superpixels:90,105,110,105,width=6,size=10", photo)
    stroke = shapes.stroke(photo.size, np.array([[90.0, 105], [110, 105]]), 6)
    assert (chosen >= stroke).mean() > 0.999
    assert stroke.sum() < chosen.sum() < 4 * DISC.sum()


def test_sky_and_edges() -> None:
    photo = read_photo(scene())
    sky = np.zeros((160, 200), np.float32)
    sky[:60] = 1
    assert overlap(select_in("sky", photo), sky) > 0.95
    edges = select_in("edges", photo) > 0
    assert edges[55:65].any(axis=0).mean() > 0.8
    assert not edges[10:40].any()
    assert not select_in("sky", read_photo(scene()[80:])).any()


def test_dark_skies_with_clouds() -> None:
    """Deep blue, lighter towards the horizon, with textured clouds, over dark blue hills."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:240, :320]
    depth = np.clip(rows / 170, 0, 1)[..., None]
    image = np.array([8, 14, 60]) * (1 - depth) + np.array([70, 100, 190]) * depth
    cloud = ((rows - 70) / 18.0) ** 2 + ((columns - 120) / 50.0) ** 2 <= 1
    image[cloud] = 200 + 12 * rng.standard_normal((int(cloud.sum()), 1))
    hills = rows > 150 + 25 * np.sin(columns / 60)
    image[hills] = np.array([18, 26, 48])
    image += rng.normal(0, 1.2, image.shape)
    photo = read_photo(np.clip(image, 0, 255).astype(np.uint8))
    found = select_in("sky", photo)
    assert overlap(found, (~hills).astype(np.float32)) > 0.95
    assert found[cloud].mean() > 0.95


def test_what_stands_out_of_a_sky_that_fades() -> None:
    """Its colors differ from the border's, but only by small steps."""
    rows, columns = np.mgrid[:200, :300]
    ramp = np.linspace(30, 220, 300)[None, :, None] * np.array([0.4, 0.6, 1.0])
    image = np.tile(ramp, (200, 1, 1)) + np.random.default_rng(2).normal(0, 1, (200, 300, 3))
    object_ = (np.abs(rows - 100) < 40) & (np.abs(columns - 170) < 25)
    image[object_] = (215, 120, 40)
    found = select_in("saliency", read_photo(np.clip(image, 0, 255).astype(np.uint8)))
    assert overlap(found, object_.astype(np.float32)) > 0.9
    grain = np.random.default_rng(3).normal(120, 12, (200, 300, 3))
    assert not select_in("saliency", read_photo(np.clip(grain, 0, 255).astype(np.uint8))).any()


def test_faces() -> None:
    from skimage.data import astronaut

    found = select_in("face", read_photo(astronaut())) > 0
    rows, columns = np.nonzero(found)
    assert found[110, 225]
    assert 60 < rows.mean() < 170
    assert 170 < columns.mean() < 280
    assert 0.01 < found.mean() < 0.1
    # Without color, too; and where a face would be blue it is none.
    head = np.ascontiguousarray(astronaut()[:256, 96:352])
    gray = read_photo(np.asarray(Image.fromarray(head).convert("L")))
    assert select_in("face", gray)[110, 129] == 1
    blue = np.ascontiguousarray(head[..., ::-1])
    assert not select_in("face", read_photo(blue)).any()


def test_files_and_alphas(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ramp = np.tile(np.linspace(0, 255, 28).astype(np.uint8), (20, 1))
    Image.fromarray(ramp).save("a mask.png")
    Image.fromarray(np.dstack([ramp[::-1], ramp, ramp, ramp[:, ::-1]])).save("layer.png")
    wanted = ramp / np.float32(255)
    assert np.array_equal(select_in('"a mask.png"', PHOTO), wanted)
    assert np.array_equal(coverage_of("a mask.png", PHOTO), wanted)
    assert np.allclose(select_in("file:layer.png,alpha", PHOTO), wanted[:, ::-1])
    assert np.allclose(select_in("alpha", read_photo("layer.png")), wanted[:, ::-1])
    with pytest.raises(MaskError, match=r"column 7: .* no alpha"):
        select_in("all & alpha", PHOTO)
    with pytest.raises(InputError, match=r"column 1: .*none\.png"):
        coverage_of("none.png", PHOTO)
    with pytest.raises(MaskError, match="selects nothing"):
        coverage_of("none", PHOTO)
    assert np.array_equal(np.asarray(Mask.of("a mask.png").image(PHOTO)), ramp)


def test_equal_parts_are_evaluated_once(tmp_path: Path) -> None:
    name = tmp_path / "m.png"
    Image.fromarray(np.full(SIZE, 255, np.uint8)).save(name)
    mask = Mask.of(str(name))
    assert np.array_equal((mask & mask).on(PHOTO), mask.on(PHOTO))


def test_advice() -> None:
    assert advice(on(Mask.box(0, 0, 10, 10))) == ()
    assert "empty" in advice(on(Mask.none()))[0]
    assert "'m.png ~invert'" in advice(on(~Mask.box(5, 5, 9, 9)), "m.png")[0]
    assert "black marks" in advice(on(~Mask.box(5, 5, 9, 9)))[0]
    assert "black marks" not in advice(on(Mask.box(0, 0, 20, 20)))[0]


def test_three_masks_from_one() -> None:
    mask = on(Mask.box(8, 8, 16, 14))
    masks = derive(mask, PHOTO, denoise="~grow:2", composite="~feather:2")
    assert np.array_equal(masks.denoise, refine.grow(mask, 2))
    assert np.array_equal(masks.condition, mask)
    assert np.array_equal(masks.composite, refine.feather(mask, 2))
    assert not masks.soft
    assert derive(mask, PHOTO, denoise="~blur:1").soft
    assert np.array_equal(derive(mask, PHOTO, composite="all").composite, np.ones(SIZE))
    with pytest.raises(MaskError, match="leaves nothing"):
        derive(mask, PHOTO, denoise="~shrink:9")


def test_an_edit_keeps_what_its_composite_mask_does_not_hold(tiny4: Model) -> None:
    photo = shell.noise(48, 64)
    result = editkit.inpaint(
        photo,
        "box:20,10,40,30",
        model=tiny4,
        steps=2,
        denoise_mask="~grow:6",
        composite_mask="~shrink:2",
    )
    before, after = np.asarray(photo), np.asarray(result.image)
    changed = (before != after).any(axis=-1)
    assert changed[12:28, 22:38].mean() > 0.5
    changed[12:28, 22:38] = False
    assert not changed.any()
    assert result.report["denoise_mask"] == "~grow:6"
    with pytest.raises(MaskError, match="column 7"):
        editkit.Inpaint(denoise_mask="~grow:x")


def test_three_masks_in_place_of_one(tiny4: Model) -> None:
    photo = shell.noise(48, 64)
    read = read_photo(photo)
    where = Mask.box(20, 10, 40, 30)
    masks = Masks.of(photo, where, denoise="~grow:6", composite=where.shrink(2))
    ruled = editkit.inpaint(
        photo, where, model=tiny4, steps=2, denoise_mask="~grow:6", composite_mask="~shrink:2"
    )
    given = editkit.inpaint(photo, masks, model=tiny4, steps=2)
    assert np.array_equal(np.asarray(given.image), np.asarray(ruled.image))
    assert given.report["samples_changed_outside"] == 0
    assert np.array_equal(composite_reading(masks, read).coverage, masks.composite)
    # A rule refines the one that it is for.
    again = derive(masks, read, composite="~shrink:1")
    assert np.array_equal(again.composite, refine.shrink(masks.composite, 1))
    assert np.array_equal(again.denoise, masks.denoise)
    low = np.ones((40, 64), np.float32)
    wrong = Masks(low, low, low)
    with pytest.raises(MaskError, match="is 64x40, the photo is 64x48"):
        editkit.inpaint(photo, wrong, model=tiny4, steps=2)
    none = np.zeros_like(masks.denoise)
    with pytest.raises(MaskError, match="nothing"):
        editkit.inpaint(photo, Masks(none, none, none), model=tiny4, steps=2)


def test_a_long_expression_is_no_file_name() -> None:
    text = " | ".join(["box:1,1,9,9"] * 40)
    assert len(text) > 300
    assert np.array_equal(coverage_of(text, PHOTO), on(Mask.box(1, 1, 9, 9)))


def test_soft_masks_reach_the_sampler_or_say_so(tiny4: Model, tiny9: Model) -> None:
    photo = shell.noise(64, 64)

    def made(
        model: Model, value: float, *, hard: bool = False, blend: bool = False
    ) -> editkit.Result:
        mask = np.full((64, 64), value, np.float32)
        rule: dict[str, str] = {"denoise_mask": "~threshold:0.01"} if hard else {}
        rules: Any = {**rule, "blend_known": blend, "composite_mask": "~threshold:0.01"}
        return editkit.inpaint(photo, mask, model=model, steps=8, match=False, **rules)

    def distance(result: editkit.Result) -> float:
        return float(np.abs(np.asarray(result.image).astype(float) - np.asarray(photo)).mean())

    # A low value leaves more of what the photo is: the walk is held to it for longer.
    assert not np.array_equal(
        np.asarray(made(tiny4, 0.1).image), np.asarray(made(tiny4, 0.1, hard=True).image)
    )
    assert distance(made(tiny4, 0.1)) < distance(made(tiny4, 0.9))
    said = " ".join(made(tiny9, 0.5).report["notes"])
    assert "blend_known=True" in said
    assert "blend_known=True" not in " ".join(made(tiny9, 0.5, blend=True).report["notes"])


@pytest.mark.parametrize("method", ["guided", "grabcut"])
def test_snapping_leaves_what_is_far(method: str) -> None:
    # A hole in the disc and a patch of sky: nothing in the picture agrees with either.
    mask = shapes.ellipse(Size(160, 200), 100, 105, 26, 26)
    mask -= shapes.ellipse(Size(160, 200), 100, 105, 9, 9)
    mask += shapes.box(Size(160, 200), 10, 10, 50, 40)
    near = refine.snap(mask, scene(), 5, method)
    distance = np.maximum(ndi.distance_transform_edt(mask), ndi.distance_transform_edt(mask == 0))
    assert np.array_equal(near[distance > 5.01], mask[distance > 5.01])
    assert (near != mask).any()


@pytest.mark.parametrize("method", ["guided", "grabcut"])
def test_snapping_far_leaves_what_is_farther(method: str) -> None:
    # Wide distances are measured coarsely, and must not reach beyond what was said.
    wide = np.asarray(Image.fromarray(scene()).resize((601, 481)))
    mask = shapes.ellipse(Size(481, 601), 300, 315, 100, 60)
    snapped = refine.snap(mask, wide, 40, method)
    distance = np.maximum(ndi.distance_transform_edt(mask), ndi.distance_transform_edt(mask == 0))
    assert np.array_equal(snapped[distance > 40], mask[distance > 40])
    assert (snapped != mask)[(distance > 25) & (distance < 35)].any()


def test_snapping_looks_only_around_the_edge() -> None:
    wide = np.tile(scene(), (2, 3, 1))
    mask = np.zeros(wide.shape[:2], np.float32)
    mask[160:, 200:400] = shapes.ellipse(Size(160, 200), 100, 105, 26, 26)
    for method in ("guided", "grabcut"):
        assert overlap(refine.snap(mask, wide, 10, method)[160:, 200:400], DISC) > 0.78


def test_lightness_has_the_photos_size() -> None:
    assert select.lightness(scene()).shape == (160, 200)
