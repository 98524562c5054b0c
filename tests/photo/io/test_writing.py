"""Writing: what comes back is what was there, and nothing is ever lost or half written."""

import errno
import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from editkit.errors import ImageError
from editkit.photo.io import writing
from editkit.photo.io.files import (
    Photo,
    check_target,
    encode_photo,
    is_lossy,
    read_photo,
    write_photo,
)

RNG = np.random.default_rng(11)
SHAPES = {"L": (9, 13), "LA": (9, 13, 2), "RGB": (9, 13, 3), "RGBA": (9, 13, 4), "CMYK": (9, 13, 4)}
TIFF = ("L", "LA", "RGB", "RGBA", "CMYK", "I;16", "LA;16", "RGB;16", "RGBA;16", "CMYK;16")
HELD = {
    ".jpg": ("L", "RGB", "CMYK"),
    ".jpeg": ("L", "RGB", "CMYK"),
    ".png": ("L", "LA", "RGB", "RGBA", "I;16", "LA;16", "RGB;16", "RGBA;16"),
    ".webp": ("RGB", "RGBA"),
    ".tif": TIFF,
    ".tiff": TIFF,
    ".bmp": ("L", "RGB", "RGBA"),
    ".avif": ("L", "RGB", "RGBA"),
    ".heic": ("L", "RGB", "RGBA"),
    ".jxl": ("L", "LA", "RGB", "RGBA"),
}
ALL = (*SHAPES, "I;16", "LA;16", "RGB;16", "RGBA;16", "CMYK;16")


def photo_of(mode: str) -> Photo:
    if mode == "I;16":
        return Photo(RNG.integers(0, 65536, (9, 13), dtype=np.uint16), mode)
    if mode.endswith("16"):
        shape = SHAPES[mode.removesuffix(";16")]
        return Photo(RNG.integers(0, 65536, shape, dtype=np.uint16), mode)
    return Photo(RNG.integers(0, 256, SHAPES[mode], dtype=np.uint8), mode)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("suffix", "mode"), [(s, m) for s in HELD for m in ALL])
def test_a_container_holds_the_mode_or_says_which_can(
    tmp_path: Path, suffix: str, mode: str
) -> None:
    photo, path = photo_of(mode), tmp_path / f"a{suffix}"
    if mode not in HELD[suffix]:
        with pytest.raises(ImageError, match=r"cannot hold .*; write \.") as caught:
            write_photo(photo, path)
        offered = [word for word in str(caught.value).split() if word.startswith(".")]
        assert offered
        assert all(mode in HELD[other] for other in offered)
        assert names(tmp_path) == []
        return
    write_photo(photo, path)
    again = read_photo(path)
    assert (again.mode, again.size, again.notes) == (mode, photo.size, ())
    if not is_lossy(suffix):
        assert np.array_equal(again.samples, photo.samples)


@pytest.mark.parametrize(
    ("suffix", "format_"),
    [
        *((suffix, "JPEG") for suffix in (".jfif", ".jpe", ".mpo", ".JFIF", ".pjpeg")),
        *((".apng", "PNG"), (".btf", "TIFF"), (".dib", "BMP"), (".avifs", "AVIF")),
        *((".hif", "HEIF"), (".heics", "HEIF"), (".Heifs", "HEIF")),
    ],
)
def test_rare_suffixes_keep_their_kind(tmp_path: Path, suffix: str, format_: str) -> None:
    path = tmp_path / f"a{suffix}"
    write_photo(photo_of("RGB"), path)
    assert read_photo(path).format == format_


def test_bmp_keeps_alpha_for_other_readers(tmp_path: Path) -> None:
    photo = replace(photo_of("RGBA"), carried={"dpi": (300, 200)})
    write_photo(photo, tmp_path / "a.bmp")
    found = cv2.imread(str(tmp_path / "a.bmp"), cv2.IMREAD_UNCHANGED)
    assert found is not None
    assert np.array_equal(found[..., [2, 1, 0, 3]], photo.samples)
    with Image.open(tmp_path / "a.bmp") as image:
        assert image.mode == "RGBA"
        assert image.info["dpi"] == pytest.approx((300, 200), abs=0.05)


def test_a_bitmap_without_a_file_header_stays_a_bitmap(tmp_path: Path) -> None:
    photo = photo_of("RGB")
    photo.image.save(tmp_path / "a.dib", "DIB")
    again = read_photo(tmp_path / "a.dib")
    assert (again.format, again.mode) == ("BMP", "RGB")
    write_photo(again, tmp_path / "b.dib")
    assert np.array_equal(read_photo(tmp_path / "b.dib").samples, photo.samples)


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
def test_gray_is_gray_in_avif_and_heic(tmp_path: Path, suffix: str) -> None:
    gray = np.tile(np.arange(0, 256, 2, dtype=np.uint8), (64, 1))
    write_photo(Photo(gray, "L"), tmp_path / f"a{suffix}")
    again = read_photo(tmp_path / f"a{suffix}")
    assert again.mode == "L"
    assert np.abs(again.samples.astype(int) - gray).max() <= 2


def test_fully_transparent_colors_survive_webp(tmp_path: Path) -> None:
    photo = photo_of("RGBA")
    photo.samples[..., 3] = 0
    write_photo(photo, tmp_path / "a.webp")
    assert np.array_equal(read_photo(tmp_path / "a.webp").samples, photo.samples)


def test_what_is_lossy() -> None:
    lossy = ("JPEG", "jpg", ".jpeg", ".avif", "heic")
    assert all(is_lossy(name) for name in lossy)
    assert not any(is_lossy(name) for name in ("PNG", "webp", ".jxl", "TIFF", "BMP"))
    with pytest.raises(ImageError, match="gif"):
        is_lossy("gif")


@pytest.mark.parametrize("name", ["a.gif", "a", "a.jp2"])
def test_unknown_suffixes_list_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match=r"\.jpg \.jpeg \.png"):
        write_photo(photo_of("RGB"), tmp_path / name)


@pytest.mark.parametrize("subsampling", [0, 1, 2])
def test_jpeg_settings_are_used_again(tmp_path: Path, subsampling: int) -> None:
    made = Image.fromarray(RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    made.save(tmp_path / "a.jpg", quality=61, subsampling=subsampling, progressive=True)
    write_photo(read_photo(tmp_path / "a.jpg"), tmp_path / "b.jpg")
    with Image.open(tmp_path / "a.jpg") as before, Image.open(tmp_path / "b.jpg") as after:
        assert isinstance(before, JpegImagePlugin.JpegImageFile)
        assert isinstance(after, JpegImagePlugin.JpegImageFile)
        assert before.quantization == after.quantization
        assert JpegImagePlugin.get_sampling(after) == subsampling
        assert after.info["progressive"]


def test_other_sources_become_jpeg_of_high_quality() -> None:
    rows, columns = np.mgrid[:64, :64]
    smooth = np.stack([rows * 4, columns * 4, 255 - rows * 2], axis=2).astype(np.uint8)
    again = read_photo(encode_photo(Photo(smooth, "RGB"), "JPEG"))
    assert again.carried["subsampling"] == 0
    assert np.abs(again.samples.astype(int) - smooth).max() < 12


def test_targets_are_not_replaced_without_force(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"mine")
    with pytest.raises(ImageError, match="exists; give force=True"):
        write_photo(photo_of("RGB"), path)
    assert path.read_bytes() == b"mine"
    photo = photo_of("RGB")
    path.chmod(0o640)
    write_photo(photo, path, force=True)
    assert np.array_equal(read_photo(path).samples, photo.samples)
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(tmp_path) == ["a.png"]


def test_a_dangling_link_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "none.png")
    with pytest.raises(ImageError, match="exists"):
        write_photo(photo_of("RGB"), tmp_path / "a.png")


@pytest.mark.parametrize("force", [False, True])
def test_the_source_is_never_written_to(tmp_path: Path, force: bool) -> None:  # noqa: FBT001
    path = tmp_path / "a.png"
    write_photo(photo_of("RGB"), path)
    before = path.read_bytes()
    (tmp_path / "link.png").symlink_to(path)
    (tmp_path / "hard.png").hardlink_to(path)
    photo = read_photo(path)
    for name in ("a.png", "link.png", "hard.png"):
        with pytest.raises(ImageError, match="is the photo itself"):
            write_photo(photo, tmp_path / name, force=force)
    assert path.read_bytes() == before


@pytest.mark.parametrize("links", [True, False])
def test_a_target_that_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    path = tmp_path / "a.png"
    encode = writing.encode_photo

    def late(photo: Photo, format: str) -> bytes:  # noqa: A002
        path.write_bytes(b"mine")
        return encode(photo, format)

    monkeypatch.setattr(writing, "encode_photo", late)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    with pytest.raises(ImageError, match="exists"):
        write_photo(photo_of("RGB"), path)
    assert path.read_bytes() == b"mine"
    assert names(tmp_path) == ["a.png"]


def no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_file_systems_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "link", no_links)
    photo = photo_of("RGB")
    write_photo(photo, tmp_path / "a.png")
    assert np.array_equal(read_photo(tmp_path / "a.png").samples, photo.samples)
    assert names(tmp_path) == ["a.png"]


def no_unnamed(*_: object) -> None:
    return None


@pytest.mark.parametrize("force", [False, True])
def test_systems_without_unnamed_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, force: bool
) -> None:
    monkeypatch.setattr(writing, "_open_unnamed", no_unnamed)
    photo = photo_of("RGB")
    write_photo(photo, tmp_path / "a.png", force=force)
    assert np.array_equal(read_photo(tmp_path / "a.png").samples, photo.samples)
    assert names(tmp_path) == ["a.png"]
    with pytest.raises(ImageError, match="exists"):
        write_photo(photo, tmp_path / "a.png")
    write_photo(photo, tmp_path / "a.png", force=True)
    assert names(tmp_path) == ["a.png"]


@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="no files without a name here")
@pytest.mark.parametrize("force", [False, True])
def test_a_file_has_no_name_until_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, force: bool
) -> None:
    seen, sync = list[list[str]](), os.fsync

    def look(number: int) -> None:
        sync(number)
        seen.append(names(tmp_path))

    monkeypatch.setattr(os, "fsync", look)
    if force:
        (tmp_path / "a.png").write_bytes(b"mine")
    write_photo(photo_of("RGB"), tmp_path / "a.png", force=force)
    assert seen == [["a.png"] if force else []]
    assert read_photo(tmp_path / "a.png").mode == "RGB"


def test_of_many_writers_one_wins(tmp_path: Path) -> None:
    photo, outcomes = photo_of("RGB"), list[str]()

    def write() -> None:
        try:
            write_photo(photo, tmp_path / "a.png")
            outcomes.append("written")
        except ImageError:
            outcomes.append("refused")

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused"] * 7 + ["written"]
    assert names(tmp_path) == ["a.png"]


@pytest.mark.parametrize("where", ["fsync", "link"])
def test_failure_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, where, full)
    with pytest.raises(ImageError, match="No space left"):
        write_photo(photo_of("RGB"), tmp_path / "a.png")
    assert names(tmp_path) == []


def test_failure_without_links_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ImageError, match="Input/output error"):
        write_photo(photo_of("RGB"), tmp_path / "a.png")
    assert names(tmp_path) == []


def test_failed_replacement_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.png").write_bytes(b"mine")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_photo(photo_of("RGB"), tmp_path / "a.png", force=True)
    assert (tmp_path / "a.png").read_bytes() == b"mine"
    assert names(tmp_path) == ["a.png"]


def test_sides_that_are_too_long_are_named(tmp_path: Path) -> None:
    long = Photo(np.zeros((1, 16384, 3), np.uint8), "RGB")
    with pytest.raises(ImageError, match="at most 16383 pixels a side, not 16384x1"):
        write_photo(long, tmp_path / "a.webp")
    assert names(tmp_path) == []


def test_folders_missing_folders_and_closed_folders(tmp_path: Path) -> None:
    photo = photo_of("RGB")
    (tmp_path / "d.png").mkdir()
    for path, says in [
        (tmp_path / "d.png", "is a folder"),
        (tmp_path / "none" / "a.png", "does not exist"),
        (tmp_path / f"{'x' * 300}.png", "too long"),
        (tmp_path / "a\0.png", "null"),
    ]:
        with pytest.raises(ImageError, match=says):
            write_photo(photo, path)
    assert names(tmp_path) == ["d.png"]


def test_a_folder_that_may_not_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def deny(path: Any, flags: int, *rest: Any, **more: Any) -> int:
        if flags & (os.O_CREAT | os.O_WRONLY):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, flags, *rest, **more)

    monkeypatch.setattr(os, "open", deny)
    with pytest.raises(ImageError, match="permission denied"):
        write_photo(photo_of("RGB"), tmp_path / "a.png")


def closed(*_: object) -> bool:
    return False


def test_targets_can_be_checked_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_target(None, tmp_path / "a.png")
    check_target(photo_of("RGBA"), tmp_path / "a.png")
    write_photo(photo_of("RGB"), tmp_path / "a.png")
    check_target(None, tmp_path / "a.png", force=True)
    source = read_photo(tmp_path / "a.png")
    for path, photo, says in [
        (tmp_path / "a.png", None, "exists"),
        (tmp_path / "a.png", source, "the photo itself"),
        (tmp_path / "b.jpg", photo_of("RGBA"), "cannot hold"),
        (tmp_path / "b.xyz", None, "names no format"),
        (tmp_path / "none" / "b.png", None, "does not exist"),
    ]:
        with pytest.raises(ImageError, match=says):
            check_target(photo, path)
    monkeypatch.setattr(os, "access", closed)
    with pytest.raises(ImageError, match="may not be written in"):
        check_target(None, tmp_path / "b.png")
    assert names(tmp_path) == ["a.png"]


def test_new_files_have_the_usual_mode(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_photo(photo_of("RGB"), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_samples_of_another_kind_do_not_stand_in() -> None:
    photo = photo_of("RGB")
    assert photo.with_samples(np.zeros((3, 4, 3), np.uint8)).size == (3, 4)
    for wrong in (np.zeros((9, 13), np.uint8), np.zeros((9, 13, 3), np.uint16)):
        with pytest.raises(ImageError, match="cannot stand"):
            photo.with_samples(wrong)
