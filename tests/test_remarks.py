"""What is said of a photo, and what that does to the scores."""

from dataclasses import replace

import numpy as np
import pytest

from heatmap_locator.found import Evidence, Search
from heatmap_locator.outline.by_network import OutlineFinder
from heatmap_locator.placement import Placement
from heatmap_locator.search.piece import PreparedPiece, prepare_piece
from heatmap_locator.search.remarks import (
    CLOSE,
    MOST_CUT_OFF,
    NAMED,
    PERHAPS,
    PLAIN,
    remarked,
)

PLACE = Placement((0, 0, 10, 10), (5.0, 5.0), 30.0, 0.97, (0, 0), (1, 0, 0, 0, 1, 0))


@pytest.fixture(scope="module")
def piece() -> PreparedPiece:
    return prepare_piece(np.full((40, 40, 3), 90, np.uint8), cutout=True)


def answer(logit: float, foreign: float | None, score: float = 0.97, **measures: float) -> Search:
    place, image = replace(PLACE, score=score), np.zeros((4, 4, 3), np.uint8)
    evidence = Evidence((logit, 1.0), 24.0, measures)
    mask = np.ones((4, 4), np.float32)
    return Search([place], mask, image, mask, foreign=foreign, evidence=evidence)


def said(piece: PreparedPiece, found: Search, mirror: Search | None) -> Search:
    return remarked(found, piece, OutlineFinder(), lambda places: mirror)


def test_a_mirror_image_that_fits_better_makes_a_sure_answer_unsure(piece: PreparedPiece) -> None:
    found = said(piece, answer(11.0, 0.006), answer(30.0, 1e-6))
    assert found.placements[0].score == MOST_CUT_OFF
    assert found.doubts == ("looks mirrored: its mirror image goes to 5,5",)
    assert found.foreign == 1e-6


def test_one_that_fits_nearly_as_well_does_too_and_is_no_word_worth(piece: PreparedPiece) -> None:
    for ahead, score in ((CLOSE - 0.1, MOST_CUT_OFF), (CLOSE + 0.1, 0.97)):
        found = said(piece, answer(11.0, 0.006), answer(11.0 - ahead, 1e-6))
        assert (found.placements[0].score, found.doubts) == (score, ())
        assert found.evidence is not None
        assert found.evidence.measures["rival"] == pytest.approx(ahead)
    # Nor is one that fits a little better, as symmetrical print does, or is not sure itself.
    little = answer(11.0 + CLOSE - 0.1, 1e-6)
    for mirror in (little, answer(30.0, 1e-6, 0.4)):
        unsure = said(piece, answer(11.0, 0.006), mirror)
        assert unsure.placements[0].score == MOST_CUT_OFF
        assert unsure.foreign == 0.006
        assert unsure.doubts == ()


def test_where_it_is_not_asked_for_nothing_changes(piece: PreparedPiece) -> None:
    better = answer(30.0, 1e-6)
    for found, mirror in (
        (answer(11.0, 0.006), None),
        (answer(11.0, 1e-4), better),
        (answer(11.0, None), better),
    ):
        after = said(piece, found, mirror)
        assert after.doubts == ()
        assert after.placements == found.placements
        assert after.foreign == found.foreign


def test_foreign_photos_are_named_as_surely_as_they_can_be_told(piece: PreparedPiece) -> None:
    def doubts(foreign: float, **measures: float) -> tuple[str, ...]:
        return said(piece, answer(3.0, foreign, 0.1, **measures), None).doubts

    for texture in (PLAIN - 0.1, PLAIN + 0.1):
        assert doubts(NAMED, texture=texture) == ("probably not of this picture",)
        assert doubts(PERHAPS - 0.01, texture=texture) == ()
    assert doubts(PERHAPS, texture=PLAIN + 0.1) == ("perhaps not of this picture",)
    assert doubts(NAMED - 0.01) == ("perhaps not of this picture",)
    assert doubts(NAMED - 0.01, texture=PLAIN - 0.1) == (
        "perhaps not of this picture: too plain a print to tell",
    )


def test_what_light_and_edges_do_is_said(piece: PreparedPiece) -> None:
    odd = replace(piece, searched=False, cut_off=True, hidden=0.314, step=0.7)
    assert said(odd, answer(20.0, 1e-6), None).doubts == (
        "its outline runs off the photo",
        "31% of it shows no print",
        "a shadow's edge lies across it",
    )
