"""`editkit batch`, `editkit apply` and `editkit report` as they are called."""

import contextlib
import importlib.metadata
import json
import multiprocessing
import os
import re
import signal
import subprocess
from collections.abc import Callable, Generator
from html.parser import HTMLParser
from multiprocessing.process import BaseProcess
from pathlib import Path

import click
import pytest
import shell

from editkit.batch.inputs import find_photos
from editkit.batch.watch import settled_photos

NASTY = """<img src=x onerror="alert('1')">&.png"""
BOX = "box:8,8,24,24"


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three photos, one with a hostile name, one in a folder."""
    for seed, name in enumerate(("a.png", NASTY, "sub/b.jpg")):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        shell.noise(32, 40, seed=seed).save(file)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "photos"


@pytest.fixture(scope="session")
def here(quick: tuple[str, ...]) -> tuple[str, ...]:
    """Options of a batch that is quick and needs no other process."""
    return (*quick, "--workers", "0")


def same(one: Path, other: Path) -> bool:
    return shell.opened(one).tobytes() == shell.opened(other).tobytes()


def commands() -> click.Group:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="editkit")
    return entry.load().__globals__["cli"]


def test_every_option_of_a_single_command_is_there() -> None:
    single, many = commands().commands, commands().commands["batch"]
    assert isinstance(many, click.Group)
    for name in set(many.commands) - {"recipe"}:
        apart = {"image", "original", "output", "mask_out", "mask_as_option", "grid", "preview"}
        own = {p.name for p in single[name].params} - apart
        assert own <= {p.name for p in many.commands[name].params}
        flags = {o for p in single[name].params if p.name in own for o in p.opts if o[0] == "-"}
        assert flags <= {o for p in many.commands[name].params for o in p.opts}
        help_text = shell.call("batch", name, "--help").out.decode()
        assert f"Usage: editkit batch {name} [OPTIONS] IN" in help_text


def test_a_folder_with_options_of_the_single_command(photos: Path, here: tuple[str, ...]) -> None:
    (photos / "broken.webp").write_bytes(b"RIFF")
    command = ("batch", "inpaint", "photos", "a {stem}", "--mask", BOX, *here)
    options = ("--seeds", "same", "--seed", "4", "-o", "out")
    done = shell.call(*command, *options)
    assert done.code == 3
    assert set(done.out.decode().splitlines()) == {"out/a.png", f"out/{NASTY}", "out/sub/b.jpg"}
    lines = done.err.splitlines()
    assert lines[0] == "editkit: 4 to do (4 new)"
    assert lines[1].startswith("editkit: failed: broken.webp: photos/broken.webp is ")
    assert lines[2].startswith("editkit: 3 done, 1 failed, 0 as they were, ")
    quick = here[: here.index("--workers")]
    single = ("inpaint", "photos/a.png", BOX, "a a", "--seed", "4", *quick)
    shell.call(*single, "-o", "single.png")
    assert same(Path("single.png"), Path("out/a.png"))
    again = shell.call(*command, *options)
    assert again.code == 3
    assert again.out == b""
    assert "1 failed before (--retry failed tries them again)" in again.err


def test_events_are_json(photos: Path, here: tuple[str, ...]) -> None:
    del photos
    command = ("batch", "inpaint", "photos", "--mask", BOX, *here, "--json", "-o", "out")
    done = shell.call(*command, "--dry-run")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [e["event"] for e in events] == ["would"] * 3 + ["estimate"]
    assert events[-1]["photos"] == 3
    assert not Path("out").exists()
    done = shell.call(*command)
    assert (done.code, done.err) == (0, "")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [e["event"] for e in events] == ["plan", "done", "done", "done", "end"]
    assert {e["photo"] for e in events[1:4]} == {"a.png", NASTY, "sub/b.jpg"}
    assert all(e["scores"]["seam"] > 0 and e["seconds"] > 0 for e in events[1:4])


@pytest.fixture
def shut(tmp_path: Path) -> Generator[tuple[Path, Callable[[], None]]]:
    """A folder, and what keeps anybody from writing in it; of root a file system does."""
    place = tmp_path / "shut"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(place)]
    mounted = not os.geteuid()
    if mounted and subprocess.run(mount, check=False).returncode:
        pytest.skip("no file system may be mounted here")

    def shuts() -> None:
        if mounted:
            subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        else:
            _allow(place, 0o555)

    yield place, shuts
    if mounted:
        subprocess.run(["umount", str(place)], check=True)
    else:
        _allow(place, 0o755)


def _allow(place: Path, mode: int) -> None:
    """Sets what may be done in a folder, and in those of a batch's results within it."""
    place.chmod(0o755)
    for folder in filter(Path.exists, (place / "out" / ".editkit", place / "out", place)):
        folder.chmod(mode)


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no users here")
@pytest.mark.parametrize("begun", [False, True])
def test_a_dry_run_plans_where_nothing_can_be_written(
    photos: Path, shut: tuple[Path, Callable[[], None]], *, begun: bool
) -> None:
    del photos
    place, shuts = shut
    command = ("batch", "erase", "photos", "--mask", BOX, "--method", "telea")
    out = ("-o", str(place / "out"))
    if begun:
        assert shell.call(*command, *out, "--limit", "1", "--workers", "0").code in (0, 3)
    shuts()
    before = shell.listing(place)
    done = shell.call(*command, *out, "--dry-run", "--json")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert done.code == 0
    assert [e["event"] for e in events] == ["would"] * (2 if begun else 3) + ["estimate"]
    assert events[-1]["kept"] == begun
    assert any("cannot be written to" in note for note in events[-1]["notes"])
    assert shell.listing(place) == before
    assert "cannot be written to" in shell.call(*command, *out, "--dry-run").err
    assert shell.call(*command, *out).code in (1, 2)


class Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags = list[tuple[str, dict[str, str | None]]]()
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_report_is_one_harmless_page(photos: Path, here: tuple[str, ...]) -> None:
    (photos / "broken.webp").write_bytes(b"RIFF")
    command = ("batch", "inpaint", "photos", "<b>{stem}</b>", "--mask", BOX, *here, "-q")
    assert shell.call(*command, "-o", "out").code == 3
    done = shell.call("report", "out", "--sheet", "sheet.png")
    assert done.out.decode().splitlines() == ["out/report.html", "sheet.png"]
    page = Page(Path("out/report.html").read_text())
    pictures = [attrs["src"] or "" for tag, attrs in page.tags if tag == "img"]
    assert len(pictures) == 9  # before, after and mask of three
    assert all(re.match(r"data:image/(jpeg|png);base64,", p) for p in pictures)
    links = {v for _, a in page.tags for k, v in a.items() if k in ("href", "action")}
    assert links == {"data:,"}
    assert not any(key.startswith("on") for _, attrs in page.tags for key in attrs)
    assert sum(tag == "b" for tag, _ in page.tags) == 0
    assert NASTY in page.text
    assert "<b>a</b>" in page.text
    assert "broken.webp" in page.text
    assert "3 done, 1 failed" in page.text
    sheet = shell.opened(Path("sheet.png"))
    assert sheet.size[0] > 3 * 400
    assert shell.call("report", "photos").refused(1)


def test_a_sample_is_looked_at_first(photos: Path, here: tuple[str, ...]) -> None:
    del photos
    command = ("batch", "inpaint", "photos", "--mask", BOX, *here, "-o", "out")
    done = shell.call(*command, "--sample", "1")
    assert done.code == 0
    assert "look at out/.editkit/sample.png" in done.err
    assert "for the other 2" in done.err
    assert len(done.out.splitlines()) == 1
    assert shell.opened(Path("out/.editkit/sample.png")).width > 400
    assert len(shell.call(*command).out.splitlines()) == 2


def test_one_recipe_for_one_photo_and_for_many(photos: Path, checkpoints: dict[int, Path]) -> None:
    del photos
    Path("r.yaml").write_text(
        f"model: {checkpoints[9]}\ndevice: cpu\nseed: 2\nsteps:\n"
        f"  - {{inpaint: 'a {{stem}}', mask: '{BOX}', steps: 2}}\n"
        "  - {img2img: '{what}', strength: 0.5, steps: 2}\nvariables: {what: x}\n"
    )
    assert shell.call("batch", "r.yaml", "photos", "out", "--workers", "0", "-q").code == 0
    assert shell.call("apply", "r.yaml", "photos/a.png", "-q").code == 0
    one, many = Path("photos/a.edit.png"), Path("out/a.png")
    assert same(one, many)
    assert shell.call("replay", many, "-m", checkpoints[9], "--root", ".").code == 0
    piped = shell.call("apply", "r.yaml", "-", stdin=Path("photos/a.png").read_bytes())
    assert piped.code == 0
    assert piped.out.startswith(b"\x89PNG")
    again = ("apply", "r.yaml", "photos/a.png", "-o", "y.png")
    other = shell.call(*again, "--set", "what=y", "--json")
    assert [s["prompt"] for s in json.loads(other.out)["steps"]] == ["a a", "y"]
    assert "exists" in shell.call(*again).refused()


def test_a_list_of_files_on_standard_input(photos: Path, here: tuple[str, ...]) -> None:
    del photos
    command = ("batch", "img2img", "-", "x", "--strength", "0.5", *here, "-o", "out")
    done = shell.call(*command, stdin=b"photos/a.png\nphotos/sub/b.jpg\n")
    assert set(done.out.decode().splitlines()) == {"out/a.png", "out/sub/b.jpg"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("inpaint", "photos", "--mask", "sky ~grwo:1"), "no refinement 'grwo'"),
        (("inpaint", "photos", "{x}", "--mask", BOX), "unknown variable 'x'"),
        (("inpaint", "photos"), "Missing option '--mask'"),
        (
            ("inpaint", "photos", "--mask", BOX, "--offline", "--engine", "ray"),
            "contradict each other",
        ),
        (("inpaint", "s3://none/x", "--mask", BOX, "--offline"), "not on this machine; give a"),
        (("inpaint", "nowhere", "--mask", BOX, "-o", "out"), "there is no nowhere"),
        (("inpaint", "photos", "--mask", BOX, "-o", "photos"), "the folder of the photos"),
        (("inpaint", "photos/a.png", "--mask", BOX), "give -o a folder"),
        (("inpaint", "photos", "--mask", BOX, "--gate", "sem=1"), "no score 'sem'"),
        (("inpaint", "photos", "--mask", BOX, "--rank", "sem"), "no score 'sem'"),
        (("inpaint", "photos", "--mask", BOX, "--shard", "4/3"), "is no shard"),
        (("img2img", "photos", "--gate", "seam=1"), "needs scores"),
        (("inpaint", "photos", "--mask", BOX, "-m", "none"), "no model 'none'"),
        (("erase", "photos"), "Missing option '--mask'"),
        (("erase", "photos", "--mask", BOX, "--method", "ns", "--steps", "3"), "steps is for dif"),
        (("erase", "photos", "--mask", BOX, "--method", "ns", "-n", "2"), "the same for every"),
        (("outpaint", "photos"), "nothing to add"),
        (("outpaint", "photos", "--left", "5", "--aspect", "2:1"), "contradict each other"),
        (("no.yaml", "photos", "out"), "no.yaml cannot be read"),
        (("edit", "photos", "out"), "there is no command 'edit'"),
        (("inpaint", "photos", "--mask", BOX, "-n", "2", "--best-of", "2"), "exclude each other"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_done(
    photos: Path, args: tuple[str, ...], message: str
) -> None:
    before = shell.listing(photos.parent)
    assert message in shell.call("batch", *args).refused()
    assert shell.listing(photos.parent) == before


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(
    photos: Path, quick: tuple[str, ...], here: tuple[str, ...]
) -> None:
    for seed in range(8):
        shell.noise(32, 40, seed=10 + seed).save(photos / f"{seed}.png")
    command = ["batch", "inpaint", "photos", "--mask", BOX]
    out = Path("out")
    with subprocess.Popen(
        [shell.EDITKIT, *command, *quick, "-o", out],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as running:
        shell.wait_for(lambda: out.is_dir() and len(list(out.glob("*.png"))) >= 2)
        os.kill(running.pid, signal.SIGKILL)
    # Its worker ends, too, with nobody to tell it so.
    shell.wait_for(lambda: not shell.group_is_alive(running.pid))
    left = [p for p in out.rglob("*") if p.is_file() and ".editkit" not in p.parts]
    assert all(shell.opened(p).size == (40, 32) for p in left)
    assert not list(out.rglob("*.part"))
    assert len(left) < 11
    assert shell.call(*command, *here, "-o", "out", "-q").code == 0
    assert shell.call(*command, *here, "-o", "whole", "-q").code == 0

    def results(folder: str) -> dict[str, bytes]:
        found = shell.listing(Path(folder))
        return {k: v for k, v in found.items() if not k.startswith(".editkit")}

    assert len(results("out")) == 11
    assert results("out") == results("whole")


@pytest.mark.slow
def test_a_worker_is_started_before_the_edits_are_known(
    photos: Path, quick: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is work for it: in a new folder, for a model."""
    del photos
    begun, start = list[BaseProcess](), BaseProcess.start

    def noted(process: BaseProcess) -> None:
        begun.append(process)
        start(process)

    monkeypatch.setattr(BaseProcess, "start", noted)

    def workers(*args: str) -> int:
        begun.clear()
        assert shell.call("batch", *args, "--mask", BOX, "-q").code == 0
        assert not multiprocessing.active_children()
        return len(begun)

    assert workers("inpaint", "photos", *quick, "-o", "out") == 1
    assert workers("inpaint", "photos", *quick, "-o", "out") == 0
    assert workers("erase", "photos", "--method", "telea", "-o", "mended") == 2


def test_watching_takes_photos_when_they_are_whole(photos: Path) -> None:
    whole = (photos / "a.png").read_bytes()
    looks = 0

    def sleep(pause: float) -> None:
        nonlocal looks
        looks += 1
        if looks in (3, 4):  # one that is written in two goes
            (photos / "late.png").write_bytes(whole[: 100 * looks])
        if looks == 9:
            raise KeyboardInterrupt(pause)

    seen = list[list[str]]()
    with contextlib.suppress(KeyboardInterrupt):
        for found in settled_photos(lambda: find_photos(str(photos)), sleep=sleep):
            seen.append([photo.path.name for photo in found])
    assert [len(names) for names in seen] == [3, 4]
    assert "late.png" in seen[1]


def test_erasing_a_folder_by_a_classical_method(photos: Path) -> None:
    command = ("batch", "erase", "photos", "--mask", BOX, "--method", "patchmatch")
    options = ("-m", "none", "--workers", "0", "--seeds", "same", "--seed", "3", "-q")
    done = shell.call(*command, *options, "-o", "out")
    assert done.code == 0, done.err
    single = ("erase", "photos/a.png", BOX, "--method", "patchmatch", "--seed", "3", "-q")
    shell.call(*single, "-o", "single.png")
    assert same(Path("single.png"), Path("out/a.png"))
    assert len(list(photos.rglob("*.*g"))) == 3


def test_outpainting_a_folder(photos: Path, here: tuple[str, ...], quick: tuple[str, ...]) -> None:
    del photos
    options = ("--left", "25%", "--bottom", "8", "--seed", "3")
    command = ("batch", "outpaint", "photos", "a {stem}", *options, *here, "--seeds", "same")
    done = shell.call(*command, "-q", "-o", "out")
    assert done.code == 0, done.err
    single = ("outpaint", "photos/a.png", "a a", *options, *quick, "-q")
    shell.call(*single, "-o", "single.png")
    assert shell.opened(Path("single.png")).size == (50, 40)
    assert same(Path("single.png"), Path("out/a.png"))
    assert shell.call("report", "out").code == 0


def test_bringing_a_folder_home(photos: Path) -> None:
    back = Path("back")
    back.mkdir()
    for file in ("a.png", "sub/b.jpg"):
        edited = shell.opened(photos / file)
        edited.paste((255, 0, 0), (10, 10, 20, 20))
        edited.save(back / f"{Path(file).stem}.png")
    (photos / NASTY).unlink()
    command = ("batch", "composite", "photos", "back/{stem}.png", "--motion", "none")
    done = shell.call(*command, "--workers", "0", "-q", "-o", "out")
    assert done.code == 0, done.err
    single = ("composite", "photos/a.png", "back/a.png", "--motion", "none", "-q")
    assert shell.call(*single, "-o", "single.png", "--seed", _seed_of("a.png")).code == 0
    assert same(Path("single.png"), Path("out/a.png"))
    assert shell.call("verify", "photos/a.png", "out/a.png", "box:9,9,21,21").code == 0


def _seed_of(photo: str) -> str:
    from editkit.batch.manifest import read_rows

    return next(row["seed"] for row in read_rows(Path("out/.editkit")) if row["photo"] == photo)


def test_one_recipe_of_all_edits(photos: Path, checkpoints: dict[int, Path]) -> None:
    edited = shell.opened(photos / "a.png")
    edited.paste((255, 0, 0), (10, 10, 20, 20))
    edited.save("back.png")
    Path("r.yaml").write_text(
        f"model: {checkpoints[9]}\ndevice: cpu\nsteps:\n"
        "  - {composite: , edited: back.png, motion: none}\n"
        f"  - {{erase: , mask: '{BOX}', method: telea}}\n"
        "  - {outpaint: x, aspect: '2:1', anchor: left, steps: 2}\n"
    )
    assert shell.call("recipe", "check", "r.yaml").code == 0
    assert shell.call("apply", "r.yaml", "photos/a.png", "-q", "-o", "one.png").code == 0
    done = shell.call("batch", "r.yaml", "photos/a.png", "out", "--workers", "0", "-q")
    assert done.code == 0, done.err
    assert same(Path("one.png"), Path("out/a.png"))
    assert shell.opened(Path("one.png")).size == (64, 32)


def test_a_list_names_files_that_are_no_text_and_not_there(photos: Path) -> None:
    lines = b"photos/a.png\nphotos/\xff\xfe.png\nphotos/none.png\nphotos\n"
    options = ("--mask", "box:2,2,6,6", "--method", "telea", "--workers", "0", "-o", "out")
    listed = "photos/a.png\r\n".encode("utf-16")
    for done in (1, 0):
        assert shell.call("batch", "erase", "-", *options[:-1], "other", stdin=listed).code == 0
        made = shell.call("batch", "erase", "-", *options, "--json", stdin=lines)
        last = json.loads(made.out.splitlines()[-1])
        assert (made.code, last["done"], last["failed"]) == (3, done, 3)


def test_a_list_writes_nothing_outside_its_folder(photos: Path) -> None:
    shell.noise(16, 24).save(photos.parent / "x.png")
    shell.noise(16, 24).save(photos / "a.edit.png")
    before = set(shell.listing(photos.parent))
    lines = b"photos/../x.png\nphotos/sub/../a.png\n"
    options = ("--mask", "box:2,2,6,6", "--method", "telea", "--workers", "0", "-o", "deep/out")
    assert shell.call("batch", "erase", "-", *options, stdin=lines).code == 0
    made = set(shell.listing(photos.parent)) - before
    assert {name for name in made if ".editkit" not in name} == {
        *("deep/out/x.png", "deep/out/photos/a.png")
    }
    done = shell.call("batch", "erase", ".", *options[:-1], "again")
    assert "editkit: ./deep/out holds results" in done.err.replace(
        "editkit: deep", "editkit: ./deep"
    )
    assert (
        "editkit: 1 edits of photos beside them (NAME.edit, NAME.preview) are left out" in done.err
    )
    assert not Path("again/deep").exists()
