"""Files and places in bad hands: one clear line or a complete file, and the source as it was."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import hostile
import numpy as np
import pytest
import shell
from PIL import Image

from editkit.photo.io.files import read_photo

pytestmark = pytest.mark.process

WHOLE = hostile.whole()
BOMBS = hostile.bombs()
unix = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no users here")
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has files without a name")


def untouched(folder: Path, *args: str | Path) -> shell.Done:
    """What the command did, which was to make no file and to change none."""
    before = shell.listing(folder)
    done = shell.call(*args)
    assert shell.listing(folder) == before
    return done


def refused(folder: Path, file: str) -> None:
    """Every command that reads a photo says one line and exits with 2."""
    for args in (
        ("info", file),
        ("verify", "photo.png", file),
        ("verify", file, "photo.png", "mask.png"),
        ("verify", "photo.png", "photo.png", file),
        ("inpaint", file, "mask.png"),
        ("inpaint", "photo.png", file),
    ):
        assert Path(file).name in untouched(folder, *args).refused()


# Whole formats.


@pytest.mark.parametrize("name", WHOLE)
def test_the_files_that_are_damaged_below_are_good_before(folder: Path, name: str) -> None:
    (folder / name).write_bytes(WHOLE[name])
    done = untouched(folder, "info", name)
    assert (done.code, done.err) == (0, "")


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_that_was_cut_short(folder: Path, name: str) -> None:
    data = WHOLE[name]
    for length in (0, 1, 8, 30, len(data) // 4, len(data) // 2, len(data) * 4 // 5):
        (folder / name).write_bytes(data[:length])
        assert name in untouched(folder, "info", name).refused()
    (folder / name).write_bytes(data[: len(data) // 2])
    refused(folder, name)


@pytest.mark.parametrize("name", WHOLE)
def test_damage_anywhere_is_lived_with_or_told_in_one_line(folder: Path, name: str) -> None:
    for k in range(12):
        (folder / name).write_bytes(hostile.damaged(WHOLE[name], f"{name} {k}"))
        done = untouched(folder, "info", name)
        if done.code:
            done.refused()
        else:
            assert done.err == ""


@pytest.mark.parametrize("name", ["rgb.jpg", "progressive.jpg", "cmyk.jpg", "rgb16.tif"])
def test_edits_of_damaged_photos(folder: Path, quick: tuple[str, ...], name: str) -> None:
    edited = 0
    for k in range(9):
        data = hostile.damaged(WHOLE[name], f"{name} {k}")
        (folder / name).write_bytes(data)
        target = folder / f"out{Path(name).suffix}"
        done = shell.call("inpaint", name, "mask.png", *quick, "-q", "-o", target)
        assert (folder / name).read_bytes() == data
        if done.code:
            done.refused()
            assert not target.exists()
            continue
        edited += 1
        assert read_photo(target).size == (hostile.HEIGHT, hostile.WIDTH)
        assert shell.call("verify", name, target, "mask.png").code in (0, 1)
        target.unlink()
    assert edited
    assert {file.name for file in folder.iterdir()} == {"photo.png", "mask.png", name}


# Bombs and lies.


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_and_lying_headers(folder: Path, name: str) -> None:
    (folder / name).write_bytes(BOMBS[name])
    refused(folder, name)


LITTLE_MEMORY = """
import resource, sys
from PIL import Image
import cv2, imagecodecs, tifffile
import editkit.photo.quality.verify, editkit.photo.io.files
from editkit_cli.main import main
Image.init()
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + (600 << 20),) * 2)
for name in sys.argv[1:]:
    try:
        main(["info", name])
    except SystemExit as error:
        print(error.code)
"""


@linux
def test_bombs_need_little_memory(folder: Path) -> None:
    for name, data in BOMBS.items():
        (folder / name).write_bytes(data)
    done = shell.python(LITTLE_MEMORY, *BOMBS, cwd=folder)
    assert done.out.split() == [b"2"] * len(BOMBS), done
    assert [line.split(":")[0] for line in done.err.splitlines()] == ["editkit"] * len(BOMBS)
    assert "out of memory" not in done.err


def test_more_image_data_than_the_header_says_is_not_read(folder: Path) -> None:
    for bits in (8, 16):
        (folder / "more.png").write_bytes(hostile.png(4, 4, bits, rows=200_000))
        done = untouched(folder, "info", "more.png")
        assert (done.code, done.err) == (0, "")


def test_a_tiff_that_leaves_out_what_has_a_default(folder: Path) -> None:
    (folder / "plain.tif").write_bytes(hostile.tiff())
    done = untouched(folder, "info", "plain.tif")
    assert b"RGB;16" in done.out
    assert read_photo(folder / "plain.tif").size == (20, 20)


def test_entities_in_xmp_are_not_followed(folder: Path) -> None:
    (folder / "secret").write_text("swordfish", encoding="utf-8")
    entity = f'<!ENTITY a SYSTEM "{(folder / "secret").as_uri()}">'
    many = "".join(f'<!ENTITY b{k} "{f"&b{k - 1};" * 10}">' for k in range(1, 12))
    rdf = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
    packet = (
        f'<!DOCTYPE x [{entity}<!ENTITY b0 "aaaaaaaaaa">{many}]><x:xmpmeta '
        f'xmlns:x="adobe:ns:meta/" xmlns:rdf="{rdf}"><rdf:RDF><rdf:Description>&a;&b11;'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    text = hostile.chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet.encode())
    (folder / "xmp.png").write_bytes(hostile.png(4, 4, 8, text))
    done = untouched(folder, "info", "xmp.png")
    assert done.code == 0
    assert len(done.out) < 2000
    assert b"swordfish" not in done.out


def test_libraries_do_not_speak_beside_the_one_line(folder: Path) -> None:
    # libtiff, libpng and libjpeg print on file descriptor 2, past anything of Python's.
    (folder / "lzw.tif").write_bytes(
        WHOLE["lzw.tif"][:3000] + b"\xff" * 9 + WHOLE["lzw.tif"][3009:]
    )
    (folder / "far.tif").write_bytes(hostile.tiff(t34675=(7, 2**32 - 16, 100)))
    jpeg = bytearray(WHOLE["rgb.jpg"])
    jpeg[-600:-590] = bytes(10)
    (folder / "a.jpg").write_bytes(jpeg)
    code = """
import sys
from editkit_cli.main import main
for args in (["info", "lzw.tif"], ["info", "far.tif"], ["verify", "a.jpg", "a.jpg", "mask.png"]):
    try:
        main(args)
    except SystemExit as error:
        print("code", error.code)
"""
    done = shell.python(code, cwd=folder)
    assert all(line.startswith("editkit: ") for line in done.err.splitlines()), done.err
    codes = [line for line in done.out.splitlines() if line.startswith(b"code")]
    assert codes == [b"code 2", b"code 0", b"code 0"], done


# Names.


def test_the_content_counts_not_the_suffix(folder: Path, quick: tuple[str, ...]) -> None:
    data = WHOLE["rgb.jpg"]
    (folder / "lie.png").write_bytes(data)
    assert b"JPEG" in untouched(folder, "info", "lie.png").out
    done = shell.call("inpaint", "lie.png", "mask.png", *quick, "-q")
    assert (done.code, done.err) == (0, "")
    assert (folder / "lie.png").read_bytes() == data
    with Image.open(folder / "lie.edit.png") as image:
        assert (image.format, image.size) == ("PNG", (hostile.WIDTH, hostile.HEIGHT))
    assert shell.call("verify", "lie.png", "lie.edit.png", "mask.png").code == 0


def test_folders_that_look_like_photos(folder: Path) -> None:
    (folder / "x.png").mkdir()
    for args in (("info", "x.png"), ("inpaint", "x.png", "mask.png"), ("verify", "x.png", "x.png")):
        assert "is a folder" in untouched(folder, *args).refused()
    for more in ((), ("--force",)):
        args = ("inpaint", "photo.png", "mask.png", "-o", "x.png", *more)
        assert "is a folder" in untouched(folder, *args).refused()


def test_links_that_lead_round(folder: Path) -> None:
    (folder / "a.png").symlink_to("b.png")
    (folder / "b.png").symlink_to("a.png")
    (folder / "round").symlink_to("round")
    refused(folder, "a.png")
    refused(folder, "round/photo.png")
    for target in ("a.png", "round/out.png"):
        args = ("inpaint", "photo.png", "mask.png", "-o", target)
        assert target.split("/")[0] in untouched(folder, *args).refused()
    assert (folder / "a.png").is_symlink()


NAMES = [
    "two words.png",
    'it\'s "quoted".png',
    "two\nlines.png",
    "tab\tbell\a.png",
    "$(touch pwned) `touch pwned`; touch pwned.png",
    "%s %d {0} \\n.png",
    "-rf.png",
    "--force.png",
    "*?[a].png",
    "日本語 é é.png",
    "<a&b>.png",
    os.fsdecode(b"not utf-8 \xff\xfe.png"),
]


@linux
@pytest.mark.parametrize("name", NAMES)
def test_names_of_any_kind(folder: Path, quick: tuple[str, ...], name: str) -> None:
    for old, new in (("photo.png", name), ("mask.png", f"-m{name}")):
        (folder / old).rename(folder / new)
    before = shell.listing(folder)
    done = shell.call("inpaint", *quick, "-q", "--", name, f"-m{name}")
    assert (done.code, done.err) == (0, "")
    made = str(Path(name).with_name(f"{Path(name).stem}.edit.png"))
    after = shell.listing(folder)
    assert {k: v for k, v in after.items() if k != made} == before
    assert set(after) - set(before) == {made}
    assert shell.call("verify", "--", name, made, f"-m{name}").code == 0
    assert shell.call("info", "--", made).code == 0
    again = shell.call("inpaint", *quick, "-q", "--", name, f"-m{name}")
    assert "exists" in again.refused()
    assert "pwned" not in os.listdir(folder)  # noqa: PTH208


@linux
def test_a_name_that_is_no_text_in_a_process(folder: Path) -> None:
    name = os.fsdecode(b"-\xff $(touch pwned)\n.png")
    (folder / "photo.png").rename(folder / name)
    done = shell.process("info", "--", name, cwd=folder)
    assert (done.code, done.err) == (0, ""), done
    missing = shell.process("info", "--", os.fsdecode(b"\xfe\n.png"), cwd=folder)
    assert "no such file" in missing.refused()
    assert not (folder / "pwned").exists()


# Places.

AS_NOBODY = """
import os, sys
from PIL import Image
import editkit.masks.read, editkit.models.registry, editkit.photo.io.files
from editkit_cli.main import main
from editkit_cli.command_run import read_pair
Image.init()
read_pair(*sys.argv[2:4])
if not os.geteuid():
    os.setuid(65534)
main(sys.argv[1:])
"""
"""Root may do everything, so it is root no more once all is imported that reading needs: others may
not be let into the folder that the packages are in."""


@unix
def test_a_folder_that_is_read_only(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        for file in ("photo.png", "mask.png"):
            shutil.copy(folder / file, place / file)
        before = shell.listing(place)
        place.chmod(0o555)
        try:
            done = shell.python(AS_NOBODY, "inpaint", place / "photo.png", place / "mask.png")
        finally:
            place.chmod(0o755)
        assert "may not be written in" in done.refused()
        assert shell.listing(place) == before


@pytest.fixture
def small_disk(tmp_path: Path) -> Generator[Path]:
    """A file system of 256 KiB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if sys.platform != "linux" or os.geteuid() or subprocess.run(command, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk(folder: Path, small_disk: Path, quick: tuple[str, ...]) -> None:
    shell.noise(400, 400).save(folder / "large.png")
    mask = np.zeros((400, 400), np.uint8)
    mask[100:140, 100:140] = 255
    Image.fromarray(mask).save(folder / "part.png")
    (small_disk / "old.png").write_bytes(b"mine")
    before = shell.listing(folder)
    for name, more in (("new.png", ()), ("old.png", ("--force",))):
        target = str(small_disk / name)
        done = shell.call("inpaint", "large.png", "part.png", *quick, "-o", target, *more)
        assert "No space left on device" in done.refused()
        assert shell.listing(folder) == before
    assert os.listdir(small_disk) == ["old.png"]  # noqa: PTH208


def test_no_room_for_temporary_files(
    folder: Path, small_disk: Path, quick: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "photo.jpg").write_bytes(WHOLE["rgb.jpg"])
    (small_disk / "full").write_bytes(bytes(256 * 1024))
    monkeypatch.setattr(tempfile, "tempdir", str(small_disk))
    args = ("inpaint", "photo.jpg", "mask.png", *quick)
    done = untouched(folder, *args, "--jpeg", "lossless")
    assert "No space left on device" in done.refused()
    assert shell.call(*args, "-q").code == 0
    assert read_photo(folder / "photo.edit.jpg").size == (hostile.HEIGHT, hostile.WIDTH)


# Kill -9.

KILLED = """
import os, signal, sys, time, random
import torch
torch.set_num_threads(1)
from editkit.models.registry import load_model
from editkit_cli.main import main

model, moments = sys.argv[1:]
load_model(model, device="cpu")
args = ["inpaint", "photo.bmp", "mask.png", "-m", model, "--steps", "2", "--device", "cpu", "-q"]

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def dying_after(call):
    def made(*args, **more):
        call(*args, **more)
        die()
    return made

def child(moment):
    if "fsync" in moment:
        os.fsync = die
    elif "before link" in moment:
        os.link = die
    elif "after link" in moment:
        os.link = dying_after(os.link)
    main([*args, *(["-o", "old.bmp", "--force"] if "--force" in moment else ["-o", "out.bmp"])])

draw = random.Random(0)
seconds = whole = None
for moment in moments.split(","):
    start = time.perf_counter()
    pid = os.fork()
    if not pid:
        child(moment)
    if moment == "random":
        time.sleep(seconds * draw.uniform(0.2, 1.0))
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    seconds = seconds or time.perf_counter() - start
    print(moment, os.waitstatus_to_exitcode(status), sorted(os.listdir(".")), flush=True)
    if os.path.exists("out.bmp"):
        made = open("out.bmp", "rb").read()
        whole = whole or made
        assert made == whole, "a file that is not whole"
        os.remove("out.bmp")
"""
"""Loads a model once; then each edit is a process that is killed."""


@pytest.mark.slow
@linux
def test_kill_9_leaves_a_complete_file_or_none(folder: Path, quick: tuple[str, ...]) -> None:
    with Image.open(folder / "photo.png") as image:
        image.save(folder / "photo.bmp")
    shell.noise(8, 8).save(folder / "old.bmp")
    before = shell.listing(folder)
    moments = ["fsync", "before link", "after link", *["random"] * 5]
    forced = ["--force fsync", "--force before link"]
    args = (quick[1], ",".join(["whole", *moments, *forced]))
    done = shell.python(KILLED, *args, cwd=folder)
    assert done.code == 0, done
    assert shell.listing(folder) == before
    told = done.out.decode().splitlines()
    plain, full = sorted(before), sorted([*before, "out.bmp"])
    assert told[:4] == [
        f"whole 0 {full}",
        f"fsync -9 {plain}",
        f"before link -9 {plain}",
        f"after link -9 {full}",
    ]
    assert told[-2:] == [f"{moment} -9 {plain}" for moment in forced]
    at_random = told[4:-2]
    assert len(at_random) == 5
    for line in at_random:
        assert line in (f"random -9 {plain}", f"random -9 {full}", f"random 0 {full}")
    assert any(line.startswith("random -9") for line in at_random)
