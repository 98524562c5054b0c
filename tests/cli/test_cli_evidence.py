"""What files show: verify, info, replay, provenance and signatures, by the command itself."""

import datetime
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shell
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image

from editkit.photo.io.files import read_photo
from editkit.photo.metadata.c2pa import read_credentials


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a photo and its mask."""
    monkeypatch.chdir(tmp_path)
    shell.noise(48, 64).save("p.png")
    smooth = Image.fromarray(np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8))
    smooth.convert("RGB").save("p.jpg", quality=90)
    shell.block(48, 64).save("m.png")
    return tmp_path


def edit(model: Path, *more: str | Path, source: str = "p.png", out: str = "e.png") -> Any:
    given = ("inpaint", source, "m.png", "-m", model, "--steps", "1", "-o", out, "--json", "-q")
    done = shell.call(*given, *more)
    assert done.code == 0, done.err
    return json.loads(done.out)


def asked(*args: str | Path) -> Any:
    done = shell.call(*args, "--json")
    assert done.code in (0, 1), done.err
    return json.loads(done.out)


@pytest.mark.parametrize(("source", "out"), [("p.png", "e.png"), ("p.jpg", "e.jpg")])
def test_an_edit_reports_what_it_did_and_verify_finds_the_same(
    here: Path, checkpoints: dict[int, Path], source: str, out: str
) -> None:
    report = edit(checkpoints[9], "--strict", "--max-seam", "1000", source=source, out=out)
    assert report["samples_kept"] + 12 * 16 * 3 == 48 * 64 * 3
    assert report["second_reader"]
    assert (report["samples_changed_outside"] == 0) == (out == "e.png")
    assert set(report["scores"]) == {"seam", "ring", "grain"}
    assert len(report["weights"]) == 64
    assert report["sha256"]
    found = asked("verify", source, out, "m.png")
    assert found["kept"]
    assert found["samples_kept"] == report["samples_kept"]
    assert found["samples_changed_outside"] == report["samples_changed_outside"]
    assert (out == "e.png") == (
        found["samples_changed_outside"] == 0 and "jpeg_blocks_kept" not in found
    )
    assert asked("verify", source, out)["kept"]
    assert here.joinpath(out).is_file()


def test_verify_fails_for_one_sample_and_tolerates_what_it_is_told_to(here: Path) -> None:
    samples = np.asarray(Image.open("p.png")).copy()
    samples[40, 3, 1] += 2 if samples[40, 3, 1] < 100 else -2
    Image.fromarray(samples).save("e.png")
    done = shell.call("verify", "p.png", "e.png", "m.png")
    assert done.code == 1
    assert "1 kept samples changed, by up to 2" in done.err
    assert shell.call("verify", "p.png", "e.png", "m.png", "--tolerance", "2").code == 0
    Image.fromarray(samples[:20]).save("cut.png")
    message = shell.call("verify", "p.png", "cut.png").refused()
    assert "cannot be compared" in message


def test_info_tells_what_a_file_carries(here: Path, checkpoints: dict[int, Path]) -> None:
    assert asked("info", "p.png")["record"] is None
    edit(checkpoints[9])
    found = asked("info", "e.png")
    assert found["source_type"] == "compositeWithTrainedAlgorithmicMedia"
    assert found["history"][0]["softwareAgent"].startswith("editkit ")
    assert found["record"]["original"]["path"] == "p.png"
    assert found["record"]["mask"]["path"] == "m.png"
    edit(checkpoints[9], "--no-provenance", out="n.png")
    assert asked("info", "n.png")["record"] is None
    assert "mode" in shell.call("info", "e.png").out.decode()


@pytest.mark.slow
@pytest.mark.parametrize(("source", "out"), [("p.png", "e.png"), ("p.jpg", "e.jpg")])
def test_replay_repeats_the_bytes(
    here: Path, checkpoints: dict[int, Path], source: str, out: str
) -> None:
    edit(checkpoints[9], "--seed", "5", "--guidance", "2", source=source, out=out)
    more = ("-m", checkpoints[9])
    found = asked("replay", out, *more)
    assert found == {"file": out, "same": True, "differences": []}
    process = shell.process("replay", out, *more, "-o", "again" + Path(out).suffix, cwd=here)
    assert process.code == 0, process.err
    assert Path("again" + Path(out).suffix).read_bytes() == Path(out).read_bytes()


def test_replay_says_what_differs(here: Path, checkpoints: dict[int, Path]) -> None:
    edit(checkpoints[9])
    assert "tells of no edit" in shell.call("replay", "p.png").refused()
    other = shell.call("replay", "e.png", "-m", checkpoints[4], "--json")
    assert other.code == 1
    assert json.loads(other.out)["differences"] == ["the model's weights are others"]
    shell.noise(48, 64, seed=9).save("other.png")
    other = shell.call("replay", "e.png", "-m", checkpoints[9], "--original", "other.png", "--json")
    assert other.code == 1
    assert json.loads(other.out)["differences"] == ["the original is another file"]
    Path("p.png").unlink()
    assert "give --original" in shell.call("replay", "e.png").refused()


def test_pictures_without_a_mask_are_replayed_too(here: Path, checkpoints: dict[int, Path]) -> None:
    for given in (("img2img", "p.png", "x"), ("generate", "x", "--size", "32x48")):
        done = shell.call(*given, "-m", checkpoints[4], "--steps", "2", "-o", "g.png", "--force")
        assert done.code == 0, done.err
        assert asked("replay", "g.png", "-m", checkpoints[4])["same"]
    assert asked("info", "g.png")["source_type"] == "trainedAlgorithmicMedia"


def test_paths_through_the_root_are_not_told(here: Path, checkpoints: dict[int, Path]) -> None:
    (here / "deep").mkdir()
    edit(checkpoints[9], out="deep/e.png")
    record = asked("info", "deep/e.png")["record"]
    assert record["original"]["path"] == "../p.png"
    assert str(here) not in json.dumps(record)
    # What lies outside of the file's folder is looked at if the user says so.
    done = shell.call("replay", "deep/e.png", "-m", checkpoints[9])
    assert "lies outside of the folder" in done.refused()
    for more in (("--root", "."), ("--original", "p.png", "--mask", "m.png")):
        assert asked("replay", "deep/e.png", "-m", checkpoints[9], *more)["same"]


def test_strict_writes_nothing_that_is_not_kept(here: Path, checkpoints: dict[int, Path]) -> None:
    given = ("inpaint", "p.jpg", "m.png", "-m", checkpoints[9], "--steps", "1", "--strict")
    done = shell.call(*given, "-o", "e.jpg", "--jpeg", "encode")
    assert "would change; write PNG or TIFF" in done.refused(1)
    done = shell.call(*given, "-o", "e.png", "--max-seam", "0")
    assert "over the limit of 0" in done.refused(1)
    assert sorted(p.name for p in here.iterdir()) == ["m.png", "p.jpg", "p.png"]


def test_a_frame_is_chosen(here: Path, checkpoints: dict[int, Path]) -> None:
    first, second = shell.noise(48, 64, seed=1), shell.noise(48, 64, seed=2)
    first.save("a.tif", save_all=True, append_images=[second])
    given = ("inpaint", "a.tif", "m.png", "-m", checkpoints[9], "--steps", "1", "-o", "e.tif", "-q")
    assert "--frame" in shell.call(*given).refused()
    assert shell.call(*given, "--frame", "1").code == 0
    kept = np.asarray(Image.open("m.png")) == 0
    assert np.array_equal(read_photo("e.tif").samples[kept], np.asarray(second)[kept])


def certificates(folder: Path) -> tuple[Path, Path]:
    """A chain of two made on the spot, and the key of its first."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [
        x509.Name(
            [
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "tests"),
                x509.NameAttribute(NameOID.COMMON_NAME, name),
            ]
        )
        for name in ("signer", "root")
    ]
    chain = b"".join(
        _certificate(keys, names, k).public_bytes(serialization.Encoding.PEM) for k in (0, 1)
    )
    (folder / "chain.pem").write_bytes(chain)
    private = keys[0].private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (folder / "key.pem").write_bytes(private)
    return folder / "chain.pem", folder / "key.pem"


def _certificate(
    keys: list[ec.EllipticCurvePrivateKey], names: list[x509.Name], index: int
) -> x509.Certificate:
    now, root = datetime.datetime.now(datetime.UTC), index == 1
    usage = dict.fromkeys(
        (
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ),
        False,
    )
    own = keys[index].public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(names[index])
        .issuer_name(names[1])
        .public_key(own)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=9))
        .add_extension(x509.BasicConstraints(root, None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not root, key_cert_sign=root, crl_sign=root, **usage),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[1].public_key()),
            critical=False,
        )
    )
    if not root:
        mail = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(mail, critical=False)
    return builder.sign(keys[1], hashes.SHA256())


@pytest.mark.parametrize(("source", "out"), [("p.png", "e.png"), ("p.jpg", "e.jpg")])
def test_signed_files_name_their_original(
    here: Path, checkpoints: dict[int, Path], source: str, out: str
) -> None:
    report = edit(checkpoints[9], "--sign", *certificates(here), source=source, out=out)
    assert report["signed"]
    data = Path(out).read_bytes()
    found = read_credentials(data)
    assert found == {
        "state": "Valid",
        "actions": ["c2pa.opened", "c2pa.edited"],
        "ingredients": [source],
    }
    assert asked("verify", source, out, "m.png")["kept"]
    # A byte of the picture changed is found out.
    hurt = bytearray(data)
    hurt[-20] ^= 0xFF
    broken = read_credentials(bytes(hurt))
    assert broken is None or broken["state"] == "Invalid"
    # What is edited again no longer is what was signed, and says so.
    again = edit(checkpoints[9], source=out, out="f" + Path(out).suffix)
    assert any("Content Credentials" in note for note in again["notes"])
    assert read_credentials(Path("f" + Path(out).suffix).read_bytes()) is None


def test_keys_that_cannot_sign_are_refused_before_the_work(here: Path) -> None:
    chain, key = certificates(here)
    given = ("inpaint", "p.png", "m.png", "-o", "e.png", "--sign")
    assert "not a file" in shell.call(*given, "none.pem", key).refused()
    assert "no private key" in shell.call(*given, chain, chain).refused()
