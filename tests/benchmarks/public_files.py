"""Every image file of public collections, edited: `tests/benchmarks/public_files.py FOLDER...`.

A small box of each file is erased by Telea's method and the photo written in its own container. The
file before and the file after are read by others: samples by tifffile and OpenCV, blocks of a JPEG
by OpenCV, too, tags by exiftool. Each file may take 20 CPU seconds. What
is refused is counted with its reason; what is lost without a note is listed, tag by tag.

Exits with 1 if an exception is not ours, a run took too long, a kept sample of a lossless file
changed, or a tag is gone without a note.
"""

import argparse
import json
import multiprocessing
import re
import resource
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from numpy.typing import NDArray

LIMIT = 20
"""CPU seconds of one file."""

LOSSLESS = (".png", ".tif", ".bmp", ".webp")
SUFFIXES = {
    "JPEG": ".jpg",
    "PNG": ".png",
    "TIFF": ".tif",
    "WEBP": ".webp",
    "BMP": ".bmp",
    "AVIF": ".avif",
    "HEIF": ".heic",
    "JXL": ".jxl",
}
_OTHER_DEPTH = re.compile(r"\bbits? .*were read as|were read as (8|16)-bit")
"""Notes of samples that others would scale in ways of their own."""

_MISREAD = {
    "mmap_error.bmp": "says that its samples begin in its palette; OpenCV believes it",
    "old-style-jpeg-compression.tif": "tifffile smooths its colors, libtiff does not",
    "old-style-jpeg-compression-no-samplesperpixel.tif": "the same",
}
_NO_PICTURES = re.compile(
    r"\.(py|c|h|rs|md|rst|txt|toml|yml|yaml|sh|json|cfg|ttf|otf|pcf|bdf|in|cmake|lock|pyi|css|html"
    r"|gitignore|gitattributes|cur|icc|icm|pil|pbm\.gz|woff2?)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Outcome:
    """What became of a file.

    Attributes:
        file: the file.
        said: `written`, or why not.
        output: where the edited one lies.
        notes: what editkit said is not as it was.
        changed: kept samples that others find changed in a lossless file; None where nobody knows.
    """

    file: Path
    said: str
    output: Path | None = None
    notes: tuple[str, ...] = ()
    changed: int | None = None


def _edited(file: Path, folder: Path, number: int) -> Outcome:
    """The file with a small box of it erased."""
    import editkit
    from editkit.photo.io.files import read_photo

    try:
        photo = _read(read_photo, file)
        suffix = SUFFIXES.get(photo.format or "", ".png")
        height, width = photo.size
        mask = np.zeros((height, width), np.float32)
        mask[height // 3 : height // 3 + 8, width // 3 : width // 3 + 8] = 1
        result = editkit.erase(photo, mask, method="telea")
        target = result.save(folder / f"{number}{suffix}")
    except editkit.EditkitError as error:
        return Outcome(file, f"refused: {_kind(str(error), file)}")
    except Exception as error:  # noqa: BLE001 - what this looks for
        return Outcome(file, f"UNCAUGHT {type(error).__name__}: {error}")
    changed = None
    notes = tuple(result.report["notes"])
    same = photo.format in SUFFIXES and not photo.frame and not _OTHER_DEPTH.search(str(notes))
    if suffix in LOSSLESS and same and file.name not in _MISREAD:
        kept = mask == 0
        changed = _changed(file, target, kept if photo.orientation == 1 else None)
    return Outcome(file, "written", target, notes, changed)


def _read(read: Any, file: Path) -> Any:
    from editkit import ImageError

    try:
        return read(file)
    except ImageError as error:
        if "pictures; choose one" not in str(error):
            raise
        return read(file, frame=0)


def _kind(message: str, file: Path) -> str:
    return " ".join(re.sub(r"\d+", "N", message.replace(str(file), "FILE")).split())[:110]


def _changed(before: Path, after: Path, kept: NDArray[np.bool_] | None) -> int | None:
    """Kept samples that differ, as another reader has both; None where none reads both alike."""
    if kept is None:
        return None
    for reader in (_by_tifffile, _by_opencv):
        old, new = reader(before), reader(after)
        if old is None or new is None or old.dtype != new.dtype or old.shape != new.shape:
            continue
        if old.shape[:2] == kept.shape:
            return int(np.count_nonzero(old[kept] != new[kept]))
    return None


def _by_tifffile(file: Path) -> NDArray[Any] | None:
    if file.suffix.lower() not in (".tif", ".tiff"):
        return None
    try:
        with tifffile.TiffFile(file) as opened:
            page: Any = opened.pages[0]
            array = np.asarray(page.asarray())
            return np.moveaxis(array, 0, -1) if page.axes.startswith("S") else array
    except Exception:  # noqa: BLE001 - a reader that gives up says nothing
        return None


def _by_opencv(file: Path) -> NDArray[Any] | None:
    data = _still(file.read_bytes())
    try:
        found: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        return None
    return None if found is None else np.asarray(found)


def _still(data: bytes) -> bytes:
    """A PNG without its animation, of which OpenCV would give a picture that is not the first."""
    if not data.startswith(b"\x89PNG") or b"acTL" not in data:
        return data
    out, at = data[:8], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        out += b"" if data[at + 4 : at + 8] in (b"acTL", b"fcTL", b"fdAT") else data[at:end]
        at = end
    return out


def _work(pipe: Connection, folder: Path) -> None:
    """Edits what comes through the pipe; a file that takes too long ends the process."""
    while True:
        number, file = pipe.recv()
        before = resource.getrusage(resource.RUSAGE_SELF)
        used = int(before.ru_utime + before.ru_stime)
        resource.setrlimit(resource.RLIMIT_CPU, (used + LIMIT, resource.RLIM_INFINITY))
        pipe.send(_edited(file, folder, number))


class _Worker:
    """A process that edits one file after the other, and is replaced when it dies."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._context = folder, multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self._pipe, other = self._context.Pipe()
        self._process = self._context.Process(target=_work, args=(other, self._folder), daemon=True)
        self._process.start()
        other.close()

    def __call__(self, number: int, file: Path) -> Outcome:
        try:
            self._pipe.send((number, file))
            if self._pipe.poll(LIMIT * 30):  # by the clock: of a machine that does other things
                return self._pipe.recv()
        except (EOFError, ConnectionError):
            pass
        self._process.kill()
        self._process.join()
        code = self._process.exitcode
        self._start()
        return Outcome(file, f"DIED or over {LIMIT} CPU s (exit code {code})")

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.join()


def files_of(folders: Iterable[Path]) -> list[Path]:
    """All files that may be pictures."""
    found = (file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file())
    return [file for file in found if not _NO_PICTURES.search(file.name)]


# What says how a file is built, not what it shows or whose it is; and what exiftool makes of both.
_STRUCTURE = re.compile(
    r"^(SourceFile|ExifTool:|System:|Composite:|Meta:|Track\d*:)"
    r"|^File:(?!Comment)"
    r"|^PNG:(Compression|Filter|Interlace|ImageWidth|ImageHeight|ColorType|BitDepth|Palette"
    r"|Transparency|Animation\w+)$"
    r"|^(IFD\d+|SubIFD\d*):(Strip\w+|Tile\w+|RowsPerStrip|Orientation|Compression|Predictor"
    r"|FillOrder|PlanarConfiguration|ImageWidth|ImageHeight|BitsPerSample|SamplesPerPixel"
    r"|PhotometricInterpretation|SubfileType|OldSubfileType|JPEG\w*|YCbCr\w+|ColorMap|T4Options"
    r"|T6Options|ExtraSamples|ThresHolding|FreeOffsets|FreeByteCounts|ExifOffset|GPSInfo)$"
    r"|^IFD0:(PreviewImage|OtherImage)(Start|Length)?$"  # so it calls strips that are JPEGs
    r"|:(ExifImageWidth|ExifImageHeight|Orientation|InteropOffset|Padding|OffsetSchema"
    r"|ImageWidth|ImageHeight|XMPToolkit|PreviewImageStart)$"
    r"|^XMP-xmpMM:History|^XMP-iptcExt:DigitalSourceType"  # which every edit adds to
    r"|^QuickTime:(MajorBrand|MinorVersion|CompatibleBrands|Gen\w+|Constraint\w+|ChromaFormat"
    r"|Temporal\w+|NumTemporalLayers|BitDepth\w+|ImageSpatialExtent|Rotation|Mirroring"
    r"|SeqProfile|HandlerDescription|Unknown_imir|MediaData\w*|Unknown_free|Free|MatrixCoefficients|VideoFullRangeFlag|ImagePixelDepth|AV1\w+)$"
    r"|^RIFF:(WebP_Flags|VP8Version|HorizontalScale|VerticalScale|Alpha\w+|UnknownEXIF|Image\w+)$"
    r"|^JFIF:JFIFVersion|^Adobe:|^APP14:"
)
# Notes, and the tags that each speaks of.
_NOTED = (
    (r"thumbnail", r"Thumb|^IFD1:|JFXX|^JFIF:"),
    (
        r"preview|picture|shows? the photo|gain map",
        r"Preview|^MPF|^MPImage|MPImage|GainMap|Depth|AuxiliaryImageType"
        r"|JpgFromRaw|OtherImage|Embedded",
    ),
    (r"layers", r"Layer|GlobalAltitude"),
    (r"sub-directories|further pages", r"^(IFD[1-9]|SubIFD)"),
    (r"Content Credentials", r"JUMBF|C2PA|Claim|Assertion"),
    (r"no place for .*EXIF|EXIF data (is|was|were) damaged", r"^(IFD|Exif|GPS|Interop|MakerNote)"),
    (r"no place for .*XMP|XMP data .*left out", r"^XMP"),
    (r"behind the end of its", r"Trailer|Motion|Samsung|AFCP|Video|CanonVRD|PhotoMechanic|MIE"),
    (r"IPTC data .*left out|no place for .*IPTC", r"^IPTC"),
    (r"Photoshop.* left out", r"^Photoshop"),
    (r"profile.*left out", r"^ICC"),
    (r"PNG chunk bKGD", r"^PNG:BackgroundColor"),
    (r"animation", r"Frame|Animation|Duration|Loop|^RIFF:BackgroundColor"),
    (
        r"sequence of pictures",
        r"^QuickTime:(Movie|\w+Date|TimeScale|Duration|Preferred|Matrix|\w+Time|Selection|NextTrack"
        r"|InitialObject)",
    ),
    (r"\(pasp\)", r"PixelAspectRatio"),
)


def tags_of(files: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """All tags that exiftool finds in files, by the name of the file."""
    found: dict[str, dict[str, Any]] = {}
    for start in range(0, len(files), 200):
        part = [str(file) for file in files[start : start + 200]]
        command = ["exiftool", "-json", "-a", "-G1", "-s", "-u", "-m", "-q", "-q", *part]
        out = subprocess.run(command, capture_output=True, check=False, timeout=1200).stdout
        rows = json.loads(out.decode("utf-8", "replace") or "[]")
        found |= {row["SourceFile"]: row for row in rows}
    return found


def lost_tags(outcomes: Sequence[Outcome]) -> Iterator[tuple[Path, str, str]]:
    """Tags that are not in the edited file as they were, and that no note speaks of."""
    written = [one for one in outcomes if one.output is not None and one.file.suffix]
    same = [
        one
        for one in written
        if one.output is not None and SUFFIXES.get(_container(one.file)) == one.output.suffix
    ]
    before = tags_of([one.file for one in same])
    after = tags_of([one.output for one in same if one.output is not None])
    for one in same:
        new = after.get(str(one.output), {})
        for key, value in before.get(str(one.file), {}).items():
            if new.get(key) == value or _STRUCTURE.search(key) or _is_noted(key, one.notes):
                continue
            yield one.file, key, str(value)[:60]


def _is_noted(key: str, notes: Iterable[str]) -> bool:
    text = " ".join(notes)
    unknown = re.search(r"_0x([0-9a-f]{4})$", key)  # so exiftool calls what it does not know
    named = f"({key.split(':')[-1]})" in text
    named = named or (unknown is not None and f"maker note tag {int(unknown[1], 16)} of" in text)
    return named or any(re.search(note, text) and re.search(tags, key) for note, tags in _NOTED)


def _container(file: Path) -> str:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(file) as image:
            return "JPEG" if image.format == "MPO" else str(image.format)
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError):
        return {".heic": "HEIF", ".heif": "HEIF"}.get(file.suffix.lower(), "")


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER")
    parser.add_argument("--list", action="store_true", help="name every file that is refused")
    given = parser.parse_args()
    files = files_of(given.folders)
    with tempfile.TemporaryDirectory() as folder:
        worker = _Worker(Path(folder))
        outcomes = [worker(number, file) for number, file in enumerate(files)]
        worker.close()
        lost = list(lost_tags(outcomes))
    counts = Counter(one.said for one in outcomes)
    changed = [one for one in outcomes if one.changed]
    compared = sum(one.changed is not None for one in outcomes)
    bad = [one for one in outcomes if one.said.startswith(("UNCAUGHT", "DIED"))]
    for said, count in counts.most_common():
        print(f"{count:6} {said}")
    if given.list:
        for one in outcomes:
            if one.said != "written":
                print(f"{one.file}: {one.said}")
    for one in bad:
        print(f"{one.said}: {one.file}")
    for one in changed:
        print(f"CHANGED {one.changed} kept samples: {one.file}")
    for file, key, value in lost:
        print(f"LOST {key} = {value}: {file}")
    print(
        f"{len(files)} files: {counts['written']} written, {compared} of them compared by samples, "
        f"{len(changed)} changed, {len(bad)} uncaught or too long, {len(lost)} tags lost"
    )
    return 1 if bad or changed or lost else 0


if __name__ == "__main__":
    sys.exit(main())
