"""The command starts at once: nothing heavy is imported to say what it can do."""

import importlib
import importlib.metadata
import subprocess
import time

import click
import pytest
import shell

from editkit._version import __version__

pytestmark = pytest.mark.process

HEAVY = [
    "torch",
    "numpy",
    "diffusers",
    "transformers",
    "cv2",
    "PIL",
    "skimage",
    "tqdm",
    "huggingface_hub",
    "safetensors",
    "jaxtyping",
]


def test_help_is_quick() -> None:
    took: list[float] = []
    for _ in range(12):
        started = time.perf_counter()
        done = subprocess.run([shell.EDITKIT, "--help"], capture_output=True, check=True)
        took.append(time.perf_counter() - started)
        assert done.stdout.startswith(b"Usage: editkit")
        if took[-1] < 0.3:
            break
    assert min(took) < 0.3


@pytest.mark.parametrize("module", ["editkit_cli.main", "editkit"])
def test_nothing_heavy_is_imported(module: str) -> None:
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    assert shell.python(code).out == b"[]\n"


@pytest.mark.parametrize(
    "command", ["inpaint", "img2img", "resample", "generate", "composite", "mask", "models"]
)
def test_every_command_has_help(command: str) -> None:
    done = shell.call(command, "--help")
    assert done.code == 0
    assert done.err == ""
    assert f"Usage: editkit {command}" in done.out.decode()


def test_every_option_has_help() -> None:
    (entry,) = importlib.metadata.entry_points(group="console_scripts", name="editkit")
    group = importlib.import_module(entry.module).cli
    for command in group.commands.values():
        for option in command.params:
            if isinstance(option, click.Option):
                assert option.help, (command.name, option.name)


def test_the_version() -> None:
    assert shell.call("--version").out.decode() == f"editkit {__version__}\n"


def test_no_arguments_are_helped() -> None:
    done = shell.call()
    assert done.code == 2
    assert done.err.startswith("Usage: editkit")


def test_the_package_runs_too() -> None:
    done = shell.python(
        "import runpy, sys; sys.argv[1:] = ['--version']; "
        "runpy.run_module('editkit_cli', run_name='__main__')"
    )
    assert done.out.decode().endswith(f"{__version__}\n")
