"""The cache of selections: what is found again, what is not, and what a damaged one does."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import shell
import tiny_segmenters as tiny
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from editkit import Mask
from editkit.masks import evaluate as evaluating
from editkit.masks.cache import Cache, cache_key, open_cache
from editkit.masks.evaluate import View, evaluate
from editkit.masks.language import parse
from editkit.photo.io.files import Photo, read_photo
from editkit.types import Coverage, Size

SIZE = Size(21, 30)
PHOTO = read_photo(shell.noise(40, 60))
CUT = "grabcut:10,10,50,30"


def found(expression: str, photo: Photo, cache: Cache | None) -> Coverage:
    return evaluate(parse(expression), View(photo, cache=cache))


def files(cache: Cache) -> list[Path]:
    return sorted(cache.folder.glob("*"))


@settings(deadline=None, max_examples=30)
@given(
    st.one_of(
        hnp.arrays(np.float32, SIZE, elements=st.floats(0, 1, width=32)),
        hnp.arrays(np.bool_, SIZE).map(lambda bits: bits.astype(np.float32)),
    )
)
def test_what_is_kept_comes_back_bit_for_bit(mask: np.ndarray) -> None:
    folder = Path(os.environ["EDITKIT_CACHE"]) / "exact"
    cache = Cache(folder)
    cache.write("k", mask)
    again = cache.read("k", SIZE)
    assert again is not None
    assert again.dtype == np.float32
    assert again.tobytes() == mask.tobytes()
    assert cache.read("other", SIZE) is None
    shutil.rmtree(folder)


def test_a_slow_part_is_evaluated_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache(tmp_path)
    first = found(f"{CUT} ~grow:2", PHOTO, cache)
    assert len(files(cache)) == 1  # the cut, and not what is quick

    def never(*_: object) -> Coverage:
        raise AssertionError("evaluated again")

    monkeypatch.setattr(evaluating.select, "grabcut_box", never)
    assert np.array_equal(found(f"{CUT} ~grow:2", PHOTO, cache), first)
    found(f"{CUT} ~shrink:1", PHOTO, cache)
    for other, photo in (
        ("grabcut:10,10,50,31", PHOTO),
        (CUT, read_photo(shell.noise(40, 60, seed=1))),
    ):
        with pytest.raises(AssertionError, match="evaluated again"):
            found(other, photo, cache)
    with pytest.raises(AssertionError, match="evaluated again"):
        found(CUT, PHOTO, None)


def test_what_a_refinement_refines_counts(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for x in (20, 21, 20):
        found(f"ellipse:{x},20,9 ~snap:4,grabcut", PHOTO, cache)
    assert len(files(cache)) == 2
    found("ellipse:20,20,9 ~snap:4", PHOTO, cache)
    assert len(files(cache)) == 2  # a guided filter is quick


def test_damage_is_no_hit(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    first = found(CUT, PHOTO, cache)
    (file,) = files(cache)
    whole = file.read_bytes()
    flipped = bytearray(whole)
    flipped[60] ^= 1
    for damaged in (b"", whole[:40], whole[:-20], bytes(flipped), b"x" * 500, whole[:48] + b"b"):
        file.write_bytes(damaged)
        assert np.array_equal(found(CUT, PHOTO, cache), first)
        assert file.read_bytes() == whole
    # Another mask's file under this name is not this mask.
    other = cache_key(["other"])
    cache.write(other, 1 - first)
    (tmp_path / f"{other}.mask").replace(file)
    assert np.array_equal(found(CUT, PHOTO, cache), first)
    # Nor is a photo's of another size.
    assert cache.read(file.stem, Size(60, 40)) is None


def test_it_does_not_grow_beyond_its_size(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    cache = Cache(tmp_path, most=9000)
    for number in range(6):
        cache.write(str(number), rng.random(SIZE, np.float32))
        os.utime(tmp_path / f"{number}.mask", (number, number))
        cache.read("0", SIZE)  # which keeps it
    names = [file.name for file in files(cache)]
    assert sum(file.stat().st_size for file in files(cache)) <= 9000
    assert "0.mask" in names
    assert "5.mask" in names
    assert "1.mask" not in names
    Cache(tmp_path, most=100).write("big", rng.random(SIZE, np.float32))
    assert not (tmp_path / "big.mask").exists()


def test_without_a_folder_there_is_no_cache(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = Cache(tmp_path / "file" / "masks")
    assert found(CUT, PHOTO, cache).shape == PHOTO.size
    assert (tmp_path / "file").read_text() == ""


def test_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDITKIT_CACHE", str(tmp_path))
    cache = open_cache()
    assert cache is not None
    assert cache.folder == tmp_path / "masks"
    monkeypatch.delenv("EDITKIT_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    cache = open_cache()
    assert cache is not None
    assert "editkit" in cache.folder.parts
    monkeypatch.setenv("EDITKIT_NO_CACHE", "1")
    assert open_cache() is None


def test_models_are_known_by_their_files(tmp_path: Path) -> None:
    model, cache = tiny.clipseg(tmp_path / "model"), Cache(tmp_path / "masks")
    text = f'text:"dog",threshold=0,model={model}'
    first = found(text, PHOTO, cache)
    assert np.array_equal(found(text, PHOTO, cache), first)
    assert len(files(cache)) == 1
    # The same name and size, other weights: no hit.
    weights = model / "model.safetensors"
    stat, data = weights.stat(), bytearray(weights.read_bytes())
    data[-1000:] = bytes(1000)
    weights.write_bytes(data)
    os.utime(weights, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    found(text, PHOTO, cache)
    assert len(files(cache)) == 2
    # Another place, the same files: the written name is part of what is asked.
    moved = shutil.copytree(model, tmp_path / "moved")
    found(text.replace(str(model), str(moved)), PHOTO, cache)
    assert len(files(cache)) == 3


def test_the_command_line_keeps_and_forgets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDITKIT_CACHE", str(tmp_path / "kept"))
    Image.fromarray(np.asarray(shell.noise(40, 60))).save("p.png")
    for name, more in (("a.png", ["--no-cache"]), ("b.png", []), ("c.png", [])):
        done = shell.call("mask", "p.png", CUT, "-o", name, *more)
        assert done.code == 0, done
        kept = list((tmp_path / "kept").rglob("*.mask"))
        assert len(kept) == (0 if more else 1)
    assert os.environ.get("EDITKIT_NO_CACHE") is None
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes() == Path("c.png").read_bytes()
    assert np.array_equal(
        np.asarray(Mask.parse(CUT).image("p.png")), np.asarray(Image.open("a.png"))
    )
