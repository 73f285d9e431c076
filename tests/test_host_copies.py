"""From the correlation volumes on nothing comes back to the host until all pieces are ranked."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from conftest import draw_texture
from torch.utils._python_dispatch import TorchDispatchMode

from heatmap_locator.grid import Grid
from heatmap_locator.locator import Locator
from heatmap_locator.search import decode
from heatmap_locator.search.levels import encode_levels
from heatmap_locator.search.measure import rank
from heatmap_locator.search.named import Named
from heatmap_locator.search.piece import prepare_piece
from heatmap_locator.search.pose import pose_pieces
from heatmap_locator.search.see import see

WAITS = ("_local_scalar_dense", "nonzero", "equal", "masked_select", "unique")
"""Operations whose result, or its size, the host has to wait for."""

COPIES = ("cpu", "numpy", "tolist", "item", "__bool__", "__float__", "__int__")


class Waits(TorchDispatchMode):
    """Counts what the host waits for, on a CPU too."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        name = func.overloadpacket.__name__.removeprefix("_unique2")
        by_mask = name == "index" and any(t is not None and t.dtype == torch.bool for t in args[1])
        if by_mask or name in WAITS:
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def counted(waits: Waits, name: str) -> Callable[..., Any]:
    method = getattr(torch.Tensor, name)

    def count(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        waits.found.append(name)
        return method(self, *args, **kwargs)

    return count


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> Waits:
    mode = Waits()
    for name in COPIES:
        monkeypatch.setattr(torch.Tensor, name, counted(mode, name))
    # As on a device, where no round asks the host whether it was the last.
    monkeypatch.setattr(decode, "waits_for_nothing", lambda device: False)
    return mode


@pytest.mark.parametrize("count", [1, 3])
def test_ranking_copies_once_for_all_pieces(
    waits: Waits, plain_locator: Locator, count: int
) -> None:
    picture = draw_texture(96, 128, 3)
    model, device = plain_locator.model, plain_locator.device
    (level,) = encode_levels(picture, Grid(3, 4), model, device)
    pieces = [prepare_piece(picture[y : y + 30, 40:70].copy()) for y in range(0, 20 * count, 20)]
    with torch.inference_mode():
        waits.found.clear()
        with waits:
            seen = see(pieces, [[level]] * count, model, device)
        # The bank's empty border, of features and of pixels, decides the kernels' size.
        # What sides say is the host's already, and looked at once.
        assert sorted(waits.found) == ["__bool__"] * 2 + ["__int__"] * 2 + ["tolist"]
        poses, _ = pose_pieces(pieces, device), level.field.soft  # once a picture
        named = Named.joined([own.named for (own,) in seen], 0)
        feature = torch.cat([own.feature for (own,) in seen])
        waits.found.clear()
        with waits:
            ranked = rank(named, poses, level, feature, model.ranker)
    # What is host's already, a piece's own reference point, is only looked at.
    assert [name for name in waits.found if name != "numpy"] == ["cpu"]
    assert [len(places) for places in ranked] == [int(own.named.real.sum()) for (own,) in seen]
    assert all(np.isfinite(c.logit) for places in ranked for c in places)
