"""Translation of errors of Pillow and the system into ours, and registration of Pillow plugins."""

import importlib
import struct
import zlib
from collections.abc import Generator
from contextlib import contextmanager

from PIL import Image

from editkit.errors import ImageError

EXTRAS = {"HEIF": ("pillow_heif", "heic"), "JXL": ("pillow_jxl", "jxl")}
"""Formats that need a package beside Pillow: its module, and our extra that installs it."""

PILLOW_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    EOFError,
    MemoryError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""Exceptions that Pillow raises on files that are damaged or no images."""


def register_plugin(name: str) -> None:
    """Registers the Pillow plugin of a format of `EXTRAS`.

    Raises:
        ImageError: its package is not installed.
    """
    module, extra = EXTRAS[name]
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        advice = f"install it with pip install 'editkit[{extra}]'"
        raise ImageError(f"{name} needs the package {module}; {advice}") from error
    if name == "HEIF":
        found.register_heif_opener()


@contextmanager
def system_errors(what: str) -> Generator[None]:
    """Turns errors of the operating system into ImageError."""
    try:
        yield
    except ImageError:
        raise
    except FileNotFoundError as error:
        raise ImageError(f"{what}: there is no such file; check the name") from error
    except PermissionError as error:
        raise ImageError(f"{what}: permission denied") from error
    except (OSError, ValueError) as error:  # a name with a null character is a ValueError
        raise ImageError(f"{what}: {describe_error(error)}") from error


def describe_error(error: BaseException) -> str:
    """The message of an exception, in one line."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return one_line(str(text))


def one_line(text: str) -> str:
    """The text without line breaks."""
    return " ".join(text.split())
