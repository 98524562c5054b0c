"""Bringing edits home: what is kept, of every kind of file, and what is said."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import shell
from away import Journey, iou
from numpy.typing import NDArray
from PIL import Image

import editkit
from editkit import Composite, InputError, MaskError
from editkit.models.base import Model
from editkit.ops.engine import composite as composites
from editkit.photo.color import adobe_rgb_profile
from editkit.photo.io.files import Photo, read_photo

SAMPLES = Path(__file__).parent.parent.parent / "samples"
Array = NDArray[np.uint8]


def picture(width: int = 300) -> Array:
    with Image.open(SAMPLES / "coffee.jpg") as image:
        height = round(image.height * width / image.width)
        return np.asarray(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS))


def disc(photo: Array) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[: photo.shape[0], : photo.shape[1]]
    return (rows - 100) ** 2 + (columns - 120) ** 2 < 45**2


def edited(photo: Array) -> Array:
    return np.where(disc(photo)[..., None], photo[::-1, ::-1], photo)


AWAY = Journey(shift=(2.4, -1.7), turn=0.4, scale=0.8, cast=(1.06, 1, 0.93), quality=88)


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    "mode",
    ["RGB", "I;16", *(pytest.param(mode, marks=SLOW) for mode in ("L", "LA", "RGBA", "CMYK"))],
)
def test_what_is_outside_is_exact_in_every_mode(mode: str) -> None:
    before = picture()
    image = Image.fromarray(before)
    if mode == "I;16":
        gray = np.asarray(image.convert("L")).astype(np.uint16) * 256 + 7
        original = Image.frombytes("I;16", image.size, gray.astype("<u2").tobytes())
    else:
        original = image.convert(mode)
    result = editkit.composite(original, AWAY.of(edited(before)))
    assert result.image.mode == mode
    assert result.mask is not None
    kept = result.mask == 0
    was, now = np.asarray(original), np.asarray(result.image)
    assert np.array_equal(was[kept], now[kept])
    assert not np.array_equal(was, now)
    assert result.report["samples_changed_outside"] == 0
    assert iou(result.mask > 0, disc(before)) > 0.8


def test_what_comes_home_is_what_was_edited() -> None:
    before = picture()
    wanted = edited(before)
    result = editkit.composite(before, AWAY.of(wanted), grain=0.0)
    got = np.asarray(result.image).astype(float)
    inner = disc(before)
    error = np.abs(got - wanted)[inner].mean()
    naive = np.abs(np.asarray(Image.fromarray(AWAY.of(wanted)).resize((300, 200))) - 1.0 * wanted)
    assert error < 0.5 * naive[inner].mean()
    assert np.abs(got - wanted)[inner].mean(axis=0).max() < 10
    assert result.report["registration"]["motion"] == "affine"
    assert result.report["color_drift"] is not None
    assert "resolution" not in " ".join(result.report["notes"])


def painted_smooth(photo: Array) -> Array:
    return np.where(disc(photo)[..., None], np.array([60, 90, 170], np.uint8), photo)


def roughness(picture: Array) -> float:
    """What varies from pixel to pixel, well inside of the disc."""
    rows, columns = np.mgrid[70:131, 90:151]
    values = picture[rows, columns].astype(float)
    return float(np.abs(np.diff(values, axis=0)).mean())


def test_what_was_drawn_smooth_comes_home_smooth() -> None:
    """Texture around it is no grain that it lacks; grain is added where it is asked for."""
    noise = np.random.default_rng(0).normal(0, 9, (*picture().shape[:2], 1))
    before = np.clip(picture() + noise, 0, 255).astype(np.uint8)
    came = Journey(cast=(1.06, 1, 0.95), quality=92).of(painted_smooth(before))
    plain, grainy = editkit.composite(before, came), editkit.composite(before, came, grain=1.0)
    assert plain.report["grain"] == 0
    assert roughness(np.asarray(plain.image)) < roughness(came) + 0.3
    assert roughness(np.asarray(grainy.image)) > 3 * roughness(came) + 1


def test_what_a_mask_cuts_out_of_an_edit_keeps_the_edits_colors() -> None:
    """Around such a mask the pictures differ by the edit, and not by a cast to be matched."""
    before = picture()
    wanted = painted_smooth(before)
    came = Journey(cast=(1.06, 1, 0.95), quality=92).of(wanted)
    result = editkit.composite(before, came, "ellipse:120,100,30,30")
    assert result.mask is not None
    off = np.asarray(result.image).astype(float) - wanted
    assert np.abs(off[result.mask > 0]).mean(axis=0).max() < 8


def test_an_exact_copy_gives_its_own_samples() -> None:
    before = picture()
    wanted = edited(before)
    result = editkit.composite(before, wanted)
    assert result.report["exact"]
    assert np.array_equal(np.asarray(result.image), wanted)


def test_sixteen_bits_come_home_in_full_and_eight_are_dithered() -> None:
    before = picture()
    deep = before.astype(np.uint16) * 257 + np.uint16(13)
    fine = np.where(disc(before)[..., None], deep[::-1, ::-1] + np.uint16(40), deep)
    original = Photo(deep, "RGB;16")
    result = Composite()(original, Photo(fine, "RGB;16"))
    # sRGB in between is floating point: a hundredth of a step of 8 bits is lost at most.
    assert np.abs(result.photo.samples.astype(int) - fine).max() <= 3
    result = Composite()(original, edited(before))
    assert result.mask is not None
    assert np.array_equal(result.photo.samples[result.mask == 0], deep[result.mask == 0])
    inside = result.photo.samples[disc(before)].astype(float)
    assert len(np.unique(inside % 257)) > 20
    assert np.abs(inside - fine[disc(before)]).mean() < 400


def test_another_profile_and_orientation_and_alpha_are_seen_through(tmp_path: Path) -> None:
    before = picture()
    wanted = edited(before)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(before)).save(tmp_path / "o.png", exif=exif)
    wide = read_photo(before)
    profile = adobe_rgb_profile()
    from editkit.photo import color

    adobe = color.usable_profile(profile, "RGB")
    values = color.from_rgb(wanted, "RGB", adobe)
    layer = np.dstack([np.rint(np.clip(values, 0, 255)), np.full(before.shape[:2], 200)])
    Image.fromarray(layer.astype(np.uint8)).save(tmp_path / "e.png", icc_profile=profile)
    result = editkit.composite(tmp_path / "o.png", tmp_path / "e.png", grain=0.0)
    assert result.photo.size == wide.size
    assert result.mask is not None
    assert iou(result.mask > 0, disc(before)) > 0.85
    assert np.abs(np.asarray(result.image).astype(int) - wanted)[disc(before)].mean() < 4
    assert any("alpha" in note for note in result.report["notes"])


def test_a_mask_names_the_place_and_is_kept_to() -> None:
    before = picture()
    wanted = edited(before)
    wanted[10:40, 200:240] = 0
    mask = disc(before)
    result = editkit.composite(before, AWAY.of(wanted), mask)
    assert result.mask is not None
    assert np.array_equal(result.mask > 0, mask)
    now = np.asarray(result.image)
    assert np.array_equal(now[~mask], before[~mask])
    assert result.record is not None
    assert "mask" in result.record
    expression = editkit.composite(before, wanted, "ellipse:120,100,45,45")
    assert np.array_equal(np.asarray(expression.image)[10:40, 200:240], before[10:40, 200:240])


def test_what_was_cropped_away_is_kept_and_said() -> None:
    before = picture()
    cropped = edited(before)[:, 90:]
    mask = np.zeros(before.shape[:2], np.uint8)
    mask[60:140, 40:160] = 255
    result = editkit.composite(before, cropped, mask)
    now = np.asarray(result.image)
    assert np.array_equal(now[:, :90], before[:, :90])
    assert np.array_equal(now[60:140, 90:160], edited(before)[60:140, 90:160])
    assert any("pixels of the area lie outside" in note for note in result.report["notes"])
    mask[:, 80:] = 0
    with pytest.raises(MaskError, match="does not reach"):
        editkit.composite(before, cropped, mask)


def test_a_picture_drawn_anew_is_said_to_be() -> None:
    before = picture()
    other = before[:, ::-1].copy()
    other[:, :60] = before[:, :60]
    result = editkit.composite(before, other, motion="none")
    assert any("changed, as if all was drawn anew" in note for note in result.report["notes"])


def test_nothing_to_bring_home_is_refused() -> None:
    with pytest.raises(MaskError, match="nothing else than the original"):
        editkit.composite(picture(), picture())


def test_who_made_it_is_what_is_known() -> None:
    before = picture()
    after = edited(before)
    assert editkit.composite(before, after).source_type == "composite"
    assert editkit.composite(before, after, made_by="person").source_type == "humanEdits"
    trained = "compositeWithTrainedAlgorithmicMedia"
    assert editkit.composite(before, after, made_by="model").source_type == trained
    held = BytesIO()
    Image.fromarray(before).save(held, "PNG")
    result = editkit.composite(held.getvalue(), after, made_by="model")
    again = result.encoded("PNG").data
    # What a model once made stays so, whoever works on it later.
    later = np.asarray(result.image).copy()
    later[:20, :20] = 0
    assert editkit.composite(again, later, made_by="person").source_type == trained


def test_an_edit_of_the_model_here_comes_home_after_a_journey(tiny9: Model) -> None:
    before = picture()
    made = editkit.inpaint(before, disc(before), "x", model=tiny9, steps=1)
    result = editkit.composite(before, AWAY.of(np.asarray(made.image)))
    assert result.mask is not None
    assert iou(result.mask > 0, disc(before)) > 0.75
    assert result.report["samples_changed_outside"] == 0


def test_the_same_inputs_give_the_same_picture() -> None:
    before = picture()
    away = AWAY.of(edited(before))
    one, other = editkit.composite(before, away), editkit.composite(before, away)
    assert np.array_equal(one.photo.samples, other.photo.samples)
    assert one.report["registration"] == other.report["registration"]


@pytest.mark.parametrize(
    "options",
    [
        {"motion": "wild"},
        {"threshold": 0},
        {"grow": -1},
        {"seam": "glue"},
        {"grain": 9},
        {"feather": -1},
        {"made_by": "me"},
        {"seed": -1},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        Composite(**options)  # pyright: ignore[reportArgumentType]


def test_noise_that_cannot_be_tracked_lies_where_it_was() -> None:
    photo = np.asarray(shell.noise(48, 64))
    after = photo.copy()
    after[10:20, 10:20] = 255 - after[10:20, 10:20]
    result = editkit.composite(photo, after)
    assert np.array_equal(np.asarray(result.image), after)


def test_edits_far_apart_come_home_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """In large photos, so that what lies between them costs nothing; with the same result."""
    before = picture()
    after = edited(before)
    after[10:40, 220:280] = 255 - after[10:40, 220:280]
    came = Journey(quality=90, cast=(1.05, 1, 0.95)).of(after)
    together = editkit.composite(before, came, grain=0)
    monkeypatch.setattr(composites, "_TOGETHER", 64)
    apart = editkit.composite(before, came, grain=0)
    assert together.mask is not None
    assert apart.mask is not None
    assert np.array_equal(apart.mask, together.mask)
    assert apart.report["samples_changed_outside"] == 0
    now, then = (np.asarray(result.image).astype(int) for result in (apart, together))
    assert np.array_equal(now[apart.mask == 0], before[apart.mask == 0])
    assert np.abs(now - after)[10:40, 220:280].mean() < 7
    assert np.abs(now - after)[disc(before)].mean() < 7
    assert np.abs(now - then).mean() < 0.1


def test_of_edits_far_apart_one_may_lie_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    before = picture()
    mask = np.zeros(before.shape[:2], np.float32)
    mask[10:40, 10:40] = mask[150:180, 250:280] = 1
    monkeypatch.setattr(composites, "_TOGETHER", 64)
    result = editkit.composite(before, edited(before)[:, 60:], mask)
    assert result.mask is not None
    assert not result.mask[:, :50].any()
    assert result.mask[150:180, 250:280].all()
    assert "900 pixels of the area lie outside" in " ".join(result.report["notes"])
