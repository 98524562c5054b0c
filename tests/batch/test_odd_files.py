"""What is no file, what does not answer, and what may not be read: told by name, not waited for."""

import dataclasses
import fcntl
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest
import shell

from editkit.batch.engines.processes import here
from editkit.batch.inputs import FoundPhoto, find_photos
from editkit.batch.manifest import Manifest, read_rows
from editkit.batch.pairing import MaskFolder
from editkit.batch.recipes.recipe import Recipe, made_step
from editkit.batch.recipes.steps import Operation
from editkit.batch.run import Batch
from editkit.batch.selection import found_photos
from editkit.batch.watch import settled_photos
from editkit.errors import BatchError, ImageError, InputError
from editkit.storage import timeouts

MakeBatch = Callable[..., Batch]

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no such files here")

ODD = {
    "dangling.png": "there is no such file",
    "device.png": "is a device",
    "loop.png": "symbolic links",
    "pipe.png": "is a pipe",
    "socket.png": "is a socket",
    "to a pipe.png": "is a pipe",
}


def odd_files(folder: Path) -> None:
    """What is named as a photo, and is none."""
    folder.mkdir(exist_ok=True)
    (folder / "dangling.png").symlink_to("nowhere")
    (folder / "device.png").symlink_to("/dev/zero")
    (folder / "loop.png").symlink_to("loop.png")
    os.mkfifo(folder / "pipe.png")
    (folder / "to a pipe.png").symlink_to("pipe.png")
    near = os.open(folder, os.O_RDONLY)  # names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f"/proc/self/fd/{near}/socket.png")
    finally:
        os.close(near)


@pytest.fixture
def telea() -> Recipe:
    step = made_step(Operation("erase"), {"mask": "box:8,8,24,24", "method": "telea"})
    return Recipe((step,), device="cpu")


def told(failed: dict[str, str]) -> None:
    assert sorted(failed) == sorted(ODD)
    for name, error in failed.items():
        assert ODD[name] in error


def test_among_photos(photos: Path, batch: MakeBatch, telea: Recipe) -> None:
    odd_files(photos)
    made = batch(recipe=telea)
    summary = made.run(found_photos("photos", made.out, telea))
    assert (summary.done, summary.code) == (3, 3)
    told(summary.failed)
    again = made.run(found_photos("photos", made.out, telea))
    assert (again.done, again.kept) == (0, 3)
    told(again.failed)
    patterned = batch("other", recipe=telea).run(find_photos("photos/*.png"))
    assert patterned.done == 1
    told(patterned.failed)


@pytest.mark.parametrize("name", sorted(set(ODD) - {"dangling.png"}))
def test_as_the_only_photo(tmp_path: Path, name: str) -> None:
    odd_files(tmp_path / "odd")
    with pytest.raises(ImageError, match=ODD[name]):
        find_photos(str(tmp_path / "odd" / name))


@pytest.mark.parametrize("kind", ["masks", "edits"])
def test_among_masks_and_edits(
    photos: Path, batch: MakeBatch, telea: Recipe, tmp_path: Path, kind: str
) -> None:
    shutil.rmtree(photos)
    photos.mkdir()
    for name in ODD:
        shell.noise(32, 40).save(photos / name)
    odd_files(tmp_path / kind)
    given = {"mask": str(tmp_path / kind), "method": "telea"}
    step = made_step(Operation("erase"), given)
    if kind == "edits":
        step = made_step(Operation("composite"), {"edited": str(tmp_path / kind)})
    made = batch(recipe=dataclasses.replace(telea, steps=(step,)))
    summary = made.run(found_photos("photos", made.out, made.recipe))
    assert summary.done == 0
    told(summary.failed)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has leases")
def test_a_file_that_does_not_answer(
    photos: Path, batch: MakeBatch, telea: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever opens a file that another has leased waits for that one, who does not hear it."""
    monkeypatch.setattr(timeouts, "LONGEST", 0.3)
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)
    with (photos / "a.png").open("r+b") as held:
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        made = batch(recipe=telea)
        summary = made.run(found_photos("photos", made.out, telea))
        fcntl.fcntl(held, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    signal.signal(signal.SIGIO, before)
    assert summary.done == 2
    assert summary.failed["a.png"].startswith("photos/a.png did not answer in 0.3 s")
    assert made.run(found_photos("photos", made.out, telea)).done == 1


def test_a_slow_file_is_waited_for_while_it_gives_anything(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(8 << 20))
    timeouts.check_answers(tmp_path / "file", 5)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ImageError, match="is a pipe"):
        timeouts.check_answers(tmp_path / "pipe", 5)
    assert timeouts.sha256_of(tmp_path / "pipe") is None
    assert timeouts.sha256_of(tmp_path / "file") == shell.sha256(tmp_path / "file")


@pytest.fixture
def closed(tmp_path: Path) -> Iterator[Path]:
    """A folder with photos, and one in it that this user may not read."""
    del tmp_path  # it is made before this user is another
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        folder = Path(made)
        for name in ("a.png", "sub/b.png", "sub/open/c.png"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shell.noise(32, 40).save(folder / name)
        folder.chmod(0o755)
        (folder / "sub").chmod(0)
        me = os.geteuid()
        if me == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if me == 0:
                os.seteuid(0)
            (folder / "sub").chmod(0o755)


def test_a_folder_that_may_not_be_searched_is_named(
    closed: Path, telea: Recipe, tmp_path: Path
) -> None:
    found = found_photos(str(closed), tmp_path / "out", telea)
    assert [photo.relative.name for photo in found] == ["a.png"]
    assert found.closed == {"sub": "the folder cannot be searched: Permission denied"}
    os.seteuid(os.getuid())
    events = list[dict[str, object]]()
    made = Batch(telea, tmp_path / "out", here, listen=lambda event: events.append(dict(event)))
    summary = made.run(found)
    assert (summary.done, summary.code, summary.failed) == (1, 3, found.closed)
    assert {"event": "failed", "photo": "sub", "why": "closed", "error": found.closed["sub"]} in (
        events
    )


def test_closed_folders_are_named_of_patterns_and_masks_and_while_watching(closed: Path) -> None:
    told = {"sub": "the folder cannot be searched: Permission denied"}
    for pattern in ("**/*.png", "s*/*.png", "*/**/*.png"):
        assert find_photos(f"{closed}/{pattern}").closed == told, pattern
    assert find_photos(f"{closed}/*.png").closed == {}
    masks = MaskFolder.read(closed)
    assert "(sub: the folder cannot be searched: Permission denied)" in masks.lacking(
        FoundPhoto(closed / "c.png", PurePosixPath("c.png"))
    )
    with pytest.raises(InputError, match=r"holds no masks \(\.: the folder cannot be searched"):
        MaskFolder.read(closed / "sub")
    looked = settled_photos(lambda: find_photos(str(closed)), sleep=lambda _: None)
    first, second = next(looked), next(looked)
    assert ([f.relative.name for f in first], first.closed) == ([], told)
    assert ([f.relative.name for f in second], second.closed) == (["a.png"], told)


def test_results_that_may_only_be_read_are_reported(tmp_path: Path) -> None:
    del tmp_path
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        own = Path(made) / "out" / ".editkit"
        own.mkdir(parents=True)
        with Manifest(own / "manifest.sqlite") as manifest:
            row = {"photo": "a.png", "variant": 0, "source": "a", "output": "b"}
            manifest.write({**row, "settings": "{}", "state": "done"})
        for place, mode in ((Path(made), 0o755), (own.parent, 0o555), (own, 0o555)):
            place.chmod(mode)
        me = os.geteuid()
        if me == 0:
            os.seteuid(65534)
        try:
            assert [row["photo"] for row in read_rows(own)] == ["a.png"]
        finally:
            if me == 0:
                os.seteuid(0)
            own.chmod(0o755)


@pytest.mark.parametrize("by", ["nothing", "a file"])
def test_a_folder_for_results_that_goes_ends_the_batch(
    photos: Path, batch: MakeBatch, telea: Recipe, by: str
) -> None:
    for seed in range(9):
        shell.noise(32, 40, seed=seed).save(photos / f"{seed}.png")
    made = batch(recipe=telea)
    done = list[object]()

    def gone(event: object) -> None:
        done.append(event)
        if len(done) == 2 and made.out.is_dir():
            made.out.rename(made.out.with_name("elsewhere"))
            if by == "a file":
                made.out.touch()

    with pytest.raises(BatchError, match="out was removed, or replaced, while the batch ran"):
        dataclasses.replace(made, listen=gone).run(find_photos("photos"))
    assert len(done) < 5
