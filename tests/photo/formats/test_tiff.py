"""Every kind of TIFF is read for what it is, or refused by its name; loops end."""

import struct
from collections.abc import Sequence
from io import BytesIO
from itertools import product
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import tifffile
from PIL import Image

from editkit.errors import ImageError
from editkit.photo.io.files import Photo, read_photo, write_photo

RNG = np.random.default_rng(5)
HIGH, WIDE = 24, 31
ORDERS = ["<", ">"]


def noise(*channels: int, top: int = 65535) -> np.ndarray:
    kind = np.uint8 if top < 256 else np.uint16
    return RNG.integers(0, top + 1, (HIGH, WIDE, *channels)).astype(kind)


def packed(values: np.ndarray, bits: int) -> bytes:
    """Rows of samples of any number of bits, the first bit highest, each row in whole bytes."""
    rows = values.reshape(values.shape[0], -1)
    spread = (rows[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(spread.reshape(rows.shape[0], -1).astype(np.uint8), axis=1).tobytes()


def built(
    order: str, tags: dict[int, Sequence[int] | int], body: bytes, *, big: bool = False
) -> bytes:
    """A TIFF by hand: any tags, as LONG, before its samples."""
    head = 16 if big else 8
    rows = {tag: (v,) if isinstance(v, int) else tuple(v) for tag, v in tags.items()}
    width, height = ("Q", 20) if big else ("I", 12)
    count = len(rows) + 2
    after = head + (8 if big else 2) + count * height + (8 if big else 4)
    more = b""
    entries: list[bytes] = []
    room = 8 if big else 4
    start = after + sum(4 * len(v) for v in rows.values() if 4 * len(v) > room)
    rows |= {273: (start,), 279: (len(body),)}
    for tag, values in sorted(rows.items()):
        data = struct.pack(f"{order}{len(values)}I", *values)
        if len(data) > room:
            place = struct.pack(order + width, after + len(more))
            more += data
        else:
            place = data.ljust(room, b"\0")
        entries.append(struct.pack(f"{order}HH{width}", tag, 4, len(values)) + place)
    mark = {"<": b"II", ">": b"MM"}[order]
    start_ = struct.pack(order + ("HHHQ" if big else "HI"), *((43, 8, 0, 16) if big else (42, 8)))
    number = struct.pack(order + ("Q" if big else "H"), count)
    return mark + start_ + number + b"".join(entries) + bytes(room) + more + body


def gray(bits: int, photometric: int, order: str = "<", **more: Any) -> tuple[bytes, np.ndarray]:
    values = noise(top=(1 << bits) - 1)
    kept: dict[int, Sequence[int] | int] = {
        256: WIDE,
        257: HIGH,
        258: bits,
        259: 1,
        262: photometric,
    }
    kept |= {277: 1, 278: HIGH, **more.get("tags", {})}
    body = values.astype(f"{order}u2").tobytes() if bits == 16 else packed(values, bits)
    return built(order, kept, body, big=more.get("big", False)), values


def refused(source: Path | bytes) -> str:
    with pytest.raises(ImageError) as caught:
        read_photo(source)
    message = str(caught.value)
    assert "\n" not in message
    assert "not an image" not in message
    assert "damaged" not in message
    return message


def written(photo: Photo, folder: Path) -> Any:
    write_photo(photo, folder / "b.tif", force=True)
    return tifffile.TiffFile(BytesIO((folder / "b.tif").read_bytes())).pages[0]


@pytest.mark.parametrize("bits", range(1, 17))
def test_gray_of_every_depth(bits: int) -> None:
    for order, photometric, big in product(ORDERS, (0, 1), (False, True)):
        data, values = gray(bits, photometric, order, big=big)
        photo = read_photo(data)
        top, full = (1 << bits) - 1, 255 if bits <= 8 else 65535
        wanted = np.rint(values * (full / top))
        wanted = full - wanted if photometric == 0 else wanted
        assert photo.mode == ("L" if bits <= 8 else "I;16")
        assert np.array_equal(photo.samples, wanted)
        assert bool(photo.notes) == (bits not in (8, 16))


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("kind", [None, "lzw"])
def test_white_as_zero_is_written_as_it_was(tmp_path: Path, bits: int, kind: str | None) -> None:
    values = noise(top=(1 << bits) - 1)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite", compression=kind)
    photo = read_photo(tmp_path / "a.tif")
    assert np.array_equal(photo.samples, ((1 << bits) - 1) - values)
    page = written(photo, tmp_path)
    assert page.photometric == tifffile.PHOTOMETRIC.MINISWHITE
    assert np.array_equal(tifffile.imread(tmp_path / "b.tif"), values)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("channels", [3, 4])
def test_colors_between_8_and_16_bits(order: str, bits: int, channels: int) -> None:
    values = noise(channels, top=(1 << bits) - 1)
    kept: dict[int, Sequence[int] | int] = {
        256: WIDE,
        257: HIGH,
        258: [bits] * channels,
        259: 1,
        262: 2,
    }
    kept |= {277: channels, 278: HIGH, 284: 1} | ({338: 2} if channels == 4 else {})
    photo = read_photo(built(order, kept, packed(values, bits)))
    assert photo.mode == ("RGB;16" if channels == 3 else "RGBA;16")
    assert np.abs(photo.samples - values * (65535 / ((1 << bits) - 1))).max() <= 1
    assert photo.notes == (f"samples of {bits} bits were read as 16-bit",)


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", True)])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("mode", ["LA;16", "RGB;16", "RGBA;16", "CMYK;16", "RGB", "RGBA", "LA"])
def test_orders_sizes_and_planes(
    tmp_path: Path, order: Literal["<", ">"], planes: str, mode: str, *, big: bool
) -> None:
    letters, deep = mode.removesuffix(";16"), mode.endswith("16")
    values = noise(len(letters), top=65535 if deep else 255)
    options: dict[str, Any] = {"extrasamples": ("unassalpha",)} if letters.endswith("A") else {}
    kind = {"L": "minisblack", "C": "separated"}.get(letters[0], "rgb")
    given = np.moveaxis(values, -1, 0) if planes == "separate" else values
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.ascontiguousarray(given),
        photometric=kind,
        planarconfig=planes,
        byteorder=order,
        bigtiff=big,
        metadata=None,
        resolution=(300, 200),
        resolutionunit=2,
        description="A door",
        **options,
    )
    photo = read_photo(tmp_path / "a.tif")
    assert (photo.mode, photo.notes) == (mode, ())
    assert photo.carried["dpi"] == (300, 200)
    assert np.array_equal(photo.samples, values)
    page = written(photo, tmp_path)
    assert np.array_equal(page.asarray(), given)
    assert page.parent.byteorder == order
    assert page.parent.is_bigtiff == big
    assert page.tags[270].value == "A door"


@pytest.mark.parametrize("turn", range(1, 9))
def test_kinds_that_pillow_does_not_know_are_turned(tmp_path: Path, turn: int) -> None:
    values = noise(3)
    tags_ = [(274, 3, 1, turn, True)]
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extratags=tags_)
    with Image.open(tmp_path / "a.tif") as image:
        image.load()  # by Pillow in 8 bits
        wanted = np.asarray(image)
    found = read_photo(tmp_path / "a.tif").samples
    assert found.shape == wanted.shape
    assert np.abs(found / 257 - wanted).max() <= 1


def test_a_palette_of_16_bits_is_not_rounded(tmp_path: Path) -> None:
    index, table = noise(top=255), RNG.integers(0, 65536, (3, 256), dtype=np.uint16)
    for name, colors in (("a", table), ("b", table & 0xFF00), ("c", table >> 8)):
        tifffile.imwrite(tmp_path / f"{name}.tif", index, photometric="palette", colormap=colors)
    deep = read_photo(tmp_path / "a.tif")
    assert deep.mode == "RGB;16"
    assert "palette" in " ".join(deep.notes)
    assert np.array_equal(deep.samples, table.T[index])
    # Writers that know 8 bits put them into the upper half, or into the lower.
    assert np.array_equal(read_photo(tmp_path / "b.tif").samples, (table >> 8).T[index])
    assert np.array_equal(read_photo(tmp_path / "c.tif").samples // 257, (table >> 8).T[index])


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [2, 4])
def test_multiplied_alpha(tmp_path: Path, kind: type, channels: int) -> None:
    values = noise(channels, top=np.iinfo(kind).max)
    photometric = "rgb" if channels == 4 else "minisblack"
    options: dict[str, Any] = {"photometric": photometric, "extrasamples": ("assocalpha",)}
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    assert "alpha multiplied" in refused(tmp_path / "a.tif")
    values[..., -1] = np.iinfo(kind).max
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    photo = read_photo(tmp_path / "a.tif")
    assert np.array_equal(photo.samples, values)
    page = written(photo, tmp_path)
    assert np.array_equal(page.asarray(), values)
    assert page.extrasamples == (tifffile.EXTRASAMPLE.ASSOCALPHA,)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize(
    ("photometric", "channels", "extra"),
    [
        ("rgb", 4, (0,)),
        ("rgb", 5, (0, 0)),
        ("rgb", 5, (2, 0)),
        ("rgb", 6, (1, 0, 0)),
        ("minisblack", 2, (0,)),
        ("minisblack", 3, (2, 0)),
        ("separated", 5, (0,)),
        ("separated", 5, (2,)),
        ("separated", 6, (0, 0)),
    ],
)
@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_channels_that_cannot_be_kept_are_refused(
    tmp_path: Path, kind: type, photometric: str, channels: int, extra: tuple[int, ...], planes: str
) -> None:
    values = noise(channels, top=np.iinfo(kind).max)
    given = np.ascontiguousarray(np.moveaxis(values, -1, 0)) if planes == "separate" else values
    tifffile.imwrite(
        tmp_path / "a.tif",
        given,
        photometric=photometric,
        extrasamples=extra,
        planarconfig=planes,
        metadata=None,
    )
    assert "beside" in refused(tmp_path / "a.tif")


def test_a_fourth_channel_of_which_nothing_is_said_is_read_as_alpha_and_told() -> None:
    for kind, bits in ((np.uint8, 8), (np.uint16, 16)):
        values = noise(4, top=np.iinfo(kind).max)
        kept: dict[int, Sequence[int] | int] = {256: WIDE, 257: HIGH, 258: [bits] * 4, 259: 1}
        kept |= {262: 2, 277: 4, 278: HIGH}
        photo = read_photo(built("<", kept, values.tobytes()))
        assert np.array_equal(photo.samples, values)
        assert photo.notes == ("its fourth channel is undeclared and was read as alpha",)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({339: 2}, "with a sign"),
        ({258: 32, 339: 3}, "floating point"),
        ({258: 16, 339: 3}, "floating point"),
        ({258: 64, 339: 3}, "floating point"),
        ({258: 64, 339: 6}, "complex"),
        ({258: 64}, "64 bits"),
        ({258: 24}, "24 bits"),
        ({258: [8] * 3, 262: 8, 277: 3}, "CIELab"),
        ({258: [8] * 3, 262: 9, 277: 3}, "ICC Lab"),
        ({258: [16] * 3, 262: 8, 277: 3}, "CIELab"),
        ({258: [8] * 3, 262: 10, 277: 3}, "ITU Lab"),
        ({258: [8] * 3, 262: 6, 277: 3}, "YCbCr"),
        ({258: [8] * 3, 262: 6, 277: 3, 530: [2, 2]}, "YCbCr"),
        ({258: [5, 6, 5], 262: 2, 277: 3}, "different depth"),
        ({258: [8, 8, 16], 262: 2, 277: 3}, "different depth"),
        ({258: [32] * 3, 262: 2, 277: 3}, "32 bits"),
        ({258: [8] * 3, 262: 2, 277: 3, 339: [2] * 3}, "with a sign"),
        ({258: [8] * 4, 262: 5, 277: 4, 332: 2}, "not CMYK"),
        ({258: [8] * 3, 262: 5, 277: 3, 332: 2, 334: 3}, "not CMYK"),
        ({258: [8] * 6, 262: 5, 277: 6, 332: 2, 334: 6}, "not CMYK"),
        ({258: 1, 262: 4}, "transparency mask"),
        ({258: 16, 262: 32844}, "LogL"),
        ({258: 16, 262: 51177}, "depth map"),
        ({262: 999}, "unknown kind"),
        ({258: 16, 262: 32803}, "raw file"),
        ({259: 34676}, "packed"),
    ],
)
def test_other_kinds_are_named(changes: dict[int, Any], says: str) -> None:
    kept: dict[int, Sequence[int] | int] = {256: WIDE, 257: HIGH, 258: 8, 259: 1, 262: 1, 277: 1}
    kept |= {278: HIGH, **changes}
    for order in ORDERS:
        assert says in refused(built(order, kept, bytes(HIGH * WIDE * 16)))


def test_a_sign_that_no_sample_uses_is_told() -> None:
    values = noise(1, top=2**15 - 1)
    kept: dict[int, Sequence[int] | int] = {256: WIDE, 257: HIGH, 258: 16, 259: 1, 262: 1, 277: 1}
    photo = read_photo(built("<", kept | {278: HIGH, 339: 2}, values.tobytes()))
    assert np.array_equal(photo.samples, values.reshape(HIGH, WIDE))
    assert any("(SampleFormat)" in note for note in photo.notes)


def test_jpeg_within_a_tiff_is_right_and_told(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:64, :80]
    smooth = np.dstack([rows * 3, columns * 3, 255 - rows * 2]).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "a.tif", compression="jpeg", quality=95)
    photo = read_photo(tmp_path / "a.tif")
    assert np.abs(photo.samples.astype(int) - smooth).max() < 12
    assert photo.notes == ("it was packed as JPEG; what is written is what it unpacks to",)
    assert np.array_equal(written(photo, tmp_path).asarray(), photo.samples)


def test_an_opened_tiff_is_read_like_its_file(tmp_path: Path) -> None:
    data, _ = gray(12, 1)
    (tmp_path / "a.tif").write_bytes(data)
    wanted = read_photo(tmp_path / "a.tif")
    with Image.open(tmp_path / "a.tif") as image:
        found = read_photo(image)
    assert (found.mode, found.path) == (wanted.mode, wanted.path)
    assert np.array_equal(found.samples, wanted.samples)
    tifffile.imwrite(tmp_path / "b.tif", noise(4), photometric="rgb", extrasamples=(0,))
    with Image.open(tmp_path / "b.tif") as image, pytest.raises(ImageError, match="beside"):
        read_photo(image)


def looped(pages: int, back_to: int, order: str, *, big: bool) -> bytes:
    """A TIFF of so many pages, of which the last is followed by an earlier one."""
    whole = b""
    starts: list[int] = []
    for page in range(pages):
        kept: dict[int, Sequence[int] | int] = {
            256: 8,
            257: 8,
            258: 8,
            259: 1,
            262: 1,
            277: 1,
            278: 8,
        }
        data = built(order, kept, bytes([page] * 64), big=big)
        head = 16 if big else 8
        starts.append(len(whole) + head)
        whole += data
    width, row, first = ("Q", 20, 8) if big else ("I", 12, 2)
    buffer = bytearray(whole)
    for page, start in enumerate(starts):
        (count,) = struct.unpack_from(order + ("Q" if big else "H"), buffer, start)
        after = starts[page + 1] if page + 1 < pages else starts[back_to]
        struct.pack_into(order + width, buffer, start + first + count * row, after)
        for k in range(count):
            at = start + first + k * row
            (tag,) = struct.unpack_from(order + "H", buffer, at)
            if tag == 273:
                place = at + (12 if big else 8)
                (old,) = struct.unpack_from(order + "I", buffer, place)
                struct.pack_into(order + "I", buffer, place, old + start - (16 if big else 8))
    return bytes(buffer)


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("big", [False, True])
def test_directories_that_form_a_loop_end(order: str, *, big: bool, tmp_path: Path) -> None:
    photo = read_photo(looped(1, 0, order, big=big))
    assert photo.samples.tolist() == [[0] * 8] * 8
    assert np.array_equal(written(photo, tmp_path).asarray(), photo.samples)
    for back_to in (0, 1, 2):
        data = looped(3, back_to, order, big=big)
        assert "holds 3 pictures" in refused(data)
        assert read_photo(data, frame=2).samples.max() == 2


@pytest.mark.parametrize("tag", [330, 34665, 34853, 40965])
def test_directories_within_directories_that_lead_back_end(tag: int, tmp_path: Path) -> None:
    kept: dict[int, Sequence[int] | int] = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 277: 1, 278: 8}
    photo = read_photo(built("<", kept | {tag: 8}, bytes(64)))
    assert photo.samples.shape == (8, 8)
    assert written(photo, tmp_path).shape == (8, 8)
    refused(built("<", kept | {258: 16, 262: 32803, tag: 8}, bytes(128)))


def test_smaller_copies_before_the_picture_do_not_count(tmp_path: Path) -> None:
    pixels, small = noise(3), noise(3)[:5, :6]
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(small, photometric="rgb", subfiletype=1)
        file.write(pixels, photometric="rgb")
    photo = read_photo(tmp_path / "a.tif")
    assert np.array_equal(photo.samples, pixels)
    assert np.array_equal(written(photo, tmp_path).asarray(), pixels)


@pytest.mark.parametrize("place", [2**63, 2**64 - 1, 2**63 - 1])
def test_places_that_no_file_has_are_refused(place: int) -> None:
    head = struct.pack("<2sHHHQ", b"II", 43, 8, 0, place)
    with pytest.raises(ImageError):
        read_photo(head + bytes(64))
    tag = struct.pack("<QHHQQQ", 1, 270, 2, 99, place, 0)
    with pytest.raises(ImageError):
        read_photo(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16) + tag + bytes(64))
