"""The errors that editkit raises.

EditkitError
├── InputError (ValueError)       what was given cannot be used; the command line exits with 2
│   ├── ImageError                a photo that cannot be read or written
│   ├── MaskError                 a mask that does not fit, or selects nothing
│   ├── RecipeError               a recipe that is wrong; the message names line and column
│   └── UnknownModelError         (also a ModelError) no model of that name
├── ModelError
│   ├── UnknownModelError
│   ├── ModelLoadError            a model that is there, but is incomplete or of another kind
│   └── UnsupportedEditError      the model cannot do what the edit asks for
├── BatchError                    a batch that cannot go on: photos that fail do not stop it
├── DeviceError                   an absent device, or one out of memory
└── PreservationError             a strict edit that changed what was to be kept, or shows a seam

A message is one line: what is wrong, the value that was given, what to do.
Errors of other libraries are turned into these at the border (`models/`, `photo/foreign.py`).
"""

import reprlib

from editkit.redact import without_secrets


class EditkitError(Exception):
    """Anything that editkit raises on purpose; its message shows no secrets of URLs."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(without_secrets(a) if isinstance(a, str) else a for a in args))


class InputError(EditkitError, ValueError):
    """Something given by the user cannot be used."""


class ImageError(InputError):
    """A photo cannot be read or written."""


class MaskError(InputError):
    """A mask does not fit its photo, or selects nothing."""


class RecipeError(InputError):
    """A recipe is wrong; the message begins with file, line and column."""


class BatchError(EditkitError):
    """A batch cannot go on as a whole."""


class ModelError(EditkitError):
    """A model cannot be found, loaded or used."""


class UnknownModelError(ModelError, InputError):
    """There is no model of that name."""


class ModelLoadError(ModelError):
    """A model is there, but is incomplete, damaged or of a kind that editkit does not read."""


class UnsupportedEditError(ModelError):
    """The model cannot do what the edit asks of it."""


class DeviceError(EditkitError):
    """The device is absent or out of memory."""


class PreservationError(EditkitError):
    """A strict edit changed what was to be kept, or its seam is over the limit."""


def shown(value: object) -> str:
    """A value as a message shows it: short, in one line."""
    return " ".join(reprlib.repr(value).split())


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks; the name of its class where it has none."""
    return " ".join(str(error).split()) or type(error).__name__


def first_line(error: BaseException) -> str:
    """The first line of what an error says, with the next where it announces that."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " ".join(line.strip() for line in lines[: 1 + lines[0].endswith(":")])


_NO_MEMORY = (
    *("out of memory", "allocate memory", "not enough memory", "alloc_failed"),
    "failed to map segment",  # of a library that is loaded late
)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is no memory left; on a CPU PyTorch has no class for it."""
    # PyTorch's own class is known by its name, as nothing here imports PyTorch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    told = str(error).lower() if isinstance(error, RuntimeError | ImportError) else ""
    return any(words in told for words in _NO_MEMORY)
