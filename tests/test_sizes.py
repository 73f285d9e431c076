"""The number of pieces not given: what a session learns of it."""

import math
import threading

import numpy as np
import pytest

from heatmap_locator.search.sizes import AGREEING, Sizes, about

AREA = 1200.0 * 900


def side_of(pieces: float) -> float:
    return math.sqrt(AREA / pieces)


def test_pieces_that_agree_settle_the_size() -> None:
    sizes = Sizes(AREA, 14)
    assert (sizes.settled, sizes.likely, sizes.estimate) == (None, None, None)
    for n, pieces in enumerate((188, 200, 192, 185), 1):
        sizes.tell(side_of(pieces), 0.97)
        assert (sizes.settled is not None) == (n >= AGREEING)
        assert sizes.estimate == pytest.approx(192, rel=0.05)
    assert sizes.settled == pytest.approx(side_of(192), rel=0.03)


def test_pieces_that_scatter_settle_nothing() -> None:
    sizes = Sizes(AREA, 14)
    for pieces in (24, 1000, 90, 1700, 400, 36, 10, 600):
        sizes.tell(side_of(pieces), 0.99)
        assert sizes.settled is None


def test_unsure_pieces_are_not_heard() -> None:
    sizes = Sizes(AREA, 14)
    for _ in range(20):
        sizes.tell(side_of(500), 0.3)
    assert sizes.estimate is None
    assert sizes.settled is None


def test_a_stray_piece_delays_the_others_but_does_not_outweigh_them() -> None:
    sizes = Sizes(AREA, 14)
    sizes.tell(side_of(1800), 0.99)
    for _ in range(AGREEING):
        sizes.tell(side_of(150), 0.97)
    assert sizes.settled == pytest.approx(side_of(150))


def test_a_size_is_unsettled_by_as_many_that_say_otherwise() -> None:
    sizes = Sizes(AREA, 14)
    for _ in range(AGREEING):
        sizes.tell(side_of(150), 0.97)
    for _ in range(AGREEING):
        sizes.tell(side_of(500), 0.97)
    assert sizes.settled is None
    for _ in range(AGREEING):
        sizes.tell(side_of(500), 0.97)
    assert sizes.settled == pytest.approx(side_of(500))


def test_a_settled_size_stays_as_it_is() -> None:
    """The picture is encoded for it."""
    sizes = Sizes(AREA, 14)
    for pieces in (190, 191, 192, 200, 205, 208):
        sizes.tell(side_of(pieces), 0.95)
    assert sizes.settled == pytest.approx(side_of(191))


def test_fruitless_looks_at_other_sizes_become_rare() -> None:
    sizes = Sizes(AREA, 14)
    looks = [n for n in range(64) if sizes.worth_a_look()]
    assert looks == [0, 2, 6, 14, 30, 62]
    assert sizes.looks == len(looks)


def test_a_size_is_trusted_before_it_is_settled() -> None:
    sizes = Sizes(AREA, 14)
    assert not sizes.trusted
    sizes.tell(side_of(190), 0.6)
    assert not sizes.trusted
    sizes.tell(side_of(195), 0.95)
    assert sizes.trusted
    assert sizes.settled is None
    sizes.tell(side_of(900), 0.95)  # another piece is as sure of another size
    assert not sizes.trusted


def test_threads_may_tell_at_once() -> None:
    sizes = Sizes(AREA, 14)
    rng = np.random.default_rng(0)
    told = [(side_of(p), 0.95) for p in rng.uniform(185, 200, 40)]
    threads = [
        threading.Thread(target=lambda part=told[i::4]: [sizes.tell(*one) for one in part])
        for i in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sizes.settled == pytest.approx(side_of(192), rel=0.05)
    assert sizes.estimate == pytest.approx(192, rel=0.05)


@pytest.mark.parametrize(
    ("pieces", "said"), [(6.2, 6), (24.4, 24), (192.4, 190), (987.0, 990), (2944.0, 2900)]
)
def test_a_number_of_pieces_is_told_to_two_digits(pieces: float, said: int) -> None:
    assert about(pieces) == said
