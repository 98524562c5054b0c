"""TIFF files by tifffile: samples of 8 and 16 bits; layout and private tags are kept."""

import struct
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from io import BytesIO
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from editkit.photo.formats.tiff_directories import iter_chain, open_tiff
from editkit.photo.formats.tiff_layouts import UnsupportedTiffError
from editkit.photo.metadata import exif_copy
from editkit.types import Stream

# What says how samples lie in the file, what stands for them elsewhere, and the directories that
# are written anew.
_LAYOUT = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 288, 289}
    | {292, 293, 296, 317, 320, 322, 323, 324, 325, 326, 327, 328, 330, 338, 347, 512, 513, 514}
    | {515, 517, 518, 519, 520, 521, 529, 530, 531}
)
_EXIF, _GPS, _INTEROP, _XMP, _ICC, _C2PA = 34665, 34853, 40965, 700, 34675, 52545
_WRITTEN, _IPTC = (_EXIF, _GPS, _INTEROP, _XMP, _ICC, _C2PA), 33723
_PHOTOSHOP, _ORIENTATION, _UNIT, _FORMAT = 34377, 274, 296, 339
_STAND_IN = 340
_UNITS = range(1, 6)
_KEPT_CODECS = ("NONE", "LZW", "ADOBE_DEFLATE", "DEFLATE", "PACKBITS", "ZSTD", "LZMA")
_MULTIPLIED = 1
_GRAYS = ("L", "LA")
_PHOTOMETRIC = {"L": "minisblack", "LA": "minisblack", "CMYK": "separated"}


@contextmanager
def _silence_log() -> Generator[None]:
    """Silences tifffile's log: serious faults raise, others do not matter."""
    import tifffile

    def silent(_: object) -> bool:
        return False

    log = tifffile.logger()
    log.addFilter(silent)
    try:
        yield
    finally:
        log.removeFilter(silent)


@contextmanager
def _open_tiff(stream: Any) -> Generator[Any]:  # noqa: ANN401 - whatever Pillow was given
    import tifffile

    stream.seek(0)
    with _silence_log(), tifffile.TiffFile(stream) as file:
        yield file


def read_samples(stream: Stream, page: int, area: int) -> NDArray[Any]:
    """The stored integers of a page, (H, W) or (H, W, C).

    Args:
        stream: the file.
        page: the number of its directory.
        area: its pixels, which limit the memory.

    Raises:
        ValueError: tifffile cannot read them, or they are of another area.
        UnsupportedTiffError: their compression is unknown.
    """
    import tifffile

    try:
        with _open_tiff(stream) as file:
            found = _page(file, page)
            if found.compression not in tifffile.TIFF.DECOMPRESSORS:
                raise UnsupportedTiffError(
                    f"is packed by a method that is not known ({int(found.compression)}); "
                    "save it without compression"
                )
            if found.imagewidth * found.imagelength != area or found.imagedepth != 1:
                raise ValueError("it declares two different sizes")
            array = np.asarray(found.asarray())
            planar = array.ndim == 3 and found.planarconfig == tifffile.PLANARCONFIG.SEPARATE
    except (tifffile.TiffFileError, RuntimeError, LookupError) as error:
        raise ValueError(str(error)) from error
    array = np.moveaxis(array, 0, -1) if planar else array
    return array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array


def _page(file: Any, page: int) -> Any:  # noqa: ANN401 - tifffile's own, loosely typed
    return file.pages[page]


def _is_followed(stream: Stream) -> bool:
    """True if there is more than one directory; tifffile would count a loop forever."""
    file = open_tiff(stream)
    return file is not None and len(list(islice(iter_chain(file), 2))) > 1


def read_layout(stream: Stream, page: int = 0) -> dict[str, Any]:
    """The layout for writing such a file again: codec, predictor, tiles, order, tags."""
    import tifffile

    with _open_tiff(stream) as file:
        found = file.pages[page]
        layout: dict[str, Any] = {
            "byteorder": file.byteorder,
            "bigtiff": file.is_bigtiff,
            # tifffile returns a default as a plain number.
            "planarconfig": tifffile.PLANARCONFIG(found.planarconfig).name
            if found.samplesperpixel > 1
            else None,
            "inverted": int(found.photometric) == 0,
            "multiplied": _MULTIPLIED in found.extrasamples,
            "resolution_unit": found.resolutionunit,
            "resolution": found.resolution if 282 in found.tags else None,
            "tags": tuple(_raw_tag(tag) for tag in found.tags if _is_carried(tag)),
            "further": 330 in found.tags or _is_followed(stream),
            "figures": found.bitspersample in (8, 16) and int(found.photometric) in (1, 2, 5),
        }
        codec = tifffile.COMPRESSION(found.compression).name
        if codec in _KEPT_CODECS:
            layout["compression"] = codec.lower()
            layout["predictor"] = int(found.predictor) == 2
        if found.is_tiled:
            layout["tile"] = (found.tilelength, found.tilewidth)
        return layout


def encode(samples: NDArray[Any], mode: str, carried: dict[str, Any]) -> bytes:
    """A TIFF of the samples with its metadata: profile, EXIF, XMP, resolution, layout, tags."""
    import tifffile

    written_as, tree = exif_copy.parse_block(carried.get("exif"))
    # A new file takes the byte order of its EXIF data, so that maker notes stay valid.
    layout = {"byteorder": written_as, **carried.get("tiff", {})}
    order, big = layout["byteorder"], _is_big(samples, layout)
    tree = {key: exif_copy.swap_bytes(tags, written_as, order) for key, tags in tree.items()}
    tags = _tags(tree.pop(exif_copy.FIRST, ()), layout, carried)
    # tifffile writes no pointers to directories; the numbers before theirs stand in for them.
    tags += [(code - 1, 16 if big else 4, 1, 0, True) for code in (_EXIF, _GPS) if tree.get(code)]
    out, options = BytesIO(), _write_options(samples, layout, carried)
    # tifffile writes a resolution of 1 where there is none; it gets no unit.
    unit = int(options.setdefault("resolutionunit", 1))
    if unit not in _UNITS:
        options["resolutionunit"] = 1
    with _silence_log():
        tifffile.imwrite(
            out,
            np.ascontiguousarray(_arrange(_invert_white(samples, mode, layout), layout)),
            photometric=_photometric(mode, layout),
            extrasamples=_extra_samples(samples, mode, layout),
            iccprofile=carried.get("icc_profile"),
            metadata=None,
            software=False,
            extratags=tags,
            **options,
        )
        _amend(out, unit, order)
        return _add_directories(out, tree, order, big=big)


def _tags(first: Iterable[Any], layout: dict[str, Any], carried: dict[str, Any]) -> list[Any]:
    """The tags of the picture's own directory: its own, then EXIF, XMP and IPTC."""
    known = {tag[0] for tag in layout.get("tags", ())}
    plain = [tag for tag in first if _is_new(tag.code, known)]
    tags: list[Any] = [
        *layout.get("tags", ()),
        *((t.code, t.kind, t.number, t.data, True) for t in plain),
    ]
    if "xmp" in carried:
        tags.append((_XMP, 1, len(carried["xmp"]), carried["xmp"], True))
    if "iptc" in carried and not known & {33723, _PHOTOSHOP}:
        tags.append((33723, 7, len(carried["iptc"]), carried["iptc"], True))
    # tifffile does not write that samples are unsigned, which is the default.
    return [(_STAND_IN, *tag[1:]) if tag[0] == _FORMAT else tag for tag in tags]


def _photometric(mode: str, layout: dict[str, Any]) -> str:
    inverted = mode in _GRAYS and layout.get("inverted")
    return "miniswhite" if inverted else _PHOTOMETRIC.get(mode, "rgb")


def _invert_white(samples: NDArray[Any], mode: str, layout: dict[str, Any]) -> NDArray[Any]:
    """The samples with white as 0 if the file had it so; alpha stays."""
    if mode not in _GRAYS or not layout.get("inverted"):
        return samples
    turned = np.iinfo(samples.dtype).max - samples
    return turned if mode == "L" else np.dstack([turned[..., 0], samples[..., 1]])


def _extra_samples(
    samples: NDArray[Any], mode: str, layout: dict[str, Any]
) -> tuple[str, ...] | None:
    if mode not in ("LA", "RGBA"):
        return None
    # In opaque pixels premultiplied colors equal the colors.
    opaque = bool((samples[..., -1] == np.iinfo(samples.dtype).max).all())
    return ("assocalpha",) if layout.get("multiplied") and opaque else ("unassalpha",)


def _write_options(
    samples: NDArray[Any], layout: dict[str, Any], carried: dict[str, Any]
) -> dict[str, Any]:
    options: dict[str, Any] = {
        "byteorder": layout.get("byteorder", "<"),
        "bigtiff": _is_big(samples, layout),
        "compression": None if layout.get("compression") == "none" else layout.get("compression"),
    }
    if samples.ndim == 3:
        options["planarconfig"] = layout.get("planarconfig") or "CONTIG"
    if options["compression"]:
        options["predictor"] = layout.get("predictor", False)
    if "tile" in layout:
        options["tile"] = layout["tile"]
    else:
        options["rowsperstrip"] = max(1, (1 << 18) // max(1, samples[0].nbytes))
    if "dpi" in carried:
        dpi, unit = carried["dpi"], layout.get("resolution_unit", 2)
        options["resolution"] = tuple(v / 2.54 for v in dpi) if unit == 3 else dpi
        options["resolutionunit"] = 3 if unit == 3 else 2
    elif layout.get("resolution"):
        options["resolution"] = layout["resolution"]
        options["resolutionunit"] = int(layout["resolution_unit"])
    return options


def _arrange(samples: NDArray[Any], layout: dict[str, Any]) -> NDArray[Any]:
    separate = samples.ndim == 3 and layout.get("planarconfig") == "SEPARATE"
    return np.moveaxis(samples, -1, 0) if separate else samples


def _is_carried(tag: Any) -> bool:  # noqa: ANN401 - tifffile's own
    if tag.code == _FORMAT:
        values = np.atleast_1d(tag.value).tolist()
        return {int(value) for value in values} == {1}
    return tag.code not in _LAYOUT and tag.code not in _WRITTEN


def _raw_tag(tag: Any) -> tuple[int, int, int, Any, bool]:  # noqa: ANN401 - tifffile's own
    """The tag with its bytes as stored, in whatever encoding its texts are."""
    if int(tag.dtype) in (5, 10):
        # tifffile would count the bytes of rationals twice.
        return (tag.code, int(tag.dtype), tag.count, tag.value, True)
    file = tag.parent.filehandle
    file.seek(tag.valueoffset)
    data = file.read(tag.valuebytecount)
    size = max(1, tag.valuebytecount // max(1, tag.count))
    return (tag.code, int(tag.dtype), tag.count, data[: len(data) // size * size], True)


def _is_big(samples: NDArray[Any], layout: dict[str, Any]) -> bool:
    return bool(layout.get("bigtiff", False)) or samples.nbytes > 4 * 10**9


def _amend(file: BytesIO, unit: int, order: str) -> None:
    """Writes values that tifffile refuses: the sample format, and nonstandard units."""
    import tifffile

    file.seek(0)
    with tifffile.TiffFile(file) as opened:
        tags = _page(opened, 0).tags
        places = [(tags[_STAND_IN].offset, _FORMAT)] if _STAND_IN in tags else []
        if _UNIT in tags and unit not in _UNITS:
            places.append((tags[_UNIT].valueoffset, unit))
    for at, value in places:
        file.seek(at)
        file.write(struct.pack(order + "H", value))


def _is_new(code: int, known: set[int]) -> bool:
    """True if a tag of EXIF data is to be added to a file that has some already."""
    return code not in known | _LAYOUT and code not in (*_WRITTEN, _FORMAT, _PHOTOSHOP, _IPTC)


def read_exif(stream: Stream, page: int = 0) -> bytes:
    """The metadata tags of a TIFF as an EXIF block; empty if there are none."""
    with _open_tiff(stream) as file:
        start, order, big = _page(file, page).offset, file.byteorder, file.is_bigtiff
    tree = exif_copy.read_tree(stream, order, start, big=big)
    return exif_copy.build_block(tree, order)


def _add_directories(file: BytesIO, tree: exif_copy.Tree, order: str, *, big: bool) -> bytes:
    """The file with further directories at its end, and pointers to them in the first one."""
    import tifffile

    at = file.seek(0, 2)
    at += file.write(b"\0" * (at % 2))
    data, places = exif_copy.place_directories(tree, order, at, big=big)
    file.write(data)
    for code, place in places.items():
        file.seek(0)
        with tifffile.TiffFile(file) as opened:
            tag = _page(opened, 0).tags[code - 1]
            file.seek(tag.offset)
            file.write(struct.pack(order + "H", code))
            file.seek(tag.valueoffset)
            file.write(struct.pack(order + ("Q" if big else "I"), place))
    return file.getvalue()
