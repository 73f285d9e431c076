"""The worst misses at a glance: the piece, where it was put, and where it belongs."""

from collections.abc import Callable, Container, Iterable, Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from heatmap_locator.geometry import bounds, similarity, to_cv2, transform

from ..answers.metrics import Record, angle_error, both, center_error, score
from ..protocols.tasks import Box, PictureTask, PieceTask
from .plots import save

COUNT = 12
_SIDE = 160
"""Pixels of a panel."""
_AROUND = 1.2
"""Of the box's longer side, shown on every side of it."""
_GREY = 128


def worst_misses(records: Iterable[Record], count: int = COUNT) -> list[Record]:
    """Wrong answers, the surest first."""
    wrong = [r for r in records if r.answers and not both(r)]
    return sorted(wrong, key=lambda r: -score(r))[:count]


def contact_sheet(
    misses: Sequence[Record],
    tasks: Callable[[Container[str] | None], Iterable[PictureTask]],
    title: str,
    path: Path,
) -> None:
    """Draw misses of one method, one a row.

    Args:
        misses: of :func:`worst_misses`, at least one.
        tasks: makes the pictures of the names given, and their pieces, again.
        title: heads the sheet.
        path: of the PNG.
    """
    found = _find(misses, tasks)
    shown = [r for r in misses if r.piece in found]
    figure = Figure(figsize=(9, 2.35 * max(1, len(shown))))
    grid = figure.subplots(max(1, len(shown)), 4, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for row, record in zip(grid, shown, strict=False):
        picture, piece = found[record.piece]
        answer = record.answers[0]
        row[0].imshow(upright(piece.image, answer.rotation))
        label = f"{record.piece}\nas answered, score {answer.score:.2f}"
        row[0].set_title(label, fontsize=7, loc="left")
        _place(row[1], picture.image, answer.box, "red")
        row[1].set_title(f"put here: {center_error(record):.1f} cells off", fontsize=7)
        row[2].imshow(upright(piece.image, record.rotation))
        row[2].set_title(f"as it lies; {angle_error(record):.0f} degrees off", fontsize=7)
        _place(row[3], picture.image, record.box, "lime")
        row[3].set_title(f"belongs here; texture {record.texture or 'unknown'}", fontsize=7)
    height = figure.get_size_inches()[1]
    figure.suptitle(title, fontsize=10, y=1 + 0.1 / height)
    figure.subplots_adjust(top=1 - 0.4 / height, bottom=0.0, hspace=0.3, wspace=0.05)
    save(figure, path)


def _find(
    misses: Sequence[Record], tasks: Callable[[Container[str] | None], Iterable[PictureTask]]
) -> dict[str, tuple[PictureTask, PieceTask]]:
    wanted = {r.piece for r in misses}
    found: dict[str, tuple[PictureTask, PieceTask]] = {}
    for task in tasks({r.picture for r in misses}):
        for piece in task.pieces:
            if task.piece_id(piece) in wanted:
                found[task.piece_id(piece)] = task, piece
        if len(found) == len(wanted):
            break
    return found


def upright(image: np.ndarray, rotation: float) -> np.ndarray:
    """A piece's photo turned back by ``rotation``, (_SIDE, _SIDE, 3), alpha over grey."""
    height, width = image.shape[:2]
    corners = np.array([[0.0, 0.0], [width, 0.0], [width, height], [0.0, height]])
    turn = similarity((width / 2, height / 2), (0.0, 0.0), -rotation, 1.0)
    x1, y1, x2, y2 = bounds(transform(turn, corners))
    scale = _SIDE / max(x2 - x1, y2 - y1)
    matrix = similarity((width / 2, height / 2), (_SIDE / 2, _SIDE / 2), -rotation, scale)
    rgb = image[..., :3]
    if image.shape[2] == 4:
        alpha = image[..., 3:].astype(np.float32) / 255
        rgb = (rgb * alpha + _GREY * (1 - alpha)).astype(np.uint8)
    shown: np.ndarray = cv2.warpAffine(
        np.ascontiguousarray(rgb),
        to_cv2(matrix),
        (_SIDE, _SIDE),
        flags=cv2.INTER_AREA,
        borderValue=(_GREY, _GREY, _GREY),
    )
    return shown


def _place(axes: Axes, picture: np.ndarray, box: Box, colour: str) -> None:
    """A window of the picture around a box, and the box."""
    x1, y1, x2, y2 = box
    half = (0.5 + _AROUND) * max(x2 - x1, y2 - y1, 2.0)
    x, y = (x1 + x2) / 2, (y1 + y2) / 2
    height, width = picture.shape[:2]
    left, right = (int(np.clip(v, 0, width)) for v in (x - half, x + half + 1))
    top, bottom = (int(np.clip(v, 0, height)) for v in (y - half, y + half + 1))
    if right - left < 2 or bottom - top < 2:
        left, top, right, bottom = 0, 0, width, height
    axes.imshow(picture[top:bottom, left:right], extent=(left, right, bottom, top))
    frame = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, edgecolor=colour, linewidth=1.2)
    axes.add_patch(frame)
