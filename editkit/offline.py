"""The hard guard behind `--offline`: of this process, and of all that it starts."""

import ctypes
import os
import platform
import struct
import sys
from contextlib import suppress
from functools import cache

from editkit.errors import EditkitError

# What libraries ask before they try; theirs read them when they are imported.
_VARIABLES = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE")

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

# Of each machine: how the kernel calls it, its number of socket(2), and that of seccomp(2).
_MACHINES = {"x86_64": (0xC000003E, 41, 317), "aarch64": (0xC00000B7, 198, 277)}
_LOCAL = (1, 16)  # families of sockets that reach no network: AF_UNIX, AF_NETLINK
_NO_NEW_PRIVILEGES = 38
_SET_FILTER, _ALL_THREADS = 1, 1
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 13  # with EACCES


def go_offline() -> None:
    """Keeps this process, and every one that it starts, away from any network from now on.

    On Linux the kernel refuses sockets, also to what is not Python; elsewhere see `forbid_network`.
    """
    forbid_network()
    _close_network()


def forbid_network() -> None:
    """Lets no Python code of this process open a connection or look up a name, from now on.

    An audit hook sees every attempt below any library, and cannot be taken away again.
    """
    os.environ.update(dict.fromkeys(_VARIABLES, "1"))
    _watch_python()


@cache
def _watch_python() -> None:
    """Nothing; once for each process."""
    sys.addaudithook(_refuse)


@cache
def _close_network() -> None:
    """Nothing; once for each process."""
    if sys.platform == "linux" and platform.machine() in _MACHINES:
        # Older kernels, and some containers, know no filters: then there is the hook alone.
        with suppress(OSError, AttributeError):
            _refuse_sockets(platform.machine())


def _refuse(event: str, args: tuple[object, ...]) -> None:
    if event in _EVENTS:
        where = args[_EVENTS[event]]
        raise EditkitError(f"--offline: something tried to reach {where!r}")


def _refuse_sockets(machine: str) -> None:
    """Has the kernel refuse sockets to any network, for good, here and in processes to come."""
    program = _program(machine)
    held = ctypes.create_string_buffer(program, len(program))
    head = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0:
        numbers = (_MACHINES[machine][2], _SET_FILTER, _ALL_THREADS)
        libc.syscall(*map(ctypes.c_long, numbers), head)


def _program(machine: str) -> bytes:
    """The filter: of calls of socket(2), only local families pass."""
    arch, socket, _ = _MACHINES[machine]
    lines = (
        (_LOAD, 0, 0, 4),
        (_IF_EQUAL, 0, 5, arch),
        (_LOAD, 0, 0, 0),
        (_IF_EQUAL, 0, 3, socket),
        (_LOAD, 0, 0, 16),
        (_IF_EQUAL, 1, 0, _LOCAL[0]),
        (_IF_EQUAL, 0, 1, _LOCAL[1]),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    )
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
