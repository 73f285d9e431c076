"""The last judge of which place is first: a weighted sum of what was measured at each, and what a
second look adds where a model has one (``verifier.py``)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

FEATURES = ("head", "feature", "pixel", "colour", "detail", "local", "cell", "turn", "size")
"""What is measured at a place.

``head``: the head's logit.  The next five are evidence, 0 and more, from ways to correlate the
piece with the picture under it: ``feature`` of the encoder's features, ``pixel`` of the pixels,
``colour`` of the pixels when any affine map of colours is allowed between the two, ``detail`` the
same with slow changes of light taken away, ``local`` with local contrast made equal as well.
The last three are of the cut: ``cell`` and ``turn`` say whether the piece would lie in the middle
of a cell and square in it (``lattice.py``), ``size`` how far it has to be sized away from what its
outline implies; ``cell`` and ``size`` are 0 where nothing is known of the cells.
"""

PRINT = [n for n, name in enumerate(FEATURES) if name not in ("cell", "turn", "size")]
"""Of ``FEATURES``, those of the print."""

PIXEL_WEIGHT = 8.0
"""Logits of the head that the pixels' evidence is worth a unit, where only those two are known
(``train/LOG.md``, "ranking by -log(1 - NCC**2)": best of seven)."""

_UNFITTED = {"head": 1.0, "pixel": PIXEL_WEIGHT}

CLOSEST = 0.98
"""Correlation beyond which grain decides, not print."""


def evidence(correlation: Tensor) -> Tensor:
    """What a correlation, -1..1, says for a place: ``-log(1 - r**2)``, 0 to 3.2.

    The log-likelihood of a linear fit grows with it: a hundredth at 0.9 says several times what it
    says at 0.5.  Pixels that disagree prove nothing.
    """
    return -torch.log1p(-correlation.clamp(0, CLOSEST).square())


def features_of(measured: Mapping[str, Tensor]) -> Tensor:
    """What was measured at places, by name, as the ranker takes it.

    Args:
        measured: ``(...)`` for every name in ``FEATURES``, and for no other.

    Returns:
        ``(..., F)`` in the order of ``FEATURES``.

    Raises:
        ValueError: a name is missing or unknown.
    """
    return torch.stack(in_order(measured), -1)


def in_order(values: Mapping[str, Any]) -> list[Any]:
    """Values by name, in the order of ``FEATURES``; a ValueError where the names differ."""
    if odd := sorted(set(FEATURES) ^ values.keys()):
        raise ValueError(f"missing or unknown measures: {', '.join(odd)}")
    return [values[name] for name in FEATURES]


class Ranker(nn.Module):
    """Conditional logit (McFadden, 1974) over the places of one piece.

    It sees correlations and how a place fits the cut.  Fitted by ``heatmap-train ranker``; as made,
    it adds what the pixels say to what the head says.

    Attributes:
        verifier: what adds to its logits after a second look, or ``None``.
    """

    verifier: nn.Module | None

    def __init__(self, verifier: nn.Module | None = None) -> None:
        super().__init__()
        self.register_module("verifier", verifier)
        self.weights = nn.Parameter(torch.tensor([_UNFITTED.get(name, 0.0) for name in FEATURES]))

    def forward(self, features: Tensor) -> Tensor:
        """``(..., F)`` of what ``FEATURES`` names to ``(...)`` logits."""
        return features @ self.weights
