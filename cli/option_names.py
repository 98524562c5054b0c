"""Options in messages as a command line has them.

The library's messages name options as Python does (`force=True`, `device=cpu`).
"""

import re

_OPTIONS = re.compile(
    r"\b(force|blend_known|sharpen|offline|frame|work_size|device|jpeg|motion)=(\w+)?(?![\w=./])"
)


def as_options(text: str) -> str:
    """The text with `force=True` as `--force`, and `device=cpu` as `--device cpu`."""
    return _OPTIONS.sub(_option, text)


def _option(found: re.Match[str]) -> str:
    name, value = found.groups()
    if (name, value) == ("motion", "none"):
        return "--no-register"
    flag = f"--{name.replace('_', '-')}"
    return flag if value in (None, "True") else f"{flag} {value}"
