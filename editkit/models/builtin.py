"""The model that comes with the package: its name and its folder."""

from pathlib import Path

BUILTIN = "builtin"


def builtin_folder() -> Path:
    """Folder of the model that comes with the package."""
    return Path(__file__).parent.parent / "weights" / BUILTIN
