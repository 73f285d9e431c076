"""What does not fit into memory is refused in a line, and what is freed is kept."""

import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from conftest import draw_texture

from heatmap_locator import InputError
from heatmap_locator.locator import Locator
from heatmap_locator.model import memory
from heatmap_locator.search import levels

CPU = torch.device("cpu")


def test_a_puzzle_too_large_for_the_memory_left_is_refused(
    plain_locator: Locator, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = draw_texture(96, 128, 3)
    monkeypatch.setattr(levels, "free_bytes", lambda device: 10**6)
    with pytest.raises(InputError, match=r"^12 pieces: .*GB of memory.*fewer pieces"):
        plain_locator.encode(picture, grid=(3, 4))
    for left in (10**8, None):
        monkeypatch.setattr(levels, "free_bytes", lambda device, left=left: left)
        plain_locator.encode(picture, grid=(3, 4))


def test_a_container_s_limit_counts_where_it_is_lower(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 9000 kB\nMemAvailable:    4000 kB\n")
    monkeypatch.setattr(memory, "_MEMINFO", meminfo)
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    assert memory.free_bytes(CPU) == 4000 * 1024
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("800000\n")
    (tmp_path / "memory.stat").write_text("file 500\ninactive_file 300000\n")
    assert memory.free_bytes(CPU) == 500000
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.free_bytes(CPU) == 4000 * 1024


def test_a_system_that_does_not_say_refuses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    assert memory.free_bytes(CPU) is None


FAULTS = """
import resource, sys, torch
from heatmap_locator.model.memory import keep_freed_memory
if sys.argv[1] == "kept":
    keep_freed_memory()
for _ in range(10):
    torch.zeros(10 * 2**20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    torch.zeros(10 * 2**20)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""
"""Pages that a process gets from the system for 20 tensors of 40 MB, one after the other."""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_kept_unless_the_environment_says_otherwise() -> None:
    def faults(how: str, **more: str) -> int:
        run = [sys.executable, "-c", FAULTS, how]
        return int(subprocess.run(run, env=more, check=True, capture_output=True).stdout)

    plain = faults("plain")
    assert faults("kept") < plain / 5
    assert faults("kept", MALLOC_MMAP_THRESHOLD_="131072") > plain / 2
