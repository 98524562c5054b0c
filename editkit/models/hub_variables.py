"""The hub client's environment variables: it reads them while it is imported, and then fails."""

import os
from urllib.parse import urlsplit

from editkit.errors import ModelLoadError

_NUMBERS = ("HF_HUB_DOWNLOAD_TIMEOUT", "HF_HUB_ETAG_TIMEOUT", "DIFFUSERS_TIMEOUT_REMOTE_CODE")
_ADVICE = "correct or unset it in the environment"


def check_variables(failed: str) -> None:
    """Refuses values with which the client, and all that imports it, cannot be imported.

    Args:
        failed: what then cannot be done, as the message says first.

    Raises:
        ModelLoadError: there is one; the message names it.
    """
    for name in _NUMBERS:
        value = os.environ.get(name)
        if value is not None:
            _check_number(failed, name, value)
    address = os.environ.get("HF_ENDPOINT", "")
    try:
        urlsplit(address)
    except ValueError as error:
        told = f"{failed}: HF_ENDPOINT is {address!r}, which is no address; {_ADVICE}"
        raise ModelLoadError(told) from error


def _check_number(failed: str, name: str, value: str) -> None:
    try:
        int(value)
    except ValueError as error:
        told = f"{failed}: {name} is {value!r}, which is no whole number; {_ADVICE}"
        raise ModelLoadError(told) from error
