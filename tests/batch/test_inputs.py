"""Which photos are found, and what is refused before anything runs."""

import os
from pathlib import Path, PurePosixPath

import pytest
import shell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from editkit.batch.inputs import (
    FoundPhoto,
    check_apart,
    check_within,
    find_photos,
    listed_photos,
    outputs_of,
    without_edits,
)
from editkit.batch.pairing import MaskFolder, without_masks
from editkit.batch.tasks import printable
from editkit.errors import InputError


def names(found: list[FoundPhoto]) -> list[str]:
    return [str(photo.relative) for photo in found]


def touched(folder: Path, *files: str) -> Path:
    for name in files:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return folder


def test_a_folder_is_searched_and_what_is_hidden_or_no_photo_is_left(photos: Path) -> None:
    touched(photos, ".hidden.png", ".editkit/x.png", "notes.txt", "out/z.png")
    found = find_photos(str(photos), without=[photos / "out"])
    assert names(found) == ["a.png", "b.jpg", "sub/a.tif"]
    assert names(find_photos(str(photos), recursive=False)) == ["a.png", "b.jpg"]


def test_patterns_and_single_files(photos: Path) -> None:
    assert names(find_photos("photos/**/*.png")) == ["a.png"]
    assert names(find_photos("photos/sub/*.*")) == ["a.tif"]
    assert names(find_photos(str(photos / "b.jpg"))) == ["b.jpg"]


@pytest.mark.parametrize(
    ("source", "message"),
    [("nowhere", "there is no nowhere"), ("photos/*.webp", "holds no photos")],
)
def test_nothing_found_is_an_error(photos: Path, source: str, message: str) -> None:
    del photos
    with pytest.raises(InputError, match=message):
        find_photos(source)


def test_a_list_of_files_lies_below_what_they_share(photos: Path) -> None:
    del photos
    found = listed_photos(["photos/sub/a.tif\n", "\n", "photos/b.jpg", "photos/b.jpg"])
    assert names(found) == ["sub/a.tif", "b.jpg"]
    with pytest.raises(InputError, match="empty"):
        listed_photos(["\n"])


def test_a_list_leads_nowhere_out_of_the_results(photos: Path, tmp_path: Path) -> None:
    touched(tmp_path, "x.png", "other/deep/y.png")
    (photos / "link").symlink_to(tmp_path / "other/deep")
    lines = ["photos/../x.png", "./photos//b.jpg", "photos/sub/../b.jpg", str(photos / "b.jpg")]
    # By the system, not by the text, `link/..` is `other`.
    found = listed_photos([*lines, "photos/link/../deep/y.png", "photos/nothere/../../z.png"])
    assert names(found) == ["x.png", "photos/b.jpg", "other/deep/y.png", "z.png"]
    out = tmp_path / "out"
    whole = [Path(str(p)).resolve() for (p,) in outputs_of(found, out, [None])]
    assert all(out.resolve() in path.parents for path in whole)
    for line in ("..", "photos/..", "/", "file:///.."):
        with pytest.raises(InputError, match="which is no file"):
            listed_photos(["photos/b.jpg", line])


PIECES = (
    "..",
    ".",
    "/",
    "//",
    "a.png",
    "link",
    "photos",
    "sub",
    "\\",
    " ",
    "~",
    "\r",
    "%2e",
    "\udcff",
)
names_of_files = st.lists(st.sampled_from(PIECES), min_size=1, max_size=8).map("".join)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(names_of_files, min_size=1, max_size=4), end=st.sampled_from("\n\0"))
def test_no_list_leads_out_of_the_results(photos: Path, lines: list[str], end: str) -> None:
    link = photos / "link"
    if not link.is_symlink():
        link.symlink_to(photos.parent)
    out = photos.parent / "there/out"
    try:
        made = outputs_of(listed_photos([end.join(lines)]), out, [None, 3])
    except InputError:
        return
    for path in (path for paths in made for path in paths):
        assert out in Path(os.path.normpath(str(path))).parents


@pytest.mark.parametrize(
    "text",
    [
        "photos/b.jpg\r\n\r\n  \r\nphotos/sub/a.tif\r\n",
        "\ufeffphotos/b.jpg\nphotos/sub/a.tif",
        "photos/b.jpg\0photos/sub/a.tif\0",
        "photos\\b.jpg\nphotos\\sub\\a.tif\n",
        "photos/b.jpg\nfile://{cwd}/photos/sub/../sub/a.tif\nphotos/b.jpg\n",
    ],
)
def test_lists_of_other_programs(photos: Path, text: str) -> None:
    found = listed_photos([text.replace("{cwd}", str(photos.parent))])
    assert names(found) == ["b.jpg", "sub/a.tif"]
    assert all(Path(str(photo.path)).is_file() for photo in found)


def test_a_link_leads_no_result_out_of_its_folder(photos: Path, tmp_path: Path) -> None:
    found = find_photos(str(photos))
    whole = [path for paths in outputs_of(found, Path("out"), [None]) for path in paths]
    check_within(whole, Path("out"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out/sub").symlink_to(photos)
    with pytest.raises(
        InputError, match=r"out/sub is a link out of out, to .*photos; remove the link"
    ):
        check_within(whole, Path("out"))


def test_a_pattern_leads_not_back(photos: Path) -> None:
    del photos
    with pytest.raises(InputError, match=r"contains \.\. after a wildcard"):
        find_photos("*/../photos/*.png")
    assert names(find_photos("photos/../photos/*.png")) == ["a.png"]


def test_results_of_other_batches_are_no_photos(photos: Path) -> None:
    touched(photos, "sub/done/b.jpg", "sub/done/sheet.png", "sub/done/.editkit/manifest.sqlite")
    touched(photos, "out/a.png", "out/.editkit/manifest.sqlite")
    for source in ("photos", "photos/**/*.*"):
        found = find_photos(source, without=[Path("photos/out")])
        assert names(found) == ["a.png", "b.jpg", "sub/a.tif"]
        (note,) = found.notes
        assert note.startswith("photos/sub/done holds results of another batch")
    assert names(find_photos("photos/sub/done")) == ["b.jpg", "sheet.png"]
    with pytest.raises(InputError, match=r"no photos; .*; photos/sub/done holds results"):
        find_photos("photos/sub/*/*.jpg")


def test_edits_beside_their_photos_are_no_photos(photos: Path) -> None:
    touched(photos, "a.edit.png", "a.edit.7.png", "sub/a.edit.tif", "c.edit.png", "b.edited.jpg")
    found = without_edits(find_photos(str(photos)))
    assert names(found) == ["a.png", "b.edited.jpg", "b.jpg", "c.edit.png", "sub/a.tif"]
    assert found.notes == ["3 edits of photos beside them (NAME.edit, NAME.preview) are left out"]


def test_results_lie_as_photos_do(photos: Path) -> None:
    touched(photos, "anim.gif")
    found = find_photos(str(photos))
    out = Path("out")
    assert [[str(p) for p in paths] for paths in outputs_of(found, out, [None])] == [
        ["out/a.png"],
        ["out/anim.png"],
        ["out/b.jpg"],
        ["out/sub/a.tif"],
    ]
    (first, *_) = outputs_of(found, out, [3, 4])
    assert [p.name for p in first] == ["a.3.png", "a.4.png"]


@pytest.mark.parametrize(("one", "other"), [("a.gif", "a.png"), ("a.GIF", "a.Gif")])
def test_two_results_of_one_name_are_refused(tmp_path: Path, one: str, other: str) -> None:
    touched(tmp_path / "in", one, other)
    with pytest.raises(InputError, match="would both become"):
        outputs_of(find_photos(str(tmp_path / "in")), Path("out"), [None])


def test_names_that_differ_by_case_are_two_where_the_disk_tells_them(tmp_path: Path) -> None:
    touched(tmp_path / "in", "A.png", "a.png", "sub/x.png", "SUB/x.png")
    found = find_photos(str(tmp_path / "in"))
    if len(found) < 4:
        pytest.skip("this disk does not tell case")
    made = outputs_of(found, tmp_path / "out", [None])
    assert len({path for (path,) in made}) == 4
    # A file by two names is what a disk shows that does not tell case.
    touched(tmp_path / "other", "Name.txt")
    os.link(tmp_path / "other/Name.txt", tmp_path / "other/nAME.TXT")
    with pytest.raises(InputError, match="would both become"):
        outputs_of(found, tmp_path / "other", [None])


def test_variants_may_not_meet_other_photos(tmp_path: Path) -> None:
    touched(tmp_path / "in", "a.png", "a.1.png", "a.png.tif")
    assert outputs_of(find_photos(str(tmp_path / "in")), Path("out"), [1])
    touched(tmp_path / "in", "a.gif")
    with pytest.raises(InputError, match="would both become"):
        outputs_of(find_photos(str(tmp_path / "in")), Path("out"), [1])


def test_results_never_go_where_the_photos_are(photos: Path) -> None:
    found = find_photos(str(photos))
    with pytest.raises(InputError, match="the folder of the photos"):
        check_apart(found, photos)
    link = photos.with_name("link")
    link.symlink_to(photos)
    with pytest.raises(InputError, match="the folder of the photos"):
        check_apart(found, link)


def test_masks_are_paired_by_stem_folder_first(tmp_path: Path) -> None:
    masks = touched(tmp_path / "masks", "a.png", "sub/a.png", "b_mask.jpg", "c.PNG")
    found = MaskFolder.read(masks)

    def mask_for(name: str) -> str | None:
        path = found.mask_for(FoundPhoto(tmp_path / "in" / name, PurePosixPath(name)))
        return None if path is None else str(Path(str(path)).relative_to(masks))

    assert mask_for("a.jpg") == "a.png"
    assert mask_for("sub/a.jpg") == "sub/a.png"
    assert mask_for("sub/b.jpg") == "b_mask.jpg"
    assert mask_for("c.jpg") == "c.PNG"
    assert mask_for("d.jpg") is None
    several = MaskFolder.read(touched(masks, "a.tif"))
    with pytest.raises(InputError, match="several masks"):
        several.mask_for(FoundPhoto(tmp_path / "in/a.jpg", PurePosixPath("a.jpg")))


def test_masks_beside_their_photos_are_no_photos(tmp_path: Path) -> None:
    both = touched(
        tmp_path / "in", "a.jpg", "a_mask.png", "sub/b.jpg", "sub/b.mask.png", "c_mask.png"
    )
    found = find_photos(str(both))
    assert names(without_masks(found)) == ["a.jpg", "c_mask.png", "sub/b.jpg"]
    pair = MaskFolder.read(both).mask_for(found[0])
    assert pair == both / "a_mask.png"


def test_names_that_are_no_text_are_stored_as_text(tmp_path: Path) -> None:
    name = b"\xff\xfe.png".decode("utf-8", "surrogateescape")
    shell.noise(8, 8).save(tmp_path / name)
    (found,) = find_photos(str(tmp_path))
    assert printable(found.relative) == "\\xff\\xfe.png"


def test_names_that_no_disk_takes_fail_alone(photos: Path) -> None:
    del photos
    long = ["a" * 300 + ".png", "b" * 100_000, "x/" * 3000 + "c.png"]
    done = shell.call(
        *("batch", "erase", "-", "--mask", "box:4,4,12,12", "--method", "telea", "-o", "out"),
        *("--workers", "0"),
        stdin="\n".join(["photos/a.png", *long]).encode(),
    )
    assert (done.code, done.out) == (3, b"out/photos/a.png\n"), done
    assert done.err.count("failed: ") == 3
    assert shell.call("batch", "erase", "x" * 5000, "--mask", "all", "-o", "o").code == 2
    assert shell.call("batch", "erase", "photos", "--mask", "all", "-o", "o" * 5000).code in (1, 2)


def test_a_list_is_not_watched(photos: Path) -> None:
    del photos
    done = shell.call("batch", "erase", "-", "--mask", "all", "-o", "out", "--watch", stdin=b"a\n")
    assert "--watch needs a folder" in done.refused()


@pytest.mark.parametrize("empty", ["IN", "--output"])
def test_an_empty_place_is_not_this_folder(photos: Path, empty: str) -> None:
    del photos
    places = {"IN": "photos", "--output": "out", empty: ""}
    before = shell.listing(Path())
    done = shell.call(
        *("batch", "erase", places["IN"], "-o", places["--output"]),
        *("--mask", "box:4,4,12,12", "--method", "telea", "--workers", "0"),
    )
    assert f"{empty} is empty" in done.refused()
    assert shell.listing(Path()) == before
