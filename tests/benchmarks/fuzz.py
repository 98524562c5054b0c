"""Inputs that nobody wrote: `python tests/benchmarks/fuzz.py TARGET --seconds N [--seeds FOLDER]`.

Atheris (libFuzzer) mutates small valid files and texts, led by the branches of editkit that they
reach. All that may come out is an answer or an error of editkit's own; anything else is written
down, once for each place it comes from, with the input that made it, and the search goes on.
`pip install atheris` first. Prints the number of findings; exits with 1 if there were any.
"""

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

SLOW = 20
"""Seconds after which one input counts as a finding."""

_ROOMS = (
    "batch.recipes.recipe",
    "batch.recipes.table",
    "masks.evaluate",
    "ops.replay",
    "photo.quality.verify",
)

Target = Callable[[bytes, Path], object]


def photo(data: bytes, _: Path) -> object:
    """Reading a file, what `info` prints of it, and writing it again."""
    import json

    from editkit.photo.io.files import encode_photo, read_photo
    from editkit.photo.quality.verify import info

    found = read_photo(data, max_pixels=1 << 20)
    return json.dumps(info(found)), encode_photo(found, found.format or "PNG")


def packet(data: bytes, _: Path) -> object:
    """An XMP packet: read, and written with an edit in it."""
    from editkit.photo.metadata import xmp

    told = xmp.read_record(data), xmp.read_history(data), xmp.read_source_type(data)
    event = {"action": "edited", "softwareAgent": "x", "changed": "/", "parameters": "x"}
    return told, xmp.add_record(data, source=xmp.COMPOSITE, event=event, record={"format": 1})


def record(data: bytes, folder: Path) -> object:
    """A record of an edit, in the metadata of a picture beside its original: found for `replay`."""
    from editkit.ops.replay import find_replay
    from editkit.photo.io.files import encode_photo, read_photo

    packet_ = _RECORD_PACKET % _escaped(data)
    image = read_photo(_picture("PNG", xmp=packet_))
    file = folder / "edited.png"
    file.write_bytes(encode_photo(image, "PNG"))
    if not (folder / "p.png").exists():
        (folder / "p.png").write_bytes(_picture("PNG"))
    return find_replay(file)


def recipe(data: bytes, folder: Path) -> object:
    """A recipe in YAML, or in TOML where the first byte is odd."""
    from editkit.batch.recipes.recipe import read_recipe

    file = folder / ("r.toml" if data[:1] and data[0] % 2 else "r.yaml")
    file.write_bytes(data[1:])
    return read_recipe(file)


def table(data: bytes, folder: Path) -> object:
    """A table in CSV, or in JSON lines where the first byte is odd."""
    from editkit.batch.recipes.table import read_table

    file = folder / ("t.jsonl" if data[:1] and data[0] % 2 else "t.csv")
    file.write_bytes(data[1:])
    return read_table(file)


def mask(data: bytes, _: Path) -> object:
    """An expression, on a small photo."""
    from editkit.masks.value import coverage_of
    from editkit.photo.io.files import read_photo

    return coverage_of(data.decode("utf-8", "surrogateescape"), read_photo(_picture("PNG")))


TARGETS: dict[str, Target] = {
    "photo": photo,
    "packet": packet,
    "record": record,
    "recipe": recipe,
    "table": table,
    "mask": mask,
}

_RECORD_PACKET = b"""<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF
 xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:editkit="urn:editkit:xmp:1.0:"><editkit:Record>%s</editkit:Record></rdf:Description></rdf:RDF></x:xmpmeta>"""


def _escaped(data: bytes) -> bytes:
    from xml.sax.saxutils import escape

    text = data.decode("utf-8", "replace")
    return escape("".join(c for c in text if c.isprintable() or c in "\n\t")).encode()


def _picture(format_: str, **more: Any) -> bytes:
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    image, out = Image.linear_gradient("L").resize((24, 16)).convert("RGB"), BytesIO()
    if format_ == "PNG" and "xmp" in more:
        texts = PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", more.pop("xmp").decode())
        more["pnginfo"] = texts
    image.save(out, format_, **more)
    return out.getvalue()


def _photos() -> list[bytes]:
    from PIL import Image

    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = "a text", 6
    exif.get_ifd(0x8769)[0x9003] = "2026:01:02 03:04:05"
    exif.get_ifd(0x8825)[1] = "N"
    kinds = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF")
    return [_picture(kind, exif=exif.tobytes()) for kind in kinds] + [_picture("BMP")]


_RECORD = b"""{"format": 1, "edit": "Erase", "options": {"method": "telea", "seed": 0,
 "composite": null, "regions": "auto"}, "model": null, "weights": null,
 "versions": {"editkit": "0"},
 "original": {"sha256": "00", "path": "p.png"}, "mask": {"sha256": "00", "expression": "all"},
 "saving": {"jpeg": "auto"}}"""
_STEPS = b"""{"format": 1, "edit": "recipe", "steps": [{"edit": "Inpaint",
 "options": {"prompt": "x", "guidance_interval": [0, "inf"], "steps": 3},
 "mask": { "sha256": "0", "path": "p.png"}}],
 "model": "builtin", "weights": "0", "original": {"sha256": "0", "path": "p.png"},
 "saving": {"jpeg": "auto"}, "versions": {}}"""
_RECIPE = b"""\0steps:
  - inpaint: {prompt: "a {color} door", steps: 3, mask: "box:1,1,9,9 ~grow:2"}
  - erase: {method: telea, mask: "luma:0,5"}
variables: {color: red}
model: builtin
"""
_TOML = b"""\1model = "builtin"
[variables]
color = "red"
[[steps]]
[steps.inpaint]
prompt = "a {color} door"
mask = "box:1,1,9,9"
"""
_MASKS: tuple[bytes, ...] = (
    b"box:1,1,9,9 | ellipse:50%,50%,20%,20% - color:red,10 ~grow:3",
    b"!(sky & luma:0,50) ~feather:2 ~invert",
    b"stroke:1,1;5,5;9,2,width=3 | polygon:1,1,5,5,9,2",
    b"alpha | subject | border:4px ~hull ~snap",
    b"flood:3,3,10 ~fill ~open:2 ~close:2 ~largest:1",
)


def _seeds(name: str) -> list[bytes]:
    packet_ = _RECORD_PACKET % _escaped(_RECORD)
    tables = [b"\0photo,color\na.jpg,red\n", b'\1{"photo": "a.jpg", "color": "red"}\n']
    makers: dict[str, Callable[[], list[bytes]]] = {
        "photo": _photos,
        "packet": lambda: [packet_, packet_.decode().encode("utf-16")],
        "record": lambda: [_RECORD, _STEPS],
        "recipe": lambda: [_RECIPE, _TOML],
        "table": lambda: tables,
        "mask": lambda: list(_MASKS),
    }
    return makers[name]()


class _Hunt:
    """Gives inputs to a target, and writes down what should not have come out."""

    def __init__(self, target: Target, found: Path) -> None:
        from editkit.errors import EditkitError

        self._target, self._found, self._ours = target, found, EditkitError
        self._folder = Path(tempfile.mkdtemp(prefix="editkit-fuzz-"))

    def __call__(self, data: bytes) -> None:
        try:
            self._target(data, self._folder)
        except self._ours as error:
            if "\n" in str(error):
                self._note("two lines", data, error)
        except Exception as error:  # noqa: BLE001 - what this looks for
            self._note(_place(error), data, error)

    def _note(self, place: str, data: bytes, error: BaseException) -> None:
        name = "".join(c if c.isalnum() else "-" for c in place)[:120]
        file = self._found / f"{name}.txt"
        if not file.exists():
            file.with_suffix(".input").write_bytes(data)
            file.write_text("".join(traceback.format_exception(error)), encoding="utf-8")


def _place(error: BaseException) -> str:
    """The kind of an error, and the last line of editkit that it came through."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "editkit" in f.filename]
    last = f"{Path(frames[-1].filename).name} {frames[-1].lineno}" if frames else "elsewhere"
    return f"{type(error).__name__} {last}"


def _hunt(name: str, seconds: int, seeds: Path, found: Path) -> None:
    """Fuzzes in this process, which atheris ends."""
    atheris: Any = importlib.import_module("atheris")  # which has no types, and is not for CI
    with atheris.instrument_imports(include=["editkit"]):
        for room in _ROOMS:
            importlib.import_module(f"editkit.{room}")
    settings = [f"-max_total_time={seconds}", f"-timeout={SLOW}", "-rss_limit_mb=4096"]
    settings += ["-max_len=65536", f"-artifact_prefix={found}/", "-print_final_stats=1"]
    atheris.Setup([sys.argv[0], *settings, str(seeds)], _Hunt(TARGETS[name], found))
    atheris.Fuzz()


def main() -> int:
    """Runs it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seeds", type=Path, help="a folder of inputs to begin with, too")
    parser.add_argument("--found", type=Path, help="where findings are kept")
    parser.add_argument("--inner", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "EDITKIT_CACHE": "off"}
    if given.inner:
        _hunt(given.target, given.seconds, given.seeds, given.found)
        return 0
    found = given.found or Path(tempfile.mkdtemp(prefix="editkit-found-"))
    corpus = Path(tempfile.mkdtemp(prefix="editkit-seeds-"))
    for number, seed in enumerate(_seeds(given.target)):
        (corpus / str(number)).write_bytes(seed)
    for file in sorted(given.seeds.rglob("*")) if given.seeds else ():
        if file.is_file() and file.stat().st_size <= 65536:
            (corpus / f"given-{file.name}").write_bytes(file.read_bytes())
    inner = [sys.executable, __file__, given.target, "--inner", "--seconds", str(given.seconds)]
    done = subprocess.run(
        [*inner, "--seeds", str(corpus), "--found", str(found)], capture_output=True, check=False
    )
    said = done.stderr.decode("utf-8", "replace").splitlines()
    stats = [line for line in said if "stat::" in line]
    print("\n".join(stats or said[-20:]))
    findings = sorted(file for file in found.iterdir() if file.suffix != ".input")
    for file in findings:
        print(f"FOUND {file}")
    print(f"{given.target}: {len(findings)} findings in {given.seconds} s")
    return 1 if findings or done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
