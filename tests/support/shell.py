"""The command line as a process and as a call, and the files that it is given."""

import contextlib
import hashlib
import importlib.metadata
import io
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

EDITKIT = Path(sys.executable).with_name("editkit")


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    code: int
    out: bytes
    err: str

    def refused(self, code: int = 2) -> str:
        """The one line that a refusal is."""
        assert self.code == code, self
        assert self.out == b""
        assert self.err.startswith("editkit: ")
        assert self.err.endswith("\n")
        assert self.err.count("\n") == 1, self.err
        assert "Traceback" not in self.err
        return self.err.removeprefix("editkit: ").strip()


def process(*args: str | Path, cwd: Path | None = None, **more: Any) -> Done:
    """The installed command, in a process of its own."""
    return run(EDITKIT, *args, cwd=cwd, **more)


def run(*args: str | Path, cwd: Path | None = None, **more: Any) -> Done:
    """Any program, in a process of its own."""
    if isinstance(more.get("env"), dict):
        more["env"] = {**os.environ, **more["env"]}
    command = list(map(str, args))
    done = subprocess.run(command, cwd=cwd, capture_output=True, check=False, timeout=120, **more)
    return Done(done.returncode, done.stdout, done.stderr.decode())


def wait_for(happened: Callable[[], bool], seconds: float = 120) -> None:
    """Returns when it has happened; fails when it has not after so many seconds."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def group_is_alive(group: int) -> bool:
    """Whether any process of a group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def python(code: str, *args: str | Path, **more: Any) -> Done:
    """A Python of its own, without the run-time checks of annotations."""
    if isinstance(more.get("env"), dict):
        more["env"] = {**os.environ, **more["env"]}
    command = [sys.executable, "-c", code, *map(str, args)]
    done = subprocess.run(command, capture_output=True, check=False, timeout=120, **more)
    return Done(done.returncode, done.stdout, done.stderr.decode())


def terminal(*args: str | Path, cwd: Path, stop_at: bytes | None = None) -> tuple[int, bytes]:
    """The exit code and what a terminal shows; interrupted once it shows `stop_at`."""
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    seen = b""
    # What a shell runs in the background is born deaf to interrupts, and so would its children be.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    with subprocess.Popen([EDITKIT, *args], cwd=cwd, stdout=-1, stderr=theirs) as running:
        signal.signal(signal.SIGINT, heard)
        os.close(theirs)
        # Linux says "no such device" when the other end has gone.
        with contextlib.suppress(OSError):
            while shown := os.read(ours, 4096):
                seen += shown
                if stop_at is not None and stop_at in seen:
                    running.send_signal(signal.SIGINT)
                    stop_at = None
        os.close(ours)
    return running.returncode, seen


def entry_point() -> Callable[[list[str]], None]:
    """What the installed command calls."""
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="editkit")
    return entry.load()


def call(*args: str | Path, stdin: bytes = b"") -> Done:
    """The entry point of the installed command, called in this process.

    With `--offline` in one of its own: this one would never again come to a network.
    """
    if "--offline" in args:
        return process(*args, input=stdin)
    raw, err = io.BytesIO(), io.StringIO()
    out = io.TextIOWrapper(raw, encoding="utf-8", write_through=True)
    code: object = None
    before, sys.stdin = sys.stdin, io.TextIOWrapper(io.BytesIO(stdin))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            entry_point()([str(arg) for arg in args])
        except SystemExit as error:
            code = error.code
        finally:
            sys.stdin = before
    assert isinstance(code, int)
    return Done(code, raw.getvalue(), err.getvalue())


def opened(path: Path) -> Image.Image:
    """The picture in a file, which is closed again."""
    with Image.open(path) as image:
        image.load()
    return image


def noise(height: int, width: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    """A picture that no encoder and no model can guess."""
    rng = np.random.default_rng(seed)
    if mode == "I;16":
        data = rng.integers(0, 65536, (height, width), dtype=np.uint16).tobytes()
        return Image.frombytes(mode, (width, height), data)
    shape = (height, width, len(Image.new(mode, (1, 1)).getbands()))
    return Image.frombytes(mode, (width, height), rng.integers(0, 256, shape, np.uint8).tobytes())


def block(height: int, width: int) -> Image.Image:
    """A mask with a white block that touches no border."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 255
    return Image.fromarray(mask)


def listing(folder: Path) -> dict[str, bytes]:
    """Every file of a folder and what is in it."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def as_bytes(image: Image.Image, format_: str) -> bytes:
    """A picture as the bytes of a file."""
    held = io.BytesIO()
    image.save(held, format_)
    return held.getvalue()


def sha256(data: bytes | Path) -> str:
    """SHA-256 of bytes, or of a file."""
    return hashlib.sha256(data.read_bytes() if isinstance(data, Path) else data).hexdigest()
