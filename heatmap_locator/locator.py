"""The public face: encode a picture once, then ask where pieces go."""

import os
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import torch

from heatmap_locator.errors import InputError, WeightsError
from heatmap_locator.grid import Grid
from heatmap_locator.model.calibration import Calibration
from heatmap_locator.model.files import load_model, shipped_weights
from heatmap_locator.model.memory import keep_freed_memory
from heatmap_locator.model.network import HeatmapLocator
from heatmap_locator.model.precision import single_precision
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.picture.corners import square_up
from heatmap_locator.picture.read import ImageSource, read_picture, require_print
from heatmap_locator.puzzle import LocatedPiece as LocatedPiece
from heatmap_locator.puzzle import Puzzle as Puzzle
from heatmap_locator.puzzle import Search as Search


class Locator:
    """A trained model on a device.

    Use ``Locator.from_pretrained()``; one locator serves any number of puzzles.

    Args:
        model: in evaluation mode.
        device: where everything is computed.
        calibration: from the ranker's logits to scores.
        outlines: finds pieces in photos; ``None`` takes the network that ships.
    """

    def __init__(
        self,
        model: HeatmapLocator,
        device: torch.device,
        calibration: Calibration,
        outlines: OutlineFinder | None = None,
    ) -> None:
        self.model = model.to(device)
        self.device = device
        self.calibration = calibration
        self.outlines = OutlineFinder(device=device) if outlines is None else outlines

    def __repr__(self) -> str:
        return f"<Locator on {self.device}>"

    @classmethod
    @single_precision()
    def from_pretrained(
        cls,
        weights: str | Path | None = None,
        device: str = "auto",
        outline_weights: str | Path | None = None,
    ) -> "Locator":
        """Load a model.

        Args:
            weights: a .safetensors file; ``None`` takes the one that comes with the package.
            device: ``"auto"`` (CUDA where there is one), ``"cpu"`` or ``"cuda"``.
            outline_weights: the same for the network that finds pieces in their photos; that of
                the package is read with the first photo that needs it.

        Raises:
            WeightsError: a file is missing, damaged or of another version.
            InputError: the device is unknown or absent.
        """
        if device not in ("auto", "cpu", "cuda"):
            raise InputError("use auto, cpu or cuda", name=f"device {device!r}")
        if device == "cuda" and not torch.cuda.is_available():
            raise InputError("no CUDA device here; use cpu or auto", name="device cuda")
        chosen = "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"
        _leave_forks_alone()
        keep_freed_memory()
        model, extra = load_model(weights)
        try:
            calibration = Calibration.from_extra(extra.get("calibration", {}))
        except ValueError as error:
            source = shipped_weights() if weights is None else weights
            raise WeightsError(f"{source}: holds {error}; calibrate it again") from error
        outlines = OutlineFinder(outline_weights, chosen)
        return cls(model, torch.device(chosen), calibration, outlines)

    @single_precision()
    def encode(
        self,
        picture: ImageSource,
        pieces: int | None = None,
        grid: str | tuple[int, int] | Grid | None = None,
        corners: np.ndarray | None = None,
    ) -> "Puzzle":
        """Read and encode the picture of a whole puzzle.

        Args:
            picture: path, PIL image, or (H, W, 3) uint8 array.
            pieces: number of pieces; by the picture's shape rows and columns are one of a few
                that are likely, and all of these count.
            grid: ``(rows, cols)`` or ``"ROWSxCOLS"``, instead of ``pieces``; better where it is
                known, as places across its lines are told apart.  With neither, the size of a
                piece is searched, which takes longer.
            corners: (4, 2), of the picture in a photo taken at an angle, clockwise from its top
                left, such as ``heatmap_locator.find_corners`` finds them: it is squared
                up first, and boxes are in pixels of ``Puzzle.picture``.

        Raises:
            InputError: the picture cannot be read or is of one colour, or pieces or grid make no
                sense for it.
        """
        name = str(picture) if isinstance(picture, (str, Path)) else "picture"
        pixels = read_picture(picture)
        if corners is not None:
            pixels = square_up(pixels, corners)
        require_print(pixels, name)
        height, width = pixels.shape[:2]
        known = Grid.make(size=(width, height), name=name, pieces=pieces, grid=grid)
        return Puzzle(self.model, self.device, self.calibration, pixels, known, self.outlines)


@cache
def _leave_forks_alone() -> None:
    """Have processes that are forked from this one compute in a single thread each.

    The threads of a parent are not there in its child, which would wait for them for ever.
    """

    before = [1]

    def ahead() -> None:
        before[0] = cv2.getNumThreads()
        cv2.setNumThreads(1)  # ends OpenCV's threads, which only their own process can

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(
            before=ahead,
            after_in_parent=lambda: cv2.setNumThreads(before[0]),
            after_in_child=lambda: torch.set_num_threads(1),
        )
