"""What cannot be used is told in one line, with exit code 2, and leaves everything as it was."""

import contextlib
import io
import os
import shutil
import struct
import tempfile
import zlib
from pathlib import Path

import pytest
import shell
from PIL import Image

from editkit.models.builtin import BUILTIN

QUIET_MODEL = ("-m", "no model of this name")

RECIPES = {
    "wide.yaml": "steps: [{outpaint: x, right: 9000}, {outpaint: x, left: 9000}]",
    "whole.yaml": "jpeg: lossless\nsteps: [{erase: , method: telea, mask: all}, {img2img: x}]",
    "grown.yaml": "jpeg: lossless\nsteps: [{outpaint: x, right: 9}]",
}


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims more than its 60 bytes can hold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rest = chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + rest


@pytest.fixture
def bad(folder: Path) -> Path:
    """The folder, with everything in it that is no photo."""
    whole = (folder / "photo.png").read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("this is not an image\n", encoding="utf-8")
    (folder / "layers.jpg").write_bytes(b"8BPS\0\1" + bytes(40))
    (folder / "empty.png").write_bytes(b"")
    (folder / "bomb.png").write_bytes(bomb(60000, 60000))
    (folder / "a folder.png").mkdir()
    shell.noise(48, 64).save(folder / "photo.jpg")
    for name, steps in RECIPES.items():
        (folder / name).write_text(f"model: {QUIET_MODEL[1]}\n{steps}\n", encoding="utf-8")
    shell.block(40, 64).save(folder / "small.png")
    shell.block(64, 48).save(folder / "turned.png")
    Image.new("L", (64, 48)).save(folder / "black.png")
    shell.noise(48, 64, "RGBA").save(folder / "clear.png")
    (folder / "there.png").write_bytes(b"already here")
    return folder


CASES: dict[str, tuple[list[str], str]] = {
    "missing": (["inpaint", "nowhere.png", "mask.png"], "nowhere.png cannot be read"),
    "missing mask": (["inpaint", "photo.png", "nowhere.png"], "nowhere.png"),
    "folder": (["inpaint", "a folder.png", "mask.png"], "is a folder"),
    "device": (["img2img", "/dev/null"], "is a device"),
    "layers": (["inpaint", "layers.jpg", "mask.png"], "layers.jpg is a Photoshop document (PSD)"),
    "text": (["inpaint", "text.png", "mask.png"], "text.png is not an image"),
    "text mask": (["inpaint", "photo.png", "text.png"], "the mask cannot be used"),
    "empty file": (["img2img", "empty.png"], "is empty"),
    "cut": (["inpaint", "cut.png", "mask.png"], "damaged or cut short"),
    "bomb": (["inpaint", "bomb.png", "mask.png"], "60000"),
    "bomb mask": (["resample", "photo.png", "bomb.png"], "60000"),
    "size": (["inpaint", "photo.png", "small.png"], "is 64x40, the photo is 64x48"),
    "turned": (["resample", "photo.png", "turned.png"], "90 degrees"),
    "nothing": (["inpaint", "photo.png", "black.png"], "selects nothing"),
    "there": (["inpaint", "photo.png", "mask.png", "-o", "there.png"], "exists"),
    "itself": (["inpaint", "photo.png", "mask.png", "-o", "photo.png", "--force"], "itself"),
    "no parent": (["img2img", "photo.png", "-o", "no/where.png"], "does not exist"),
    "no parent 2": (["generate", "x", "-o", "no/where.png"], "does not exist"),
    "file parent": (["generate", "x", "-o", "photo.png/x.png"], "does not exist"),
    "into folder": (["generate", "x", "-o", "a folder.png"], "is a folder"),
    "suffix": (["inpaint", "photo.png", "mask.png", "-o", "x.gif"], "'.gif' names no format"),
    "no suffix": (["generate", "x", "-o", "x"], "without a suffix"),
    "no name": (["generate", "x", "-o", "/", "-n", "2"], "without a suffix"),
    "no name 2": (["img2img", "photo.png", "-o", ".", "-n", "2"], "without a suffix"),
    "empty name": (["img2img", "photo.png", "-o", ""], "without a suffix"),
    "no JPEG": (
        ["inpaint", "photo.png", "mask.png", *QUIET_MODEL, "--jpeg", "lossless", "-o", "x.jpg"],
        "the original is no JPEG",
    ),
    "no JPEG before": (
        ["generate", "x", *QUIET_MODEL, "--jpeg", "lossless", "-o", "x.jpg"],
        "the original is no JPEG",
    ),
    "all of a JPEG": (
        ["img2img", "photo.jpg", *QUIET_MODEL, "--jpeg", "lossless", "-o", "x.jpg"],
        "the whole picture is edited",
    ),
    "around a JPEG": (
        ["outpaint", "photo.jpg", "--left", "8", *QUIET_MODEL, "--jpeg", "lossless", "-o", "x.jpg"],
        "the size changes",
    ),
    "long": (
        ["outpaint", "photo.png", "--right", "17000", *QUIET_MODEL, "-o", "x.webp"],
        "WEBP has at most 16383 pixels a side",
    ),
    "long by steps": (
        ["apply", "wide.yaml", "photo.png", "-o", "x.webp"],
        "WEBP has at most 16383",
    ),
    "all by steps": (["apply", "whole.yaml", "photo.jpg"], "the whole picture is edited"),
    "around by steps": (["apply", "grown.yaml", "photo.jpg"], "the size changes"),
    "alpha": (["img2img", "clear.png", "-o", "x.jpg"], "JPEG cannot hold a photo of mode RGBA"),
    "variant there": (["img2img", "photo.png", "-o", "there.png", "-n", "2", "--seed", "0"], ""),
    "both -": (["inpaint", "-", "-"], "cannot both be -"),
    "json and -": (["img2img", "photo.png", "-o", "-", "--json"], "--json"),
    "n and -": (["img2img", "photo.png", "-o", "-", "-n", "2"], "-n 2"),
    "last seed": (["generate", "x", "--seed", str(2**63 - 1), "-n", "2"], "last seed"),
    "model": (["inpaint", "photo.png", "mask.png", *QUIET_MODEL], "no model 'no model of this"),
    "empty model": (["generate", "x", "-m", ""], "no model ''"),
    "model up": (["generate", "x", "-m", "../nowhere"], "no model '../nowhere'"),
    "model git": (["generate", "x", "-m", "owner/name.git"], "no model 'owner/name.git'"),
    "model is folder": (["generate", "x", "-m", "a folder.png"], "model_index.json"),
    "solver": (["inpaint", "photo.png", "mask.png", "--solver", "magic"], "dpmpp_2m"),
    "prefill": (["inpaint", "photo.png", "mask.png", "--prefill", "magic"], "telea"),
    "dtype": (["generate", "x", "--dtype", "int8"], "bfloat16"),
    "no arguments": (["inpaint"], "Missing argument 'IMAGE'"),
    "no mask": (["inpaint", "photo.png"], "Missing argument 'MASK'"),
    "no prompt": (["generate"], "Missing argument 'PROMPT'"),
    "option": (["generate", "x", "--sead", "3"], "--sead"),
    "command": (["upscale"], "upscale"),
    "too many": (["generate", "a", "b"], "b"),
    "info": (["models", "info", "nowhere"], "no model 'nowhere'"),
    "bytes": (["generate", "x\udcff"], "not UTF-8"),
    "negative bytes": (["generate", "x", "--negative", "\udcff"], "not UTF-8"),
    "shell": (["img2img", "a\nb'\"$(touch pwned)`touch pwned`.png"], "$(touch pwned)"),
    "lines": (["generate", "x", "-m", "many\nlines\r\nhere"], "no model"),
}
NUMBERS = {
    "--steps": ["0", "-1", "1001", "2.5", "nan", "many"],
    "--strength": ["0", "1.5", "-1", "nan", "inf", "x"],
    "--guidance": ["-1", "101", "nan", "inf", "-inf", "1e999"],
    "--guidance-rescale": ["-0.1", "1.1", "nan"],
    "--context": ["-1", "nan", "inf", "11"],
    "--feather": ["-1", "nan", "1001"],
    "--grain": ["-1", "nan", "4.1"],
    "--seed": ["-1", str(2**63), "1.5", "nan"],
    "--work-size": ["31", "8193", "nan"],
    "-n": ["0", "-3", "nan"],
}


def images_untouched(folder: Path, *args: str) -> shell.Done:
    before = shell.listing(folder)
    done = shell.call(*args)
    assert shell.listing(folder) == before
    return done


@pytest.mark.parametrize("case", CASES)
def test_a_refusal_is_one_line_and_changes_nothing(bad: Path, case: str) -> None:
    (bad / "there.0.png").write_bytes(b"already here")
    args, said = CASES[case]
    assert said in images_untouched(bad, *args).refused()


@pytest.mark.parametrize(("option", "value"), [(k, v) for k, vs in NUMBERS.items() for v in vs])
def test_bad_numbers_name_the_option(folder: Path, option: str, value: str) -> None:
    said = images_untouched(folder, "inpaint", "photo.png", "mask.png", option, value).refused()
    assert option in said


@pytest.mark.parametrize("value", ["0", "15", "8193", "64x", "x64", "64x8", "-64", "nan", "1" * 99])
def test_bad_sizes_name_the_option(folder: Path, value: str) -> None:
    assert "--size" in images_untouched(folder, "generate", "x", "--size", value).refused()


@pytest.mark.parametrize("option", ["--jump", "--repeats"])
def test_resampling_wants_counts(folder: Path, option: str) -> None:
    done = images_untouched(folder, "resample", "photo.png", "mask.png", option, "0")
    assert option in done.refused()


@pytest.mark.parametrize(
    ("device", "code"), [("quantum", 2), ("cuda:x", 2), ("meta", 2), ("xpu", 1), ("vulkan", 1)]
)
def test_devices_that_are_not_there(
    folder: Path, quick: tuple[str, ...], device: str, code: int
) -> None:
    done = images_untouched(folder, "img2img", "photo.png", *quick, "--device", device)
    assert device in done.refused(code)


def test_more_steps_than_a_solver_can_make(folder: Path, quick: tuple[str, ...]) -> None:
    args = ("img2img", "photo.png", *quick, "--solver", "lcm", "--steps", "60")
    assert "lcm cannot make 60 steps" in images_untouched(folder, *args).refused()


def test_a_damaged_model_is_a_failure_not_a_misuse(folder: Path, quick: tuple[str, ...]) -> None:
    shutil.copytree(quick[1], folder / "model")
    (folder / "model" / "unet" / "config.json").write_text("[]", encoding="utf-8")
    done = images_untouched(folder, "img2img", "photo.png", "-m", "model")
    assert "unet/config.json" in done.refused(1)


def test_a_folder_that_the_system_refuses(folder: Path, quick: tuple[str, ...]) -> None:
    # Even root makes no files there.
    done = images_untouched(folder, "img2img", "photo.png", *quick, "-o", "/proc/editkit.png")
    assert "cannot be written" in done.refused()


AS_NOBODY = """
import os, sys
from PIL import Image
import editkit.masks.read, editkit.models.registry, editkit.photo.io.files
from editkit_cli.main import main
Image.init()
if not os.geteuid():
    os.setuid(65534)
main(sys.argv[1:])
"""
"""Root may do everything, so what it imports comes first, and then it is root no more."""

unix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no users here")


@unix
def test_a_folder_without_permission_is_found_before_the_model_is_looked_for() -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        shell.noise(8, 8).save(place / "photo.png")
        (place / "photo.png").chmod(0o644)
        place.chmod(0o555)
        try:
            done = shell.python(AS_NOBODY, "img2img", place / "photo.png", *QUIET_MODEL)
        finally:
            place.chmod(0o755)
        assert "may not be written in" in done.refused()
        assert [file.name for file in place.iterdir()] == ["photo.png"]


@unix
def test_an_unreadable_photo() -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        place.chmod(0o755)
        shell.noise(8, 8).save(place / "photo.png")
        (place / "photo.png").chmod(0)
        done = shell.python(AS_NOBODY, "img2img", place / "photo.png")
        assert "permission denied" in done.refused()


def test_processes_refuse_like_calls(bad: Path) -> None:
    for case in ("missing", "bomb", "both -", "bytes", "option"):
        args, said = CASES[case]
        given = [os.fsdecode(os.fsencode(arg)) for arg in args]
        assert said in shell.process(*given, cwd=bad, stdin=-3).refused()


def test_an_empty_standard_input(folder: Path) -> None:
    done = shell.process("inpaint", "-", "mask.png", cwd=folder, input=b"")
    assert "is empty" in done.refused()


@pytest.mark.parametrize("args", [CASES[case][0] for case in ("missing", "size", "model", "there")])
def test_refusals_do_not_wait_for_torch(bad: Path, args: list[str]) -> None:
    code = """
import sys
from editkit_cli.main import main
try:
    main(sys.argv[1:])
except SystemExit as error:
    print(error.code, [m for m in ("torch", "diffusers", "transformers") if m in sys.modules])
"""
    assert shell.python(code, *args, cwd=bad).out == b"2 []\n"


def test_a_second_picture_that_exists_is_found_before_the_first_is_made(
    folder: Path, quick: tuple[str, ...]
) -> None:
    (folder / "photo.edit.2.png").write_bytes(b"mine")
    done = images_untouched(folder, "img2img", "photo.png", *quick, "-n", "3")
    assert "photo.edit.2.png exists" in done.refused()


def test_the_builtin_name_is_not_shadowed_by_a_folder(folder: Path) -> None:
    (folder / BUILTIN).mkdir()
    done = shell.call("models", "info", BUILTIN)
    assert done.code == 0
    assert str(folder) not in done.out.decode()


def test_a_full_standard_output_is_told(folder: Path, quick: tuple[str, ...]) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full here")
    # In this process, as importing torch takes longer than all the rest.
    with (
        full.open("wb", buffering=0) as raw,
        io.TextIOWrapper(raw) as out,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(io.StringIO()) as err,
        pytest.raises(SystemExit) as ended,
    ):
        shell.entry_point()(["img2img", "photo.png", *quick, "-o", "-", "-q"])
    assert ended.value.code == 1
    said = "editkit: standard output cannot be written: No space left on device\n"
    assert err.getvalue() == said
