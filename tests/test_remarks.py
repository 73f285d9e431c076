"""What is said of a photo, and what that does to the scores."""

from dataclasses import replace

import numpy as np
import pytest

from heatmap_locator.found import Evidence, Search
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.placement import Placement
from heatmap_locator.search.piece import PreparedPiece, prepare_piece
from heatmap_locator.search.remarks import MOST_CUT_OFF, NAMED, remarked

PLACE = Placement((0, 0, 10, 10), (5.0, 5.0), 30.0, 0.97, (0, 0), (1, 0, 0, 0, 1, 0))


@pytest.fixture(scope="module")
def piece() -> PreparedPiece:
    return prepare_piece(np.full((40, 40, 3), 90, np.uint8), cutout=True)


def answer(logit: float, foreign: float | None, score: float = 0.97) -> Search:
    place, image = replace(PLACE, score=score), np.zeros((4, 4, 3), np.uint8)
    evidence = Evidence((logit, 1.0), 24.0, {})
    mask = np.ones((4, 4), np.float32)
    return Search([place], mask, image, mask, foreign=foreign, evidence=evidence)


def said(piece: PreparedPiece, found: Search, mirror: Search | None) -> Search:
    return remarked(found, piece, OutlineFinder(), lambda places: mirror)


def test_a_mirror_image_that_fits_better_makes_a_sure_answer_unsure(piece: PreparedPiece) -> None:
    found = said(piece, answer(11.0, 0.006), answer(30.0, 1e-6))
    assert found.placements[0].score == MOST_CUT_OFF
    assert found.doubts == ("looks mirrored: its mirror image goes to 5,5",)
    assert found.foreign == 1e-6


def test_one_that_fits_worse_or_is_not_asked_for_changes_nothing(piece: PreparedPiece) -> None:
    for found, mirror in (
        (answer(11.0, 0.006), answer(9.0, 1e-6)),
        (answer(11.0, 0.006), None),
        (answer(11.0, 1e-4), answer(30.0, 1e-6)),
        (answer(11.0, None), answer(30.0, 1e-6)),
    ):
        after = said(piece, found, mirror)
        assert after.doubts == ()
        assert after.placements == found.placements
        assert after.foreign == found.foreign


def test_foreign_photos_are_named_from_their_limit_on(piece: PreparedPiece) -> None:
    assert said(piece, answer(3.0, NAMED, 0.1), None).doubts == ("probably not of this picture",)
    assert said(piece, answer(3.0, NAMED - 0.01, 0.1), None).doubts == ()


def test_what_light_and_edges_do_is_said(piece: PreparedPiece) -> None:
    odd = replace(piece, searched=False, cut_off=True, hidden=0.314, step=0.7)
    assert said(odd, answer(20.0, 1e-6), None).doubts == (
        "its outline runs off the photo",
        "31% of it shows no print",
        "a shadow's edge lies across it",
    )
