"""Reading: every mode and format, orientations, hostile files, arrays and tensors."""

import importlib
import os
import struct
import threading
import time
import zlib
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from editkit.errors import ImageError
from editkit.photo.formats import jpeg
from editkit.photo.io.files import Photo, PhotoLike, read_photo
from editkit.types import Box, Size

RNG = np.random.default_rng(7)
MODES = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4}


def noise(*shape: int) -> np.ndarray:
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def picture(mode: str, height: int = 11, width: int = 17) -> Image.Image:
    if mode == "I;16":
        values = RNG.integers(0, 65536, (height, width), dtype=np.uint16)
        return Image.frombytes("I;16", (width, height), values.astype("<u2").tobytes())
    if mode in MODES:
        return Image.frombytes(mode, (width, height), noise(height, width, MODES[mode]).tobytes())
    return Image.fromarray(noise(height, width, 3)).convert(mode)


def png(header: bytes, *, body: bytes = b"") -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    data = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        *((mode, ".png") for mode in ("L", "LA", "RGB", "RGBA", "I;16")),
        *((mode, ".tif") for mode in ("L", "LA", "RGB", "RGBA", "CMYK", "I;16")),
        ("L", ".bmp"),
        ("RGB", ".bmp"),
        ("RGB", ".ppm"),
    ],
)
def test_stored_samples_come_as_they_are(tmp_path: Path, mode: str, suffix: str) -> None:
    made = picture(mode)
    made.save(tmp_path / f"a{suffix}")
    photo = read_photo(tmp_path / f"a{suffix}")
    assert (photo.mode, photo.size, photo.notes) == (mode, Size(11, 17), ())
    assert photo.path == tmp_path / f"a{suffix}"
    assert np.array_equal(photo.samples, np.asarray(made))
    assert photo.image.tobytes() == made.tobytes()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg_samples_are_those_of_pillow(tmp_path: Path, mode: str) -> None:
    picture(mode).save(tmp_path / "a.jpg")
    photo = read_photo(str(tmp_path / "a.jpg"))
    with Image.open(tmp_path / "a.jpg") as opened:
        assert np.array_equal(photo.samples, np.asarray(opened))
    assert (photo.mode, photo.format) == (mode, "JPEG")


@pytest.mark.parametrize(
    ("mode", "becomes"),
    [("1", "L"), ("P", "RGB"), ("HSV", "RGB"), ("YCbCr", "RGB"), ("LAB", "RGB"), ("RGBX", "RGB")],
)
def test_other_modes_become_kept_ones_and_say_so(mode: str, becomes: str) -> None:
    if mode == "LAB":
        made = Image.frombytes("LAB", (17, 11), noise(11, 17, 3).tobytes())
    else:
        made = picture(mode)
    photo = read_photo(made)
    assert photo.mode == becomes
    assert photo.notes == (f"mode {mode} was read as {becomes}",)
    assert np.array_equal(photo.samples, np.asarray(made.convert(becomes)))


@pytest.mark.parametrize(("mode", "becomes"), [("La", "LA"), ("RGBa", "RGBA")])
def test_premultiplied_modes(mode: str, becomes: str) -> None:
    made = picture(becomes).convert(mode)
    photo = read_photo(made)
    assert photo.mode == becomes
    assert np.array_equal(photo.samples, np.asarray(made.convert(becomes)))


@pytest.mark.parametrize("suffix", [".avif", ".heic"])
def test_multiplied_alpha_of_avif_and_heic_is_refused(tmp_path: Path, suffix: str) -> None:
    importlib.import_module("pillow_heif").register_heif_opener()
    made = picture("RGBA", 32, 32)
    straight, multiplied = tmp_path / f"a{suffix}", tmp_path / f"b{suffix}"
    made.save(straight)
    options: dict[str, Any] = {"alpha_premultiplied": True} if suffix == ".avif" else {}
    (made if suffix == ".avif" else made.convert("RGBa")).save(multiplied, **options)
    assert read_photo(straight).mode == "RGBA"
    if b"prem" in multiplied.read_bytes():
        assert "alpha multiplied into its colors" in refused(multiplied)


@pytest.mark.parametrize("bits", [1, 2, 4])
@pytest.mark.parametrize("kind", [0, 3])
def test_the_depth_of_narrow_pngs_is_told(bits: int, kind: int) -> None:
    values = RNG.integers(0, 1 << bits, (8, 8), dtype=np.uint8)
    spread = np.unpackbits(values[..., None], axis=2)[..., -bits:].reshape(8, -1)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(spread, axis=1))
    data = png(struct.pack(">IIBBBBB", 8, 8, bits, kind, 0, 0, 0), body=rows)
    if kind == 3:
        plte = b"PLTE" + bytes(range(48))
        chunk = struct.pack(">I", 48) + plte + struct.pack(">I", zlib.crc32(plte))
        data = data[:33] + chunk + data[33:]
    photo = read_photo(data)
    assert len(photo.notes) == 1
    if kind == 0:
        assert np.array_equal(photo.samples, values * (255 // ((1 << bits) - 1)))


def test_a_fourth_channel_of_a_bmp_that_nothing_explains_is_told() -> None:
    out = BytesIO()
    picture("RGBA").save(out, "BMP")  # Pillow writes alpha without saying so
    assert "fourth channel" in read_photo(out.getvalue()).notes[0]
    out = BytesIO()
    made = picture("RGBA")
    made.putalpha(0)
    made.save(out, "BMP")
    assert read_photo(out.getvalue()).notes == ()


def test_a_long_fill_between_markers_is_passed_at_once() -> None:
    out = BytesIO()
    picture("RGB").save(out, "JPEG")
    data = out.getvalue()
    filled = data[:2] + b"\xff" * 20_000_000 + data[2:]
    started = time.process_time()
    found = jpeg.read_segments(filled)
    assert time.process_time() - started < 1
    assert found == jpeg.read_segments(data)
    filled = data[:2] + b"\xff" * 1000 + data[2:]
    assert np.array_equal(read_photo(filled).samples, read_photo(data).samples)


def test_a_palette_with_transparency_becomes_rgba(tmp_path: Path) -> None:
    picture("P").save(tmp_path / "a.png", transparency=3)
    photo = read_photo(tmp_path / "a.png")
    assert photo.mode == "RGBA"
    assert set(np.unique(photo.samples[..., 3])) <= {0, 255}


def test_a_transparent_color_becomes_an_alpha_channel(tmp_path: Path) -> None:
    made = noise(4, 5, 3)
    made[1, 2] = (9, 8, 7)
    Image.fromarray(made).save(tmp_path / "a.png", transparency=(9, 8, 7))
    photo = read_photo(tmp_path / "a.png")
    assert photo.mode == "RGBA"
    assert photo.samples[1, 2].tolist() == [9, 8, 7, 0]
    assert np.array_equal(photo.samples[..., :3], made)
    assert "transparent color" in photo.notes[0]


def test_32_bit_gray_that_fits_becomes_16_bit(tmp_path: Path) -> None:
    values = RNG.integers(0, 65536, (5, 6), dtype=np.int32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    photo = read_photo(tmp_path / "a.tif")
    assert photo.mode == "I;16"
    assert np.array_equal(photo.samples, values)


@pytest.mark.parametrize("value", [-1, 65536])
def test_32_bit_gray_that_does_not_fit_is_refused(value: int) -> None:
    with pytest.raises(ImageError, match="from 0 to 65535"):
        read_photo(Image.fromarray(np.full((2, 2), value, np.int32)))


def test_floating_point_files_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ImageError, match="mode F"):
        read_photo(tmp_path / "a.tif")


def test_big_endian_16_bit(tmp_path: Path) -> None:
    values = RNG.integers(0, 65536, (3, 4), dtype=np.uint16)
    Image.frombytes("I;16B", (4, 3), values.astype(">u2").tobytes()).save(tmp_path / "a.tif")
    photo = read_photo(tmp_path / "a.tif")
    assert (photo.mode, photo.samples.dtype) == ("I;16", np.uint16)
    assert np.array_equal(photo.samples, values)


def test_16_bit_color_is_16_bit_color(tmp_path: Path) -> None:
    rows = b"".join(b"\0" + bytes(range(12)) for _ in range(2))
    (tmp_path / "a.png").write_bytes(png(struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 0), body=rows))
    photo = read_photo(tmp_path / "a.png")
    assert (photo.mode, photo.samples.dtype, photo.notes) == ("RGB;16", np.uint16, ())
    assert photo.samples[0].tolist() == [[0x0001, 0x0203, 0x0405], [0x0607, 0x0809, 0x0A0B]]


@pytest.mark.parametrize("suffix", [".tif", ".gif", ".webp", ".png"])
def test_of_several_pictures_one_must_be_named(tmp_path: Path, suffix: str) -> None:
    first, second, path = picture("RGB"), picture("RGB"), tmp_path / f"a{suffix}"
    options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
    first.save(path, save_all=True, append_images=[second], **options)
    assert "holds 2 pictures; choose one with frame= (from 0 to 1)" in refused(path)
    assert "no frame 2; give frame= from 0 to 1" in refused(path, frame=2)
    for frame in (0, 1):
        with Image.open(path) as opened:
            opened.seek(frame)
            wanted = np.asarray(opened.convert("RGB"))
        photo = read_photo(path, frame=frame)
        assert np.array_equal(photo.samples[..., :3], wanted)


def test_pages_that_are_smaller_copies_do_not_count(tmp_path: Path) -> None:
    pixels, small = noise(40, 50, 3), noise(10, 12, 3)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(pixels, photometric="rgb")
        file.write(small, photometric="rgb", subfiletype=1)
    assert np.array_equal(read_photo(tmp_path / "a.tif").samples, pixels)


def test_the_first_picture_of_an_mpo_is_a_jpeg(tmp_path: Path) -> None:
    picture("RGB").save(tmp_path / "a.mpo", save_all=True, append_images=[picture("RGB")])
    photo = read_photo(tmp_path / "a.mpo")
    assert photo.format == "JPEG"
    assert photo.notes[0].startswith("further pictures in the file (previews, a gain map)")
    assert "qtables" in photo.carried


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[271] = "Maker"
    options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
    picture("RGB").save(tmp_path / f"a{suffix}", exif=exif, dpi=(300, 200), **options)
    photo = read_photo(tmp_path / f"a{suffix}")
    with Image.open(tmp_path / f"a{suffix}") as opened:
        assert np.array_equal(photo.samples, np.asarray(ImageOps.exif_transpose(opened)))
    kept = Image.Exif()
    kept.load(photo.carried["exif"])
    assert 0x0112 not in kept
    assert kept[271] == "Maker"
    assert photo.size == (Size(17, 11) if orientation >= 5 else Size(11, 17))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_16_bit_and_alpha_are_turned_too(orientation: int) -> None:
    for mode in ("I;16", "LA", "CMYK"):
        made = picture(mode)
        made.getexif()[0x0112] = orientation
        before = made.tobytes()
        photo = read_photo(made)
        turned = ImageOps.exif_transpose(made)
        assert np.array_equal(photo.samples, np.asarray(turned))
        assert made.tobytes() == before


def test_rgb_of_a_box_is_that_box_only() -> None:
    for mode in ("L", "LA", "RGB", "RGBA", "CMYK"):
        made = picture(mode)
        photo = read_photo(made)
        whole = np.asarray(made.convert("RGB"))
        assert np.array_equal(photo.rgb(), whole)
        assert np.array_equal(photo.rgb(Box(2, 3, 5, 9)), whole[2:5, 3:9])
        assert photo.rgb().flags.writeable
        assert not photo.samples.flags.writeable


def test_16_bit_gray_is_rounded_to_nearest_for_the_model() -> None:
    samples = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    rgb = Photo(samples, "I;16").rgb()
    assert np.array_equal(rgb[..., 0], np.rint(samples / 257).astype(np.uint8))


def test_streams_bytes_and_images_are_the_same_photo(tmp_path: Path) -> None:
    picture("RGB").save(tmp_path / "a.png")
    data = (tmp_path / "a.png").read_bytes()
    wanted = read_photo(tmp_path / "a.png")
    with (tmp_path / "a.png").open("rb") as stream, Image.open(tmp_path / "a.png") as opened:
        sources: list[PhotoLike] = [data, BytesIO(data), stream, opened]
        photos = [read_photo(source) for source in sources]
    assert all(np.array_equal(photo.samples, wanted.samples) for photo in photos)
    assert [photo.path for photo in photos] == [None, None, wanted.path, wanted.path]


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 3), (5, 6, 4)])
def test_arrays_are_copied(shape: tuple[int, ...]) -> None:
    array = noise(*shape)
    photo = read_photo(array)
    assert np.array_equal(photo.samples, array.reshape(photo.samples.shape))
    assert not np.shares_memory(photo.samples, array)
    assert array.flags.writeable
    assert np.array_equal(read_photo((array / 255).astype(np.float32)).samples, photo.samples)


def test_16_bit_arrays() -> None:
    gray = RNG.integers(0, 65536, (3, 4), dtype=np.uint16)
    assert read_photo(gray).mode == "I;16"
    assert np.array_equal(read_photo(gray).samples, gray)
    color = read_photo(np.stack([gray] * 3, axis=2))
    assert (color.mode, color.notes) == ("RGB;16", ())
    assert np.array_equal(color.samples[..., 1], gray)


def test_tensors_have_their_channels_first() -> None:
    torch = pytest.importorskip("torch")
    array = noise(5, 6, 3)
    tensor = torch.from_numpy(array / 255.0).permute(2, 0, 1).requires_grad_()
    assert np.array_equal(read_photo(tensor).samples, array)
    assert np.array_equal(read_photo(tensor[None]).samples, array)
    assert read_photo(tensor[:1]).mode == "L"
    assert np.array_equal(read_photo(tensor[0]).samples, array[..., 0])
    for wrong in (torch.zeros(2, 3, 4, 4), torch.zeros(5, 4, 7), torch.zeros(7)):
        with pytest.raises(ImageError, match=r"shape"):
            read_photo(wrong)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((2, 2, 2), np.uint8), "shape"),
        (np.zeros((2, 2, 2, 3), np.uint8), "shape"),
        (np.zeros(4, np.uint8), "shape"),
        (np.zeros((2, 2), np.int64), "int64"),
        (np.zeros((2, 2), np.bool_), "bool"),
        (np.zeros((0, 2), np.uint8), "no pixels"),
        (np.full((2, 2), 1.5), "from 1.5 to 1.5"),
        (np.full((2, 2), np.nan), "nan"),
    ],
)
def test_other_arrays_are_refused(array: np.ndarray, says: str) -> None:
    with pytest.raises(ImageError, match=says):
        read_photo(array)


def refused(source: PhotoLike, **options: int) -> str:
    with pytest.raises(ImageError) as caught:
        read_photo(source, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_missing_folder_empty_and_text(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.png").write_text("no image at all")
    assert "no such file" in refused(tmp_path / "none.png")
    assert "is a folder" in refused(tmp_path)
    assert "empty (0 bytes)" in refused(tmp_path / "empty.png")
    assert "not an image" in refused(tmp_path / "text.png")
    assert "empty" in refused(b"")
    assert "not an image" in refused(b"abc")
    assert "null" in refused("a\0b.png")
    assert "device" in refused(os.devnull)
    assert "no pixels" in refused(Image.new("RGB", (0, 3)))


def test_other_things_are_refused() -> None:
    thing: Any
    # Where types are checked at run time, that check comes first.
    for thing in (3, None, ["a.png"], StringIO("text")):
        with pytest.raises((ImageError, TypeError), match=r"not a photo|not bytes|PhotoLike|type"):
            read_photo(thing)


def test_pipes_are_read_whole(tmp_path: Path) -> None:
    made, pipe = picture("RGB"), tmp_path / "pipe"
    made.save(tmp_path / "a.png")
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=[(tmp_path / "a.png").read_bytes()])
    writer.start()
    photo = read_photo(pipe)
    writer.join()
    assert np.array_equal(photo.samples, np.asarray(made))


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture("RGB").save(tmp_path / "a.png")

    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", deny)
    assert "permission denied" in refused(tmp_path / "a.png")


def test_postscript_is_not_run() -> None:
    out = BytesIO()
    picture("RGB").save(out, "EPS")
    assert "PostScript" in refused(out.getvalue())


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_cut_short_anywhere_is_an_error_of_ours(format_: str) -> None:
    out = BytesIO()
    picture("RGB", 40, 50).save(out, format_)
    data = out.getvalue()
    for length in {1, 4, 20, len(data) // 3, len(data) // 2, len(data) - len(data) // 4}:
        refused(data[:length])


@pytest.mark.parametrize("format_", ["PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF"])
def test_damage_is_read_or_an_error_of_ours(format_: str) -> None:
    out = BytesIO()
    picture("P" if format_ == "GIF" else "RGB", 20, 30).save(out, format_)
    data = out.getvalue()
    rng = np.random.default_rng(3)
    for _ in range(60):
        hurt = bytearray(data)
        for place in rng.integers(0, len(data), 4):
            hurt[place] = rng.integers(0, 256)
        try:
            read_photo(bytes(hurt), max_pixels=100_000)
        except ImageError as error:
            assert "\n" not in str(error)  # noqa: PT017  (either outcome is right)


def test_large_files_are_refused_before_decoding() -> None:
    bomb = png(struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    assert "too large" in refused(bomb)
    within_pillow = png(struct.pack(">IIBBBBB", 11000, 11000, 8, 2, 0, 0, 0))
    assert "more than the limit of 1000" in refused(within_pillow, max_pixels=1000)
    assert "cut short" in refused(within_pillow)
    assert "more than the limit" in refused(np.zeros((20, 20), np.uint8), max_pixels=399)


def test_pillows_limit_is_left_alone() -> None:
    before = Image.MAX_IMAGE_PIXELS
    refused(png(struct.pack(">IIBBBBB", 11000, 11000, 8, 2, 0, 0, 0)))
    assert before == Image.MAX_IMAGE_PIXELS


def test_what_pillow_warns_about_becomes_a_note(tmp_path: Path) -> None:
    made = picture("RGB")
    made.save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x05short")
    photo = read_photo(tmp_path / "a.jpg")
    assert photo.notes
    assert "exif" not in photo.carried


@pytest.mark.parametrize(
    ("kind", "top"), [(b"P6", 65535), (b"P6", 1023), (b"P5", 100), (b"P6", 255)]
)
def test_a_ppm_that_is_brought_to_8_bits_says_so(kind: bytes, top: int) -> None:
    count = 8 * 8 * (3 if kind == b"P6" else 1)
    values = (np.arange(count) % (top + 1)).astype(">u2" if top > 255 else "u1")
    data = kind + f"\n8 8\n{top}\n".encode() + values.tobytes()
    told = () if top == 255 else (f"samples from 0 to {top} were read as 8-bit",)
    assert read_photo(data).notes == told
