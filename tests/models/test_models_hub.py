"""Models by id: from the cache without a connection, and downloaded from a hub spoken to for real.

The hub's client reads its environment when it is imported, so each test has processes of its own.
"""

import hashlib
import json
import shutil
import socket
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import shell

pytestmark = pytest.mark.process

SHA = "0123456789abcdef0123456789abcdef01234567"
ID = "owner/tiny-model"

WITNESS = """
import sys
seen = []
def look(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        seen.append(event)
sys.addaudithook(look)
"""
LOAD = f"""{WITNESS}
from editkit.models.registry import load_model
model = load_model({ID!r}, device="cpu", offline=sys.argv[1] == "offline")
print(model.name, model.settings.native_size, seen)
"""


def fake_cache(home: Path, checkpoint: Path) -> Path:
    """A cache as huggingface_hub lays it out."""
    repo = home / "hub" / f"models--{ID.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(SHA, encoding="utf-8")
    shutil.copytree(checkpoint, repo / "snapshots" / SHA)
    return repo / "snapshots" / SHA


def environment(home: Path, endpoint: str = "http://127.0.0.1:9") -> dict[str, str]:
    """Nothing of the machine's own cache or account; port 9 answers to nobody."""
    return {
        "HF_HOME": str(home),
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_ENDPOINT": endpoint,
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_XET": "1",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


@pytest.mark.slow
@pytest.mark.parametrize("how", ["offline", "online"])
def test_a_cached_model_needs_no_connection(
    tmp_path: Path, checkpoints: dict[int, Path], how: str
) -> None:
    fake_cache(tmp_path, checkpoints[4])
    done = shell.python(LOAD, how, env=environment(tmp_path))
    assert done.out.decode() == f"{ID} 64 []\n", done.err


@pytest.mark.slow
def test_offline_the_command_line_edits_with_a_cached_model(
    tmp_path: Path, checkpoints: dict[int, Path]
) -> None:
    home = tmp_path / "home"
    fake_cache(home, checkpoints[9])
    shell.noise(40, 40).save(tmp_path / "p.png")
    shell.block(40, 40).save(tmp_path / "m.png")
    args = ("inpaint", "p.png", "m.png", "--offline", "-m", ID, "--steps", "1", "-q")
    done = shell.process(*args, cwd=tmp_path, env=environment(home))
    assert (done.code, done.out, done.err) == (0, b"", "")
    assert (tmp_path / "p.edit.png").exists()
    # What the cache holds is listed too, and a damaged neighbor is not.
    fake = home / "hub" / "models--owner--broken" / "snapshots" / SHA
    fake.mkdir(parents=True)
    (fake.parent.parent / "refs").mkdir()
    (fake.parent.parent / "refs" / "main").write_text(SHA, encoding="utf-8")
    (fake / "model_index.json").write_text("{}", encoding="utf-8")
    done = shell.process("models", "list", "--json", env=environment(home))
    assert [model["name"] for model in json.loads(done.out)] == ["builtin", ID]


def test_offline_an_unknown_id_is_refused_without_a_try(tmp_path: Path) -> None:
    shell.noise(40, 40).save(tmp_path / "p.png")
    shell.block(40, 40).save(tmp_path / "m.png")
    code = f"""{WITNESS}
from editkit_cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(seen, "torch" in sys.modules)
"""
    args = ("inpaint", tmp_path / "p.png", tmp_path / "m.png", "--offline", "-m", "owner/name")
    done = shell.python(code, *args, env=environment(tmp_path))
    assert done.code == 2
    assert done.out == b"[] False\n"
    advice = "run once without --offline, or give a folder"
    assert done.err == f"editkit: owner/name is not in the local cache: {advice}\n"


GUARDED = """
import socket, sys, urllib.request, os
from editkit_cli.offline import forbid_network
from editkit.errors import EditkitError
forbid_network()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
tries = {
    "create": lambda: socket.create_connection(("127.0.0.1", int(sys.argv[1]))),
    "connect_ex": lambda: socket.socket().connect_ex(("127.0.0.1", int(sys.argv[1]))),
    "names": lambda: socket.getaddrinfo("localhost", 80),
    "by name": lambda: socket.gethostbyname("localhost"),
    "by address": lambda: socket.gethostbyaddr("127.0.0.1"),
    "reverse": lambda: socket.getnameinfo(("127.0.0.1", 80), 0),
    "datagram": lambda: udp.sendto(b"x", ("127.0.0.1", 9)),
    "message": lambda: udp.sendmsg([b"x"], [], 0, ("127.0.0.1", 9)),
    "urllib": lambda: urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/"),
}
for name, attempt in tries.items():
    try:
        attempt()
    except EditkitError as error:
        assert str(error).startswith("--offline: something tried to reach"), error
        assert "socket.socket" not in str(error), error
    else:
        print("reached:", name)
print("HF_HUB_OFFLINE", os.environ["HF_HUB_OFFLINE"])
"""


def test_the_guard_stops_every_way_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        done = shell.python(GUARDED, str(server.getsockname()[1]))
        assert done.out == b"HF_HUB_OFFLINE 1\n", done.err
        server.settimeout(0.1)
        with pytest.raises(TimeoutError):
            server.accept()


@dataclass
class Hub:
    """As much of a hub as its client needs: a revision, its tree, and the files."""

    files: dict[str, bytes]
    asked: list[str] = field(default_factory=list[str])
    cut: str = ""
    """The file whose download ends early."""

    url: str = ""

    def tree(self) -> list[dict[str, Any]]:
        return [
            {"type": "file", "path": p, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}  # noqa: S324
            for p, data in self.files.items()
        ]


class Server(ThreadingHTTPServer):
    """A server that knows its hub."""

    def __init__(self, hub: Hub) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub
        hub.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub of its server."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self) -> Hub:
        assert isinstance(self.server, Server)
        return self.server.hub

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        del format, args

    def give(self, data: bytes, **headers: str) -> None:
        self.send_response(200)
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        hub = self.hub
        path = self.path.split("?")[0]
        hub.asked.append(f"{self.command} {path}")
        names = [{"rfilename": name} for name in hub.files]
        if path.startswith(f"/api/models/{ID}/tree/"):
            self.give(json.dumps(hub.tree()).encode(), Content_Type="application/json")
        elif path.startswith(f"/api/models/{ID}"):
            about = {"id": ID, "modelId": ID, "sha": SHA, "siblings": names, "tags": []}
            self.give(json.dumps(about).encode(), Content_Type="application/json")
        elif path.startswith(f"/{ID}/resolve/"):
            self.give_file(path.removeprefix(f"/{ID}/resolve/").split("/", 1)[1])
        else:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

    def give_file(self, name: str) -> None:
        data = self.hub.files[name]
        if name == self.hub.cut and self.command == "GET":
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        tag = hashlib.sha1(data).hexdigest()  # noqa: S324
        self.give(data, ETag=f'"{tag}"', X_Repo_Commit=SHA)


@pytest.fixture
def hub(checkpoints: dict[int, Path]) -> Generator[Hub]:
    """A hub with a tiny model among much that is not wanted."""
    folder = checkpoints[4]
    files = {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    for name in (
        "unet/diffusion_pytorch_model.bin",
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/diffusion_pytorch_model.non_ema.safetensors",
        "unet/modeling.py",
        "text_encoder/pytorch_model.bin",
        "vae/weights.pt",
        "all-in-one.safetensors",
        "model.ckpt",
        "pipeline.py",
        "safety_checker/model.safetensors",
    ):
        files[name] = b"not wanted"
    given = Hub(files)
    with Server(given) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield given
        server.shutdown()
        thread.join()


def downloaded(home: Path) -> set[str]:
    folder = home / "hub" / f"models--{ID.replace('/', '--')}" / "snapshots" / SHA
    return set(shell.listing(folder))


@pytest.mark.slow
def test_a_download_takes_what_is_needed_and_then_works_offline(tmp_path: Path, hub: Hub) -> None:
    done = shell.python(LOAD, "online", env=environment(tmp_path, hub.url))
    assert done.code == 0, done.err
    wanted = {name for name, data in hub.files.items() if data != b"not wanted"}
    assert downloaded(tmp_path) == wanted
    assert not any(name.endswith((".bin", ".pt", ".py", ".ckpt")) for name in wanted)
    before = len(hub.asked)
    done = shell.python(LOAD, "offline", env=environment(tmp_path, hub.url))
    assert done.out.decode() == f"{ID} 64 []\n", done.err
    assert len(hub.asked) == before


def test_a_model_of_another_kind_is_not_downloaded(tmp_path: Path, hub: Hub) -> None:
    hub.files["model_index.json"] = json.dumps({"_class_name": "FluxPipeline"}).encode()
    done = shell.process("models", "info", ID, env=environment(tmp_path, hub.url))
    assert "is a FluxPipeline; editkit reads" in done.refused(1)
    assert downloaded(tmp_path) == {"model_index.json"}


@pytest.mark.slow
def test_a_download_cut_short_is_told_and_finished_later(tmp_path: Path, hub: Hub) -> None:
    hub.cut = "unet/diffusion_pytorch_model.safetensors"
    more = {**environment(tmp_path, hub.url), "HF_HUB_DOWNLOAD_TIMEOUT": "2"}
    done = shell.process("models", "info", ID, env=more)
    assert done.code in (1, 2)
    assert "Traceback" not in done.err
    assert done.err.splitlines()[-1].startswith(f"editkit: {ID} cannot be downloaded: ")
    hub.cut = ""
    assert shell.process("models", "info", ID, env=environment(tmp_path, hub.url)).code == 0


@pytest.mark.slow
def test_a_snapshot_in_part_is_completed(
    tmp_path: Path, hub: Hub, checkpoints: dict[int, Path]
) -> None:
    # As an older client, or one that wanted a single file, leaves it.
    (fake_cache(tmp_path, checkpoints[4]) / "unet/diffusion_pytorch_model.safetensors").unlink()
    done = shell.process("models", "info", ID, "--offline", env=environment(tmp_path, hub.url))
    assert "no safetensors in its unet" in done.refused(1)
    assert hub.asked == []
    assert shell.process("models", "info", ID, env=environment(tmp_path, hub.url)).code == 0
    assert "unet/diffusion_pytorch_model.safetensors" in downloaded(tmp_path)


def test_an_id_that_the_hub_does_not_know(tmp_path: Path, hub: Hub) -> None:
    done = shell.process("models", "info", "owner/other", env=environment(tmp_path, hub.url))
    assert "owner/other cannot be downloaded" in done.refused()


def test_a_hub_that_does_not_answer(tmp_path: Path) -> None:
    done = shell.process("models", "info", ID, env=environment(tmp_path))
    assert f"{ID} cannot be downloaded" in done.refused(1)


WRONG = {
    "an address that is none": {"HF_ENDPOINT": "garbage"},
    "half an address": {"HF_ENDPOINT": "http://[::1"},
    "a home that is a file": {"HF_HOME": "/dev/null"},
    "a token with a line break": {"HF_TOKEN": "a\nb\u00e9"},
    "a proxy that is none": {"HTTPS_PROXY": "ftp://[garbage", "HF_ENDPOINT": "https://localhost:9"},
    "certificates that are not there": {"SSL_CERT_FILE": "/nowhere"},
    "a time that is no number": {"HF_HUB_DOWNLOAD_TIMEOUT": "abc"},
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_environment_of_the_client_ends_in_a_line(tmp_path: Path, wrong: str) -> None:
    code = f"""
from editkit.errors import EditkitError
from editkit.models.registry import find_model
try:
    find_model({ID!r})
except EditkitError as error:
    print(error)
"""
    done = shell.python(code, env={**environment(tmp_path), **WRONG[wrong]})
    (said,) = done.out.decode().splitlines()
    assert said.startswith(f"{ID} cannot be downloaded: "), done.err
    assert "Traceback" not in done.err
