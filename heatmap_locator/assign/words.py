"""What neighbours say of what a cell may hold: every side at once, where it may meet many.

Sides lie side by side here, not piece by piece: first of all pieces, then the next, so that turning
every piece is moving whole rows.  Cells are taken a few at a time, which stay in a processor's
cache while their words are made up.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from heatmap_locator.assign.fit import Fit
from heatmap_locator.assign.shapes import BLANK, KNOB

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

HEARD = 1e-5
"""Probability of a side, by its trust, below which it counts by its kind alone."""

_AT_ONCE = 2**17
"""Numbers that are worked on at once: half a megabyte.  Of 2**15 to 2**19 the fastest, or within a
tenth of it (``train/LOG.md``)."""

_DENSE = 0.1
"""Share of sides that are heard from which they are taken for all: a sparse matrix times a dense
one is ten times as fast for each product as times a sparse one."""


class Words:
    """A fit, ready to be asked by cells of which only probabilities are known.

    Args:
        fit: of the sides of N pieces.
    """

    def __init__(self, fit: Fit) -> None:
        count = len(fit.kinds) // 4
        order = (4 * np.arange(count) + np.arange(4)[:, None]).ravel()
        kinds, trust = fit.kinds[order], fit.trust[order].astype(np.float32)
        # What is met in all, knobs, and blanks; and what each of these says to every side.
        self._met = np.stack([trust, trust * (kinds == KNOB), trust * (kinds == BLANK)], axis=1)
        better = np.float32(fit.unfit - fit.clash)
        says = [np.full(len(kinds), fit.clash - 1.0), better * (kinds == BLANK)]
        says.append(better * (kinds == KNOB))
        self._says = (np.stack(says) * trust).astype(np.float32)
        self._trust = trust
        ratios = fit.ratios[order][:, order]
        ratios.data = ratios.data * trust[ratios.indices]
        self._ratios: csr_matrix = ratios
        self._columns: csr_matrix = ratios.T.tocsr()

    def said(self, shown: np.ndarray) -> np.ndarray:
        """Log likelihood ratios of every side where it meets one of which only probabilities are
        known.

        Args:
            shown: (A, 4, N) float32 probabilities of the sides that are met; the rest of 1 is no
                side.

        Returns:
            (A, 4, N) float32.
        """
        from scipy.sparse import csr_matrix  # here: it takes a while to load

        flat = shown.reshape(len(shown), -1)
        found: np.ndarray = (flat @ self._met) @ self._says
        believed = flat * self._trust
        some = believed > HEARD
        at = np.flatnonzero(some)
        if len(at) > _DENSE * flat.size:
            believed *= some
            found += (self._columns @ np.ascontiguousarray(believed.T)).T
        else:
            row, side = np.divmod(at, flat.shape[1])
            start = np.searchsorted(row, np.arange(len(flat) + 1))
            near = csr_matrix((believed.ravel()[at], side, start), shape=flat.shape)
            found += (near @ self._ratios).toarray()
        np.maximum(found, np.float32(-1 + 1e-6), out=found)
        np.log1p(found, out=found)
        return found.reshape(shown.shape)


def parts(cells: int, pieces: int) -> Iterator[slice]:
    """Of the cells, a few at a time."""
    step = max(1, _AT_ONCE // max(4 * pieces, 1))
    for start in range(0, cells, step):
        yield slice(start, min(start + step, cells))
