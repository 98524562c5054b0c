"""Secrets of URLs: used to fetch, and found nowhere afterwards."""

import base64
import functools
import json
import shutil
import threading
import traceback
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

import pytest
import shell
from s3fs import S3FileSystem

from editkit.errors import BatchError, EditkitError, InputError
from editkit.redact import shareable, without_secrets
from editkit.storage.url import Url, address, check_here, place_of

SECRETS = ("hush-1", "hush-2", "tell-nobody")
OPTIONS = ("--method", "telea", "--workers", "0")


class _Guarded(SimpleHTTPRequestHandler):
    """Files for those who know a signature, or a password."""

    def send_head(self) -> BytesIO | BinaryIO | None:
        signed = parse_qs(urlsplit(self.path).query).get("X-Amz-Signature", [""])[0]
        known = base64.b64encode(b"me:tell-nobody").decode()
        if signed not in SECRETS and self.headers.get("Authorization") != f"Basic {known}":
            self.send_error(403)
            return None
        return super().send_head()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Says nothing."""


@contextmanager
def served(folder: Path) -> Generator[str]:
    handler = functools.partial(_Guarded, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def leaks(folder: Path, *said: str | bytes) -> list[str]:
    """Where a secret is found: in files, whatever they are, or in what was said."""
    texts = {f"said {k}": t if isinstance(t, bytes) else t.encode() for k, t in enumerate(said)}
    found = {**shell.listing(folder), **texts}
    return [name for name, data in found.items() if any(s.encode() in data for s in SECRETS)]


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "there").mkdir()
    (tmp_path / "here").mkdir()
    for seed, name in enumerate(("a.png", "b.png")):
        shell.noise(32, 40, seed=seed).save(tmp_path / "there" / name)
    shell.block(32, 40).save(tmp_path / "there/mask.png")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("EDITKIT_STATE", str(tmp_path / "here/state"))
    with served(tmp_path / "there") as found:
        yield found


def test_a_batch_fetches_by_secrets_and_keeps_none(host: str, tmp_path: Path) -> None:
    def run(signature: str) -> shell.Done:
        end = f"?X-Amz-Signature={signature}&X-Amz-Expires=60"
        lines = f"http://{host}/a.png{end}\nhttp://me:tell-nobody@{host}/b.png\n"
        mask = f"http://{host}/mask.png{end}"
        return shell.call(
            *("batch", "erase", "-", "--mask", mask, "-o", "out", "--json", *OPTIONS),
            stdin=lines.encode(),
        )

    first, again = run("hush-1"), run("hush-2")
    assert (first.code, again.code) == (0, 0)
    assert {"out/a.png", "out/b.png"} <= set(shell.listing(tmp_path / "here"))
    last = json.loads(again.out.splitlines()[-1])
    assert (last["done"], last["kept"]) == (0, 2)
    report = shell.call("report", "out")
    assert report.code == 0
    info = shell.call("info", "out/a.png", "--json").out
    assert leaks(tmp_path / "here", first.out, first.err, again.out, again.err, info) == []
    refused = run("wrong-guess")
    assert b"wrong-guess" not in refused.out + refused.err.encode()


def test_recipes_and_tables_name_photos_by_secrets(host: str, tmp_path: Path) -> None:
    here = tmp_path / "here"
    url = f"http://{host}/mask.png?X-Amz-Signature=hush-1"
    Path("t.csv").write_text(f"photo,m\na,{url}\n")
    Path("r.yaml").write_text("steps: [{erase: , mask: '{m}', method: telea}]\n")
    Path("s.yaml").write_text(f"steps: [{{erase: , mask: '{url}', method: telea}}]\n")
    photo = f"http://{host}/a.png?X-Amz-Signature=hush-1"
    said = [
        shell.call("batch", "r.yaml", photo, "out", "--table", "t.csv", "--workers", "0"),
        shell.call("apply", "s.yaml", photo, "-o", "b.png", "--json"),
        shell.call("recipe", "show", "s.yaml"),
    ]
    assert [done.code for done in said] == [0, 0, 0]
    for name in ("t.csv", "s.yaml"):
        Path(name).unlink()
    assert leaks(here, *(d.out for d in said), *(d.err for d in said)) == []
    assert shell.opened(here / "b.png").tobytes() == shell.opened(here / "out/a.png").tobytes()
    shutil.rmtree(here / "out")


S3 = "s3://key:tell-nobody@bucket/a.png?X-Amz-Signature=hush-1"
COMMANDS = {
    "photo": ("erase", S3, "box:1,1,5,5", "--method", "telea"),
    "web": ("erase", S3.replace("s3", "https"), "box:1,1,5,5", "--method", "telea"),
    "mask": ("inpaint", "a.png", S3, "x"),
    "in an expression": ("inpaint", "a.png", f"box:1,1,5,5 + {S3}", "x"),
    "output": ("erase", "a.png", "box:1,1,5,5", "--method", "telea", "-o", S3),
    "model": ("inpaint", "a.png", "box:1,1,5,5", "x", "-m", S3),
    "web model": ("inpaint", "a.png", "box:1,1,5,5", "x", "-m", S3.replace("s3", "https")),
    "verify": ("verify", S3, "a.png", "box:1,1,5,5"),
    "info": ("info", S3),
    "replay": ("replay", S3),
    "report": ("report", S3),
    "apply": ("apply", S3.replace("png", "yaml"), "a.png"),
    "recipe": ("recipe", "check", S3.replace("png", "yaml")),
    "command": ("batch", S3.replace("png", "yaml"), "a.png"),
    "table": ("batch", "erase", "a.png", "--mask", "x", "--table", S3),
    "batch": ("batch", "erase", "none", "--mask", S3, "-o", "out"),
    "mask out": ("batch", "erase", "a.png", "--mask", S3, "-o", "out", "--mask-out", S3),
    "out": ("batch", "erase", "a.png", "--mask", "x", "-o", S3.replace("s3", "ftps")),
    "edited": ("composite", "a.png", S3),
    "no driver": ("batch", "erase", S3.replace("s3", "nope"), "--mask", "x", "-o", "out"),
    "chained": ("batch", "erase", f"simplecache::{S3}", "--mask", "x", "-o", "out"),
    "option": ("erase", "a.png", "x", f"--{S3}"),
}


def test_who_works_offline_is_shown_no_secret() -> None:
    with pytest.raises(InputError, match=r"^--offline: s3://bucket/a\.png is not on this machine"):
        check_here([S3])


@pytest.mark.parametrize("name", COMMANDS)
def test_no_message_shows_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EDITKIT_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")  # where nobody answers
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    shell.noise(24, 32).save(tmp_path / "a.png")
    done = shell.call(*COMMANDS[name])
    S3FileSystem.clear_instance_cache()  # or others would go on without an account
    assert done.code in (1, 2, 3)
    assert "Traceback" not in done.err
    assert leaks(tmp_path, done.out, done.err) == []


PLAIN = {
    "https://u:p@h.org/a.png?sig=x#y": "https://h.org/a.png",
    "https://token@h.org/a.png": "https://h.org/a.png",
    "https://u:p@ss@h.org:80/a@2x.png?a": "https://h.org:80/a@2x.png",
    "https://u:p/ss@h.org/a.png": "https://h.org/a.png",
    "http://h.org:80/a@2x.png": "http://h.org:80/a@2x.png",
    "https:/u:p@h.org/a.png?sig=x": "https:/h.org/a.png",
    "S3://u:p@b/a.png?X-Amz-Signature=x&y": "S3://b/a.png",
    "s3://b/a?.png": "s3://b/a?.png",
    "s3://b/a@2x.png": "s3://b/a@2x.png",
    "abfs://box@name.dfs.core.windows.net/a.png?sv=1&sig=x": "abfs://box@name.dfs.core.windows.net/a.png",
    "sftp://u:p@h/a.png": "sftp://h/a.png",
    "file:///a?b=c@d.png": "file:///a?b=c@d.png",
    "there is no 'https://u:p@h/a?s=x'; give": "there is no 'https://h/a give",
    "C:/me@home/a?b=c": "C:/me@home/a?b=c",
    "a: b@c?d=e": "a: b@c?d=e",
}


@pytest.mark.parametrize("text", PLAIN)
def test_a_url_less_its_secrets(text: str) -> None:
    assert without_secrets(text) == PLAIN[text]
    assert str(EditkitError(text)) == PLAIN[text]
    assert shareable({text: [text, 1, None]}) == {PLAIN[text]: [PLAIN[text], 1, None]}


def test_all_that_lies_in_a_store_is_asked_for_with_its_secrets() -> None:
    found = place_of("sftp://u:p@h/in/a.png?sig=x")
    assert isinstance(found, Url)
    assert address(found.parent / "b.png") == "sftp://u:p@h/in/b.png?sig=x"
    assert (str(found), repr(found)) == (
        "sftp://h/in/a.png",
        "Url(protocol='sftp', key='h/in/a.png')",
    )
    assert found == place_of("sftp://h/in/a.png")


def test_a_cause_shows_no_secret_either() -> None:
    found = place_of("http://u:tell-nobody@127.0.0.1:1/a.png")
    assert isinstance(found, Url)
    with pytest.raises((BatchError, InputError)) as caught:
        found.fetch(Path("x"))
    assert "tell-nobody" not in "".join(traceback.format_exception(caught.value))
    with pytest.raises(FileNotFoundError) as missing:
        found.open()
    assert "tell-nobody" not in "".join(traceback.format_exception(missing.value))
