"""Manifests that anybody may have written: a page of text, or a line that says what is wrong."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import shell

from editkit.batch.report.contact_sheet import Frame, contact_sheet, frame_of_row
from editkit.batch.report.page import page
from editkit.errors import BatchError

EVIL = "<script>alert(1)</script><img src=http://evil/x onerror=x>\x1b[31m\u202e\"'"

GOOD: dict[str, Any] = {
    "photo": "a.png",
    "variant": 0,
    "state": "done",
    "error": None,
    "seconds": 1.5,
    "seed": "3",
    "before": None,
    "after": None,
    "overlay": None,
    "report": json.dumps(
        {"scores": {"seam": 1.0}, "prompt": "x", "notes": ["n"], "samples_changed_outside": 0}
    ),
}
REPORTS = [
    *("{", "[]", "null1", "[" * 100_000, "7", '{"scores": 5}', '{"scores": [1]}'),
    *('{"scores": {"seam": "1"}}', '{"scores": {"seam": {}}}', '{"scores": {"seam": NaN}}'),
    *('{"scores": {"seam": 1e999}}', '{"scores": {"seam": true}}', '{"prompt": 5}'),
    *('{"notes": "x"}', '{"notes": [1]}', '{"notes": {}}', '{"samples_changed_outside": "x"}'),
]
WRONG: list[dict[str, Any]] = [
    *({"report": text} for text in REPORTS),
    *({"photo": value} for value in (None, 5, b"x", 1.5)),
    *({"state": value} for value in (None, 5, "evil", "<script>", b"done")),
    *({"variant": value} for value in (None, "x", 1.5, b"")),
    *({"seconds": value} for value in ("1", b"1", float("inf"))),
    *({"seed": value} for value in (b"1", 1.5)),
    *({name: value} for name in ("before", "after", "overlay") for value in ("x", 5, 1.5)),
    *({"error": value} for value in (5, b"x")),
    {"report": b"{}"},
]


@pytest.mark.parametrize("changed", WRONG, ids=lambda row: repr(row)[:40])
def test_a_row_that_no_batch_writes_is_one_line(changed: dict[str, Any]) -> None:
    row = {**GOOD, **changed}
    for make in (lambda: page([row]), lambda: contact_sheet([frame_of_row(row)])):
        with pytest.raises(BatchError, match="the manifest is damaged") as caught:
            make()
        assert len(str(caught.value).splitlines()) == 1
    for name in changed:
        with pytest.raises(BatchError):
            page([{k: v for k, v in GOOD.items() if k != name and k in ("photo", "variant")}])


def test_texts_are_text() -> None:
    report = json.dumps({"prompt": EVIL, "notes": [EVIL], "scores": {}})
    row = {**GOOD, "photo": EVIL, "error": EVIL, "state": "failed", "seed": EVIL, "report": report}
    made = page([row], EVIL)
    assert "<script>alert" not in made
    assert "<img src=http" not in made
    assert "\x1b" not in made
    assert "\u202e" not in made
    assert contact_sheet([frame_of_row(row)]).size.height


@pytest.mark.parametrize("data", [b"", b"x", b"\xff\xd8\xff", b"GIF89a" + bytes(20), bytes(100)])
def test_previews_that_are_no_pictures(data: bytes) -> None:
    row = {**GOOD, "before": data, "after": data}
    assert "data:image/jpeg;base64," in page([row]) or not data
    assert contact_sheet([frame_of_row(row)]).size.height


def test_a_name_of_several_lines_is_one_on_a_sheet() -> None:
    frames = [Frame("a\nb\x1b[31m", None, None, "c\nd\x9b", failed=True)]
    assert contact_sheet(frames).size.height


def test_the_command_says_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shell.noise(40, 40).save("a.png")
    given = ("batch", "erase", "a.png", "--mask", "box:9,9,20,20", "--method", "telea", "-o", "out")
    assert shell.call(*given, "--workers", "0", "-q").code == 0
    assert shell.call("report", "out", "--sheet", "s.png").code == 0
    (manifest,) = Path("out").rglob("*.sqlite")
    with closing(sqlite3.connect(manifest)) as db, db:
        db.execute("update photos set report = ?", ('{"scores": {"seam": "\x1b[31m"}}',))
    assert "the manifest" in shell.call("report", "out").refused(1)
