"""PyTorch's CPU threads: all for the thread of the network, one for every other thread.

Each thread that computes in parallel has its own OpenMP workers. If a process has more of them than
cores, GNU's OpenMP lets them sleep between operations, and waking them makes an edit of 256x256 a
fifth slower. So while photos are edited side by side, only the thread of the network has workers.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import local
from typing import TypeVar

Answer = TypeVar("Answer")

_here = local()


def compute_alone() -> None:
    """Makes the calling thread compute without OpenMP workers, where that is possible."""
    if getattr(_here, "alone", False):
        return
    import torch
    from threadpoolctl import threadpool_limits

    # PyTorch sets the number of a thread when it first asks for it; ours must come later.
    torch.get_num_threads()
    # This sets the number of the calling thread; PyTorch's own call would set that of later
    # threads, too.
    threadpool_limits(1, user_api="openmp")
    _here.alone = True


def in_passing(compute: Callable[[], Answer]) -> Answer:
    """The result of `compute`, run in a new thread that has all workers and ends with it."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(compute).result()
