"""Devices of worker processes, and the threads of each."""

import os
import sys

_SEEN = "CUDA_VISIBLE_DEVICES"
"""Variable of the environment: the GPUs that a process sees, by number or by name."""


def show_only(device: str) -> str:
    """The name of a GPU in a process that from now on sees no other; the CPU's name as it is.

    Libraries put things on the first GPU that they see, whichever was meant: every worker would
    hold memory of it. CUDA reads the variable when it is first used, which must not have been.
    """
    kind, _, number = device.partition(":")
    if kind != "cuda" or not number.isdecimal():
        return device
    seen = [name.strip() for name in os.environ.get(_SEEN, "").split(",") if name.strip()]
    if seen and int(number) >= len(seen):
        return device  # there is none: loading the model says so
    os.environ[_SEEN] = seen[int(number)] if seen else number
    return "cuda"


def local_devices(device: str, workers: int | None) -> tuple[str, ...]:
    """A device for each worker: with `auto` every GPU, else the CPU.

    Args:
        device: the name that the user gave.
        workers: how many; one for each GPU where None.
    """
    import torch

    if device not in ("auto", "cuda"):
        return (device,) * (workers or 1)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return (device,) * (workers or 1)
    return tuple(f"cuda:{k % count}" for k in range(workers or count))


def threads_of(workers: int) -> int | None:
    """Threads of each of several workers on a CPU, so that none stands in another's way."""
    cores = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return max(1, cores // workers) if workers > 1 else None
