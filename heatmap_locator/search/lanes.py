"""The same work for several photos side by side, each on some of torch's threads.

A search is many small operations, which two threads hardly speed: two searches with a thread each
take much less time than one after the other with both.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from typing import TypeVar

import torch

from heatmap_locator.steps import asked_by_others, stepping

LANES = 4
"""Searches that may be begun and not ended, at most; each holds its memory meanwhile."""

Job = TypeVar("Job")
Result = TypeVar("Result")


def abreast(device: torch.device) -> int:
    """Searches that compute side by side: on a CPU one for each of torch's threads, which do more
    apart than together, ``LANES`` at most; one elsewhere."""
    return min(LANES, torch.get_num_threads()) if device.type == "cpu" else 1


def lanes_for(jobs: int, device: torch.device, search_bytes: int, free: int | None) -> int:
    """How many searches to run side by side here; 1 at least.

    Args:
        jobs: that there are.
        device: where they compute.
        search_bytes: memory that one takes.
        free: memory that is left, ``None`` where that is not known.
    """
    # Whoever pauses a search or gives it up, as the service does, does so in his own thread.
    if asked_by_others():
        return 1
    fitting = LANES if free is None else free // max(1, search_bytes)
    return max(1, min(abreast(device), jobs, fitting))


def side_by_side(do: Callable[[Job], Result], jobs: Sequence[Job], lanes: int) -> list[Result]:
    """Results of jobs, in their order.

    What one raises is raised, and the others end at their next step (``heatmap_locator.steps``);
    so do all where the caller is interrupted.

    Args:
        do: called in ``lanes`` threads, without gradients; what it changes it has to guard.
        jobs: all of them.
        lanes: 1 does all in this thread.
    """
    if lanes == 1 or len(jobs) < 2:
        return [do(job) for job in jobs]
    threads, over = torch.get_num_threads(), threading.Event()

    def begin() -> None:
        torch.set_num_threads(max(1, threads // lanes))  # of this thread's own

    def end() -> None:
        if over.is_set():
            raise CancelledError

    def run(job: Job) -> Result:
        with torch.inference_mode(), stepping(end):
            return do(job)

    pool = ThreadPoolExecutor(lanes, "heatmap-lane", begin)
    try:
        futures = [pool.submit(run, job) for job in jobs]
        return [future.result() for future in futures]
    finally:
        over.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # threads that are made later begin with the last number set
