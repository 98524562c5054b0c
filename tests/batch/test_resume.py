"""A batch goes on from what is there: however folders are spelled, and whatever became of files."""

import dataclasses
import fcntl
import json
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import shell

from editkit.batch.engines.processes import here
from editkit.batch.inputs import FoundPhoto, find_photos
from editkit.batch.manifest import Manifest, read_rows
from editkit.batch.recipes.recipe import Recipe, made_step
from editkit.batch.recipes.steps import Operation
from editkit.batch.run import Batch
from editkit.batch.selection import Choice
from editkit.errors import BatchError, InputError

NAMES = ("a.png", "b.jpg", "sub/a.tif")
MASK = "box:4,4,12,12 - mask.png"
Spelled = Callable[[Path], str | Path]


def refuse(*_: Any) -> Any:
    raise AssertionError("an engine was started")


def erasing(mask: str = MASK, **more: Any) -> Recipe:
    step = made_step(Operation("erase"), {"mask": mask, "method": "telea"})
    return Recipe((step,), **more)


def batch(out: str | Path, recipe: Recipe | None = None, **more: Any) -> Batch:
    return Batch(recipe or erasing(), Path(out), here, **more)


@pytest.fixture
def done(photos: Path, tmp_path: Path) -> Path:
    """A folder of results of three photos."""
    shell.block(32, 40).save(tmp_path / "mask.png")
    assert batch("out", masks_out=Path("areas")).run(find_photos("photos")).done == 3
    return tmp_path / "out"


def kept(made: Batch, photos: list[FoundPhoto]) -> bool:
    """Whether a run finds all as it should be, and does nothing."""
    return dataclasses.replace(made, engine=refuse).run(photos).kept == len(photos) == 3


def test_the_folders_may_be_spelled_in_any_way(done: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    for base in ("", "./", "photos/../", f"{tmp_path}/", "link/", f"{tmp_path}/link/./link/"):
        recipe = erasing(f"box:4,4,12,12 - {base}mask.png")
        made = batch(f"{base}out", recipe, masks_out=Path(f"{base}areas"))
        assert kept(made, find_photos(f"{base}photos")), base
        assert kept(batch(f"{base}out/", recipe), find_photos("photos/**/*.*")), base
    shutil.copytree(done, tmp_path / "elsewhere/moved")
    shutil.rmtree(done)
    moved = batch("elsewhere/moved")
    assert kept(moved, find_photos("photos"))
    (tmp_path / "photos").rename(tmp_path / "pictures")
    assert kept(moved, find_photos("pictures"))


def test_from_another_folder_all_is_the_same(
    done: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del done
    monkeypatch.chdir(tmp_path / "photos")
    made = batch("../out", erasing("box:4,4,12,12 - ../mask.png"), masks_out=Path("../areas"))
    assert kept(made, find_photos("."))


@pytest.mark.parametrize("lost", ["folder", "manifest", "row", "cut to nothing"])
def test_a_lost_manifest_is_made_again_of_the_results(done: Path, lost: str) -> None:
    own = done / ".editkit"
    before = {row["photo"]: row for row in read_rows(own)}
    if lost == "folder":
        shutil.rmtree(own)
    elif lost == "row":
        with closing(sqlite3.connect(own / "manifest.sqlite")) as db:
            db.execute("delete from photos where photo = 'b.jpg'")
            db.commit()
    else:
        for file in own.glob("manifest.sqlite*"):
            file.unlink()
        if lost == "cut to nothing":
            (own / "manifest.sqlite").touch()
    plan = batch("out").plan(find_photos("photos"))
    count = 1 if lost == "row" else 3
    assert (
        f"{count} results that were not in the manifest were recognized by their metadata"
        in plan.notes
    )
    assert kept(batch("out"), find_photos("photos"))
    for row in read_rows(own):
        for name in ("state", "settings", "sha256", "output_sha256", "output_size", "output"):
            if name != "settings":  # those of the first run tell where the areas are, too
                assert row[name] == before[row["photo"]][name], name
    assert "known by" not in str(batch("out").plan(find_photos("photos")).notes)


def test_only_results_of_the_same_are_known_again(done: Path, photos: Path) -> None:
    shutil.rmtree(done / ".editkit")
    for other in (
        erasing("box:4,4,12,13 - mask.png"),
        erasing(MASK, jpeg="full"),
        dataclasses.replace(
            erasing(), steps=(made_step(Operation("erase"), {"mask": MASK, "method": "ns"}),)
        ),
        erasing(MASK, gates={"seam": 100.0}),
    ):
        with pytest.raises(InputError, match="was not made by this batch"):
            batch("out", other).plan(find_photos("photos"))
    shell.noise(32, 40, seed=50).save(photos / "a.png")
    with pytest.raises(InputError, match=r"a\.png exists, and was not made by this batch"):
        batch("out").plan(find_photos("photos"))


def test_results_of_networks_and_chains_are_known_again(photos: Path, recipe: Recipe) -> None:
    del photos
    second = made_step(Operation("erase"), {"mask": "box:2,2,8,8", "method": "telea"})
    chain = dataclasses.replace(recipe, steps=(*recipe.steps, second), best_of=2)
    for name, made in (("one", recipe), ("chain", chain)):
        assert batch(name, made).run(find_photos("photos")).done == 3
        shutil.rmtree(Path(name) / ".editkit")
        assert kept(batch(name, made), find_photos("photos"))
        shutil.rmtree(Path(name) / ".editkit")
        with pytest.raises(InputError, match="was not made by this batch"):
            batch(name, dataclasses.replace(made, seed=9)).plan(find_photos("photos"))


def sql(*lines: str) -> Callable[[Path], None]:
    def change(file: Path) -> None:
        with closing(sqlite3.connect(file)) as db:
            for line in lines:
                db.execute(line)
            db.commit()

    return change


def cut(file: Path) -> None:
    sql("pragma wal_checkpoint(truncate)")(file)
    os.truncate(file, file.stat().st_size * 2 // 3)


def huge(file: Path) -> None:
    file.unlink()
    with file.open("wb") as stream:
        stream.truncate(2**40)


def pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


ENDLESS = "with recursive t(n) as (select 1 union all select n + 1 from t) select n from t"
DAMAGES: Mapping[str, tuple[Callable[[Path], object], str]] = {
    "garbage": (lambda file: file.write_bytes(b"no database" * 500), "not a database"),
    "cut short": (cut, "malformed"),
    "cut to a page": (lambda file: os.truncate(file, 4096), "cannot be used"),
    "huge": (huge, "cannot be used"),
    "pipe": (pipe, "it is no regular file"),
    "folder": (folder, "it is no regular file"),
    "other": (sql("drop table photos", "create table photos (a)"), "it is no manifest"),
    "view": (
        sql("drop table photos", f"create view photos as {ENDLESS}"),
        "it is no manifest",
    ),
    "trigger": (
        sql("create trigger t after insert on runs begin delete from photos; end"),
        "it is no manifest",
    ),
    "settings": (sql("update photos set settings = x'00ff'"), "for settings"),
    "no settings": (sql("update photos set photo = x'00' where photo = 'a.png'"), "for photo"),
    "state": (sql("update photos set state = 'gone'"), "it holds 'gone' for state"),
    "size": (sql("update photos set size = 'large'"), "it holds 'large' for size"),
    "time": (sql("update photos set mtime = 1e300"), "it holds 1e+300 for mtime"),
    "text": (sql("update photos set sha256 = cast(x'ff' as text)"), "cannot be used"),
    "digests": (sql("update files set mtime = 'x'"), "it holds 'x' for a int"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_manifest_is_one_line_with_advice(done: Path, name: str) -> None:
    damage, message = DAMAGES[name]
    file = done / ".editkit/manifest.sqlite"
    damage(file)
    before = {name: (done / name).read_bytes() for name in NAMES}
    with pytest.raises(BatchError) as caught:
        batch("out").run(find_photos("photos"))
    said = str(caught.value)
    assert message in said
    assert "\n" not in said
    assert said.endswith("delete it, and results are known again by their own records")
    assert {name: (done / name).read_bytes() for name in NAMES} == before
    shutil.rmtree(file) if file.is_dir() else file.unlink()
    for beside in file.parent.glob("manifest.sqlite-*"):
        beside.unlink()
    assert kept(batch("out"), find_photos("photos"))


def test_another_shards_damage_is_told_and_settings_of_any_kind_are_others(done: Path) -> None:
    file = done / ".editkit/manifest.sqlite"
    other = file.with_name("manifest-2-of-3.sqlite")
    other.write_bytes(b"no database" * 500)
    with pytest.raises(BatchError, match=r"manifest-2-of-3\.sqlite cannot be used"):
        batch("out").run(find_photos("photos"))
    other.write_bytes(b"")  # another machine is about to write it
    assert kept(batch("out"), find_photos("photos"))
    for settings in ("[1]", "{", "[" * 100_000, "7", '{"settings": []}'):
        sql(f"update photos set settings = '{settings}'")(file)  # noqa: S608
        plan = batch("out").plan(find_photos("photos"))
        assert set(plan.reasons.values()) == {"changed"}


REPORTS = ("[]", "{", "[" * 100_000, '{"scores": [1]}', '{"notes": 1}', '{"prompt": []}', "7")


def test_a_hostile_manifest_gives_report_a_line(done: Path) -> None:
    file = done / ".editkit/manifest.sqlite"
    for report in REPORTS:
        sql(f"update photos set report = '{report}'")(file)  # noqa: S608
        said = shell.call("report", "out")
        assert (said.code, said.err.count("\n")) == (1, 1)
        assert "for report; delete it" in said.err
    sql("update photos set report = null, before = 'text'")(file)
    assert "it holds 'text' for before" in shell.call("report", "out").err


def test_a_lock_of_a_moment_is_waited_for(done: Path) -> None:
    lock = done / ".editkit/manifest.lock"
    assert lock.exists()  # what a run that ended leaves, stops none
    with lock.open("a") as stream, closing(sqlite3.connect(lock.with_suffix(".sqlite"))) as db:
        fcntl.flock(stream, fcntl.LOCK_EX)
        threading.Timer(0.3, lambda: fcntl.flock(stream, fcntl.LOCK_UN)).start()
        began = time.monotonic()
        assert kept(batch("out"), find_photos("photos"))
        assert time.monotonic() - began > 0.2
        db.execute("select * from photos").fetchall()


def test_a_lock_that_stays_is_one_line(done: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("editkit.batch.manifest.PATIENCE", 0.2)
    file = done / ".editkit/manifest.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as db:
        db.execute("begin exclusive")
        with pytest.raises(BatchError, match=r"is locked; close the program that reads it"):
            batch("out", choice=Choice(force=True)).run(find_photos("photos"))
    lock = file.with_suffix(".lock")
    lock.unlink()
    os.mkfifo(lock)
    with pytest.raises(BatchError, match=r"manifest\.lock is no regular file; delete it"):
        batch("out").run(find_photos("photos"))


def test_records_of_strangers_are_read_as_such(done: Path) -> None:
    from editkit.batch.recover import Expected
    from editkit.batch.tasks import Task

    bound = erasing("box:4,4,12,12").bound({})
    task = Task("a.png", 0, "photos/a.png", "out/a.png", "r", bound, ((1,),), "")
    expected = Expected(erasing(), "", {"editkit": "1"}, lambda _: "x")
    good = {"original": {"sha256": "x"}, "saving": {"jpeg": "auto"}, "edit": "Erase"}
    for wrong in (
        *({}, {"original": 1}, {**good, "options": []}, {**good, "options": {"x": 1}}),
        *({**good, "options": {}, "mask": [1]}, {**good, "edit": "recipe", "steps": 5}),
        *({**good, "edit": "recipe", "steps": [1]}, {**good, "versions": 7, "edit": []}),
    ):
        assert not expected.fits(json.loads(json.dumps(wrong)), task)
    assert done.exists()


def test_a_manifest_that_is_open_can_be_read(done: Path) -> None:
    with Manifest(done / ".editkit/manifest.sqlite"):
        assert len(read_rows(done / ".editkit")) == 3


def test_a_clock_that_was_set_back_does_not_make_old_rows_new(photos: Path, batch: Any) -> None:
    old, new = erasing("box:4,4,12,12"), erasing("box:6,6,12,12")
    assert batch("out", recipe=old).run(find_photos("photos")).done == 3
    with closing(sqlite3.connect("out/.editkit/manifest.sqlite")) as db:
        db.execute("update photos set started = started + 1e9, finished = finished + 1e9")
        db.commit()
    for shard in ((1, 2), (2, 2)):
        assert batch("out", recipe=new, choice=Choice(shard=shard)).run(find_photos("photos"))
    again = batch("out", recipe=new).run(find_photos("photos"))
    assert (again.done, again.kept, again.failed) == (0, 3, {})
    told = [json.loads(row["settings"])["mask"] for row in read_rows(Path("out/.editkit"))]
    with closing(sqlite3.connect("out/.editkit/manifest.sqlite")) as db:
        before = {json.loads(s)["mask"] for (s,) in db.execute("select settings from photos")}
    assert not before & set(told)


def test_another_batch_in_the_place_of_the_results_ends_the_batch(photos: Path, batch: Any) -> None:
    assert batch("other", recipe=erasing("box:4,4,12,12")).run(find_photos("photos")).done == 3
    made = batch("out", recipe=erasing("box:6,6,12,12"))

    def swapped(event: Mapping[str, Any]) -> None:
        if event["event"] == "done" and Path("other").exists():
            Path("out").rename("away")
            Path("other").rename("out")

    before = shell.listing(Path("other"))
    with pytest.raises(BatchError, match="was removed, or replaced, while the batch ran"):
        dataclasses.replace(made, listen=swapped).run(find_photos("photos"))
    after = shell.listing(Path("out"))
    assert {k: v for k, v in after.items() if ".editkit" not in k} == {
        k: v for k, v in before.items() if ".editkit" not in k
    }
