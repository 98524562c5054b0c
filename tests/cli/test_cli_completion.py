"""The Tab key completes commands, options and files, in real shells."""

import contextlib
import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import shell

pytestmark = pytest.mark.process

BIN = str(shell.EDITKIT.parent)
START = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config"],
}
LOAD = {
    "bash": 'eval "$(editkit completion bash)"; PS1="ready> "',
    "zsh": 'autoload -U compinit; compinit -u -D; eval "$(editkit completion zsh)"; PS1="ready> "',
}


def has(name: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name} here")


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a photo, another file, and a model's folder."""
    (tmp_path / "photo-1.png").write_bytes(b"")
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights.txt").write_bytes(b"")
    return tmp_path


class Terminal:
    """A shell in a terminal, at which one types."""

    def __init__(self, name: str, folder: Path) -> None:
        self.ours, theirs = pty.openpty()
        env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(folder), "TERM": "dumb"}
        self.running = subprocess.Popen(
            START[name],
            cwd=folder,
            env=env,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.type(f"{LOAD[name]}\n", until="\nready> ")

    def type(self, text: str, until: str) -> str:
        """What the terminal shows from when the text was typed; waits for `until` in it."""
        os.write(self.ours, text.encode())
        seen, deadline = "", time.monotonic() + 60
        while until not in seen.replace("\r", "\n"):
            assert time.monotonic() < deadline, seen
            if select.select([self.ours], [], [], 1)[0]:
                seen += os.read(self.ours, 4096).decode(errors="replace")
        return seen

    def close(self) -> None:
        """Ends the shell."""
        self.running.kill()
        self.running.wait()
        with contextlib.suppress(OSError):
            os.close(self.ours)


@pytest.mark.parametrize("name", [pytest.param(name, marks=has(name)) for name in ("bash", "zsh")])
def test_tab_completes_in_a_terminal(here: Path, name: str) -> None:
    terminal = Terminal(name, here)
    try:
        terminal.type("editkit outp\t", until="outpaint ")
        terminal.type("pho\t", until="photo-1.png")
        terminal.type(" --aspe\t", until="--aspect ")
        terminal.type("1:1 --solver heun_k\t", until="heun_karras ")
        terminal.type("-m wei\t", until="weights/")
    finally:
        terminal.close()


@has("fish")
def test_fish_completes(here: Path) -> None:
    def completed(line: str) -> list[str]:
        code = f"editkit completion fish | source; complete -C '{line}'"
        env = {"PATH": f"{BIN}:{os.environ['PATH']}", "HOME": str(here)}
        done = shell.run(*START["fish"], "-c", code, cwd=here, env=env)
        assert done.code == 0, done.err
        return [row.partition("\t")[0] for row in done.out.decode().splitlines()]

    assert completed("editkit outp") == ["outpaint"]
    assert completed("editkit erase pho") == ["photo-1.png"]
    assert completed("editkit erase photo-1.png m.png --method p") == ["patchmatch"]


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_script_is_printed_at_once(name: str) -> None:
    code = """
import sys
from editkit_cli.main import main
try:
    main(["completion", sys.argv[1]])
finally:
    print([m for m in ("torch", "numpy", "tqdm", "PIL") if m in sys.modules], file=sys.stderr)
"""
    done = shell.python(code, name)
    assert (done.code, done.err) == (0, "[]\n")
    assert b"_EDITKIT_COMPLETE" in done.out
    if shutil.which(name):
        subprocess.run([name, "-n"], input=done.out, check=True)


def asked(words: str, number: int, cwd: Path) -> list[str]:
    """What editkit answers a bash that completes a word of a line."""
    env = {"COMP_WORDS": words, "COMP_CWORD": str(number), "_EDITKIT_COMPLETE": "bash_complete"}
    done = shell.process(cwd=cwd, env=env)
    assert (done.code, done.err) == (0, "")
    return done.out.decode().split()


@pytest.mark.parametrize(
    ("words", "number", "answer"),
    [
        ("editkit comp", 1, ["plain,completion", "plain,composite"]),
        ("editkit batch out", 2, ["plain,outpaint"]),
        ("editkit inpaint p.png m", 3, ["file,m"]),
        ("editkit inpaint p.png m.png 'a d", 4, []),
        ("editkit batch erase in -o o", 5, ["dir,o"]),
        ("editkit verify a b", 3, ["file,b"]),
        ("editkit completion z", 2, ["plain,zsh"]),
    ],
)
def test_what_a_shell_is_answered(
    tmp_path: Path, words: str, number: int, answer: list[str]
) -> None:
    found = asked(words, number, tmp_path)
    assert set(answer) <= set(found)
    if len(answer) < 2:
        assert found == answer


def test_an_unknown_shell_is_refused() -> None:
    assert "tcsh" in shell.call("completion", "tcsh").refused()


def test_the_help_tells_how_to_switch_it_on() -> None:
    told = shell.call("completion", "--help").out.decode()
    for line in (
        "echo 'eval \"$(editkit completion bash)\"' >> ~/.bashrc",
        "fish/completions/editkit.fish",
    ):
        assert line in told
