"""Threads of PyTorch's on a CPU: the network has them all, and whoever asks it has one.

Each thread that computes in parallel keeps helpers of its own (OpenMP). Where there are more of
them in a process than there are cores, GNU's library lets all wait asleep, not awake, and waking
takes so long, in every operation of a step, that an edit of 256x256 took a fifth longer. So only
the thread that runs the network has helpers while photos are edited side by side.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import TypeVar

Answer = TypeVar("Answer")

_here = local()


def compute_alone() -> None:
    """From now on the thread that calls this computes without helpers, where that can be had."""
    if getattr(_here, "alone", False):
        return
    import torch
    from threadpoolctl import threadpool_limits

    # PyTorch sets a thread's number the first time that it asks for it; ours has to come later.
    torch.get_num_threads()
    # Of OpenMP a number is the calling thread's own; PyTorch's own call would set that of threads
    # to come, too.
    threadpool_limits(1, user_api="openmp")
    _here.alone = True


def in_passing(compute: Callable[[], Answer]) -> Answer:
    """What is computed in a thread with as many helpers as PyTorch has, which go as it ends."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(compute).result()
