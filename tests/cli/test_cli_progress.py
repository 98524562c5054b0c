"""The bar on a terminal: phases, a steady total, an estimate; elsewhere nothing."""

import re
import sys
from pathlib import Path

import pytest
import shell

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no such terminals here")

BAR = re.compile(r"(\w+) +(\d+)%\|[^|]*\| (\d+)/(\d+) steps \[[\d:]+<([\d:?]+)\]")


def bars(seen: bytes) -> list[tuple[str, int, int, int, str]]:
    """Phase, percent, steps done, all steps, and the time left, of each bar that was drawn."""
    found = BAR.findall(seen.decode())
    return [(p, int(percent), int(done), int(of), left) for p, percent, done, of, left in found]


@pytest.fixture
def large(folder: Path) -> Path:
    """The folder, with a photo and a mask that are painted in tiles, too."""
    shell.noise(300, 400).save(folder / "photo.png")
    shell.block(300, 400).save(folder / "mask.png")
    return folder


def check(shown: list[tuple[str, int, int, int, str]]) -> None:
    """The total is one, and the bar goes up to it."""
    assert len({of for _, _, _, of, _ in shown}) == 1
    done = [count for _, _, count, _, _ in shown]
    assert done == sorted(done)
    assert done[-1] == shown[-1][3]
    assert max(percent for _, percent, _, _, _ in shown) == 100


def test_phases_a_steady_total_and_an_estimate(large: Path, quick: tuple[str, ...]) -> None:
    more = ("--steps", "30", "--detail", "0.5", "--work-size", "64")
    code, seen = shell.terminal("inpaint", "photo.png", "mask.png", "x", *quick, *more, cwd=large)
    assert code == 0
    assert re.search(rb"load +\d\d:\d\d", seen)
    shown = bars(seen)
    check(shown)
    phases = list(dict.fromkeys(phase for phase, *_ in shown))
    assert phases == ["fill", "paint", "detail", "blend", "save"]
    assert any(re.fullmatch(r"\d\d:\d\d", left) for _, _, done, _, left in shown if done > 5)
    # The bar is gone when it is done.
    assert b"editkit: seed 0" in seen.split(b"\r")[-2]


@pytest.mark.slow
@pytest.mark.parametrize("more", [(), ("--batch-size", "2")])
def test_variants_share_one_bar(
    folder: Path, quick: tuple[str, ...], more: tuple[str, ...]
) -> None:
    command = ("inpaint", "photo.png", "mask.png", "x", *quick, "-n", "3", *more)
    code, seen = shell.terminal(*command, cwd=folder)
    assert code == 0
    shown = bars(seen)
    check(shown)
    assert shown[0][3] % 3 == 0
    # Notes stand in lines of their own.
    lines = re.split(rb"[\r\n]+", seen.replace(b"\x1b[A", b""))
    assert sum(line.lstrip().startswith(b"editkit: seed") for line in lines) == 3


def test_a_classical_method_has_a_bar_too(folder: Path) -> None:
    command = ("erase", "photo.png", "mask.png", "--method", "telea")
    code, seen = shell.terminal(*command, cwd=folder)
    assert code == 0
    check(bars(seen))


def test_quiet_shows_no_bar(folder: Path) -> None:
    command = ("erase", "photo.png", "mask.png", "--method", "telea", "-q")
    assert shell.terminal(*command, cwd=folder) == (0, b"")
