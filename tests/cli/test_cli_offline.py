"""`--offline`: no process of a command reaches a network, as the kernel sees it."""

import re
import shutil
import sys
from pathlib import Path

import pytest
import shell

pytestmark = pytest.mark.process

strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
RECIPE = "offline: true\nsteps: [{inpaint: x, mask: person, steps: 1}]\n"
MASK = 'text:"a dog"'
# Somebody who holds no models, and is not told by the environment that there is no network.
NOBODY = {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "0"}


def watched(folder: Path, *args: str | Path) -> tuple[shell.Done, int]:
    """What a command did, and in how many processes; fails if one of them reached out."""
    trace, home = folder / "trace", folder / "home"
    asked = ("strace", "-f", "-q", "-o", trace, "-e", "trace=network,execve")
    env = {**NOBODY, "HF_HOME": str(home)}
    done = shell.run(*asked, shell.EDITKIT, *args, cwd=folder, env=env)
    calls = trace.read_text().splitlines()
    reached = [c for c in calls if "AF_INET" in c and re.search(r" (connect|send\w+)\(", c)]
    assert not reached
    opened = [c for c in calls if re.search(r" socket\(AF_INET6?, .* = \d", c)]
    assert not opened
    return done, sum(" execve(" in c and c.endswith(" = 0") for c in calls)


@pytest.mark.slow
@strace
def test_workers_of_a_batch_that_were_started_ahead(folder: Path) -> None:
    (folder / "photos").mkdir()
    (folder / "photo.png").rename(folder / "photos" / "photo.png")
    (folder / "r.yaml").write_text(RECIPE)
    done, processes = watched(folder, "batch", "r.yaml", "photos", "--workers", "2")
    assert done.code == 3
    assert "is not in the local cache: run once without --offline" in done.err
    assert processes > 3  # the command, the workers, and what counts their semaphores


@strace
@pytest.mark.parametrize(
    "args",
    [
        ("models", "info", "owner/name", "--offline"),
        ("mask", "photo.png", MASK, "--offline"),
        ("apply", "r.yaml", "photo.png"),
        ("erase", "photo.png", MASK, "--method", "telea", "--offline"),
    ],
)
def test_commands(folder: Path, args: tuple[str, ...]) -> None:
    (folder / "r.yaml").write_text(RECIPE)
    done, _ = watched(folder, *args)
    assert "is not in the local cache: run once without --offline" in done.refused()


LIBRARIES = """
import ctypes, os, socket, subprocess, sys
from editkit.offline import go_offline

go_offline()
go_offline()
libc = ctypes.CDLL(None, use_errno=True)
families = (socket.AF_INET, socket.AF_INET6, socket.AF_PACKET)
kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW)
print(*{libc.socket(family, kind, 0) for family in families for kind in kinds})
near, far = socket.socketpair()
near.sendall(b"ours")
print(far.recv(4).decode())
child = "import socket; socket.create_connection(('127.0.0.1', 9), 1)"
done = subprocess.run([sys.executable, "-c", child], capture_output=True, text=True)
print(done.stderr.splitlines()[-1])
print(*(os.environ[f"{name}_OFFLINE"] for name in ("HF_HUB", "TRANSFORMERS", "HF_DATASETS")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux does so")
def test_libraries_that_are_not_python_and_other_programs() -> None:
    done = shell.python(LIBRARIES, env=NOBODY)
    assert done.err == ""
    refused, ours, child, variables = done.out.decode().splitlines()
    assert (refused, ours, variables) == ("-1", "ours", "1 1 1")
    assert child == "PermissionError: [Errno 13] Permission denied"
