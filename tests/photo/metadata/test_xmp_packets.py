"""XMP of every coding and with every fault: kept and said, with the mark of the edit beside it."""

import json
import subprocess
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
from lxml import etree
from PIL import Image, PngImagePlugin

import editkit
from editkit.ops.output import Saving
from editkit.ops.replay import find_replay
from editkit.ops.result import Result
from editkit.photo.io.files import read_photo
from editkit.photo.metadata import xmp, xmp_packets

SAMPLES = np.random.default_rng(8).integers(0, 256, (32, 48, 3), dtype=np.uint8)
MASK = np.zeros((32, 48), np.float32)
MASK[4:9, 5:12] = 1
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
MARK = "compositeWithTrainedAlgorithmicMedia"


def packet(inner: str = "<photoshop:City>Rome</photoshop:City>", *, wrapped: bool = True) -> str:
    text = (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="{RDF}">'
        '<rdf:Description rdf:about="" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" '
        f'photoshop:Credit="Zoë">{inner}</rdf:Description></rdf:RDF></x:xmpmeta>'
    )
    return xmp_packets.HEAD.decode() + text + xmp_packets.TAIL.decode() if wrapped else text


def stamped(given: bytes) -> bytes:
    return xmp.add_record(given, source=xmp.COMPOSITE, event={"action": "edited"}, record={"a": 1})


def city_of(made: bytes) -> tuple[str | None, str | None]:
    """As a strict reader of XML has them."""
    root = etree.fromstring(made.strip(b"\0 \n"))
    city = root.find(".//{http://ns.adobe.com/photoshop/1.0/}City")
    name = "{http://ns.adobe.com/photoshop/1.0/}Credit"
    credit = [found.get(name) for found in root.iter() if name in found.attrib]
    return None if city is None else city.text, credit[0] if credit else None


PLAIN = packet(wrapped=False)
BOMB = (
    '<!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY a{k} "{f"&a{k - 1 if k else str()};" * 10}">' for k in range(12))
    + "]>"
)
READABLE = {
    "plain": PLAIN.encode(),
    "wrapped": packet().encode(),
    "padded": packet().encode() + b" " * 2000 + b"\0",
    "utf-8 with its mark": b"\xef\xbb\xbf" + PLAIN.encode(),
    "utf-16": packet().encode("utf-16"),
    "utf-16-le": packet().encode("utf-16-le"),
    "utf-16-be": packet().encode("utf-16-be"),
    "utf-16 without wrapper": PLAIN.encode("utf-16-be"),
    "utf-32": packet().encode("utf-32"),
    "utf-32-be": PLAIN.encode("utf-32-be"),
    "latin-1": PLAIN.encode("latin-1"),
    "declared": ('<?xml version="1.0" encoding="ISO-8859-1"?>' + PLAIN).encode("latin-1"),
    "declared wrongly": ('<?xml version="1.0" encoding="UTF-16"?>' + PLAIN).encode(),
    "declared as nothing": ('<?xml version="1.0" encoding="nothing"?>' + PLAIN).encode(),
    "root is RDF": PLAIN[PLAIN.index("<rdf:RDF") : PLAIN.index("</x:xmpmeta>")].encode(),
    "document type": ("<!DOCTYPE x SYSTEM 'file:///etc/hostname'>" + PLAIN).encode(),
    "entities": (BOMB + packet("<photoshop:City>Rome</photoshop:City>&a11;")).encode(),
    "instruction": packet("<?php echo 1?><photoshop:City>Rome</photoshop:City><!-- c -->").encode(),
    "control characters": packet("\x01\x0b<photoshop:City>Rome</photoshop:City>&#0;").encode(),
    "ampersand": packet("<photoshop:City>Rome</photoshop:City>A & B &c").encode(),
    "reference to nothing": packet("<photoshop:City>Rome</photoshop:City>&nbsp;&odd;").encode(),
    "rubbish around": b"rubbish" + PLAIN.encode() + b"more",
    "two": packet().encode() + packet("").encode(),
}
UNREADABLE = {
    "cut": PLAIN[:-30].encode(),
    "tags that cross": packet("<a><b></a></b>").encode(),
    "no prefix": PLAIN.replace(
        ' xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"', ""
    ).encode(),
    "other XML": b'<svg xmlns="http://www.w3.org/2000/svg"/>',
    "bytes": bytes(range(256)),
    "deep": packet("<a>" * 3000 + "</a>" * 3000).encode(),
    "twice an attribute": packet()
    .replace("photoshop:Credit", 'rdf:about="" photoshop:Credit')
    .encode(),
}
NOTHING = {"empty": b"", "blank": b" \0\n", "wrapper": xmp_packets.HEAD + xmp_packets.TAIL}


@pytest.mark.parametrize("name", READABLE)
def test_what_can_be_read_is_there_with_the_mark(name: str) -> None:
    given = READABLE[name]
    carried, notes = xmp.mend_packet(given)
    started = time.perf_counter()
    made = stamped(carried)
    assert time.perf_counter() - started < 1
    assert city_of(made) == ("Rome", "Zoë")
    assert (xmp.read_source_type(made), xmp.read_record(made)) == (MARK, {"a": 1})
    assert b"ENTITY" not in made
    assert bool(notes) == (carried != given)
    again = stamped(made)
    assert len(xmp.read_history(again)) == 2
    assert xmp.mend_packet(made) == (made, [])


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_a_text_beside_the_mark(name: str) -> None:
    given = UNREADABLE[name]
    carried, notes = xmp.mend_packet(given)
    assert carried == given
    assert "cannot be read as XML" in notes[0]
    made = stamped(stamped(given))
    root = etree.fromstring(made)
    (text,) = [found.text for found in root.iter("{urn:editkit:xmp:1.0:}Unread")]
    assert str(text)[:20].strip() == xmp_packets.decode_text(given)[:20].strip() or name == "bytes"
    assert (xmp.read_source_type(made), len(xmp.read_history(made))) == (MARK, 2)


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_is_nothing(name: str) -> None:
    assert xmp.mend_packet(NOTHING[name])[1] == []
    made = stamped(NOTHING[name])
    assert b"Unread" not in made
    assert xmp.read_source_type(made) == MARK


def photo_with(given: bytes, suffix: str, path: Path) -> Result:
    if suffix == ".png":
        info = PngImagePlugin.PngInfo()
        info.add(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + given)
        Image.fromarray(SAMPLES).save(path, pnginfo=info)
    elif suffix == ".tif":
        info = Image.Exif()
        Image.fromarray(SAMPLES).save(path, tiffinfo={700: given})
    else:
        Image.fromarray(SAMPLES).save(path, xmp=given)
    return editkit.erase(path, MASK, method="telea")


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
@pytest.mark.parametrize("name", ["utf-16", "latin-1", "ampersand"])
def test_containers_hand_on_what_was_mended(tmp_path: Path, suffix: str, name: str) -> None:
    result = photo_with(READABLE[name], suffix, tmp_path / f"a{suffix}")
    assert any("XMP" in note for note in result.report["notes"])
    made = read_photo(result.encoded(suffix).data).carried["xmp"]
    assert city_of(made) == ("Rome", "Zoë")
    assert xmp.read_source_type(made) == "humanEdits"


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".avif"])
def test_containers_hand_on_what_cannot_be_read(tmp_path: Path, suffix: str) -> None:
    given = UNREADABLE["cut"]
    result = photo_with(given, suffix, tmp_path / f"a{suffix}")
    assert any("XMP" in note for note in result.report["notes"])
    made = read_photo(result.encoded(suffix).data).carried["xmp"]
    assert (xmp.read_source_type(made), b"Rome" in made) == ("humanEdits", True)
    assert given in result.encoded(suffix, Saving(provenance=False)).data


def test_compressed_packets_of_png(tmp_path: Path) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet(), zip=True)
    Image.fromarray(SAMPLES).save(tmp_path / "a.png", pnginfo=info)
    by_digits = packet().encode()
    text = f"\nxmp\n{len(by_digits):8}\n{by_digits.hex()}\n"
    info = PngImagePlugin.PngInfo()
    info.add_text("Raw profile type xmp", text, zip=True)
    Image.fromarray(SAMPLES).save(tmp_path / "b.png", pnginfo=info)
    for name in ("a.png", "b.png"):
        assert city_of(read_photo(tmp_path / name).carried["xmp"]) == ("Rome", "Zoë")


def tags(data: bytes) -> dict[str, Any]:
    """What exiftool reads."""
    args = ["exiftool", "-json", "-struct", "-u", "-m", "-G1", "-"]
    done = subprocess.run(args, input=data, capture_output=True, check=False)
    return json.loads(done.stdout)[0]


def jpeg_with(given: bytes) -> bytes:
    out = BytesIO()
    Image.fromarray(SAMPLES).save(out, "JPEG", quality=90, xmp=given)
    return out.getvalue()


KEYWORDS = "<photoshop:Keys><rdf:Bag>{}</rdf:Bag></photoshop:Keys>"


@pytest.mark.parametrize("length", [63000, 64900, 65400])
def test_packets_near_the_limit_keep_all(tmp_path: Path, length: int) -> None:
    """The photo's own text, the mark and the record are there, as exiftool has them."""
    text = packet(
        "<photoshop:Headline>%s</photoshop:Headline><photoshop:City>Rome</photoshop:City>"
    )
    given = (text % ("k" * (length - len(text)))).encode()
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg_with(given))
    result = editkit.erase(path, MASK, method="telea")
    for how in ("lossless", "encode"):
        data = result.encoded(".jpg", Saving(jpeg=how)).data
        made = read_photo(data).carried["xmp"]
        assert xmp.read_record(made)["edit"] == "Erase"  # pyright: ignore[reportOptionalSubscript]
        assert city_of(made) == ("Rome", "Zoë")
    found = tags(data)
    assert "ExifTool:Warning" not in found
    assert len(found["XMP-photoshop:Headline"]) > length - 600
    assert found["XMP-iptcExt:DigitalSourceType"].endswith("humanEdits")
    assert json.loads(found["XMP-editkit:Record"])["edit"] == "Erase"
    # What reads the first packet alone finds the mark in it.
    with Image.open(BytesIO(data)) as image:
        assert xmp.read_source_type(image.info["xmp"]) == "humanEdits"


def extend(path: Path, text: str) -> None:
    """Gives a JPEG a text that exiftool must write as extended XMP."""
    (path.parent / "text").write_text(text)
    told = f"-XMP-photoshop:Headline<={path.parent / 'text'}"
    args = ["exiftool", "-q", "-overwrite_original", told, "-XMP-photoshop:City=Rome", path]
    subprocess.run(args, check=True)


def test_the_record_stays_in_what_was_extended_before(tmp_path: Path) -> None:
    """Extended XMP is read, joined and written again, and a photo of little XMP has none."""
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg_with(b""))
    text = "k" * 200_000
    extend(path, text)
    photo = read_photo(path)
    assert photo.notes == ()
    assert text.encode() in photo.carried["xmp"]
    assert b"HasExtendedXMP" not in photo.carried["xmp"]
    result = editkit.erase(photo, MASK, method="telea")
    data = result.encoded(".jpg").data
    found = tags(data)
    assert "ExifTool:Warning" not in found
    assert found["XMP-photoshop:Headline"] == text
    assert found["XMP-photoshop:City"] == "Rome"
    for suffix in (".png", ".tif", ".webp", ".avif", ".heic", ".jxl"):
        again = read_photo(result.encoded(suffix).data)
        assert text.encode() in again.carried["xmp"]
        assert xmp.read_source_type(again.carried["xmp"]) == "humanEdits"


@pytest.mark.parametrize("fault", ["missing part", "other name", "no first packet"])
def test_a_part_that_is_not_there_is_said(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg_with(b""))
    extend(path, "k" * 200_000)
    data = path.read_bytes()
    mark = b"http://ns.adobe.com/xmp/extension/\0"
    at = data.index(mark) if fault != "no first packet" else data.index(b"ap/1.0/\0") - 21
    if fault == "other name":
        data = data[: at + 40] + b"0000" + data[at + 44 :]
    else:
        data = data[: at - 4] + data[at - 2 + int.from_bytes(data[at - 2 : at]) :]
    photo = read_photo(data)
    assert any("XMP" in note for note in photo.notes)
    result = editkit.erase(photo, MASK, method="telea")
    assert (
        xmp.read_source_type(read_photo(result.encoded(".jpg").data).carried["xmp"]) == "humanEdits"
    )


def test_two_packets_in_two_segments_are_joined(tmp_path: Path) -> None:
    other = packet().replace("City", "State").replace("Zoë", "Ann").encode()
    first = jpeg_with(packet().encode())
    at = first.index(b"\xff\xe1")
    segment = b"http://ns.adobe.com/xap/1.0/\0" + other
    second = b"\xff\xe1" + (len(segment) + 2).to_bytes(2) + segment
    end = at + 2 + int.from_bytes(first[at + 2 : at + 4])
    photo = read_photo(first[:end] + second + first[end:])
    assert any("several packets" in note for note in photo.notes)
    assert city_of(photo.carried["xmp"]) == ("Rome", "Zoë")
    assert b"State>Rome" in photo.carried["xmp"]


def test_hundreds_of_edits_keep_their_history() -> None:
    """One entry for each edit, and the record of the last: a chain that once began anew."""
    made, record = None, {"edit": "Erase", "options": {"method": "telea"}}
    event = {"action": "edited", "softwareAgent": "editkit", "parameters": "Erase by telea"}
    for number in range(400):
        made = xmp.add_record(
            made, source=xmp.COMPOSITE, event=event, record={**record, "number": number}
        )
    assert made is not None
    assert len(xmp.read_history(made)) == 400
    assert xmp.read_records(made) == [{**record, "number": 399}]
    assert len(made) > 65533
    out = BytesIO()
    Image.fromarray(SAMPLES).save(out, "PNG")
    photo = read_photo(out.getvalue())
    result = editkit.erase(photo, MASK, method="telea")
    carried = {**result.photo.carried, "xmp": made}
    grown = Result(
        type(photo)(result.photo.samples, "RGB", carried=carried),
        result.report,
        record=result.record,
    )
    again = read_photo(grown.encoded(".jpg").data).carried["xmp"]
    assert len(xmp.read_history(again)) == 401
    assert xmp.read_source_type(again) is not None


def test_all_records_are_kept_once_that_was_asked_for() -> None:
    event, made = {"action": "edited"}, None
    for number, keep in enumerate([False, False, True, False]):
        made = xmp.add_record(
            made, source=xmp.COMPOSITE, event=event, record={"n": number}, keep=keep
        )
    assert xmp.read_records(made) == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert xmp.read_record(made) == {"n": 3}


def test_odd_histories_are_read_and_grow() -> None:
    event = "<rdf:li><?odd?><stEvt:action>made</stEvt:action><!-- c --></rdf:li>"
    for kind in ("Seq", "Bag"):
        inner = (
            '<xmpMM:History xmlns:xmpMM="http://ns.adobe.com/xap/1.0/mm/" '
            'xmlns:stEvt="http://ns.adobe.com/xap/1.0/sType/ResourceEvent#">'
            f"<rdf:{kind}>{event}</rdf:{kind}></xmpMM:History>"
        )
        made = stamped(packet(inner).encode())
        assert xmp.read_history(made) == [{"action": "made"}, {"action": "edited"}]
        assert made.count(b"<xmpMM:History") == 1


def test_a_format_without_a_place_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg_with(packet().encode()))
    result = editkit.erase(tmp_path / "a.jpg", MASK, method="telea")
    evidence = result.encoded(".bmp").evidence
    assert (
        "BMP has no place for XMP data (and the record of the edit): left out"
        in (evidence["notes"])
    )
    assert "notes" not in result.encoded(".jpg").evidence


def test_records_that_are_kept_are_made_again(tmp_path: Path) -> None:
    """Edits in a row, the second asked to keep the first one's record; and replayed as it is."""
    (tmp_path / "a.jpg").write_bytes(jpeg_with(packet().encode()))
    Image.fromarray((MASK * 255).astype(np.uint8)).save(tmp_path / "m.png")
    first = tmp_path / "b.jpg"
    done = shell.call("erase", tmp_path / "a.jpg", tmp_path / "m.png", "--method", "telea",
                      "-o", first)  # fmt: skip
    assert done.code == 0, done.err
    done = shell.call("erase", first, tmp_path / "m.png", "--method", "ns", "--keep-records",
                      "-o", tmp_path / "c.jpg")  # fmt: skip
    assert done.code == 0, done.err
    records = xmp.read_records(read_photo(tmp_path / "c.jpg").carried["xmp"])
    assert [record["options"]["method"] for record in records] == ["telea", "ns"]
    assert find_replay(tmp_path / "c.jpg").run(None)["same"]
