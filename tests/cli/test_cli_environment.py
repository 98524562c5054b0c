"""Variables of the environment that are set wrongly: a result, or one line; never a traceback."""

from pathlib import Path

import pytest
import shell

pytestmark = pytest.mark.process

ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
ERASE = ("erase", "photo.png", "box:8,8,24,24", "--method", "telea", "-o", "o.png")
WRONG = {
    "no folder for temporary files": {"TMPDIR": "/nowhere", "TMP": "/nowhere", "TEMP": "/nowhere"},
    "a home that is not there": {"HOME": "/nowhere", "XDG_CACHE_HOME": "/dev/null"},
    "folders that are files": {"EDITKIT_CACHE": "/dev/null", "EDITKIT_STATE": "/dev/null"},
    "a terminal without width": {"COLUMNS": "0", "LINES": "x", "TERM": "dumb"},
    "threads that are no number": {"OMP_NUM_THREADS": "abc", "OPENBLAS_NUM_THREADS": "x"},
    "a client's times": {"HF_HUB_DOWNLOAD_TIMEOUT": "abc", "HF_ENDPOINT": "http://[::1"},
}


@pytest.mark.slow
@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_needed_does_no_harm(folder: Path, wrong: str) -> None:
    done = shell.process(*ERASE, env=WRONG[wrong])
    assert done.code == 0, done.err
    assert "Traceback" not in done.err
    assert (folder / "o.png").exists()


@pytest.mark.parametrize(
    ("name", "value"), [("HF_HUB_DOWNLOAD_TIMEOUT", "abc"), ("HF_ENDPOINT", "http://[::1")]
)
def test_what_the_hubs_client_cannot_read_is_named(folder: Path, name: str, value: str) -> None:
    del folder
    args = ("inpaint", "photo.png", "mask.png", "a door", "--steps", "1", "-o", "o.png")
    done = shell.process(*args, env={name: value})
    assert done.refused(1).startswith(f"builtin cannot be loaded: {name} is {value!r}, which is no")


def test_a_batch_names_any_result_where_the_locale_knows_ascii_only(folder: Path) -> None:
    (folder / "in").mkdir()
    shell.noise(32, 40).save(folder / "in" / "fé中.png")
    args = ("in", "--mask", "box:8,8,24,24", "--method", "telea", "--workers", "0", "-o", "out")
    done = shell.process("batch", "erase", *args, env=ASCII)
    assert done.code == 0, done.err
    assert done.out == "out/fé中.png\n".encode()
    assert (folder / "out" / "fé中.png").exists()
