"""Photos that come into a folder, as a phone's sync folder gets them: each once it is whole.

The folder is looked through again and again: shares and sync folders do not tell of changes.
"""

import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from heatmap_locator.command.inputs import looks_like_image
from heatmap_locator.errors import DamagedImageWarning, InputError, display_name

POLL = 0.5
"""Seconds between two looks."""

QUIET = 1.0
"""Seconds for which a file must not have changed."""

PATIENCE = 20.0
"""The same for a file that cannot be read whole, which is then answered with what is wrong."""

UNFINISHED = (".part", ".partial", ".tmp", ".crdownload", ".download", ".!sync")
"""Ends of the names of files that other programs are still writing."""


@dataclass
class _Seen:
    """A file as it was, and when it was last seen to change."""

    signature: tuple[int, int]
    since: float
    done: bool


class Arrivals:
    """The photos that come, for as long as one asks.  A file that changes later comes again.

    Args:
        folder: what is in it now is no arrival.
        complain: told once of each file that is no image, and where the folder is gone.
        clock: tells seconds.
        sleep: waits for some.
    """

    def __init__(
        self,
        folder: Path,
        complain: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._folder, self._complain, self._clock, self._sleep = folder, complain, clock, sleep
        self._seen: dict[str, _Seen] = {}
        self._gone = False
        for name, signature in self._files().items():
            self._seen[name] = _Seen(signature, clock(), done=True)

    def __iter__(self) -> Iterator[Path]:
        while True:
            yield from self._whole()
            self._sleep(POLL)

    def _whole(self) -> Iterator[Path]:
        """The files that have become whole since the last look, by name."""
        files, now = self._files(), self._clock()
        if not self._gone:
            self._seen = {name: seen for name, seen in self._seen.items() if name in files}
        for name, signature in sorted(files.items()):
            seen = self._seen.get(name)
            if seen is None or seen.signature != signature:
                self._seen[name] = _Seen(signature, now, done=False)
            elif not seen.done and now - seen.since >= QUIET:
                path = self._folder / name
                waited = now - seen.since >= PATIENCE
                if not _is_whole(path) and not waited:
                    continue
                seen.done = True
                if looks_like_image(path):
                    yield path
                else:
                    self._complain(f"{display_name(path)}: left out, no image")

    def _files(self) -> dict[str, tuple[int, int]]:
        """Size and time of change of each file that may be a photo, by name."""
        found: dict[str, tuple[int, int]] = {}
        try:
            for path in self._folder.iterdir():
                if path.name.startswith(".") or path.suffix.lower() in UNFINISHED:
                    continue
                try:
                    about = path.stat()
                except OSError:  # gone meanwhile, or not ours to see
                    continue
                if path.is_file():
                    found[path.name] = (about.st_size, about.st_mtime_ns)
        except OSError as error:
            if not self._gone:
                self._complain(
                    f"{display_name(self._folder)}: cannot be read ({error.strerror}); waiting"
                )
            self._gone = True
            return {}
        self._gone = False
        return found


def _is_whole(path: Path) -> bool:
    """Whether the image can be read to its end."""
    from heatmap_locator.picture.read import read_piece

    with warnings.catch_warnings():
        warnings.simplefilter("error", DamagedImageWarning)
        try:
            read_piece(path)
        except (InputError, DamagedImageWarning):
            return False
    return True
