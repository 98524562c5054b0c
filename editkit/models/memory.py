"""Memory that is free, and what a computation takes of it: measured, not guessed."""

import gc
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import psutil
import torch

from editkit.errors import is_out_of_memory

__all__ = ["free_memory", "give_back", "is_out_of_memory", "taken"]

Answer = TypeVar("Answer")

_GROUP = Path("/sys/fs/cgroup")
_PEAK_UNIT = 1 if sys.platform == "darwin" else 1024


def free_memory(device: torch.device) -> int:
    """Bytes that a device has left for us: of a CPU, of the machine or of our share of it."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        # What PyTorch holds for later is ours to use.
        held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + held
    return min(psutil.virtual_memory().available, _left_in_group())


def _left_in_group() -> int:
    """What a container may still take (Linux, cgroup v2)."""
    try:
        limit = int((_GROUP / "memory.max").read_text())
        used = int((_GROUP / "memory.current").read_text())
        stat = dict(line.split() for line in (_GROUP / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such thing here, or "max"
        return 2**63
    # Pages of files are given up when memory is asked for.
    return limit - used + int(stat.get("inactive_file", 0))


def taken(compute: Callable[[], Answer], device: torch.device) -> tuple[Answer, int]:
    """What a computation gives, and by how many bytes it raised the peak of memory.

    On a CPU that is 0 where something before took more: then so much is known to be there.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        answer = compute()
        return answer, torch.cuda.max_memory_allocated(device) - before
    before = psutil.Process().memory_info().rss
    high = _high()
    answer = compute()
    return answer, max(0, _high() - before) if _high() > high else 0


def _high() -> int:
    """The most memory that this process has held; 0 where the system does not say."""
    try:
        # What `getrusage` says on Linux counts who started us, too.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _PEAK_UNIT


def give_back(device: torch.device) -> None:
    """Returns to the device what nobody uses."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
