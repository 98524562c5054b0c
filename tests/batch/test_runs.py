"""Running a batch: what is done, what is done again, and what fails alone."""

import dataclasses
import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
from PIL import Image

import editkit
from editkit.batch.engines.processes import here
from editkit.batch.inputs import FoundPhoto, find_photos
from editkit.batch.manifest import Manifest, read_rows
from editkit.batch.ranking import best_of, over_limit
from editkit.batch.recipes.recipe import Recipe, made_step
from editkit.batch.recipes.steps import Operation
from editkit.batch.run import Batch, Summary
from editkit.batch.selection import Choice
from editkit.batch.work import Prepared, Worker
from editkit.errors import BatchError, InputError

NAMES = ("a.png", "b.jpg", "sub/a.tif")
MakeBatch = Callable[..., Batch]


def run(batch: Batch, **more: Any) -> Summary:
    return batch.run(find_photos("photos"), **more)


def results(folder: Path) -> dict[str, bytes]:
    return {k: v for k, v in shell.listing(folder).items() if not k.startswith(".editkit")}


def reasons(batch: Batch) -> Mapping[str, str]:
    plan = batch.plan(find_photos("photos"))
    return {photo: why for (photo, _), why in plan.reasons.items()}


def test_every_photo_is_what_a_single_edit_gives(photos: Path, batch: MakeBatch) -> None:
    made = batch()
    summary = run(made)
    assert (summary.done, summary.failed, summary.code) == (3, {}, 0)
    assert set(results(made.out)) == set(NAMES)
    model = editkit.load_model(made.recipe.model, device="cpu")
    for row in read_rows(made.out / ".editkit"):
        edit = editkit.Inpaint(f"a {Path(row['photo']).stem}", steps=2, seed=int(row["seed"]))
        mask = "ellipse:50%,50%,20%,20%"
        single = edit(model, photos / row["photo"], mask)
        found = single.encoded(Path(row["photo"]).suffix, folder=(made.out / row["photo"]).parent)
        assert found.data == (made.out / row["photo"]).read_bytes()
        report = json.loads(row["report"])
        kept = "jpeg_blocks" if Path(row["photo"]).suffix == ".jpg" else "samples"
        assert report[f"{kept}_changed_outside"] == 0
        assert row["weights"] == model.weights
        assert len(row["sha256"]) == len(row["output_sha256"]) == 64


def test_seeds_depend_on_the_name_alone(photos: Path, batch: MakeBatch) -> None:
    run(batch())
    before = results(Path("out"))
    (photos / "a.png").unlink()
    shell.noise(32, 40, seed=9).save(photos / "0.png")
    run(batch("other"))
    after = results(Path("other"))
    assert {k: v for k, v in after.items() if k != "0.png"} == {
        k: v for k, v in before.items() if k != "a.png"
    }
    seeds = {row["seed"] for row in read_rows(Path("out/.editkit"))}
    assert len(seeds) == 3
    same = dataclasses.replace(batch().recipe, seeds="same", seed=5)
    run(batch("same", recipe=same))
    assert {row["seed"] for row in read_rows(Path("same/.editkit"))} == {"5"}


def test_again_there_is_nothing_to_do(photos: Path, batch: MakeBatch) -> None:
    run(batch())
    before = {p: p.stat().st_mtime_ns for p in Path("out").rglob("*.*g")}

    def refuse(*_: Any) -> Any:
        raise AssertionError("an engine was started")

    summary = run(batch(engine=refuse))
    assert (summary.done, summary.kept, summary.code) == (0, 3, 0)
    # Photos that were copied are others to the system, and the same to us.
    for photo in photos.rglob("*.*"):
        shutil.copy(photo, photo.with_suffix(".copy"))
        photo.with_suffix(".copy").replace(photo)
    assert run(batch(engine=refuse)).kept == 3
    assert {p: p.stat().st_mtime_ns for p in Path("out").rglob("*.*g")} == before


def test_what_has_changed_is_done_again_and_no_more(photos: Path, batch: MakeBatch) -> None:
    made = batch()
    run(made)
    shell.noise(32, 40, seed=77).save(photos / "b.jpg")
    shell.noise(32, 40, seed=78).save(photos / "new.png")
    (made.out / "a.png").unlink()
    assert reasons(made) == {"b.jpg": "changed", "new.png": "new", "a.png": "missing"}
    assert run(made).done == 3
    assert reasons(made) == {}
    step = made.recipe.steps[0]
    other = dataclasses.replace(step, options={**step.options, "inpaint": "x", "steps": 3})
    other = made_step(Operation("inpaint"), {"inpaint": "x", "steps": 3, "mask": step.mask})
    changed = dataclasses.replace(made.recipe, steps=(other,))
    assert set(reasons(batch(recipe=changed)).values()) == {"changed"}
    assert set(reasons(batch(choice=Choice(force=True))).values()) == {"forced"}


def test_a_mask_that_has_changed_changes_its_photo_alone(
    photos: Path, batch: MakeBatch, recipe: Recipe
) -> None:
    masks = photos.with_name("masks")
    masks.mkdir()
    for name in ("a.png", "b_mask.png"):
        shell.block(32, 40).save(masks / name)
    step = made_step(Operation("inpaint"), {"inpaint": "x", "mask": str(masks), "steps": 2})
    made = batch(recipe=dataclasses.replace(recipe, steps=(step,)))
    assert run(made).done == 3
    image = np.array(shell.opened(masks / "b_mask.png"))
    image[2:6, 2:6] = 255
    shell.Image.fromarray(image).save(masks / "b_mask.png")
    assert reasons(made) == {"b.jpg": "changed"}
    (masks / "b_mask.png").unlink()
    summary = run(made)
    assert summary.failed == {"b.jpg": f"there is no mask b or b_mask in {masks}; add one"}
    assert summary.code == 3


def broken(photos: Path) -> None:
    whole = (photos / "b.jpg").read_bytes()
    (photos / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (photos / "empty.png").write_bytes(b"")
    (photos / "text.webp").write_text("no photo")
    (photos / "odd.tif").write_bytes(b"II*\0" + bytes(range(60)))


def test_broken_photos_fail_alone_and_are_not_tried_again(photos: Path, batch: MakeBatch) -> None:
    broken(photos)
    summary = run(batch())
    assert summary.done == 3
    assert set(summary.failed) == {"cut.jpg", "empty.png", "text.webp", "odd.tif"}
    assert summary.code == 3
    assert all("\n" not in reason for reason in summary.failed.values())
    again = run(batch())
    assert (again.done, again.kept, again.failed, again.code) == (0, 3, summary.failed, 3)
    assert set(reasons(batch(choice=Choice(retry=True))).values()) == {"failed"}
    shell.noise(32, 40).save(photos / "cut.jpg")
    assert reasons(batch()) == {"cut.jpg": "changed"}


def test_bugs_and_want_of_memory_fail_alone_too(
    photos: Path, batch: MakeBatch, recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    from editkit.ops.inpaint import Inpaint

    real = Inpaint.__call__

    def call(self: Inpaint, model: Any, photo: Any, mask: Any, **more: Any) -> Any:
        if photo.path.name == "b.jpg":
            raise MemoryError
        if photo.path.name == "a.tif":
            raise KeyError("x")
        return real(self, model, photo, mask, **more)

    monkeypatch.setattr(Inpaint, "__call__", call)
    summary = run(batch())
    assert summary.done == 1
    assert summary.failed["b.jpg"].startswith("out of memory")
    assert summary.failed["sub/a.tif"].startswith("a bug, please report it: KeyError: 'x' (")
    monkeypatch.undo()
    monkeypatch.chdir(photos.parent)
    # Such failures may pass, so they are tried again without being asked for.
    assert set(reasons(batch()).values()) == {"failed"}
    assert run(batch()).code == 0


def test_files_of_others_are_not_replaced(photos: Path, batch: MakeBatch) -> None:
    del photos
    made = batch()
    made.out.mkdir()
    (made.out / "b.jpg").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"b\.jpg exists, and was not made by this batch"):
        run(made)
    assert results(made.out) == {"b.jpg": b"mine"}
    assert not (made.out / ".editkit").exists()
    assert run(batch(choice=Choice(force=True))).done == 3
    (made.out / "b.jpg").write_bytes(b"retouched")
    assert run(made).kept == 3  # it is newer than what we made
    shell.noise(32, 40, seed=77).save("photos/b.jpg")
    summary = run(made)
    assert "was changed by another program" in summary.failed["b.jpg"]
    run(batch(choice=Choice(retry=True)))
    assert (made.out / "b.jpg").read_bytes() == b"retouched"


def test_a_result_that_is_no_longer_right_leaves_the_folder(photos: Path, batch: MakeBatch) -> None:
    made = batch()
    run(made)
    old = (made.out / "b.jpg").read_bytes()
    (photos / "b.jpg").write_bytes(b"broken now")
    assert set(run(made).failed) == {"b.jpg"}
    assert "b.jpg" not in results(made.out)
    assert (made.out / ".editkit/stale/b.jpg").read_bytes() == old


def test_photos_over_a_gate_are_kept_out(photos: Path, batch: MakeBatch, recipe: Recipe) -> None:
    del photos
    made = batch()
    run(made)
    seams = {
        row["photo"]: json.loads(row["report"])["scores"]["seam"]
        for row in read_rows(made.out / ".editkit")
    }
    limit = sorted(seams.values())[1]
    gated = batch("gated", recipe=dataclasses.replace(recipe, gates={"seam": limit}))
    summary = run(gated)
    worse = {photo for photo, seam in seams.items() if seam > limit}
    assert set(summary.failed) == worse
    assert set(results(gated.out)) == set(NAMES) - worse
    for photo in worse:
        assert f"over the limit of {limit:g}" in summary.failed[photo]
        assert (gated.out / ".editkit/rejected" / photo).is_file()


def test_the_best_of_several_is_the_one_with_the_least_seam(
    photos: Path, batch: MakeBatch, recipe: Recipe
) -> None:
    del photos
    run(batch("all", recipe=dataclasses.replace(recipe, num=2)))
    run(batch("best", recipe=dataclasses.replace(recipe, best_of=2)))
    many = read_rows(Path("all/.editkit"))
    assert len(many) == 6
    for row in read_rows(Path("best/.editkit")):
        mine = [r for r in many if r["photo"] == row["photo"]]
        seams = [json.loads(r["report"])["scores"]["seam"] for r in mine]
        best = mine[int(np.argmin(seams))]
        assert row["seed"] == best["seed"]
        report = json.loads(row["report"])
        assert [c["scores"]["seam"] for c in report["candidates"]] == seams
        a, b = (shell.opened(Path(r["output"])) for r in (row, best))
        assert a.tobytes() == b.tobytes()


def test_a_model_may_say_which_is_best(photos: Path, batch: MakeBatch, recipe: Recipe) -> None:
    """The score is there only where it decides; it chooses, and it keeps out."""
    del photos
    given = {"best_of": 3, "rank": ("perceptual",)}
    run(batch("best", recipe=dataclasses.replace(recipe, **given)))
    found = dict[str, float]()
    for row in read_rows(Path("best/.editkit")):
        report = json.loads(row["report"])
        scores = [candidate["scores"]["perceptual"] for candidate in report["candidates"]]
        assert len(set(scores)) == 3
        assert report["chosen"] == int(np.argmin(scores))
        found[row["photo"]] = report["scores"]["perceptual"]
    limit = sorted(found.values())[1]
    gated = dataclasses.replace(recipe, **given, gates={"perceptual": limit})
    worse = {photo for photo, value in found.items() if value > limit}
    assert set(run(batch("gated", recipe=gated)).failed) == worse
    run(batch("without", recipe=recipe))
    (row, *_) = read_rows(Path("without/.editkit"))
    assert "perceptual" not in json.loads(row["report"])["scores"]


def test_ranks_and_limits() -> None:
    scores = [{"seam": 2.0, "ring": 1.0}, {"seam": 1.0, "ring": 3.0}, {"seam": 1.5, "ring": 1.0}]
    assert best_of(scores, ["seam"]) == 1
    assert best_of(scores, ["ring"]) == 0
    assert best_of(scores, ["seam", "ring"]) == 2
    assert best_of([{"grain": 3.0}, {"grain": 0.5}, {"grain": None}], ["grain"]) == 1
    assert over_limit({"grain": 0.25}, {"grain": 3}) is not None
    assert over_limit({"grain": 0.5, "seam": None}, {"grain": 3, "seam": 1}) is None


def test_shards_together_are_all(photos: Path, batch: MakeBatch) -> None:
    del photos
    parts = [batch(choice=Choice(shard=(k, 3))) for k in (1, 2, 3)]
    assert sum(run(part).done for part in parts) == 3
    run(batch("whole"))
    assert results(Path("out")) == results(Path("whole"))
    assert len(read_rows(Path("out/.editkit"))) == 3
    # Whoever runs all of it afterwards finds what the shards did.
    assert run(batch()).kept == 3


def test_limit_and_sample(photos: Path, batch: MakeBatch) -> None:
    del photos
    assert run(batch(choice=Choice(limit=1))).done == 1
    summary = run(batch(), sample=1)
    assert (summary.done, summary.kept, summary.left) == (1, 1, 1)
    assert [o.row["before"][:2] for o in summary.outcomes] == [b"\xff\xd8"]
    assert run(batch()).done == 1


def test_an_estimate_writes_nothing(photos: Path, batch: MakeBatch) -> None:
    made = batch()
    before = shell.listing(photos.parent)
    estimate = made.estimate(made.plan(find_photos("photos")))
    assert shell.listing(photos.parent) == before
    assert estimate["photos"] == 3
    assert estimate["seconds"] == pytest.approx(3 * estimate["seconds_each"], abs=0.1)
    assert estimate["memory"] > 2**26


def test_the_manifest_has_a_row_for_each_step(
    photos: Path, batch: MakeBatch, recipe: Recipe
) -> None:
    second = made_step(Operation("img2img"), {"img2img": "{name}", "strength": 0.5, "steps": 2})
    made = batch(recipe=dataclasses.replace(recipe, steps=(*recipe.steps, second)))
    assert run(made).done == 3
    db = sqlite3.connect(made.manifest_path)
    rows = db.execute("select photo, step, operation, settings, state from steps").fetchall()
    db.close()
    assert len(rows) == 6
    for photo, step, operation, settings, state in rows:
        assert state == "done"
        assert operation == ("inpaint", "img2img")[step]
        prompt = f"a {Path(photo).stem}" if step == 0 else Path(photo).name
        assert json.loads(settings)["prompt"] == prompt
    # The second step works on what the first one made.
    row = read_rows(made.out / ".editkit")[0]
    seeds = [int(part["seed"]) for part in json.loads(row["report"])["steps"]]
    model = editkit.load_model(recipe.model, device="cpu")
    first = editkit.Inpaint("a a", steps=2, seed=seeds[0])(
        model, photos / "a.png", recipe.steps[0].mask or ""
    )
    last = editkit.Img2Img("a.png", strength=0.5, steps=2, seed=seeds[1])(model, first.photo)
    assert np.array_equal(np.asarray(shell.opened(made.out / "a.png")), last.photo.samples)


def test_edits_in_a_row_are_judged_over_all_their_masks(
    photos: Path, batch: MakeBatch, recipe: Recipe
) -> None:
    del photos
    steps = [
        made_step(Operation("inpaint"), {"inpaint": "x", "steps": 2, "mask": f"box:{box}"})
        for box in ("2,2,20,20", "15,15,40,30")
    ]
    run(batch(recipe=dataclasses.replace(recipe, steps=tuple(steps))))
    report = json.loads(read_rows(Path("out/.editkit"))[0]["report"])
    before, after = (np.asarray(shell.opened(Path(d) / "a.png")) for d in ("photos", "out"))
    union = np.zeros(before.shape[:2], bool)
    union[2:20, 2:20] = union[15:30, 15:40] = True
    assert report["pixels_kept"] == (~union).sum()
    assert report["samples_changed_outside"] == 0
    assert np.array_equal(before[~union], after[~union])
    assert report["samples_changed"] == int((before != after)[union].sum())


def test_one_batch_at_a_time(
    photos: Path, batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    del photos
    monkeypatch.setattr("editkit.batch.manifest.PATIENCE", 0.2)
    made = batch()
    run(made)
    with Manifest(made.manifest_path), pytest.raises(BatchError, match="another batch writes to"):
        run(made)


def test_a_damaged_manifest_and_one_of_the_future_stop_the_batch(
    photos: Path, batch: MakeBatch
) -> None:
    del photos
    made = batch()
    made.manifest_path.parent.mkdir(parents=True)
    made.manifest_path.write_bytes(b"no database" * 100)
    with pytest.raises(BatchError, match="cannot be used"):
        run(made)
    made.manifest_path.unlink()
    db = sqlite3.connect(made.manifest_path)
    db.execute("pragma user_version = 99")
    db.close()
    with pytest.raises(BatchError, match="another version"):
        run(made)


def test_what_was_interrupted_is_done_again(photos: Path, batch: MakeBatch) -> None:
    run(batch("whole"))
    made = batch()

    def dies(setup: Any, tasks: Any) -> Any:
        for number, outcome in enumerate(here(setup, tasks)):
            if number == 1:
                raise KeyboardInterrupt
            yield outcome

    with pytest.raises(KeyboardInterrupt):
        run(batch(engine=dies))
    assert "interrupted" in reasons(made).values()
    summary = run(made)
    assert summary.kept == 1
    assert results(made.out) == results(Path("whole"))
    assert photos.is_dir()


def test_names_that_are_no_text_go_through(tmp_path: Path, batch: MakeBatch) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    name = b'\xff".png'.decode("utf-8", "surrogateescape")
    shell.noise(32, 40).save(folder / name)
    summary = batch().run(find_photos(str(folder)))
    assert summary.done == 1
    assert (tmp_path / "out" / name).is_file()
    assert batch().run(find_photos(str(folder))).kept == 1


def test_a_photo_that_goes_away_fails_alone(photos: Path, batch: MakeBatch) -> None:
    found: list[FoundPhoto] = find_photos("photos")
    (photos / "b.jpg").unlink()
    summary = batch().run(found)
    assert set(summary.failed) == {"b.jpg"}
    assert summary.done == 2


def test_embeddings_of_many_prompts_do_not_fill_the_memory(tiny4: Any) -> None:
    first = tiny4.embed("0").tokens.clone()
    for number in range(100):
        tiny4.embed(str(number))
    assert len(tiny4._embeddings) <= 64
    assert (tiny4.embed("0").tokens == first).all()


def test_what_cannot_be_saved_fails_before_it_is_edited(
    photos: Path, batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A photo that its format cannot take back is never given to an edit; the others are done."""
    Image.fromarray(np.zeros((2, 8192, 3), np.uint8)).save(photos / "thin.png")
    (photos / "thin.png").rename(photos / "thin.heic")
    edited = list[Path | None]()
    edit = Worker.edit

    def watched(worker: Worker, task: Any, prepared: Prepared, *rest: Any) -> Any:
        edited.append(prepared.photo.path)
        return edit(worker, task, prepared, *rest)

    monkeypatch.setattr(Worker, "edit", watched)
    summary = run(batch())
    assert summary.done == 3
    assert "cannot be written as HEIF" in summary.failed["thin.heic"]
    assert photos / "thin.heic" not in [p and p.absolute() for p in edited]
    assert len(edited) == 3
