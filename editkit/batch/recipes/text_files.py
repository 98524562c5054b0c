"""The text of small files that people write: recipes and tables."""

import codecs
import os
import re
import stat
from pathlib import Path

from editkit.errors import InputError
from editkit.redact import without_secrets
from editkit.storage.timeouts import await_text
from editkit.storage.url import is_url

_MARKS = (
    # The mark of UTF-16 is the beginning of that of UTF-32.
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHARS = 60
_HALF = re.compile(r"[\ud800-\udfff]")
_HALVES = re.compile(r"[\ud800-\udbff][\udc00-\udfff]")


def read_text(path: Path, what: str, most: int) -> str:
    """The whole text of a regular file: UTF-8, or UTF-16 with a mark.

    Args:
        path: the file.
        what: how messages call it, such as `recipe`.
        most: bytes that it may have.

    Raises:
        InputError: it is none, is too large, cannot be read, or is no text.
    """
    if is_url(str(path).replace(":/", "://", 1)):
        raise InputError(f"a {what} is read from this machine, not by URL; give a file")
    try:
        data = _bytes(path, what, most)
    except OSError as error:
        raise InputError(f"the {what} {path} cannot be read: {error.strerror}") from error
    except InputError:
        raise
    except ValueError as error:  # a name with a NUL in it
        raise InputError(f"the {what} {str(path)!r:.200} cannot be read: {error}") from error
    coding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8-sig")
    try:
        text = data.decode(coding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"the {what} {path}:{line}: it is not UTF-8; save it as that") from error
    at = text.find("\0")
    if at >= 0:
        raise InputError(f"the {what} {path}:{place_in(text, at)}: it holds a NUL, and is no text")
    return text


def _bytes(path: Path, what: str, most: int) -> bytes:
    """All bytes of a file, which nothing but a regular one is asked for: others may never end."""
    await_text(path, most)
    # Opening a pipe that nobody writes to would wait for ever.
    with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as stream:  # noqa: PTH123
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise InputError(f"the {what} {path} is no regular file; give one")
        data = stream.read(most + 1)
        if len(data) > most:
            size = max(len(data), os.fstat(stream.fileno()).st_size)
            raise InputError(f"the {what} {path} has {size} bytes; a {what} has at most {most}")
        return data


def place_in(text: str, at: int) -> str:
    """Line and column of a character, both from 1, as `line:column`."""
    return f"{text.count(chr(10), 0, at) + 1}:{at - text.rfind(chr(10), 0, at)}"


def whole(text: str) -> str:
    """The text with its halves of characters, which escapes gave in pairs, put together.

    Raises:
        InputError: a half stands alone, or there is a NUL.
    """
    if "\0" in text:
        raise InputError(f"{shown(text)} holds a NUL; leave it out")
    if _HALF.search(text) is None:
        return text
    made = _HALVES.sub(lambda m: m[0].encode("utf-16", "surrogatepass").decode("utf-16"), text)
    if _HALF.search(made) is not None:
        raise InputError(f"{shown(text)} holds half a character; write the character itself")
    return made


def shown(value: object) -> str:
    """A value for a message, in quotes where it is text, and cut where it is long."""
    if isinstance(value, str):
        value = without_secrets(value)
        return repr(value) if len(value) <= _CHARS else f"{value[:_CHARS]!r}..."
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a whole number of thousands of digits
        return f"a {type(value).__name__} too large to show"
    text = without_secrets(text)
    return text if len(text) <= _CHARS else f"{text[:_CHARS]}..."
