"""Masks, previews and sheets that editkit drew are no photos of a batch, wherever they lie."""

import contextlib
import re
from pathlib import Path

import numpy as np
import pytest
import shell
from PIL import Image

from editkit.batch.inputs import find_photos
from editkit.batch.pairing import MaskFolder
from editkit.masks.preview import mask_photo, overlay
from editkit.photo.io.drawn import mark_picture
from editkit.photo.io.files import FORMATS, write_photo
from editkit.storage.timeouts import silent_among

HALF = np.linspace(0, 1, 48 * 64, dtype=np.float32).reshape(48, 64)
DRAWN = ("sheet.jpg", "a.mask.png", "view.jpg", "area.tif", "other.png", "sub/sheet.png")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, quick: tuple[str, ...]) -> Path:
    """A folder above one of two photos, with all that commands draw beside these."""
    top = tmp_path_factory.mktemp("drawn")
    (top / "in/sub").mkdir(parents=True)
    shell.noise(48, 64).save(top / "in/a.png")
    shell.noise(48, 64, seed=1).save(top / "in/b.jpg")
    edited = shell.noise(48, 64)
    edited.paste((200, 30, 30), (10, 10, 40, 40))
    edited.save(top / "edited.png")
    box = "box:8,8,24,24"
    for args in (
        ("mask", "in/a.png", box, "-o", "in/a.mask.png", "--preview", "in/view.jpg"),
        ("composite", "in/a.png", "edited.png", "-o", "e.png", "--mask-out", "in/area.tif"),
        (
            "batch",
            "erase",
            "in/a.png",
            "--mask",
            box,
            "-o",
            "out",
            *quick,
            "--workers",
            "0",
            "--sample",
            "1",
        ),
        ("report", "out", "--sheet", "in/sheet.jpg"),
    ):
        with contextlib.chdir(top):
            done = shell.call(*args)
        assert done.code == 0, done.err
    (top / "in/sub/sheet.png").write_bytes((top / "out/.editkit/sample.png").read_bytes())
    (top / "in/other.png").write_bytes((top / "in/a.mask.png").read_bytes())
    return top


@pytest.mark.parametrize("source", ["in", "in/**/*.*"])
def test_what_was_drawn_is_left_out_with_a_word(
    mixed: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    monkeypatch.chdir(mixed)
    found = find_photos(source)
    assert [str(photo.relative) for photo in found] == ["a.png", "b.jpg"]
    (note,) = found.notes
    told = ", ".join(f"in/{name}" for name in sorted(DRAWN)[:3])
    assert f"left out: {told} and 3 more; to edit one, give it alone" in note


def test_the_command_says_it_and_edits_one_that_is_named(
    mixed: Path, monkeypatch: pytest.MonkeyPatch, quick: tuple[str, ...]
) -> None:
    monkeypatch.chdir(mixed)
    batch = ("batch", "erase", "--mask", "box:8,8,24,24", *quick, "--workers", "0", "-o")
    done = shell.call(*batch, "plan", "in", "--dry-run")
    assert done.code == 0
    assert "in/area.tif" in done.err
    named = shell.call(*batch, "named", "in/sheet.jpg")
    assert named.code == 0, named.err
    assert "in/sheet.jpg carries editkit's mark" in re.sub(r"\s+", " ", named.err)
    assert (mixed / "named/sheet.jpg").exists()


def test_masks_are_still_masks(mixed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(mixed)
    found = find_photos("in/*.png")
    assert MaskFolder.read(Path("in")).mask_for(found[0]) == Path("in/a.mask.png")


@pytest.mark.parametrize("suffix", sorted(FORMATS))
def test_every_container_holds_the_mark_where_it_is_found(tmp_path: Path, suffix: str) -> None:
    drawn = {"view": overlay(np.zeros((48, 64, 3), np.uint8), HALF), "mask": mask_photo(HALF)}
    for name, picture in drawn.items():
        if suffix != ".webp" or name == "view":
            write_photo(picture, tmp_path / f"{name}{suffix}")
            assert silent_among([tmp_path / f"{name}{suffix}"], found := set[Path]()) == {}
            assert found


def test_words_about_the_mark_are_none(tmp_path: Path) -> None:
    """A photo that only speaks of it, in a prompt of its record, say, is a photo."""
    packet = mark_picture(mask_photo(HALF), "x").carried["xmp"].decode()
    Image.new("RGB", (32, 32)).save(
        tmp_path / "a.jpg", xmp=packet.replace("<editkit:NoPhoto>", "&lt;editkit:NoPhoto>").encode()
    )
    assert len(find_photos(str(tmp_path))) == 1
