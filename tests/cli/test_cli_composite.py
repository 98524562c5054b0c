"""`editkit composite`, by the command itself: files, JPEG blocks, masks, replay, refusals."""

import json
from pathlib import Path

import numpy as np
import pytest
import shell
from away import Journey, iou
from PIL import Image

SAMPLES = Path(__file__).parent.parent.parent / "samples"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a photo, an edit of it that traveled, and where the edit is."""
    monkeypatch.chdir(tmp_path)
    with Image.open(SAMPLES / "coffee.jpg") as image:
        photo = image.convert("RGB").resize((304, 200), Image.Resampling.LANCZOS)
    exif = Image.Exif()
    exif[0x010F] = "maker"
    photo.save("p.jpg", quality=92, exif=exif, dpi=(300, 300))
    samples = np.asarray(Image.open("p.jpg"))
    mask = np.zeros(samples.shape[:2], np.uint8)
    mask[60:130, 90:170] = 255
    Image.fromarray(mask).save("m.png")
    edited = np.where(mask[..., None] > 0, samples[::-1, ::-1], samples)
    Image.fromarray(Journey(shift=(2, 1.4), scale=0.9, quality=90).of(edited)).save("e.png")
    return tmp_path


def test_a_jpeg_keeps_its_blocks_and_what_it_carries(here: Path) -> None:
    done = shell.call("composite", "p.jpg", "e.png", "-o", "o.jpg", "--mask-out", "f.png", "--json")
    assert done.code == 0, done.err
    report = json.loads(done.out)
    assert report["jpeg_blocks_changed_outside"] == 0
    assert report["jpeg_blocks_kept"] > 500
    assert report["registration"]["residual_px"] < 0.3
    found, true = (np.asarray(Image.open(name)) > 0 for name in ("f.png", "m.png"))
    assert iou(found, true) > 0.8
    verified = shell.call("verify", "p.jpg", "o.jpg", "f.png", "--json")
    assert verified.code == 0, verified.err
    same = json.loads(verified.out)["same"]
    assert same["exif"]
    assert same["dpi"]
    assert shell.call("composite", "p.jpg", "e.png", "--strict", "-o", "s.jpg").code == 0
    assert shell.call("composite", "p.jpg", "e.png", "m.png", "-q").code == 0
    assert (here / "p.edit.jpg").exists()


@pytest.mark.slow
def test_it_is_told_in_the_metadata_and_replayed(here: Path) -> None:
    done = shell.call("composite", "p.jpg", "e.png", "-o", "o.jpg", "--made-by", "person")
    assert done.code == 0, done.err
    assert done.out == b"o.jpg\n"
    assert "pixels kept (0 of" in done.err
    info = json.loads(shell.call("info", "o.jpg", "--json").out)
    assert info["source_type"] == "humanEdits"
    assert info["record"]["edited"]["path"] == "e.png"
    assert "model" not in info["record"]
    again = shell.call("replay", "o.jpg", "--json")
    assert json.loads(again.out) == {"file": "o.jpg", "same": True, "differences": []}
    Image.open("e.png").transpose(Image.Transpose.FLIP_LEFT_RIGHT).save("x.png")
    Path("e.png").rename("y.png")
    assert "give --edited" in shell.call("replay", "o.jpg").refused()
    assert json.loads(shell.call("replay", "o.jpg", "--edited", "y.png", "--json").out)["same"]


@pytest.mark.slow
def test_with_a_mask_it_is_replayed_too(here: Path) -> None:
    done = shell.call("composite", "p.jpg", "e.png", "box:90,60,170,130", "-o", "o.png")
    assert done.code == 0, done.err
    again = shell.process("replay", "o.png", "--json", cwd=here)
    assert json.loads(again.out)["same"], again


@pytest.mark.slow
def test_a_pipe(here: Path) -> None:
    done = shell.call("composite", "p.jpg", "-", "-o", "o.png", stdin=Path("e.png").read_bytes())
    assert done.code == 0, done.err
    done = shell.call("composite", "-", "e.png", stdin=Path("p.jpg").read_bytes())
    assert done.code == 0, done.err
    assert done.out.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("p.jpg", "p.jpg"), "nothing else than the original"),
        (("p.jpg", "none.png"), "no such file"),
        (("-", "-"), "only one of"),
        (("p.jpg", "e.png", "--mask-out", "m.png"), "exists"),
        (("p.jpg", "e.png", "--mask-out", "m.jpg"), "ripples"),
        (("p.jpg", "e.png", "-o", "p.jpg", "--force"), "is the photo itself"),
        (("p.jpg", "e.png", "--motion", "wild"), "wild"),
    ],
)
def test_refusals_write_nothing(here: Path, args: tuple[str, ...], said: str) -> None:
    before = shell.listing(here)
    assert said in shell.call("composite", *args).refused()
    assert shell.listing(here) == before


def test_not_registering_lays_frame_on_frame(here: Path) -> None:
    Image.open("p.jpg").resize((152, 100)).save("half.png")
    done = shell.call(
        "composite", "p.jpg", "half.png", "m.png", "--no-register", "--json", "-o", "o.png"
    )
    assert done.code == 0, done.err
    assert json.loads(done.out)["registration"]["motion"] == "none"
