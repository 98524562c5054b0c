"""Records in photos that come from anybody: refused in a line before any work, or repeated."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
import records
import shell
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import editkit
from editkit.errors import EditkitError, InputError
from editkit.ops.catalog import BY_CLASS
from editkit.ops.record_schema import check_record
from editkit.ops.replay import Replay, find_replay
from editkit.photo.io.files import read_photo
from editkit.photo.metadata import xmp


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo of 4x4, and a secret beside the folder."""
    whole = tmp_path_factory.mktemp("records")
    shell.noise(4, 4, seed=7).save(whole / "secret.png")
    folder = whole / "in"
    folder.mkdir()
    shell.noise(4, 4).save(folder / "p.png")
    shell.block(4, 4).save(folder / "m.png")
    shell.noise(4, 4, seed=2).save(folder / "copy.png")
    return folder


def found(folder: Path, record: Any, **more: Any) -> Replay:
    file = folder / "e.png"
    file.write_bytes(records.with_record(record))
    return find_replay(file, **more)


def base(folder: Path, /, **changed: Any) -> dict[str, Any]:
    return records.erased(folder / "p.png", **changed)


def composed(folder: Path) -> dict[str, Any]:
    one = base(folder, edit="Composite", options={"grow": None, "threshold": 5.0})
    return {**one, "edited": {"sha256": "0" * 64, "path": "copy.png"}}


def inpainted(folder: Path) -> dict[str, Any]:
    options = {"prompt": "x", "guidance_interval": [0.0, "inf"], "steps": 3, "denoise": "~grow:1"}
    return base(folder, edit="Inpaint", model="builtin", weights="0", options=options)


def chained(folder: Path) -> dict[str, Any]:
    one, two = base(folder), composed(folder)
    shared = {k: one[k] for k in ("format", "versions", "original", "saving", "model", "weights")}
    steps = [{k: r[k] for k in ("edit", "options", "mask", "edited") if k in r} for r in (one, two)]
    return {**shared, "edit": "recipe", "steps": steps}


KINDS = (base, composed, inpainted, chained)


@pytest.mark.parametrize("kind", KINDS)
def test_a_record_made_by_hand_is_found(there: Path, kind: Any) -> None:
    assert len(found(there, kind(there)).parts) == (2 if kind is chained else 1)


@pytest.mark.parametrize("kind", KINDS)
def test_anything_anywhere_ends_in_a_line(there: Path, kind: Any) -> None:
    """Every part of a record by itself is taken out, and replaced by what nobody expects."""
    good, tried, refused, lines = kind(there), 0, 0, 0
    for way in records.places(good):
        for value in records.ODD:
            tried += 1
            try:
                replay = found(there, records.put(good, way, value))
                if not replay.needs_model and not tried % 8:
                    replay.run()
            except EditkitError as error:
                refused += 1
                lines += len(str(error).splitlines())
    assert lines == refused
    assert tried > 300
    assert refused > tried / 2


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**25), 10**25)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["Erase", "Inpaint", "Outpaint", "recipe", "builtin", "p.png", "inf"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.text(max_size=4) | st.sampled_from(["path", "sha256", "expression", "size", "left"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
keys = st.sampled_from(["edit", "options", "model", "weights", "versions", "original", "mask"])
more = st.sampled_from(["edited", "steps", "saving", "format"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changed=st.dictionaries(keys | more, values, max_size=4), kind=st.sampled_from(KINDS))
def test_records_of_any_kind(there: Path, changed: dict[str, Any], kind: Any) -> None:
    try:
        replay = found(there, {**kind(there), **changed})
        if not replay.needs_model:
            replay.run()
    except EditkitError:
        pass


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000 + "]" * 100_000,
        '{"a":' * 900 + "1" + "}" * 900,
        "[" * 900 + "]" * 900,
        '{"format": NaN}',
        '{"format": 1e999}',
        '{"format": ' + "9" * 5000 + "}",
        "null",
        "7",
        '"x"',
        "[]",
        "{",
        "",
        "{}",
    ],
)
def test_what_is_no_table_of_json(folder_of: Path, text: str) -> None:
    (folder_of / "e.png").write_bytes(records.with_text(text))
    with pytest.raises(InputError):
        find_replay(folder_of / "e.png")
    done = shell.call("info", folder_of / "e.png", "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out, parse_constant=pytest.fail)["record"] in (None, {})
    assert shell.call("info", folder_of / "e.png").code == 0


@pytest.fixture
def folder_of(tmp_path: Path) -> Path:
    return tmp_path


# What is run, and what is looked at.


@pytest.mark.parametrize("name", [n for n in editkit.__all__ if n not in BY_CLASS])
def test_nothing_but_edits_is_called(there: Path, name: str) -> None:
    for options in ({}, {"name": "evil/repo"}, {"photo": "p.png", "mask": "m.png"}):
        with pytest.raises(InputError, match=f"tells of '{name}'; editkit repeats Composite"):
            found(there, base(there, edit=name, options=options))


def test_all_edits_are_known() -> None:
    from editkit.batch.recipes.steps import operations

    named = {"".join(part.capitalize() for part in name.split("_")) for name in operations()}
    named = {{"Img2img": "Img2Img"}.get(name, name) for name in named}
    assert named | {"Generate"} == set(BY_CLASS)


OUTSIDE = ["../secret.png", "SECRET", "x/../../secret.png", "link.png", "link/secret.png"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_files_outside_are_not_looked_at(tmp_path: Path, name: str) -> None:
    secret, folder = tmp_path / "secret.png", tmp_path / "in"
    shell.noise(4, 4, seed=7).save(secret)
    folder.mkdir()
    (folder / "x").mkdir()
    shell.noise(4, 4).save(folder / "p.png")
    shell.noise(4, 4).save(folder / "copy.png")
    (folder / "link.png").symlink_to(secret)
    (folder / "link").symlink_to(tmp_path)
    path = name.replace("SECRET", str(secret))
    told = {"sha256": shell.sha256(secret), "path": path}
    for record in (
        base(folder, original=told),
        base(folder, mask=told),
        {**composed(folder), "edited": told},
        base(folder, mask={"sha256": "0", "expression": f"'{path}' ~grow:1"}),
        base(folder, mask={"sha256": "0", "expression": f"all - 'file:{path}'"}),
        {**inpainted(folder), "options": {"denoise": path}},
        {**inpainted(folder), "options": {"composite": f"'{path}' ~grow:1"}},
        {**inpainted(folder), "options": {"composite_mask": f"'{path}' ~grow:1"}},
    ):
        with pytest.raises(InputError, match=r"outside|no file in its folder|column"):
            found(folder, record)
    # They are where the user says that they are.
    with pytest.raises(InputError, match="give --original"):
        found(folder, base(folder, original=told))
    assert found(folder, base(folder, original=told), original=str(secret)).original is not None


def test_a_folder_that_holds_both_may_be_given(tmp_path: Path) -> None:
    for name in ("photos", "out"):
        (tmp_path / name).mkdir()
    shell.noise(4, 4).save(tmp_path / "photos/a.png")
    told = {"sha256": shell.sha256(tmp_path / "photos/a.png"), "path": "../photos/a.png"}
    record = base(tmp_path / "out", original=told)
    with pytest.raises(InputError, match=r"lies outside of the folder of .*--root"):
        found(tmp_path / "out", record)
    assert found(tmp_path / "out", record, root=tmp_path).differences == ()
    with pytest.raises(InputError, match="lies outside"):
        found(tmp_path / "out", record, root=tmp_path / "out")


def test_what_is_no_ordinary_file_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "zero.png").symlink_to("/dev/zero")
    (tmp_path / "round.png").symlink_to("round.png")
    shell.noise(4, 4).save(tmp_path / "p.png")
    for name in ("pipe.png", "zero.png", "round.png", "e.png", "."):
        told = {"sha256": "0", "path": name}
        for record in (base(tmp_path, original=told), base(tmp_path, mask=told)):
            with pytest.raises(InputError, match="give --"):
                found(tmp_path, record)


ASKING = [
    {"model": "evil/repo"},
    {"mask": {"sha256": "0", "expression": "text:dog,model=evil/repo"}},
    {"mask": {"sha256": "0", "expression": "text:dog"}},
    {"mask": {"sha256": "0", "expression": "box:1,1,3,3 ~matte:model=evil/repo"}},
    {"options": {"composite": "subject & text:dog,best"}},
]


@pytest.mark.parametrize("changed", ASKING)
def test_no_model_is_fetched_unasked(
    there: Path, monkeypatch: pytest.MonkeyPatch, changed: Any
) -> None:
    """A hub that nobody could reach would be told otherwise than one that is not asked."""
    record = {**inpainted(there), **changed}
    with pytest.raises(InputError, match=r"not on this machine: .*--allow-download"):
        found(there, record).model_name()


def test_a_folder_that_a_photo_names_is_no_model(there: Path, checkpoints: dict[int, Path]) -> None:
    for name in (str(checkpoints[9]), "../tiny9", "tiny9", "~/models", "x.safetensors"):
        with pytest.raises(InputError, match="a folder; give it by -m"):
            found(there, {**inpainted(there), "model": name}).model_name(allow_download=True)
    asks = {"sha256": "0", "expression": f"text:dog,model='{checkpoints[9]}'"}
    with pytest.raises(InputError, match="not in its folder"):
        found(there, base(there, mask=asks), allow_download=True)


def test_what_would_take_minutes_is_refused_at_once(there: Path) -> None:
    begun = time.monotonic()
    for name in ("prompt", "negative"):
        options = {**inpainted(there)["options"], name: "x" * 10**6}
        with pytest.raises(InputError, match=f"{name} has 1000000 characters; give at most 100000"):
            found(there, {**inpainted(there), "options": options})
    record = chained(there)
    with pytest.raises(InputError, match="it has 20000 steps"):
        check_record({**record, "steps": record["steps"] * 10_000}, "e.png")
    assert time.monotonic() - begun < 5


# Histories and packets.

EVENT = 'xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" xmlns:stEvt="urn:x"'


@pytest.mark.parametrize(
    "inner",
    [
        "<?php system('x') ?>",
        "<!-- a comment -->",
        "<rdf:li><?a b?><stEvt:action>x</stEvt:action><!-- c --></rdf:li>",
        "<rdf:li><rdf:Description><?a b?></rdf:Description></rdf:li>",
        "<rdf:li/>text",
        "<rdf:li><![CDATA[<x>]]></rdf:li>",
        "<rdf:li><a><b/></a></rdf:li>" * 1000,
        "<rdf:li>" * 200 + "</rdf:li>" * 200,
        "<rdf:li>" * 5000 + "</rdf:li>" * 5000,
        f"<rdf:li><stEvt:action>{'x' * 11_000_000}</stEvt:action></rdf:li>",
        "<rdf:li>&undefined;</rdf:li>",
    ],
)
def test_histories_of_any_kind(tmp_path: Path, inner: str) -> None:
    history = f"<xmpMM:History {EVENT}><rdf:Seq>{inner}</rdf:Seq></xmpMM:History>"
    packet = records.packet(history)
    assert isinstance(xmp.read_history(packet), list)
    if len(packet) < 1_000_000:
        (tmp_path / "h.png").write_bytes(records.with_packet(packet))
        done = shell.call("info", tmp_path / "h.png", "--json")
        assert done.code == 0, done.err
        assert read_photo(tmp_path / "h.png").size == (4, 4)


def test_entities_that_grow_are_not_followed() -> None:
    many = "".join(f'<!ENTITY b{k} "{f"&b{k - 1};" * 10}">' for k in range(1, 30))
    bomb = f'<!DOCTYPE x [<!ENTITY b0 "a">{many}]>'.encode() + records.packet("&b29;")
    assert xmp.read_record(bomb) is None
    assert xmp.read_history(bomb) == []
