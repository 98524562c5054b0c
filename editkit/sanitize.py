"""Text that is not ours, made harmless for whoever reads it. Light: imports nothing of ours.

File names, profiles and metadata may hold what a terminal obeys (ESC, OSC, C1 controls), what
overwrites a line (CR, BS), what turns text around (bidi controls), and what nobody sees.
"""

import unicodedata

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and marks, by their class, that show nothing."""

_LONGEST = 2000


def harmless(text: str) -> str:
    r"""The text with escapes, such as `\x1b`, for all that is not seen as it is.

    A byte of a file name that is no text is shown as that byte.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if _is_plain(char) else _escape(char) for char in text)


def one_line(text: str) -> str:
    """The text as a line: spaces for what breaks it, and the middle left out of a very long one."""
    line = harmless(" ".join(text.split()))
    if len(line) <= _LONGEST:
        return line
    half = _LONGEST // 2
    return f"{line[:half]} ... {line[-half:]}"


def _is_plain(char: str) -> bool:
    if char in _BLANK:
        return False
    return char.isprintable() or unicodedata.category(char) == "Zs"


def _escape(char: str) -> str:
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:  # how Python holds bytes that are no text
        return f"\\x{code - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
