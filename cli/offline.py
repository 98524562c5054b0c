"""The hard guard behind `--offline`."""

import os
import sys

from editkit.errors import EditkitError

# Which of an event's arguments says where to.
_EVENTS = {
    "socket.connect": 1,
    "socket.sendto": 1,
    "socket.sendmsg": 1,
    "socket.getaddrinfo": 0,
    "socket.gethostbyname": 0,
    "socket.gethostbyaddr": 0,
    "socket.getnameinfo": 0,
}


def forbid_network() -> None:
    """Lets no code of this process open a connection or look up a name, from now on.

    An audit hook sees every attempt below any library, and cannot be taken away again.
    """
    os.environ["HF_HUB_OFFLINE"] = "1"  # so that the hub's own client does not even try

    def refuse(event: str, args: tuple[object, ...]) -> None:
        if event in _EVENTS:
            where = args[_EVENTS[event]]
            raise EditkitError(f"--offline: something tried to reach {where!r}")

    sys.addaudithook(refuse)
