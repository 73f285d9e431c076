"""Jobs in several processes give what one process gives."""

import os
from collections.abc import Callable

import pytest

from heatmap_train.shared.workers import in_processes


def adder(base: int) -> Callable[[int], tuple[int, int]]:
    return lambda job: (base + job, os.getpid())


def refuser(base: int) -> Callable[[int], int]:
    def work(job: int) -> int:
        raise ValueError(f"job {job}")

    return work


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    found = list(in_processes(adder, (10,), range(6), workers))
    assert [value for value, _ in found] == [10, 11, 12, 13, 14, 15]
    assert all((process == os.getpid()) == (workers == 1) for _, process in found)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_job_raises_is_raised(workers: int) -> None:
    with pytest.raises(ValueError, match="job 0"):
        list(in_processes(refuser, (10,), range(3), workers))
