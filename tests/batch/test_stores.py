"""Photos, masks and results in a store: the same bytes as on a disk, and never a part of one."""

import dataclasses
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import fsspec
import pytest
import shell
import store
from fsspec.implementations.local import LocalFileSystem
from s3fs import S3FileSystem
from store import Bucket

from editkit.batch.engines.processes import here
from editkit.batch.inputs import FoundPhoto, find_photos, listed_photos
from editkit.batch.manifest import read_rows
from editkit.batch.manifest_sync import ManifestStore, manifests_of
from editkit.batch.recipes.recipe import Recipe, made_step
from editkit.batch.recipes.steps import Operation
from editkit.batch.run import Batch, Summary
from editkit.batch.selection import Choice, found_photos
from editkit.batch.staging import Staging
from editkit.batch.tasks import Outcome
from editkit.errors import BatchError, ImageError, InputError
from editkit.storage.url import Url, place_of

pytestmark = pytest.mark.process

NAMES = {"a.png", "b.jpg", "sub/a.tif"}
MakeBatch = Callable[..., Batch]


@pytest.fixture
def stored(photos: Path, bucket: Bucket) -> Bucket:
    """A bucket with the photos in it."""
    bucket.put_folder(photos, "photos")
    return bucket


def url(text: str) -> Url:
    found = place_of(text)
    assert isinstance(found, Url)
    return found


def to_store(batch: MakeBatch, bucket: Bucket, **more: Any) -> Batch:
    return dataclasses.replace(batch(**more), out=url(f"{bucket.url}/out"))


def run(batch: Batch, bucket: Bucket, **more: Any) -> Summary:
    photos = found_photos(f"{bucket.url}/photos", batch.out, batch.recipe)
    return batch.run(photos, **more)


def results(folder: Path) -> dict[str, bytes]:
    return {k: v for k, v in shell.listing(folder).items() if not k.startswith(".editkit")}


def refuse(*_: Any) -> Any:
    raise AssertionError("an engine was started")


def fresh_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    monkeypatch.setenv("EDITKIT_STATE", str(tmp_path / name))


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for temporary files of this test alone: others run beside it."""
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setenv("TMPDIR", str(place))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return place


def test_results_in_a_store_are_those_on_a_disk(
    stored: Bucket, batch: MakeBatch, photos: Path, temporary: Path
) -> None:
    before = stored.marks("photos/")
    made = to_store(batch, stored)
    assert run(made, stored).done == 3
    batch("out").run(find_photos("photos"))
    assert stored.results() == results(Path("out"))
    assert set(stored.results()) == NAMES
    assert stored.marks("photos/") == before
    assert set(stored.marks()) - set(before) - {f"out/{name}" for name in NAMES} == {
        f"out/.editkit/{made.manifest_path.name}"
    }
    assert stored.unfinished() == []
    assert not list(temporary.glob("editkit-*"))
    for row in read_rows(manifests_of(made.out)):
        assert row["sha256"] == shell.sha256(photos / row["photo"])
        assert row["output"] == f"{stored.url}/out/{row['photo']}"
        kept = "jpeg_blocks" if row["photo"].endswith(".jpg") else "samples"
        assert json.loads(row["report"])[f"{kept}_changed_outside"] == 0


def test_again_there_is_nothing_to_do_also_for_another_machine(
    stored: Bucket, batch: MakeBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(to_store(batch, stored), stored)
    before = stored.marks()
    idle = to_store(batch, stored, engine=refuse)
    assert run(idle, stored).kept == 3
    fresh_machine(monkeypatch, tmp_path, "other")
    assert run(idle, stored).kept == 3
    assert stored.marks() == before
    # What that one does, the first one knows.
    stored.put("photos/b.jpg", shell.as_bytes(shell.noise(32, 40, seed=77), "JPEG"))
    stored.put("photos/new.png", shell.as_bytes(shell.noise(32, 40, seed=78), "PNG"))
    stored.client.delete_object(Bucket=stored.name, Key="out/a.png")
    plan = to_store(batch, stored).plan(find_photos(f"{stored.url}/photos"))
    reasons = {photo: why for (photo, _), why in plan.reasons.items()}
    assert reasons == {"b.jpg": "changed", "new.png": "new", "a.png": "missing"}
    assert run(to_store(batch, stored), stored).done == 3
    fresh_machine(monkeypatch, tmp_path, "state")
    assert run(idle, stored).kept == 4
    assert len([key for key in stored.marks() if key.endswith(".sqlite")]) == 2


def test_what_a_machine_was_at_work_on_another_does(
    stored: Bucket, batch: MakeBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that is lost left results of which its manifest's copy knows only the names."""

    def dies(setup: Any, tasks: Any) -> Any:
        for outcome in here(setup, tasks):
            yield outcome
            os.environ["EDITKIT_STATE"] = str(tmp_path / "nowhere")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(to_store(batch, stored, engine=dies), stored)
    assert len(stored.results()) >= 1
    fresh_machine(monkeypatch, tmp_path, "other")
    plan = to_store(batch, stored).plan(find_photos(f"{stored.url}/photos"))
    assert set(plan.reasons.values()) == {"interrupted"}
    assert run(to_store(batch, stored), stored).done == 3
    batch("out").run(find_photos("photos"))
    assert stored.results() == results(Path("out"))


def test_objects_of_others_are_not_replaced(stored: Bucket, batch: MakeBatch) -> None:
    stored.put("out/b.jpg", b"mine")
    made = to_store(batch, stored)
    with pytest.raises(InputError, match=r"out/b\.jpg exists, and was not made by this batch"):
        run(made, stored)
    assert stored.results() == {"b.jpg": b"mine"}
    assert run(to_store(batch, stored, choice=Choice(force=True)), stored).done == 3
    stored.put("out/b.jpg", b"retouched")
    assert run(made, stored).kept == 3
    stored.put("photos/b.jpg", shell.as_bytes(shell.noise(32, 40, seed=77), "JPEG"))
    assert "was changed by another program" in run(made, stored).failed["b.jpg"]
    assert stored.get("out/b.jpg") == b"retouched"
    # One that comes while its photo is in work is not replaced either.
    late: Any = url(f"{stored.url}/late.png")
    with pytest.raises(ImageError, match=r"late\.png exists; give force=True"):
        late._put_new(*_between(late, stored))
    assert stored.get("late.png") == b"first"


def _between(late: Any, stored: Bucket) -> tuple[Any, str, Any]:
    """A write before which another one comes."""
    store, path = late._opened()

    def put(store: Any, path: str, how: Mapping[str, str]) -> None:
        stored.put("late.png", b"first")
        store.pipe_file(path, b"second", **how)

    return store, path, put


def test_objects_that_cannot_be_edited_fail_alone(stored: Bucket, batch: MakeBatch) -> None:
    stored.put("photos/cut.jpg", stored.get("photos/b.jpg")[:300])
    photos = find_photos(f"{stored.url}/photos")
    stored.client.delete_object(Bucket=stored.name, Key="photos/a.png")
    made = to_store(batch, stored)
    summary = made.run(photos)
    assert set(summary.failed) == {"a.png", "cut.jpg"}
    assert summary.failed["a.png"] == f"there is no {stored.url}/photos/a.png"
    # Not where it was fetched to.
    assert summary.failed["cut.jpg"].startswith(f"{stored.url}/photos/cut.jpg ")
    row = next(r for r in read_rows(manifests_of(made.out)) if r["photo"] == "cut.jpg")
    assert row["sha256"] == shell.sha256(stored.get("photos/cut.jpg"))
    stored.put("photos/sub/a.tif", b"broken now")
    assert "sub/a.tif" in run(made, stored).failed
    assert "sub/a.tif" not in stored.results()
    assert "out/.editkit/stale/sub/a.tif" in stored.marks()


def test_masks_in_a_store(
    stored: Bucket, batch: MakeBatch, recipe: Recipe, photos: Path, tmp_path: Path
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in ("a.png", "b_mask.png"):
        shell.block(32, 40).save(masks / name)
    stored.put_folder(masks, "masks")

    def of(mask: str, **more: Any) -> Recipe:
        step = made_step(Operation("inpaint"), {"inpaint": "x", "mask": mask, "steps": 2})
        return dataclasses.replace(recipe, steps=(step,), **more)

    made = to_store(batch, stored, recipe=of(f"{stored.url}/masks"))
    assert run(made, stored).done == 3
    batch("disk", recipe=of("masks")).run(find_photos("photos"))
    assert stored.results() == results(tmp_path / "disk")
    stored.put("masks/b_mask.png", shell.as_bytes(shell.block(32, 40).rotate(180), "PNG"))
    plan = made.plan(find_photos(f"{stored.url}/photos"))
    assert {photo for photo, _ in plan.reasons} == {"b.jpg"}
    # One for all, to a disk; a photo's own, to the store.
    one = batch("one", recipe=of(f"{stored.url}/masks/a.png", provenance=False))
    assert one.run(find_photos(f"{stored.url}/photos")).done == 3
    own = batch("own", recipe=of("masks/a.png", provenance=False))
    assert own.run(find_photos(str(photos))).done == 3
    assert results(tmp_path / "one") == results(tmp_path / "own")
    inside = batch("none", recipe=of(f"file:'{stored.url}/masks/a.png' ~grow:2"))
    with pytest.raises(InputError, match="can only be all of a mask"):
        inside.run(find_photos("photos"))


def test_a_result_tells_no_more_of_where_things_lie_than_it_must(
    stored: Bucket, batch: MakeBatch, photos: Path
) -> None:
    del photos
    mixed = {
        "store to disk": (batch("out"), f"{stored.url}/photos"),
        "disk to store": (to_store(batch, stored), "photos"),
    }
    for made, source in mixed.values():
        assert made.run(find_photos(source)).done == 3
    assert stored.results() == results(Path("out"))
    data = stored.get("out/a.png")
    assert b"a.png" in data
    assert b"photos" not in data
    assert b"editkit-" not in data


def test_files_are_paths_and_memory_is_of_one_process(
    photos: Path, batch: MakeBatch, tmp_path: Path
) -> None:
    batch("out").run(find_photos("photos"))
    made = dataclasses.replace(batch(), out=place_of(f"file://{tmp_path}/there"))
    assert made.run(find_photos(f"file://{photos}")).done == 3
    assert results(tmp_path / "there") == results(tmp_path / "out")
    assert made.manifest_path == tmp_path / "there/.editkit/manifest.sqlite"
    memory: Any = fsspec.filesystem("memory")
    memory.put(str(photos), "/photos", recursive=True)
    made = dataclasses.replace(batch(), out=place_of("memory://results"))
    assert made.run(find_photos("memory://photos")).done == 3
    found = {name.removeprefix("/results/"): memory.cat(name) for name in memory.find("/results")}
    plain = {name: data for name, data in found.items() if not name.startswith(".editkit")}
    assert set(plain) == NAMES
    with pytest.raises(InputError, match="only in this process"):
        dataclasses.replace(made, engine=refuse).run(find_photos("memory://photos"))
    memory.rm("/photos", recursive=True)
    memory.rm("/results", recursive=True)


class Shared(LocalFileSystem):
    """A file system by a driver that writes bit by bit, as those of servers do."""

    protocol = "shared"


class Breaking(Shared):
    """One whose connection breaks when half is written."""

    protocol = "breaking"

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **more: Any) -> None:
        super().pipe_file(path, value[: len(value) // 2], mode, **more)
        raise ConnectionResetError("gone")


@pytest.fixture
def drivers() -> None:
    for kind in (Shared, Breaking):
        fsspec.register_implementation(str(kind.protocol), kind, clobber=True)


@pytest.mark.usefixtures("drivers")
def test_where_writing_takes_time_what_is_whole_is_renamed(tmp_path: Path) -> None:
    target = url(f"shared://{tmp_path}/out/a.png")
    target.write(b"one")
    with pytest.raises(ImageError, match="exists"):
        target.write(b"two")
    target.write(b"two", force=True)
    assert shell.listing(tmp_path) == {"out/a.png": b"two"}
    with pytest.raises(BatchError, match=r"out/b\.png cannot be written: gone"):
        url(f"breaking://{tmp_path}/out/b.png").write(b"half of it")
    with pytest.raises(BatchError, match="cannot be written"):
        url(f"breaking://{tmp_path}/out/a.png").write(b"half of it", force=True)
    assert shell.listing(tmp_path) == {"out/a.png": b"two"}


@pytest.fixture
def google(monkeypatch: pytest.MonkeyPatch) -> Iterator[HTTPConnection]:
    """A connection to a store that speaks as Google's, with a bucket `photos`."""
    from gcsfs import GCSFileSystem

    with store.served(google=True) as address:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", address)
        connection = HTTPConnection(address.removeprefix("http://"), timeout=60)
        yield connection
        connection.close()
    GCSFileSystem.clear_instance_cache()


def test_a_store_of_another_maker(
    photos: Path, google: HTTPConnection, batch: MakeBatch, tmp_path: Path
) -> None:
    def asked(path: str, data: bytes | None = None) -> bytes:
        google.request("GET" if data is None else "POST", path, data)
        return google.getresponse().read()

    for name in NAMES:
        key = quote(f"photos/{name}", safe="")
        data = (photos / name).read_bytes()
        asked(f"/upload/storage/v1/b/photos/o?uploadType=media&name={key}", data)
    made = dataclasses.replace(batch(), out=place_of("gs://photos/out"))
    assert made.run(find_photos("gs://photos/photos")).done == 3
    batch("out").run(find_photos("photos"))
    listed = json.loads(asked("/storage/v1/b/photos/o?prefix=out/"))["items"]
    names = {item["name"] for item in listed if ".editkit" not in item["name"]}
    assert names == {f"out/{name}" for name in NAMES}
    for name in NAMES:
        data = asked(f"/storage/v1/b/photos/o/{quote(f'out/{name}', safe='')}?alt=media")
        assert data == (tmp_path / "out" / name).read_bytes()
    again = dataclasses.replace(made, engine=refuse)
    assert again.run(find_photos("gs://photos/photos")).kept == 3


def test_which_objects_are_photos(bucket: Bucket) -> None:
    for key in ("a.png", "b.JPG", "sub/c.tif", "sub/deep/d.png", ".hidden/e.png", "notes.txt"):
        bucket.put(f"in/{key}", b"x")
    base = f"{bucket.url}/in"

    def names(found: list[FoundPhoto]) -> list[str]:
        assert all(str(f.path) == f"{base}/{f.relative}" for f in found)
        return [str(f.relative) for f in found]

    assert names(find_photos(base)) == ["a.png", "b.JPG", "sub/c.tif", "sub/deep/d.png"]
    assert names(find_photos(f"{base}/", recursive=False)) == ["a.png", "b.JPG"]
    assert names(find_photos(base, without=[url(f"{base}/sub")])) == ["a.png", "b.JPG"]
    assert names(find_photos(f"{base}/**/*.png")) == ["a.png", "sub/deep/d.png"]
    assert names(find_photos(f"{base}/a.png")) == ["a.png"]
    listed = listed_photos([f"{base}/sub/c.tif\n", f"{base}/a.png\n"])
    assert names(listed) == ["sub/c.tif", "a.png"]
    with pytest.raises(InputError, match="several stores"):
        listed_photos([f"{base}/a.png", "b.png"])
    for wrong, message in (("none", "there is no s3://"), ("*.webp", "holds no photos")):
        with pytest.raises(InputError, match=message):
            find_photos(f"{base}/{wrong}")


@pytest.mark.parametrize("key", ["in/../../up.png", "in/sub//a.png", "in/a\\..\\b.png"])
def test_names_that_would_lead_out_of_the_folder_are_refused(bucket: Bucket, key: str) -> None:
    bucket.put(key, b"x")
    with pytest.raises(InputError, match="a name that is no path"):
        find_photos(f"{bucket.url}/in")


def test_a_store_that_is_not_there_is_one_line(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImageError, match=r"none/a\.png cannot be written: The specified bucket"):
        url(f"{bucket.url}-none/a.png").write(b"x")
    with pytest.raises(InputError, match="there is no s3://"):
        find_photos(f"{bucket.url}-none")
    found = url(f"{bucket.url}/a.png")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    S3FileSystem.clear_instance_cache()
    with pytest.raises(BatchError, match=r"a\.png cannot be written: Could not connect") as caught:
        found.write(b"x")
    assert "\n" not in str(caught.value)


def test_a_driver_that_is_missing_is_named() -> None:
    code = """if True:
        import sys
        from editkit.storage.url import place_of
        from editkit.errors import InputError
        sys.modules["s3fs"] = None
        for name in sys.argv[1:]:
            try:
                place_of(name).exists()
            except InputError as error:
                print(error)
    """
    names = ("s3://bucket/a", "abfs://bucket/a", "none://bucket/a", "s3://bucket/a::b")
    lines = shell.python(code, *names).out.decode().splitlines()
    assert len(lines) == 4
    assert "s3:// needs a driver that is not installed; " in lines[0]
    assert "pip install 'editkit[remote]'" in lines[0]
    assert "abfs:// needs a driver that is not installed: Install adlfs" in lines[1]
    assert "no driver for none://" in lines[2]
    assert "names with :: in them" in lines[3]


def test_offline_no_store_is_asked(photos: Path, batch: MakeBatch, recipe: Recipe) -> None:
    del photos
    offline = dataclasses.replace(recipe, offline=True)
    message = "--offline: s3://nowhere/x is not on this machine"
    with pytest.raises(InputError, match=message):
        found_photos("s3://nowhere/x", Path("out"), offline)
    made = dataclasses.replace(batch(recipe=offline), out=url("s3://nowhere/x"))
    with pytest.raises(InputError, match=message):
        made.run(find_photos("photos"))
    step = made_step(Operation("inpaint"), {"inpaint": "x", "mask": "{where}", "steps": 2})
    variable = dataclasses.replace(offline, steps=(step,), variables={"where": "s3://nowhere/x"})
    with pytest.raises(InputError, match=message):
        batch(recipe=variable).run(find_photos("photos"))
    assert batch(recipe=offline).run(find_photos(f"file://{Path.cwd()}/photos")).done == 3


def test_what_was_fetched_is_deleted_with_its_task(stored: Bucket, batch: MakeBatch) -> None:
    plan = to_store(batch, stored).plan(find_photos(f"{stored.url}/photos"))
    staging: Any = Staging()
    first, second = (staging.task(task) for task in plan.tasks[:2])
    assert Path(first.source).read_bytes() == stored.get("photos/a.png")
    folders = [staging._stages[task.key].folder for task in plan.tasks[:2]]
    assert all(folder.stat().st_mode & 0o777 == 0o700 for folder in folders)
    fault = f"{first.source} is broken"
    told = staging.done(Outcome(*plan.tasks[0].key, "failed", fault))
    assert told.error == f"{stored.url}/photos/a.png is broken"
    assert told.row["sha256"] == shell.sha256(stored.get("photos/a.png"))
    assert [folder.exists() for folder in folders] == [False, True]
    assert Path(second.source).exists()
    del staging
    assert not folders[1].exists()


def test_a_copy_of_the_manifest_is_put_before_the_first_result(
    stored: Bucket, batch: MakeBatch, tmp_path: Path
) -> None:
    rows = list[list[tuple[str, str]]]()

    def looks(setup: Any, tasks: Any) -> Any:
        (key,) = (k for k in stored.marks("out/") if k.endswith(".sqlite"))
        (tmp_path / "copy").write_bytes(stored.get(key))
        assert stored.results() == {}
        with closing(sqlite3.connect(tmp_path / "copy")) as db:
            rows.append(db.execute("select photo, state from photos").fetchall())
        return here(setup, tasks)

    run(to_store(batch, stored, engine=looks), stored)
    assert sorted(rows[0]) == [(name, "running") for name in sorted(NAMES)]
    store = ManifestStore(url(f"{stored.url}/out"))
    assert store.manifest.is_file()
    assert not list(store.folder.glob("*.copy"))
    shutil.rmtree(store.folder)
    assert {row["state"] for row in read_rows(manifests_of(store.out))} == {"done"}
    with pytest.raises(BatchError, match="not the result of a batch"):
        manifests_of(url(f"{stored.url}/photos"))


@pytest.mark.slow
def test_the_command_killed_goes_on_elsewhere_to_the_same_bytes(
    stored: Bucket, checkpoints: dict[int, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a process with a worker process, which finds the store by itself."""
    for seed in range(8):
        shell.noise(32, 40, seed=10 + seed).save(f"photos/{seed}.png")
    stored.put_folder(Path("photos"), "photos")
    quick = ("--mask", "box:8,8,24,24", "-m", checkpoints[9], "--steps", "2", "--device", "cpu")
    command = ("batch", "inpaint", f"{stored.url}/photos", *quick)
    out = ("-o", f"{stored.url}/out")
    with subprocess.Popen(
        [shell.EDITKIT, *command, *out],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        shell.wait_for(lambda: len(stored.results()) >= 2)
        os.kill(running.pid, signal.SIGKILL)
    shell.wait_for(lambda: not shell.group_is_alive(running.pid))
    left = stored.results()
    assert len(left) < 11
    fresh_machine(monkeypatch, tmp_path, "other")
    done = shell.call(*command, *out, "--workers", "0")
    assert done.code == 0, done.err
    assert shell.call("batch", "inpaint", "photos", *quick, "--workers", "0", "-o", "out").code == 0
    assert len(stored.results()) == 11
    assert stored.results() == results(Path("out")) | left == results(Path("out"))
    assert stored.unfinished() == []
    page = shell.call("report", f"{stored.url}/out")
    assert page.out.decode().strip() == f"{stored.url}/out/report.html"
    assert stored.get("out/report.html").count(b"data:image/jpeg") == 22


def test_one_recipe_for_one_object_and_for_many(
    stored: Bucket, checkpoints: dict[int, Path]
) -> None:
    Path("r.yaml").write_text(
        f"model: {checkpoints[9]}\ndevice: cpu\nseed: 2\nsteps:\n"
        f"  - {{inpaint: x, mask: '{stored.url}/mask.png', steps: 2}}\n"
    )
    stored.put("mask.png", shell.as_bytes(shell.block(32, 40), "PNG"))
    many = ("batch", "r.yaml", f"{stored.url}/photos", f"{stored.url}/out", "--workers", "0")
    assert shell.call(*many, "-q").code == 0
    one = ("apply", "r.yaml", f"{stored.url}/photos/a.png")
    done = shell.call(*one, "-o", f"{stored.url}/out/one.png", "-q")
    assert done.code == 0, done.err
    assert stored.get("out/one.png") == stored.get("out/a.png")
    assert "exists; give --force" in shell.call(*one, "-o", f"{stored.url}/out/one.png").refused()
    assert shell.call(*one, "-q").code == 0
    assert "photos/a.edit.png" in stored.marks()
    assert shell.call(*one, "-o", "one.png", "-q").code == 0
    assert shell.opened(Path("one.png")).size == (40, 32)
    missing = shell.call("apply", "r.yaml", f"{stored.url}/photos/none.png", "-o", "x.png")
    assert f"there is no {stored.url}/photos/none.png" in missing.refused()
    offline = shell.call(*many[:-2], "--offline").refused()
    assert f"--offline: {stored.url}/photos is not on this machine" in offline
