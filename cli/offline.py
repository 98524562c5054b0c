"""The hard guard behind `--offline`."""

import os
import sys

from editkit.errors import EditkitError

_EVENTS = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")


def forbid_network() -> None:
    """Lets no code of this process open a connection or look up a name, from now on.

    An audit hook sees every attempt below any library, and cannot be taken away again.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"  # so that the hub's own client does not even try

    def refuse(event: str, args: tuple[object, ...]) -> None:
        if event in _EVENTS:
            where = args[1] if event.startswith("socket.conn") else args[0]
            raise EditkitError(f"--offline: something tried to reach {where!r}")

    sys.addaudithook(refuse)
