"""The names that are promised, and what a wheel holds."""

import importlib
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import shell

import editkit
from editkit import errors

pytestmark = pytest.mark.process

ROOT = Path(__file__).parent.parent
NAMES = [
    "BatchError",
    "Composite",
    "DeviceError",
    "EditkitError",
    "Erase",
    "Generate",
    "ImageError",
    "Img2Img",
    "Inpaint",
    "InputError",
    "Mask",
    "MaskError",
    "Masks",
    "ModelError",
    "ModelLoadError",
    "Outpaint",
    "PreservationError",
    "RecipeError",
    "Resample",
    "Result",
    "Size",
    "UnknownModelError",
    "UnsupportedEditError",
    "__version__",
    "composite",
    "erase",
    "generate",
    "img2img",
    "inpaint",
    "load_model",
    "outpaint",
    "resample",
]


def test_the_names_are_those_and_no_more() -> None:
    assert editkit.__all__ == NAMES == sorted(NAMES)
    assert dir(editkit) == NAMES
    for name in NAMES:
        assert getattr(editkit, name) is not None
    with pytest.raises(AttributeError, match="'nothing'"):
        _ = editkit.nothing  # pyright: ignore[reportAttributeAccessIssue, reportUnknownVariableType]


def test_names_stay_what_they_are_when_modules_of_that_name_are_imported() -> None:
    code = """
import editkit
first = editkit.inpaint
import editkit.ops.inpaint, editkit.ops.generate, editkit.api
from editkit import generate, img2img, inpaint, resample
print(first is inpaint, all(map(callable, (generate, img2img, inpaint, resample))))
"""
    assert shell.python(code).out == b"True True\n"


@pytest.mark.parametrize("name", [name for name in NAMES if name.endswith("Error")])
def test_errors_are_one_family(name: str) -> None:
    kind = getattr(editkit, name)
    assert issubclass(kind, editkit.EditkitError)
    assert kind is getattr(errors, name)


def test_the_error_tree() -> None:
    assert issubclass(editkit.InputError, ValueError)
    for kind in (editkit.ImageError, editkit.MaskError, editkit.RecipeError):
        assert issubclass(kind, editkit.InputError)
    assert issubclass(editkit.UnknownModelError, editkit.InputError)
    assert not issubclass(editkit.BatchError, editkit.InputError)
    for kind in (editkit.UnknownModelError, editkit.ModelLoadError, editkit.UnsupportedEditError):
        assert issubclass(kind, editkit.ModelError)
    assert not issubclass(editkit.ModelLoadError, editkit.InputError)
    assert not issubclass(editkit.DeviceError, editkit.InputError)


def packages() -> list[str]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return table["tool"]["setuptools"]["packages"]


def test_the_list_of_packages_is_whole() -> None:
    folders = {file.parent.relative_to(ROOT) for file in (ROOT / "editkit").rglob("*.py")}
    found = {".".join(folder.parts) for folder in folders}
    assert sorted(packages()) == sorted([*found, "editkit_cli"])
    assert not [folder for folder in (ROOT / "cli").iterdir() if any(folder.glob("*.py"))]
    for name in packages():
        importlib.import_module(name)


def test_the_wheel_holds_what_it_should(tmp_path: Path) -> None:
    pytest.importorskip("build", reason="of the extra `dev`")
    # A copy, so that no build folder is left behind; links spare copying the weights.
    for name in ("editkit", "cli", "pyproject.toml", "README.md", "LICENSE"):
        (tmp_path / name).symlink_to(ROOT / name)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", "out", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    (wheel,) = (tmp_path / "out").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        written = next(name for name in names if name.endswith("entry_points.txt"))
        assert b"editkit = editkit_cli.main:main" in archive.read(written)
    for kind, folder, prefix in (("*.py", "editkit", ""), ("*.py", "cli", "editkit_")):
        for file in (ROOT / folder).rglob(kind):
            assert f"{prefix}{file.relative_to(ROOT)}" in names
    weights = ROOT / "editkit" / "weights"
    assert {"builtin", "outlines"} <= {folder.name for folder in weights.iterdir()}
    for kind in ("*.safetensors", "*.json", "*.md"):
        for file in weights.rglob(kind):
            assert str(file.relative_to(ROOT)) in names
    assert "editkit/py.typed" in names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"editkit", "editkit_cli", next(top for top in tops if top.endswith("-info"))}
