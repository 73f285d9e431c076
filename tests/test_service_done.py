"""A photo of the half-done puzzle over HTTP: pieces go into the cells that it shows open."""

import io
from typing import Any

import numpy as np
import pytest
from done_support import OPEN, half_done_photo
from fastapi.testclient import TestClient
from PIL import Image
from service_support import (
    add_small,
    assert_problem,
    encoded,
    send_photos,
    settled_pieces,
    small_picture,
    small_piece,
    wait_ready,
)

from heatmap_locator.service import schemas
from heatmap_locator.service.squaring import grid_of

PHOTO = encoded(half_done_photo(small_picture()))


def give_done(client: TestClient, puzzle: str, photo: bytes = PHOTO) -> Any:
    files = {"photo": ("done.png", photo)}
    return client.put(f"/v1/puzzles/{puzzle}/done", files=files)


def known_done(client: TestClient, puzzle: str) -> dict[str, Any]:
    """The puzzle once it is encoded with the photo of what is done."""
    answer = give_done(client, puzzle)
    assert answer.status_code == 200, answer.text
    schemas.Puzzle.model_validate(answer.json())
    return wait_ready(client, puzzle)


def test_pieces_go_into_open_cells_alone(client: TestClient) -> None:
    puzzle = add_small(client)
    assert puzzle["open"] is None
    assert puzzle["links"]["done"] is None
    own, other = encoded(small_piece(1, 2)), encoded(small_piece(0, 0))
    before = send_photos(client, puzzle["id"], own, other).json()["pieces"]
    assert [piece["placements"][0]["cell"] for piece in before] == [[1, 2], [0, 0]]
    assert "open" not in before[0]["placements"][0]["why"]
    known = known_done(client, puzzle["id"])
    assert known["open"] == [list(cell) for cell in OPEN]
    first, second = settled_pieces(client, puzzle["id"])
    assert first["placements"][0]["cell"] == [1, 2]
    assert first["placements"][0]["why"]["open"] > 1
    # Its own print lies in a cell that is done.
    assert {tuple(p["cell"]): p["why"]["open"] for p in second["placements"]}[0, 0] < -3
    solved = client.post(f"/v1/puzzles/{puzzle['id']}/solve").json()["assignments"]
    assert solved[0]["cell"] == [1, 2]
    assert solved[1]["cell"] is None or tuple(solved[1]["cell"]) in OPEN
    (third,) = send_photos(client, puzzle["id"], encoded(small_piece(2, 2))).json()["pieces"]
    assert third["placements"][0]["cell"] == [2, 2]


def test_the_photo_is_kept_and_let_go(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    known = known_done(client, puzzle)
    here = known["links"]["done"]
    assert client.get(here).content == PHOTO
    smaller = half_done_photo(small_picture(), OPEN[:1])
    assert give_done(client, puzzle, encoded(smaller)).json()["open"] == [list(OPEN[0])]
    shown = Image.open(io.BytesIO(client.get(f"{here}?shown=true").content))
    assert shown.size == smaller.shape[1::-1]
    gone = client.delete(here)
    assert gone.status_code == 200
    assert gone.json()["open"] is None
    assert wait_ready(client, puzzle)["links"]["done"] is None
    assert_problem(client.get(here), 404, "no done of it")
    assert client.delete(here).status_code == 200
    service = client.app.state.service  # type: ignore[attr-defined]
    kept = service.storage.puzzle(puzzle)["files"]
    names = {path.name for path in (service.storage.folder / "puzzles" / puzzle).iterdir()}
    assert not [name for name in names if name.startswith("done")]
    assert set(kept.values()) <= names


def test_what_is_placed_stays(client: TestClient) -> None:
    """Its cell is not open in the photo, as it lies there."""
    puzzle = add_small(client)["id"]
    photos = [encoded(small_piece(*cell)) for cell in ((0, 0), (1, 2))]
    placed, _ = send_photos(client, puzzle, *photos).json()["pieces"]
    place = placed["placements"][0]
    said = {"placed": True, "chosen": place["center"]}
    assert client.patch(placed["links"]["self"], json=said).status_code == 200
    known_done(client, puzzle)
    still, loose = settled_pieces(client, puzzle)
    assert still["placements"][0] == place
    assert loose["placements"][0]["why"]["open"] > 1
    solved = client.post(f"/v1/puzzles/{puzzle}/solve").json()["assignments"]
    assert [one["cell"] for one in solved] == [[0, 0], [1, 2]]


def test_it_is_read_again_in_another_picture(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    known_done(client, puzzle)
    corners = [[0, 0], [160, 0], [160, 120], [0, 120]]
    squared = client.put(f"/v1/puzzles/{puzzle}/corners", json={"corners": corners}).json()
    assert squared["open"] == [list(cell) for cell in OPEN]
    # A part of the table, or another number of pieces that is not known: nothing to lay it on.
    unknown = client.patch(f"/v1/puzzles/{puzzle}", json={"pieces": None}).json()
    assert unknown["open"] is None
    assert unknown["links"]["done"] is None
    wait_ready(client, puzzle)


@pytest.mark.parametrize(
    ("photo", "status", "said"),
    [
        (b"no image", 415, "done.png"),
        (encoded(np.full((300, 400, 3), 140, np.uint8)), 422, "no finished part of the picture"),
        (encoded(small_picture(77)), 422, "done.png: no finished part"),
    ],
)
def test_a_photo_of_something_else_changes_nothing(
    client: TestClient, photo: bytes, status: int, said: str
) -> None:
    puzzle = add_small(client)
    assert_problem(give_done(client, puzzle["id"], photo), status, said)
    assert client.get(puzzle["links"]["self"]).json() == puzzle
    assert_problem(give_done(client, "A" * 22), 404, "no such puzzle")


def test_it_needs_the_cells(client: TestClient) -> None:
    files = {"picture": ("small.png", encoded(small_picture()))}
    puzzle = client.post("/v1/puzzles", files=files).json()["id"]
    wait_ready(client, puzzle)
    assert_problem(give_done(client, puzzle), 409, "grid is not known")


def test_only_rows_and_columns_that_were_given_are_exact() -> None:
    for given, exact in (([5, 6], True), (None, False)):
        size = {"width": 600, "height": 500}
        grid = grid_of({"grid": [5, 6], "asked": {"pieces": 30, "grid": given}, **size})
        assert grid is not None
        assert (grid.rows, grid.cols, grid.exact) == (5, 6, exact)
        assert [(cut.rows, cut.cols) for cut in grid.likely] == ([] if exact else [(5, 6)])
    assert grid_of({"grid": None, "asked": {"grid": None}}) is None
