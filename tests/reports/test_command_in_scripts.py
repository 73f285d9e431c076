"""The command in scripts: full disks, readers that go away, and Ctrl-C at any moment."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image
from reports_support import EXAMPLES, PICTURE

PREDICT = [sys.executable, "-m", "heatmap_locator"]
ASKED = [str(EXAMPLES / "piece1.jpg"), str(PICTURE), "--pieces", "192"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk(options: list[str]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*PREDICT, *ASKED, *options], stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("heatmap-predict: standard output: cannot be written (No space left")


@pytest.mark.slow
def test_a_reader_that_has_gone() -> None:
    with subprocess.Popen(
        [*PREDICT, *ASKED], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        err = child.stderr.read()
        assert child.wait(120) == 141
    assert err == b""


@pytest.mark.skipif(sys.platform == "win32", reason="needs descriptors that a shell closes")
@pytest.mark.parametrize(
    ("work", "closed", "status", "said"),
    [
        ("say('3,5')", 1, 2, "x: standard output: is closed; send it to a file or a pipe\n"),
        ("complain('x', 'lost')", 2, 0, ""),
        ("raise_(InputError('no such file', name='a.jpg'))", 2, 2, ""),
        ("raise_(MemoryError())", 1, 2, "x: not enough memory; end other programs"),
        (
            "raise_(ImportError('libt.so: failed to map segment from shared object'))",
            1,
            2,
            "x: not",
        ),
        ("raise_(ImportError('no module named torch'))", 1, 1, "Traceback"),
    ],
)
def test_closed_streams_and_no_memory(work: str, closed: int, status: int, said: str) -> None:
    code = (
        "import sys; from heatmap_locator.errors import InputError;"
        "from heatmap_locator.outcome import complain, run_command, say\n"
        "def raise_(error): raise error\n"
        f"sys.exit(run_command('x', lambda: {work} or 0))"
    )
    shell = f'exec "$0" -c "$1" {closed}>&-'
    done = subprocess.run(["sh", "-c", shell, sys.executable, code], capture_output=True, text=True)
    assert done.returncode == status
    assert done.stdout == ""
    assert done.stderr.startswith(said)
    if not said:
        assert done.stderr == ""


def processor_time(process: int) -> float:
    """Seconds that a process has computed so far; what Linux tells."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc, which Linux has")
@pytest.mark.parametrize("part", [0.1, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_an_interrupt_ends_it_within_a_second(part: float, tmp_path: Path) -> None:
    import resource  # which Windows has not

    pieces = [ASKED[0]] * 300  # more than can be done meanwhile
    command = [*PREDICT, *pieces, *ASKED[1:], "--overlay", str(tmp_path / "out.png")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        time.sleep(8 * part)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        computed = processor_time(child.pid)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=15)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime - computed
    assert used < 1  # of its own time: on a busy machine more passes
    assert child.returncode == 130
    assert b"Traceback" not in err
    for drawn in tmp_path.iterdir():  # each is there whole
        Image.open(drawn).load()


def test_an_interrupt_leaves_nothing_half_written(tmp_path: Path) -> None:
    half = tmp_path / ".out.png"
    code = (
        "import os, signal, sys, time; from pathlib import Path;"
        "from heatmap_locator.command.interrupt import end_at_once, unfinished;"
        "end_at_once(); half = Path(sys.argv[1]);\n"
        "with unfinished(half):\n"
        "    half.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGINT); time.sleep(30)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(half)], timeout=20)
    assert done.returncode == 130
    assert not half.exists()
