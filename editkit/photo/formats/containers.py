"""Reading and writing of containers, where Pillow reads or keeps too little."""

import warnings
from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any

from numpy.typing import NDArray
from PIL import ImageFile

from editkit.photo import color
from editkit.photo.formats import (
    bmp,
    heif,
    jpeg,
    jpeg_app1,
    jpeg_segments,
    others,
    png,
    png_chunks,
    tiff,
    tiff_tags,
)
from editkit.photo.formats.jpeg import Segment
from editkit.photo.formats.png import Chunk
from editkit.photo.metadata import bundle, marks, previews
from editkit.photo.metadata.cicp import Cicp
from editkit.photo.metadata.exif import clean_exif, set_exif_size
from editkit.types import Stream

Carried = Mapping[str, Any]

_VERSION = 4
"""Bytes of version and flags before what some boxes hold."""


def read_raw_metadata(
    stream: Stream, format_: str | None, carried: dict[str, Any], frame: int
) -> tuple[dict[str, Any], list[str]]:
    """The metadata with the container's own parts added, and notes on dropped ones."""
    stream.seek(0)
    if format_ == "JPEG":
        return _raw_jpeg(stream.read(), carried)
    if format_ == "PNG":
        return _raw_png(stream, carried)
    if format_ == "TIFF":
        return _raw_tiff(stream, carried, frame)
    if format_ in _OTHERS:
        return _OTHERS[format_](stream.read(), carried)
    if format_ == "JXL" and "xmp" not in carried:
        # The plugin writes XMP but does not read it.
        found = dict(heif.iter_boxes(stream.read())).get(b"xml ")
        return (carried | {"xmp": found} if found else carried), []
    return carried, []


def _raw_jpeg(data: bytes, carried: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    joined, notes = jpeg_app1.join_segments(jpeg.read_segments(data))
    kept, lost = jpeg_segments.select_segments(joined)
    notes += lost + jpeg_segments.tail_notes(jpeg_segments.data_behind_end(data))
    if jpeg.is_arithmetic(data):
        notes.append("its JPEG coding is arithmetic; written as JPEG, all of it is encoded again")
    return carried | {"jpeg": data, "segments": tuple(kept)}, notes


def _raw_png(stream: Stream, carried: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    found, tail = png.read_chunks(stream)
    kept, notes = png_chunks.select_chunks(found, *png.read_header(stream))
    if tail.strip(b"\0"):
        notes.append(previews.omission_note(f"data behind the end of its PNG ({len(tail)} bytes)"))
    told = next((c.data for c in kept if c.kind == b"cICP" and len(c.data) == 4), None)
    points = {} if told is None else {"cicp": Cicp(*told[:3], full=told[3] > 0)}
    return carried | points | {"chunks": tuple(kept)}, notes


def _raw_heif(data: bytes, carried: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    found = heif.read_info(data)
    told = {} if found.cicp is None else {"cicp": found.cicp}
    depth = [] if found.bits <= 8 else [f"{found.bits}-bit color was read as 8-bit"]
    return carried | told, [*depth, *found.notes]


def _raw_bmp(data: bytes, carried: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    profile, notes = bmp.read_profile(data)
    notes = [*notes, *bmp.alpha_notes(data)]
    return carried | ({} if profile is None else {"icc_profile": profile}), notes


_OTHERS = {
    "AVIF": _raw_heif,
    "HEIF": _raw_heif,
    "BMP": _raw_bmp,
    "DIB": _raw_bmp,
    "WEBP": others.raw_webp,
    "GIF": others.raw_gif,
    "ICO": others.raw_icon,
    "CUR": others.raw_icon,
}


def _raw_tiff(
    stream: Stream, carried: dict[str, Any], frame: int
) -> tuple[dict[str, Any], list[str]]:
    layout = tiff.read_layout(stream, frame)
    kept, notes = tiff_tags.select_tags(layout)
    return carried | {"tiff": {**layout, "tags": tuple(kept)}}, notes


def read_own_blocks(stream: Stream, format_: str | None, frame: int = 0) -> dict[str, bytes]:
    """EXIF and XMP as in Pillow's `info`, for containers of which Pillow reads only a part."""
    at = stream.tell()
    stream.seek(0)
    found = dict[str, bytes | None]()
    if format_ in ("JPEG", "MPO"):
        joined, _ = jpeg_app1.join_segments(jpeg.read_segments(stream.read()))
        found = {"exif": jpeg_app1.find_exif(joined), "xmp": jpeg_app1.find_xmp(joined)}
    elif format_ == "PNG":
        found = {"xmp": png.find_xmp(png.read_chunks(stream)[0])}
    elif format_ == "TIFF":
        found = {"exif": tiff.read_exif(stream, frame) or None}
    stream.seek(at)
    return {name: block for name, block in found.items() if block is not None}


def is_premultiplied(stream: Stream, format_: str | None) -> bool:
    """True if an AVIF or HEIC declares premultiplied alpha."""
    if format_ not in ("AVIF", "HEIF"):
        return False
    stream.seek(0)
    meta = dict(heif.iter_boxes(stream.read())).get(b"meta", b"")[_VERSION:]
    references = dict(heif.iter_boxes(meta)).get(b"iref", b"")[_VERSION:]
    return b"prem" in dict(heif.iter_boxes(references))


def read_deep_samples(stream: Stream, format_: str | None, area: int) -> NDArray[Any] | None:
    """The 16-bit colors of a PNG, which Pillow would round.

    None if Pillow's samples are the stored ones.

    Raises:
        ValueError: they are unreadable, of another area (in pixels) than Pillow's, or end before
            the last row.
    """
    if format_ == "PNG":
        bits, kind = png.read_header(stream)
        if bits != 16 or kind == 0:
            if not ImageFile.LOAD_TRUNCATED_IMAGES:
                png.check_rows(stream)
            return None
        if png.read_size(stream).area != area:
            raise ValueError("it declares two different sizes")
        stream.seek(0)
        return png.decode(stream.read())
    return None


def encode(samples: NDArray[Any], mode: str, carried: Carried, format_: str) -> bytes:
    """The encoded file.

    Raises:
        Exception: any exception of the encoder.
    """
    if "exif" in carried:
        size = (samples.shape[1], samples.shape[0])
        carried = {**carried, "exif": set_exif_size(carried["exif"], size)}
    if format_ not in ("AVIF", "HEIF"):
        carried = _add_cicp_profile(carried, mode)
    if format_ == "PNG":
        return png.encode(samples, _png_chunks(carried))
    if format_ == "TIFF":
        return tiff.encode(samples, color.base_mode(mode), dict(carried))
    if format_ == "BMP":
        return _encode_bmp(samples, mode, carried)
    return _encode_with_pillow(samples, mode, carried, format_)


def _encode_bmp(samples: NDArray[Any], mode: str, carried: Carried) -> bytes:
    if mode == "RGBA":
        data = bmp.encode(samples, carried.get("dpi"))
    else:
        data = _encode_with_pillow(samples, mode, carried, "BMP")
    profile = carried.get("icc_profile")
    data = data if profile is None else bmp.add_profile(data, profile)
    return data + marks.trailer(carried)


def _encode_with_pillow(samples: NDArray[Any], mode: str, carried: Carried, format_: str) -> bytes:
    out = BytesIO()
    options = bundle.save_options(carried, format_)
    if format_ == "AVIF" and mode == "L":
        options["subsampling"] = "4:0:0"
    # Pillow parses the metadata, and warns if they are damaged.
    with warnings.catch_warnings(action="ignore"):
        color.to_image(samples, mode).save(out, format_, **options)
    if format_ == "AVIF" and "cicp" in carried:
        return heif.set_cicp(out.getvalue(), carried["cicp"])
    if format_ == "JPEG":
        return jpeg.replace_segments(out.getvalue(), _jpeg_segments(carried, out.getvalue()))
    return out.getvalue()


def _add_cicp_profile(carried: Carried, mode: str) -> Carried:
    """The metadata with a profile that replaces color code points."""
    told = "cicp" in carried and not color.is_gray(mode)
    profile = bundle.find_profile(carried) if told else None
    return carried if profile is None else {**carried, "icc_profile": profile}


def _jpeg_segments(carried: Carried, made: bytes) -> list[Segment]:
    """The segments of a re-encoded JPEG: the source's, or those that Pillow wrote."""
    own = jpeg.read_segments(made)
    if "segments" not in carried:
        if "iptc" in carried:
            own.append(Segment(jpeg.APP13, jpeg.IPTC + bundle.photoshop_resource(carried["iptc"])))
        return update_segments(own, carried.get("exif"), carried.get("xmp"))
    # The encoder's own Adobe segment declares the color coding.
    kept = [s for s in carried["segments"] if not s.data.startswith(jpeg.ADOBE)]
    kept += [s for s in own if s.data.startswith(jpeg.ADOBE)]
    if carried.get("turned"):
        kept = [jpeg.swap_density(segment) for segment in kept]
    kept = [
        Segment(jpeg.APP1, clean_exif(s.data)) if s.data.startswith(jpeg.EXIF) else s for s in kept
    ]
    return update_segments(kept, carried.get("exif"), carried.get("xmp"))


def update_segments(
    segments: Iterable[Segment], exif: bytes | None, xmp: bytes | None
) -> list[Segment]:
    """The segments with the current EXIF and XMP in their old positions."""
    new = [
        (jpeg.EXIF, None if exif is None else Segment(jpeg.APP1, exif)),
        (jpeg.XMP, None if xmp is None else Segment(jpeg.APP1, jpeg.XMP + xmp)),
    ]
    out = list(segments)
    for mark, segment in new:
        places = [k for k, old in enumerate(out) if old.data.startswith(mark)]
        at = places[0] if places else sum(s.marker == jpeg.APP0 for s in out)
        # Further EXIF blocks stay; there is at most one packet here.
        out[at : at + bool(places)] = [] if segment is None else [segment]
    return [part for segment in out for part in jpeg_app1.split_segment(segment)]


def _png_chunks(carried: Carried) -> list[Chunk]:
    """A PNG's own chunks, or those for another container's metadata."""
    if "chunks" in carried:
        own = [c for c in carried["chunks"] if c.kind != b"eXIf" and not _is_raw(c)]
        kept = _swap_resolution(own, carried)
    else:
        kept = []
        if "cicp" in carried:
            kept.append(Chunk(b"cICP", bytes([*carried["cicp"][:2], 0, 1])))
        if "icc_profile" in carried:
            kept.append(png.profile_chunk(carried["icc_profile"]))
        if "dpi" in carried:
            kept.append(png.resolution_chunk(carried["dpi"]))
        kept += [
            png.text_chunk(key.encode("latin-1", "replace"), text.encode())
            for key, text in carried.get("text", {}).items()
        ]
    if "exif" in carried:
        kept.append(Chunk(b"eXIf", carried["exif"].removeprefix(jpeg.EXIF)))
    if "xmp" in carried:
        kept.append(png.xmp_chunk(carried["xmp"]))
    return kept


def _is_raw(chunk: Chunk) -> bool:
    """True for XMP, and for EXIF as ImageMagick writes it; both are written anew."""
    exif = chunk.data.startswith((b"Raw profile type exif\0", b"Raw profile type APP1\0"))
    return chunk.data.startswith(png.XMP) or exif


def _swap_resolution(own: list[Chunk], carried: Carried) -> list[Chunk]:
    """The chunks with across and down swapped in the resolution, if the photo was rotated."""
    if not carried.get("turned"):
        return own
    return [
        Chunk(c.kind, c.data[4:8] + c.data[:4] + c.data[8:]) if c.kind == b"pHYs" else c
        for c in own
    ]
