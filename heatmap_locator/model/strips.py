"""Volumes of correlations looked at in strips, which stay in the cache while they are read."""

from collections.abc import Iterator

import torch
from torch import Tensor

from heatmap_locator.steps import step

STRIP_BYTES = {"cpu": 2**19}
"""Of one volume, in a strip; elsewhere all (``benchmarks/search.py``: one piece of 1,000)."""


def in_strips(*volumes: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """``(B, R, H, W)`` volumes as views of some of their rows at a time, top to bottom.

    In an exported program, whose picture may have any height, they stay whole.
    """
    first = volumes[0]
    most = STRIP_BYTES.get(first.device.type)
    if most is None or torch.compiler.is_exporting():
        yield volumes
        return
    rows = max(1, most // max(1, first[:, :, :1].numel() * first.element_size()))
    for strip in zip(*(volume.split(rows, 2) for volume in volumes), strict=True):
        step()
        yield strip
