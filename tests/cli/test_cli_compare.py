"""`editkit compare`: a page and a picture of two photos, and what differs between them."""

import base64
import json
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import shell
from PIL import Image

HOSTILE = '"><img src=x onerror=alert(1)>{{ 7 * 7 }}.png'


@pytest.fixture
def pair(folder: Path) -> Path:
    """The folder, with `after.png`: two blocks of `photo.png` are black."""
    samples = np.asarray(shell.opened(folder / "photo.png")).copy()
    samples[4:10, 6:16] = 0
    samples[40:44, 56:60] = 0
    Image.fromarray(samples).save(folder / "after.png")
    return folder


def changed(folder: Path) -> int:
    """How many pixels differ, by NumPy."""
    one, other = (np.asarray(shell.opened(folder / n)) for n in ("photo.png", "after.png"))
    return int((one != other).any(axis=2).sum())


class Page(HTMLParser):
    """The pictures and texts of a page, and what it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures, self.addresses, self.words = list[Image.Image](), list[str](), ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        address = found.get("src") or found.get("href") or ""
        if tag == "img":
            data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
            self.pictures.append(Image.open(BytesIO(data)))
        elif address:
            self.addresses.append(address)

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_holds_both_photos_and_the_regions(pair: Path) -> None:
    done = shell.process("compare", "photo.png", "after.png", cwd=pair)
    assert (done.code, done.out) == (0, b"after.compare.html\n")
    count = changed(pair)
    said = f"{count} of 3072 pixels differ ({100 * count / 3072:.2g} %), in 2 regions"
    assert done.err == f"editkit: {said}\n"
    page = Page((pair / "after.compare.html").read_text(encoding="utf-8"))
    assert page.addresses == ["data:,"]
    assert said in page.words
    assert "from 6,4 to 16,10" in page.words
    assert "from 56,40 to 60,44" in page.words
    assert "samples changed" in page.words
    # The whole photo and two regions: each after, before, and the changes.
    assert len(page.pictures) == 9
    for picture, name in zip(page.pictures, ("after.png", "photo.png"), strict=False):
        assert np.array_equal(np.asarray(picture), np.asarray(shell.opened(pair / name)))
    layer = np.asarray(page.pictures[2])
    assert layer.shape == (48, 64, 4)
    assert np.count_nonzero(layer[..., 3]) == count


def test_the_picture_is_side_by_side_with_the_changes(pair: Path) -> None:
    done = shell.call("compare", "photo.png", "after.png", "--png", "both.png")
    assert (done.code, done.out) == (0, b"both.png\n")
    assert not (pair / "after.compare.html").exists()
    sheet = np.asarray(shell.opened(pair / "both.png"))
    before, after = (np.asarray(shell.opened(pair / n)) for n in ("photo.png", "after.png"))
    top, left = 12 + 22, 12
    for place, expected in enumerate((before, after)):
        start = left + place * (64 + 12)
        assert np.array_equal(sheet[top : top + 48, start : start + 64], expected)
    marked = sheet[top : top + 48, left + 2 * 76 : left + 2 * 76 + 64]
    assert np.count_nonzero((marked == (255, 40, 40)).all(axis=2)) == changed(pair)


def test_the_report_is_that_of_verify(pair: Path) -> None:
    told = json.loads(shell.call("compare", "photo.png", "after.png", "--json", "-q").out)
    proof = json.loads(shell.call("verify", "photo.png", "after.png", "--json").out)
    assert told | proof == told
    assert told["files"] == ["after.compare.html"]
    assert told["pixels_changed"] == changed(pair)


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16", "CMYK"])
def test_photos_of_other_modes_are_compared_as_they_look(pair: Path, mode: str) -> None:
    suffix = ".tif" if mode == "CMYK" else ".png"
    shell.noise(48, 64, mode, seed=3).save(pair / f"other{suffix}")
    done = shell.call("compare", "photo.png", f"other{suffix}", "-o", "x.html", "--png", "x.png")
    assert done.code == 0, done.err
    assert "the modes differ" in done.err
    same = shell.call("compare", f"other{suffix}", f"other{suffix}", "-o", "same.html")
    assert same.err == "editkit: no pixel differs\n"


def test_a_jpeg_and_its_turned_copy_are_compared_upright(pair: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = shell.opened(pair / "photo.png")
    photo.save(pair / "plain.png")
    photo.transpose(Image.Transpose.ROTATE_90).save(pair / "turned.png", exif=exif)
    done = shell.call("compare", "plain.png", "turned.png", "-o", "x.html")
    assert done.err == "editkit: no pixel differs\n"


def test_photos_of_other_sizes_are_refused_in_a_line(pair: Path) -> None:
    shell.noise(40, 64).save(pair / "small.png")
    said = shell.call("compare", "photo.png", "small.png").refused()
    assert said.startswith("photo.png is 64x48, small.png is 64x40; give two photos of one size")
    assert "`editkit composite`" in said
    assert not (pair / "small.compare.html").exists()


@pytest.mark.parametrize("option", ["-o", "--png"])
def test_files_are_replaced_by_force_alone(pair: Path, option: str) -> None:
    target = pair / ("x.html" if option == "-o" else "x.png")
    target.write_bytes(b"mine")
    command = ("compare", "photo.png", "after.png", option, target.name)
    assert "exists; give --force" in shell.call(*command).refused()
    assert target.read_bytes() == b"mine"
    assert shell.call(*command, "--force").code == 0
    assert target.read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("photo.png", "after.png", "-o", "x.png"), "does not end in .html"),
        (("photo.png", "after.png", "--png", "x.jpg"), "does not end in .png"),
        (("photo.png", "after.png", "--png", "photo.png", "--force"), "is the photo itself"),
        (("photo.png", "after.png", "-o", "no/x.html"), "does not exist"),
        (("photo.png", "nowhere.png"), "nowhere.png cannot be read"),
        (("-", "-"), "cannot both be -"),
    ],
)
def test_what_cannot_be_done_is_refused(pair: Path, args: tuple[str, ...], said: str) -> None:
    before = shell.listing(pair)
    assert said in shell.call("compare", *args).refused()
    assert shell.listing(pair) == before


def test_names_are_text_on_the_page(pair: Path) -> None:
    (pair / "after.png").rename(pair / HOSTILE)
    shell.call("compare", "photo.png", HOSTILE, "-o", "x.html", "--png", "x.png")
    text = (pair / "x.html").read_text(encoding="utf-8")
    assert "<img src=x" not in text
    assert "49.png" not in text
    assert HOSTILE in Page(text).words


def test_one_photo_may_come_from_a_pipe(pair: Path) -> None:
    data = (pair / "after.png").read_bytes()
    done = shell.process("compare", "photo.png", "-", cwd=pair, input=data)
    assert done.out == b"compare.html\n"
    text = (pair / "compare.html").read_text(encoding="utf-8")
    assert re.search(r"in 2 regions", text)


def test_a_frame_of_an_animation_is_compared_with_its_edit(pair: Path) -> None:
    frames = [shell.noise(48, 64, seed=k) for k in range(3)]
    frames[0].save(pair / "three.tif", save_all=True, append_images=frames[1:])
    frames[2].save(pair / "third.png")
    assert "--frame" in shell.call("compare", "three.tif", "third.png").refused()
    done = shell.call("compare", "three.tif", "third.png", "--frame", "2", "-o", "x.html")
    assert done.err == "editkit: no pixel differs\n"
    done = shell.call("compare", "three.tif", "three.tif", "--frame", "1", "-o", "y.html")
    assert done.err == "editkit: no pixel differs\n"
