"""The same work for many jobs, in several processes."""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

_work: Callable[[Any], Any] | None = None


def in_processes(
    make: Callable[..., Callable[[Job], Result]],
    arguments: tuple[Any, ...],
    jobs: Iterable[Job],
    workers: int,
) -> Iterator[Result]:
    """Results of jobs, in their order.

    Args:
        make: called once in every process, with ``arguments``; what it returns does a job.  A
            function of a module, as the other processes have to find it.
        arguments: of ``make``; they travel to the other processes, as jobs and results do.
        jobs: all are taken at once where there are several processes.
        workers: processes; up to 1 all is done in this one.
    """
    if workers <= 1:
        yield from map(make(*arguments), jobs)
        return
    # Forking a process that has run torch's threads can hang.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _begin, (make, arguments))
    try:
        yield from pool.map(_do, jobs)
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(make: Callable[..., Callable[[Any], Any]], arguments: tuple[Any, ...]) -> None:
    global _work
    import cv2
    import torch

    threading.Thread(target=_end_with_parent, daemon=True).start()
    # Each has a core of its own.
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _work = make(*arguments)


def _end_with_parent() -> None:
    """A killed parent cannot tell its workers, which would wait for jobs for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)


def _do(job: Any) -> Any:
    assert _work is not None
    return _work(job)
