"""Standard streams that are full, closed, or read by somebody who leaves: work goes on."""

import os
import subprocess
from pathlib import Path

import pytest
import shell

pytestmark = pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")

ERASE = "erase photo.png box:5,5,20,20 --method telea"
BATCH = "batch erase photos --mask box:5,5,20,20 --method telea --workers 0 -o out"
FULL = "editkit: standard output cannot be written: No space left on device"


def by_shell(line: str) -> shell.Done:
    """What a line of a shell did; `editkit` in it is the command."""
    env = {**os.environ, "PATH": f"{shell.EDITKIT.parent}:{os.environ['PATH']}"}
    command = ["bash", "-o", "pipefail", "-c", f"editkit {line}"]
    done = subprocess.run(command, env=env, capture_output=True, check=False, timeout=120)
    return shell.Done(done.returncode, done.stdout, done.stderr.decode())


@pytest.mark.parametrize(
    ("where", "code"),
    [
        (">/dev/full", 1),
        ("--json >/dev/full", 1),
        (">&-", 0),
        ("2>&-", 0),
        ("2>/dev/full", 0),
        ("<&- >&- 2>&-", 0),
        ("--json | true", 0),
        (">/dev/full 2>&1", 1),
    ],
)
def test_a_picture_is_saved_whatever_becomes_of_the_words(
    folder: Path, where: str, code: int
) -> None:
    line = f"{ERASE} -o out.png {where}"
    done = by_shell(line.replace("| true", "| (exec <&-; sleep 1)"))
    assert done.code == code
    assert shell.opened(folder / "out.png").size == (64, 48)
    if where.endswith(">/dev/full") and not where.startswith("2"):
        assert done.err.splitlines()[-1] == FULL
    assert "Error" not in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("info nothing.png 2>/dev/full", 2, ""),
        ("info nothing.png 2>&-", 2, ""),
        ("info photo.png >/dev/full", 1, f"{FULL}\n"),
        ("info photo.png | head -c 1", 0, ""),
        ("info photo.png --json >&-", 0, ""),
        ("mask photo.png box:1,1,9,9 --explain >/dev/full", 1, f"{FULL}\n"),
        ("recipe schema >/dev/full", 1, f"{FULL}\n"),
        ("recipe schema | head -1 >/dev/null", 0, ""),
        ("--help >/dev/full", 1, f"{FULL}\n"),
        ("info --nothing 2>/dev/full", 2, ""),
        (f"{ERASE} -o - >&-", 2, "editkit: standard output is closed; give -o FILE\n"),
        (f"{ERASE} -q -o - >/dev/full", 1, f"{FULL}\n"),
        (f"{ERASE} -q -o - | true", 1, ""),
    ],
)
def test_what_is_only_said_is_said_to_be_lost(
    folder: Path, line: str, code: int, said: str
) -> None:
    del folder
    done = by_shell(line)
    assert (done.code, done.err) == (code, said)


@pytest.mark.parametrize(
    ("where", "code"),
    [(">/dev/full", 1), ("--json | head -1", 0), ("<&- >&- 2>&-", 0), ("2>/dev/full", 0)],
)
def test_a_batch_goes_on_to_its_end(folder: Path, where: str, code: int) -> None:
    (folder / "photos").mkdir()
    for k in range(3):
        shell.noise(48, 64, seed=k).save(folder / "photos" / f"{k}.png")
    done = by_shell(f"{BATCH} {where}")
    assert done.code == code
    assert "Traceback" not in done.err
    assert len(list((folder / "out").glob("*.png"))) == 3
    report = by_shell("report out >/dev/full")
    assert (report.code, report.err) == (1, f"{FULL}\n")
    assert (folder / "out" / "report.html").exists()


def test_words_that_the_terminal_cannot_show(folder: Path) -> None:
    name = "żółć \U0001f600.png"
    (folder / "photo.png").rename(folder / name)
    done = shell.process(
        *("info", name, "--json"), env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )
    assert (done.code, done.err) == (0, "")
    done = shell.process("report", name, env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert "Traceback" not in done.err
