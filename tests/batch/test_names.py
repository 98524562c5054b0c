"""Names are bytes: each photo has its result, its row and its card, whatever it is called."""

import json
import os
import sqlite3
import sys
import unicodedata
from contextlib import closing
from pathlib import Path

import pytest
import shell

from editkit.batch.tasks import printable

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such names")

NAMES = (
    *(b"\xff.png", rb"\xff.png", rb"\\xff.png", b"caf\xe9.png", b"sub\xfe/in\xfd.png"),
    *(b"a\nb.png", b"a b.png", b"tab\t.png", b"\"q'.png", b"-lead.png", b"100%d.png"),
    *(b"{b}.png", b"#?&.png", b"\x1b[31m.png", b"\xe2\x80\xae.png", b"\xf0\x9f\x98\x80.png"),
    unicodedata.normalize("NFC", "é.png").encode(),
    unicodedata.normalize("NFD", "é.png").encode(),
    b"x" * 251 + b".png",
)
ERASE = ("--mask", "box:4,4,20,20", "--method", "telea", "--workers", "0")


def made(folder: bytes) -> set[bytes]:
    """Names of the pictures below a folder."""
    base = Path(os.fsdecode(folder))
    found = (os.fsencode(path.relative_to(base)) for path in base.rglob("*") if path.is_file())
    return {path for path in found if b".editkit" not in path}


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(NAMES):
        path = Path(os.fsdecode(b"photos/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        shell.noise(24, 24, seed=seed).save(path)
    return tmp_path


def test_every_name_has_a_result_a_row_and_a_card(many: Path) -> None:
    done = shell.call("batch", "erase", "photos", *ERASE, "-o", "out", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert (done.code, events[-1]["done"]) == (0, len(NAMES)), done
    assert made(b"out") == set(NAMES)
    assert len({event["photo"] for event in events[1:-1]}) == len(NAMES)
    again = shell.call("batch", "erase", "photos", *ERASE, "-o", "out")
    assert (again.code, again.out) == (0, b""), again
    with closing(sqlite3.connect(many / "out/.editkit/manifest.sqlite")) as manifest:
        rows = manifest.execute("select photo, output, report, timings from photos").fetchall()
    assert len(rows) == len(NAMES)
    assert all(json.loads(report) and json.loads(times) for *_, report, times in rows)
    report = shell.call("report", "out", "--sheet", "sheet.png")
    assert report.code == 0, report
    assert shell.opened(many / "sheet.png").width > 400


def test_masks_that_fail_have_names_too(many: Path) -> None:
    (many / "photos").rename(many / "masks")
    for name in NAMES:
        path = Path(os.fsdecode(b"photos/" + name))
        path.parent.mkdir(parents=True, exist_ok=True)
        shell.noise(25, 25).save(path)
    (many / "r.yaml").write_text("steps: [{erase: , mask: masks, method: telea}]\n")
    done = shell.call("batch", "r.yaml", "photos", "out", "--workers", "0", "--json")
    assert done.code == 3
    events = [json.loads(line) for line in done.out.splitlines()]
    assert events[-1]["failed"] == len(NAMES)
    assert all("the photo is 25x25" in event["error"] for event in events[1:-1])
    assert json.dumps(events, ensure_ascii=False).encode()
    with closing(sqlite3.connect(many / "out/.editkit/manifest.sqlite")) as manifest:
        assert len(manifest.execute("select mask from steps").fetchall()) == len(NAMES)
    assert shell.call("report", "out").code == 0


def test_one_photo_and_a_folder_that_are_no_text(many: Path) -> None:
    name = os.fsdecode(b"photos/\xff.png")
    out = os.fsdecode(b"o\xfe")
    assert shell.call("batch", "erase", name, *ERASE, "-o", out).code == 0
    assert made(b"o\xfe") == {b"\xff.png"}
    assert shell.process("report", out).code == 0
    single = shell.call("erase", name, *ERASE[1:4], "-o", os.fsdecode(b"u\xff.png"), "--json")
    assert single.code == 0
    assert (many / os.fsdecode(b"u\xff.png")).exists()


def test_no_two_paths_become_one_text() -> None:
    texts = [printable(os.fsdecode(name)) for name in NAMES]
    assert len(set(texts)) == len(NAMES)
    assert texts[:3] == [r"\xff.png", r"\\xff.png", r"\\\\xff.png"]
    assert printable(r"C:\photos\a.png") == r"C:\photos\a.png"
