"""What the clients of ``load_service.py`` have seen, and by how much answers may differ."""

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

ROUNDING = {"box": 0.05, "rotation": 0.05, "score": 0.002}
"""How much places of one photo may differ: pixels, degrees, and of 1."""


def differ(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> dict[str, float]:
    """The largest difference of two answers by member; infinite if one has more places."""
    if len(a) != len(b):
        return dict.fromkeys(ROUNDING, np.inf)

    def largest(member: str) -> float:
        values = [[np.ravel(place[member]) for place in places] for places in (a, b)]
        apart = np.abs(np.subtract(*values))
        return float((np.minimum(apart, 360 - apart) if member == "rotation" else apart).max())

    return {member: largest(member) for member in ROUNDING}


@dataclass
class Tally:
    """What the clients of one server have seen."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    places: dict[int, Any] = field(default_factory=dict)
    apart: dict[str, float] = field(default_factory=lambda: dict.fromkeys(ROUNDING, 0.0))
    puzzles: dict[str, dict[str, Any]] = field(default_factory=dict)
    pieces: dict[str, dict[str, Any]] = field(default_factory=dict)
    broken: int = 0
    kills: int = 0
    down: bool = False
    lock: threading.Lock = field(default_factory=threading.Lock)

    def located(self, which: int, piece: dict[str, Any]) -> None:
        """Notes a piece; an AssertionError if its photo had other places before."""
        self.pieces[piece["id"]] = piece
        self.compare(which, piece["placements"])

    def compare(self, which: int, found: Any) -> None:
        """Notes a photo's places; an AssertionError if it had others before."""
        apart = differ(self.places.setdefault(which, found), found)
        for member, by in apart.items():
            self.apart[member] = max(self.apart[member], by)
        close = all(apart[member] <= most for member, most in ROUNDING.items())
        assert close, f"photo {which}: places differ by {apart}"
