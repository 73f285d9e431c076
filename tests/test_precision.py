"""bfloat16 on a CPU: only where processor and torch both have it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from heatmap_locator.model.precision import autocast, supports_bfloat16

CODE = "from heatmap_locator.model.precision import supports_bfloat16 as s; print(s('cpu'))"


def asked(**environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        check=True,
    )
    return done.stdout.strip()


def test_torch_held_to_avx2_does_not_imitate_bfloat16() -> None:
    assert asked(ATEN_CPU_CAPABILITY="avx2") == "False"


@pytest.mark.skipif(
    not Path("/proc/cpuinfo").is_file()
    or "avx512_bf16" not in Path("/proc/cpuinfo").read_text()
    or not torch.backends.cpu.get_cpu_capability().startswith("AVX512"),
    reason="needs a processor with AVX512-BF16, and torch allowed to use it",
)
def test_where_both_have_it_convolutions_run_in_it() -> None:
    assert supports_bfloat16("cpu")
    with autocast(torch.device("cpu")):
        found = torch.nn.functional.conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3))
    assert found.dtype == torch.bfloat16
