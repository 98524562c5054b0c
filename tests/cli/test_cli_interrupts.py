"""SIGINT and SIGTERM at any time: a line, the code, and no process or file that is left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import shell

pytestmark = pytest.mark.skipif(os.name != "posix", reason="no such signals here")

SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143}
SOON = 10.0
"""Seconds; it takes two at most, on a machine with nothing else to do; this one may have."""

DEAF = """
import hashlib, sys
from editkit_cli.interrupts import interruptible

with interruptible():
    print("begun", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""

EARLY = """
import sys
sys.argv = ["editkit", "batch"]
import editkit_cli, time

print("begun", flush=True)
time.sleep(60)
"""
"""A command that has begun to import what it needs."""


def heard() -> None:
    """What a shell runs in the background is born deaf to interrupts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def ended(running: "subprocess.Popen[bytes]", number: signal.Signals, *, group: bool) -> str:
    """What a process said when a signal ended it, soon, with all that it had started."""
    began = time.monotonic()
    (os.killpg if group else os.kill)(running.pid, number)
    _, err = running.communicate(timeout=60)
    assert time.monotonic() - began < SOON
    assert running.returncode == SIGNALS[number]
    shell.wait_for(lambda: not shell.group_is_alive(running.pid), 20)
    assert b"Traceback" not in err
    return err.decode()


def started(*command: str | Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=heard,  # noqa: PLW1509 - no threads here
    )


@pytest.mark.parametrize("number", SIGNALS)
def test_a_library_that_computes_is_not_waited_for(number: signal.Signals) -> None:
    with started(sys.executable, "-c", DEAF) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"begun\n"
        time.sleep(0.3)  # the library computes now, and Python hears nothing
        assert ended(running, number, group=False).endswith("editkit: interrupted\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_moments_are_interrupted_with_a_line(number: signal.Signals) -> None:
    with started(sys.executable, "-c", EARLY) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == b"begun\n"
        said = ended(running, number, group=False)
    assert said in ("editkit: interrupted\n", "editkit: terminated\n")


@pytest.mark.slow
@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("phase", ["start", "work"])
def test_a_batch_leaves_no_worker_and_nothing_in_part(
    folder: Path, quick: tuple[str, ...], number: signal.Signals, phase: str
) -> None:
    (folder / "photos").mkdir()
    for k in range(3):
        shell.noise(48, 64, seed=k).save(folder / "photos" / f"{k}.png")
    many = (*quick[:2], "--steps", "900", "--device", "cpu", "--mask", "box:9,9,20,20")
    command = (shell.EDITKIT, "batch", "resample", "photos", *many, "-o", "out")
    with started(*command) as running:
        if phase == "start":  # while it imports, and the worker does
            shell.wait_for(lambda: len(children(running.pid)) > 1)
        else:
            shell.wait_for((folder / "out").is_dir)
        said = ended(running, number, group=phase == "start")
    assert said.splitlines()[-1] in ("editkit: interrupted", "editkit: terminated")
    assert not list(folder.rglob("*.part"))
    assert not list((folder / "out").glob("*.png"))


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
