"""URLs without what is secret in them: names and passwords, and queries, which are signatures."""

import re
from collections.abc import Mapping
from typing import Any

_HERE = ("file", "local")
_WEB = ("http", "https")
_CONTAINERS = ("abfs", "abfss", "wasb", "wasbs")
"""Protocols in which `container@` names a place, and nobody."""

_KNOWN = r"https?|s?ftp|ftps|ssh|s3a?|gc?s|abfss?|az|adl|wasbs?|smb|webdavs?|oss|oci|hdfs"
# A URL that was taken for a path has but one slash.
_BEGIN = rf"(?P<protocol>[A-Za-z][A-Za-z0-9+.-]+(?=://)|(?:{_KNOWN})(?=:/)):/{{1,2}}"
_URL = re.compile(rf"(?P<begin>\b{_BEGIN})(?P<rest>\S+)", re.IGNORECASE)
# The second form is of a password with a slash in it, which is none for a URL, and still secret.
_USER = re.compile(r"(?:[^/?#\s]*@|[^/?#:@\s]*:(?!\d*(?:/|$))[^\s@?#]*@)")
_PAIR = re.compile(r"[?&#;][^=&#/\s]+=")


def without_secrets(text: str) -> str:
    """A text with every URL in it less its user, password, query and fragment."""
    return _URL.sub(_plain, text) if ":/" in text else text


def _plain(found: re.Match[str]) -> str:
    protocol, rest = found["protocol"].lower(), found["rest"]
    if protocol in _HERE:
        return found[0]
    _, rest, _ = parted(protocol, rest)
    return f"{found['begin']}{rest}"


def parted(protocol: str, rest: str) -> tuple[str, str, str]:
    """What follows `://` in three: who asks, with its `@`; where it lies; and query and fragment.

    The first and the last are secret.
    """
    user = _USER.match(rest)
    known = "" if user is None else user[0]
    if protocol in _CONTAINERS and ":" not in known:
        known = ""
    rest = rest[len(known) :]
    marks = "?#" if protocol in _WEB else "?"
    at = min((i for mark in marks if (i := rest.find(mark)) >= 0), default=len(rest))
    # In names of objects `?` is a wildcard, or itself.
    if protocol not in _WEB and _PAIR.match(rest, at) is None:
        at = len(rest)
    return known, rest[:at], rest[at:]


def shareable(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """Plain values with all text in them less its secrets."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, Mapping):
        return {shareable(key): shareable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [shareable(item) for item in value]
    return value
