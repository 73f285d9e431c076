"""One photo after the other: a proposal, a key, a row."""

import html
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from heatmap_locator.errors import InputError
from heatmap_locator.files import write_atomically
from heatmap_locator.found import Search
from heatmap_locator.grid import Grid
from heatmap_locator.overlay import draw_overlay
from heatmap_locator.placement import Placement, counted
from heatmap_locator.puzzle import Puzzle

from .manifest import Labels

PROPOSALS = 5
"""Places proposed of each piece."""

KEYS = "[y]es  [n]ext  [t]ype it  [s]kip  [b]ack  [q]uit"

PAGE = """\
<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="1">
<title>heatmap-eval label</title><body style="background:#18191f;color:#eee;font:16px sans-serif">
<p>{told}</p><img src="{image}" style="max-width:100%">
"""


@dataclass
class Console:
    """Where the session asks.

    Attributes:
        say: prints a line.
        key: waits for a key; empty where there will be none any more.
        line: the same for a line that is typed after a text.
    """

    say: Callable[[str], None]
    key: Callable[[], str]
    line: Callable[[str], str]


class Viewer:
    """A page that shows the proposal, and itself anew each second.

    Args:
        folder: made, and removed by ``close``.
    """

    def __init__(self, folder: Path) -> None:
        self.page = folder / "proposal.html"
        self._folder, self._shown = folder, 0
        folder.mkdir(exist_ok=True)

    def show(self, search: Search, place: Placement, told: str) -> None:
        """Draw a place; the file has a new name each time, so that no browser shows an old one."""
        old = self._folder / f"{self._shown}.jpg"
        self._shown += 1
        new = self._folder / f"{self._shown}.jpg"
        assert search.picture is not None
        rgb, mask = search.piece_rgb, search.piece_mask
        drawn = draw_overlay(search.picture, None, [place], rgb, mask)
        Image.fromarray(drawn).save(new, quality=90)
        page = PAGE.format(told=html.escape(told), image=new.name)
        write_atomically(self.page, page.encode())
        old.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self._folder, ignore_errors=True)


class Session:
    """Labels photos until all have a row or one has had enough.

    Args:
        puzzle: encoded with its grid.
        name: its picture's, as the manifest calls it.
        labels: gets the rows.
        console: asks.
        viewer: shows.
    """

    def __init__(
        self, puzzle: Puzzle, name: str, labels: Labels, console: Console, viewer: Viewer
    ) -> None:
        assert puzzle.grid is not None
        self._puzzle, self._name, self._grid = puzzle, name, puzzle.grid
        self._labels, self._console, self._viewer = labels, console, viewer

    def run(self, photos: Sequence[str]) -> int:
        """Ask for each of the photos, named as in the manifest; how many have a row now."""
        index, before = 0, list[int]()
        while index < len(photos):
            photo = photos[index]
            answer = self._ask(photo, f"photo {index + 1} of {len(photos)}: {photo}")
            if answer == "q":
                break
            if answer == "b":
                if not before:
                    self._console.say("this is the first one")
                    continue
                index = before.pop()
                self._labels.take_back(photos[index])
                continue
            before.append(index)
            index += 1
        return sum(photo in self._labels.photos() for photo in photos)

    def _ask(self, photo: str, heading: str) -> str:
        """The key that ends it: ``y``, ``t``, ``s``, ``b`` or ``q``."""
        try:
            search = self._puzzle.search(self._labels.folder / photo, PROPOSALS)
        except InputError as error:
            self._console.say(f"{error}; skipped")
            return "s"
        rank, count = 0, len(search.placements)
        if not count:
            self._console.say(f"{photo}: no place found; skipped")
            return "s"
        while True:
            place = search.placements[rank]
            told = f"{heading}, proposal {rank + 1} of {count}: {describe(place)}"
            self._viewer.show(search, place, told)
            self._console.say(f"{told}\n{KEYS}")
            key = self._console.key().lower() or "q"
            if key == "n":
                rank = (rank + 1) % count
            elif key == "y":
                self._labels.add(self._name, photo, place, self._grid, "proposed")
                return key
            elif key == "t":
                if self._typed(photo, place):
                    return key
            elif key in "sbq":
                return key

    def _typed(self, photo: str, like: Placement) -> bool:
        """Asks for the place itself; whether it was given."""
        line = self._console.line("row and column from 1, degrees clockwise, such as 4 6 218: ")
        try:
            place = typed_place(line, self._grid, self._puzzle, like)
        except InputError as error:
            self._console.say(str(error))
            return False
        self._labels.add(self._name, photo, place, self._grid, "typed")
        return True


def describe(place: Placement) -> str:
    """A place in words."""
    cell = ""
    if place.cell is not None:
        row, column = counted(place.cell)
        cell = f"row {row}, column {column}, "
    return f"{cell}turned {place.rotation:.0f} degrees clockwise, score {place.score:.2f}"


def typed_place(line: str, grid: Grid, puzzle: Puzzle, like: Placement) -> Placement:
    """The place that was typed, counted from 1; its box is the cell's, without knobs.

    Raises:
        InputError: it is none of the puzzle's.
    """
    try:
        first, second, turn = line.replace(",", " ").split()
        row, col, rotation = int(first) - 1, int(second) - 1, float(turn) % 360.0
    except ValueError:
        raise InputError("give three numbers: row, column and degrees", name=line) from None
    if not (0 <= row < grid.rows and 0 <= col < grid.cols):
        most = f"rows go from 1 to {grid.rows} and columns to {grid.cols}"
        raise InputError(f"no such cell; {most}", name=line)
    width, height = grid.cell_size(puzzle.width, puzzle.height)
    box = (col * width, row * height, (col + 1) * width, (row + 1) * height)
    center = ((col + 0.5) * width, (row + 0.5) * height)
    return Placement(box, center, rotation, 1.0, (row, col), like.matrix)
