"""Jobs in several processes give what one process gives."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import HANG
from service_support import wait_until

from heatmap_train.shared.workers import in_processes


def adder(base: int) -> Callable[[int], tuple[int, int]]:
    return lambda job: (base + job, os.getpid())


def refuser(base: int) -> Callable[[int], int]:
    def work(job: int) -> int:
        raise ValueError(f"job {job}")

    return work


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(workers: int) -> None:
    found = list(in_processes(adder, (10,), range(6), workers))
    assert [value for value, _ in found] == [10, 11, 12, 13, 14, 15]
    assert all((process == os.getpid()) == (workers == 1) for _, process in found)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_job_raises_is_raised(workers: int) -> None:
    with pytest.raises(ValueError, match="job 0"):
        list(in_processes(refuser, (10,), range(3), workers))


def sleeper(folder: Path) -> Callable[[int], None]:
    def work(job: int) -> None:
        held = (folder / str(os.getpid())).open("w")
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write("locked")
        held.flush()
        time.sleep(2 * HANG)

    return work


def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from test_workers import sleeper; "
        "from heatmap_train.shared.workers import in_processes; "
        f"list(in_processes(sleeper, (Path({str(tmp_path)!r}),), range(2), 2))"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], cwd=Path(__file__).parent)
    try:
        assert wait_until(lambda: [f.read_text() for f in tmp_path.iterdir()] == ["locked"] * 2)
    finally:
        parent.send_signal(signal.SIGKILL)
        parent.wait()
    # A lock goes with the process that holds it, also where nobody takes note of its end.
    assert wait_until(lambda: all(unlocked(file) for file in tmp_path.iterdir()))


def unlocked(file: Path) -> bool:
    with file.open() as found:
        try:
            fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
