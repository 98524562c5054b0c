"""Metadata of a photo, and how each container stores them.

Keys of `Photo.carried`: `icc_profile`, `exif`, `xmp`, `iptc` (bytes), `dpi` (x, y), `turned` (true
if the sides of dpi were swapped), `text` (PNG texts), for a PNG `chunks`, for a TIFF `tiff` (its
layout and private tags), `cicp` (color code points: see `cicp.py`), and for a JPEG `comment`,
`qtables`, `subsampling`, `progressive`, `segments` and `jpeg` (the file itself).

Two things are dropped on purpose: the orientation, because samples are kept upright, and
thumbnails, because they would still show what an edit removes.
"""

import re
import struct
import warnings
from collections.abc import Mapping
from typing import Any

from PIL import Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin

from editkit.photo import color
from editkit.photo.metadata import cicp, without_previews, xmp
from editkit.photo.metadata.exif import clean_exif, set_exif_size

_ORIENTATION, _EXIF_IFD, _GPS_IFD, _INTEROP_IFD = 0x0112, 0x8769, 0x8825, 0xA005
_TEXT_TAGS = (270, 271, 272, 305, 306, 315, 33432)
_XMP_ORIENTATION = re.compile(
    rb"""\s?tiff:Orientation=(["'])[0-9]\1|<tiff:Orientation>\s*[0-9]\s*</tiff:Orientation>"""
)
_XMP_SIDES = tuple(
    re.compile(rb"""((?:tiff:Image%s|exif:Pixel%sDimension)(?:\s*=\s*["']|>\s*))\d+""" % names)
    for names in ((b"Width", b"X"), (b"Length", b"Y"))
)
_DAMAGED = (ValueError, struct.error, LookupError, TypeError, SyntaxError, OSError, OverflowError)


def read_orientation(image: Image.Image) -> int:
    """The EXIF orientation (1 to 8) of a loaded image; 1 if there is no valid one.

    Some plugins (TIFF, AVIF) rotate the samples themselves while loading and then report 1.
    """
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except _DAMAGED:
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def collect_metadata(image: Image.Image) -> tuple[dict[str, Any], list[str]]:
    """The metadata of a loaded image, adjusted to upright samples, and notes on dropped ones."""
    carried: dict[str, Any] = {}
    notes: list[str] = []
    _take_color(image, carried)
    _take_exif(image, carried, notes)
    if "exif" in carried:
        turned = read_orientation(image) >= 5
        size = (image.height, image.width) if turned else (image.width, image.height)
        carried["exif"] = set_exif_size(carried["exif"], size)
    _take_xmp(image, carried, notes)
    _take_dpi(image, carried)
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        carried.update(_jpeg_settings(image))
    if isinstance(image, PngImagePlugin.PngImageFile):
        carried.update(_png_texts(image))
    _take_iptc(image, carried)
    notes += without_previews.remove_previews(carried)
    return carried, notes


def find_profile(carried: Mapping[str, Any]) -> bytes | None:
    """The color profile of the samples: the photo's own, or the one that its EXIF implies.

    Cameras mark Adobe RGB only by the interoperability index (DCF 2.0, "R03").
    """
    # In a PNG code points come before a profile; in AVIF and HEIC behind it.
    if "cicp" in carried and ("icc_profile" not in carried or "chunks" in carried):
        return None if cicp.is_srgb(carried["cicp"]) else cicp.make_profile(carried["cicp"])
    if "icc_profile" in carried:
        return carried["icc_profile"]
    exif = Image.Exif()
    try:
        with warnings.catch_warnings(action="ignore"):
            exif.load(carried.get("exif", b""))
            marked = exif.get_ifd(_EXIF_IFD).get(_INTEROP_IFD)
            name = marked.get(1) if isinstance(marked, dict) else exif.get_ifd(_INTEROP_IFD).get(1)
    except _DAMAGED:
        return None
    return color.adobe_rgb_profile() if str(name or "").startswith("R03") else None


def photoshop_resource(iptc: bytes) -> bytes:
    """IPTC data as a Photoshop resource."""
    padding = b"\0" * (len(iptc) % 2)
    return b"8BIM\x04\x04\0\0" + len(iptc).to_bytes(4) + iptc + padding


def set_xmp_size(packet: bytes, size: tuple[int, int]) -> bytes:
    """The packet with width and height updated, where it contains them; otherwise unchanged."""
    for pattern, length in zip(_XMP_SIDES, size, strict=True):
        packet = pattern.sub(rb"\g<1>%d" % length, packet)
    return packet


def save_options(carried: Mapping[str, Any], format: str) -> dict[str, Any]:  # noqa: A002
    """Keyword arguments of Pillow's `save` for one format.

    Metadata without a place in the container are dropped; EXIF and XMP of a JPEG are written as
    segments instead.
    """
    options: dict[str, Any] = {}
    if format != "BMP":
        options.update({key: carried[key] for key in ("icc_profile", "exif") if key in carried})
    if "dpi" in carried and format in ("JPEG", "BMP"):
        options["dpi"] = carried["dpi"]
    return options | _WRITERS[format](carried, options)


def _take_color(image: Image.Image, carried: dict[str, Any]) -> None:
    # The profile of a LAB image does not describe the RGB that it was read as.
    profile = image.info.get("icc_profile")
    if profile and image.mode != "LAB":
        carried["icc_profile"] = profile
    told = image.info.get("nclx_profile")
    if isinstance(told, dict):
        carried["cicp"] = cicp.Cicp(
            int(told["color_primaries"]), int(told["transfer_characteristics"])
        )


def _take_exif(image: Image.Image, carried: dict[str, Any], notes: list[str]) -> None:
    block = image.info.get("exif")
    try:
        if isinstance(block, bytes) and block:
            carried["exif"] = clean_exif(block, notes=notes)
        elif rebuilt := _rebuild_exif(image.getexif()):
            carried["exif"] = rebuilt
    except _DAMAGED:
        notes.append("its EXIF data is damaged and was left out")


def _rebuild_exif(exif: Image.Exif) -> bytes:
    """Descriptive tags only; a TIFF keeps its sample layout among the others."""
    chosen = Image.Exif()
    for tag in _TEXT_TAGS:
        if tag in exif:
            chosen[tag] = exif[tag]
    for tag in (_EXIF_IFD, _GPS_IFD):
        if inner := exif.get_ifd(tag):
            chosen.get_ifd(tag).update(inner)
    return chosen.tobytes() if len(chosen) or chosen.get_ifd(_EXIF_IFD) else b""


def _take_xmp(image: Image.Image, carried: dict[str, Any], notes: list[str]) -> None:
    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    packet = packet.encode() if isinstance(packet, str) else packet
    if not isinstance(packet, bytes):
        return
    packet, told = xmp.mend_packet(packet)
    notes += told
    turned = read_orientation(image) >= 5
    size = (image.height, image.width) if turned else (image.width, image.height)
    carried["xmp"] = set_xmp_size(_XMP_ORIENTATION.sub(b"", packet), size)


def _take_iptc(image: Image.Image, carried: dict[str, Any]) -> None:
    found = image.info.get("photoshop")
    data = found.get(0x0404) if isinstance(found, dict) else None
    if data is None and isinstance(image, TiffImagePlugin.TiffImageFile):
        data = image.tag_v2.get(33723)
    if isinstance(data, bytes) and data:
        carried["iptc"] = data


def _take_dpi(image: Image.Image, carried: dict[str, Any]) -> None:
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return
    if 0 < across < 1e6 and 0 < down < 1e6:
        turned = read_orientation(image) >= 5
        carried["dpi"] = (down, across) if turned else (across, down)
        if turned:
            carried["turned"] = True


def _jpeg_settings(image: JpegImagePlugin.JpegImageFile) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    tables = {key: list(table) for key, table in image.quantization.items()}
    # Tables of 16-bit entries are not baseline; Pillow cannot write them back.
    if tables and all(max(table) <= 255 for table in tables.values()):
        settings["qtables"] = [tables[key] for key in sorted(tables)]
        sampling = JpegImagePlugin.get_sampling(image)
        settings["subsampling"] = sampling if sampling in (0, 1, 2) else 0
    if image.info.get("progressive"):
        settings["progressive"] = True
    if isinstance(image.info.get("comment"), bytes):
        settings["comment"] = image.info["comment"]
    return settings


def _png_texts(image: PngImagePlugin.PngImageFile) -> dict[str, Any]:
    hidden = ("XML:com.adobe.xmp", "Raw profile type ")
    texts = {key: str(text) for key, text in image.text.items() if not key.startswith(hidden)}
    return {"text": texts} if texts else {}


def _jpeg_options(carried: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {"quality": 95, "subsampling": 0}
    if "qtables" in carried:
        chosen = {"qtables": carried["qtables"], "subsampling": carried["subsampling"]}
    chosen["progressive"] = carried.get("progressive", False)
    if "comment" in carried:
        chosen["comment"] = carried["comment"]
    # Both may want several segments, which are written afterwards.
    return chosen | {"exif": b"", "xmp": b""}


def _webp_options(carried: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {"lossless": True, "exact": True, "quality": 50}
    return chosen | ({"xmp": carried["xmp"]} if "xmp" in carried else {})


def _bmp_options(_: Mapping[str, Any], __: Mapping[str, Any]) -> dict[str, Any]:
    return {}


def _avif_options(carried: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {"quality": 95, "subsampling": "4:4:4"}
    return chosen | ({"xmp": carried["xmp"]} if "xmp" in carried else {})


def _heif_options(carried: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    # At this quality slower presets are not more accurate, and take six times as long.
    fast = {"preset": "ultrafast"}
    chosen: dict[str, Any] = {"quality": 95, "chroma": 444, "enc_params": fast}
    if "cicp" in carried:
        chosen["color_primaries"] = carried["cicp"].primaries
        chosen["transfer_characteristics"] = carried["cicp"].transfer
        chosen |= {"matrix_coefficients": 6, "full_range_flag": 1}
    return chosen | ({"xmp": carried["xmp"]} if "xmp" in carried else {})


def _jxl_options(carried: Mapping[str, Any], _: Mapping[str, Any]) -> dict[str, Any]:
    chosen: dict[str, Any] = {"lossless": True, "lossless_jpeg": False}
    return chosen | ({"xmp": carried["xmp"]} if "xmp" in carried else {})


_WRITERS = {
    "JPEG": _jpeg_options,
    "WEBP": _webp_options,
    "BMP": _bmp_options,
    "AVIF": _avif_options,
    "HEIF": _heif_options,
    "JXL": _jxl_options,
}
