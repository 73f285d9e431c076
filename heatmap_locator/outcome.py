"""How every command ends: an exit status, one line where something is wrong, nothing lost.

Imports nothing heavy.
"""

import contextlib
import errno
import os
import sys
from collections.abc import Callable, Iterator

from heatmap_locator.errors import HeatmapLocatorError, InputError

INTERRUPTED = 130
"""Exit status: 128 and the number of the signal, as shells have it."""

READER_GONE = 141
"""Exit status: the same where the reader of the output went away."""

_FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk without room; which file was written they do not say."""


_NO_ROOM = "failed to map segment"
"""What the loader says of a shared object that there is no memory for."""


def run_command(prog: str, work: Callable[[], int], stopped: str | None = None) -> int:
    """Run a command; return its exit status.

    What has been printed is written before it counts as success: ``--help > /dev/full`` fails.

    Args:
        prog: leads what is printed on stderr.
        work: the command; argparse's ``SystemExit`` is a status, too.
        stopped: printed where it is interrupted.
    """
    try:
        try:
            status = work()
        except SystemExit as stop:  # argparse's --help and --version
            status = stop.code if isinstance(stop.code, int) else 2
        flush()
        return status
    except HeatmapLocatorError as error:
        complain(prog, str(error))
        return 2
    except KeyboardInterrupt:
        if stopped is not None:
            complain(prog, stopped)
        return INTERRUPTED
    except BrokenPipeError:
        _let_go()
        return READER_GONE
    except (MemoryError, ImportError) as error:
        # So a library ends whose code does not fit into what a limit leaves.
        if isinstance(error, ImportError) and _NO_ROOM not in str(error):
            raise
        complain(prog, "not enough memory; end other programs, or raise the limit (ulimit -v)")
        return 2
    except OSError as error:
        if error.filename is not None or error.errno not in _FULL:
            raise
        _let_go()
        complain(prog, f"a file or standard output cannot be written ({error.strerror}); make room")
        return 2


def complain(prog: str, message: str) -> None:
    """Print one line on stderr, where there is one."""
    if sys.stderr is None:
        return
    line = " ".join(message.split())
    encoding = sys.stderr.encoding or "utf-8"
    print(f"{prog}: {line}".encode(encoding, "backslashreplace").decode(encoding), file=sys.stderr)


def say(text: str) -> None:
    """Print on stdout.

    Raises:
        InputError: it cannot be written: a full disk, or it is closed.
        BrokenPipeError: its reader has gone.
    """
    if sys.stdout is None:  # or it would be lost without a word
        raise InputError("is closed; send it to a file or a pipe", name="standard output")
    with writing():
        print(text)


def flush() -> None:
    """Write what has been printed; errors as in :func:`say`."""
    if sys.stdout is not None:  # closed by the caller
        with writing():
            sys.stdout.flush()


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Context that prints; errors as in :func:`say`."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        _let_go()
        raise InputError(
            f"cannot be written ({error.strerror or error}); choose another place",
            name="standard output",
        ) from None


def _let_go() -> None:
    """Lose what stdout holds: Python writes it on its way out, and must not fail there again."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
