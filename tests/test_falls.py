"""Lines across which light falls: all tried at once, as one by one."""

import math
from itertools import product

import numpy as np
import pytest

from heatmap_locator.outline import falls


def one_by_one(
    level: np.ndarray, where: np.ndarray, angle: float, at: float, turn: float, shift: float
) -> tuple[float, tuple[float, float]]:
    """By how much light falls across a line turned and shifted, and that line."""
    middle = np.array(level.shape[::-1]) / 2
    own = np.array([math.cos(angle), math.sin(angle)])
    foot = middle + (at - middle @ own) * own
    turned = angle + math.radians(turn)
    line = turned, float(foot @ [math.cos(turned), math.sin(turned)]) + shift
    across = falls.changes_across(level, where, line)
    return (-float(np.median(across)) if len(across) >= 12 else 0.0), line


@pytest.mark.parametrize("seed", range(4))
def test_the_steepest_line_is_found_among_all_that_are_tried(seed: int) -> None:
    rng = np.random.default_rng(seed)
    level = rng.normal(0, 0.2, (90, 120)).astype(np.float32)
    where = np.hypot(*np.mgrid[-45:45, -60:60]) < 30 + 10 * seed
    angle, at = float(rng.uniform(-3, 3)), 0.0
    at = float(np.array([60, 45]) @ [math.cos(angle), math.sin(angle)] + rng.uniform(-10, 10))
    best, line = 0.0, (angle, at)
    for turns, shifts in falls._REFINED:
        tried = [one_by_one(level, where, *line, *both) for both in product(turns, shifts)]
        fall, steepest = max(tried, key=lambda one: one[0])
        if fall > best:
            best, line = fall, steepest
    found = falls.refined(level, where, (math.cos(angle), math.sin(angle)), at)
    assert best > 0
    assert found == pytest.approx(line, abs=1e-9)


def test_places_count_where_both_sides_of_the_line_do() -> None:
    level = np.zeros((40, 50), np.float32)
    level[:, 25:] = -1.0
    where = np.ones(level.shape, bool)
    where[:10, :25] = False  # before the line nothing is seen of the uppermost rows
    assert falls.changes_across(level, where, (0.0, 24.5)).tolist() == [-1.0] * 30
    where[12:, 25:] = False
    assert falls.refined(level, where, (1.0, 0.0), 24.5) == (0.0, 24.5)  # too few to tell
