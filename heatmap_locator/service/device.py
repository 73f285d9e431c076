"""What searches for the service, here or elsewhere in a cluster, and the model that it uses."""

from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol

import numpy as np

from heatmap_locator.service.settings import Settings

if TYPE_CHECKING:
    from heatmap_locator.locator import Locator, Search


class Device(Protocol):
    """What searches: the engine of this process, or one elsewhere in a cluster."""

    @property
    def ready(self) -> bool: ...

    def encode(self, puzzle: str, version: int) -> "Future[None]":
        """Make a puzzle's features ready."""
        ...

    def search(
        self, puzzle: str, version: int, image: np.ndarray, top: int, cutout: bool = False
    ) -> "Future[Search]":
        """Search one piece, (H, W, 3) or (H, W, 4) uint8; arguments as ``Puzzle.search``'s.

        Who does not want the answer any more cancels the future, also while it is in work.
        """
        ...

    def forget(self, puzzle: str, before: int | None = None) -> None:
        """Drop a puzzle's features, and its jobs, with GoneError, those in work too.

        Args:
            before: only those of older versions than this.
        """
        ...


def load_locator(settings: Settings) -> "Locator":
    """The model, with its outline network, that settings ask for.

    Raises:
        WeightsError: a file is missing, damaged or of another version.
        InputError: there is no such device.
    """
    from heatmap_locator.locator import Locator

    return Locator.from_pretrained(settings.weights, settings.device, settings.outline_weights)


def together(locator: "Locator", batch: int) -> int:
    """Most pieces to search together: ``batch``, and one on a CPU, which gains nothing by more."""
    return 1 if locator.device.type == "cpu" else batch
