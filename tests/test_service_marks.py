"""What people say of pieces and puzzles: placed, wrong, another number of pieces."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from service_support import (
    add_small,
    assert_problem,
    encoded,
    keep_photos,
    send_photos,
    settled_pieces,
    small_piece,
    small_table,
    wait_ready,
)


def locate(client: TestClient, puzzle: str, *cells: tuple[int, int]) -> list[dict[str, Any]]:
    photos = [encoded(small_piece(*cell)) for cell in cells]
    found: list[dict[str, Any]] = send_photos(client, puzzle, *photos).json()["pieces"]
    return found


def change(client: TestClient, piece: dict[str, Any], **said: Any) -> Any:
    return client.patch(piece["links"]["self"], json=said)


def test_a_wrong_place_is_not_offered_again(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    piece, other = locate(client, puzzle, (1, 2), (0, 1))
    first, second = piece["placements"][:2]
    changed = change(client, piece, rejected=[first["center"]]).json()
    assert changed["placements"][0]["cell"] == second["cell"]
    assert first["cell"] not in [place["cell"] for place in changed["placements"]]
    assert len(changed["transforms"]) == len(changed["placements"])
    assert client.get(piece["links"]["self"]).json() == changed
    solved = client.post(f"/v1/puzzles/{puzzle}/solve").json()["assignments"]
    cells = {one["piece"]: one["cell"] for one in solved}
    assert cells[other["id"]] == [0, 1]
    assert cells[piece["id"]] != first["cell"]
    # Nor when it is searched anew, in a picture of another size.
    corners = [[0, 0], [160, 0], [160, 119], [0, 119]]
    assert client.put(f"/v1/puzzles/{puzzle}/corners", json={"corners": corners}).status_code == 200
    wait_ready(client, puzzle)
    again = client.get(piece["links"]["self"]).json()
    assert first["cell"] not in [place["cell"] for place in again["placements"]]
    back = change(client, piece, rejected=[]).json()
    assert back["placements"][0]["cell"] == first["cell"]


def test_a_placed_piece_keeps_its_place(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    piece, twin = locate(client, puzzle, (1, 2), (1, 2))
    second = piece["placements"][1]
    changed = change(client, piece, placed=True, chosen=second["center"]).json()
    assert changed["placed"]
    assert changed["placements"][0]["cell"] == second["cell"]
    solved = client.post(f"/v1/puzzles/{puzzle}/solve").json()["assignments"]
    by_piece = {one["piece"]: one for one in solved}
    assert by_piece[piece["id"]]["cell"] == second["cell"]
    assert by_piece[twin["id"]]["cell"] == [1, 2]
    assert not change(client, piece, placed=False, chosen=None).json()["placed"]


@pytest.mark.parametrize(
    ("said", "status", "why"),
    [
        ({"chosen": [5000, 5000]}, 422, "none of the piece's places"),
        ({"rejected": [[1e9, 0]]}, 422, "pixels of the picture"),
        ({"many": True, "placed": True}, 422, "give many alone"),
        ({"chosen": ["1", True]}, 422, "valid number"),
        ({"colour": "red"}, 422, "colour"),
        ({"placed": "yes"}, 422, "placed"),
    ],
)
def test_what_cannot_be_said_of_a_piece(
    client: TestClient, said: dict[str, Any], status: int, why: str
) -> None:
    puzzle = add_small(client)["id"]
    (piece,) = locate(client, puzzle, (1, 2))
    assert_problem(change(client, piece, **said), status, why)
    assert client.get(piece["links"]["self"]).json() == piece


def test_a_place_is_not_chosen_and_rejected(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    (piece,) = locate(client, puzzle, (1, 2))
    first, second = (place["center"] for place in piece["placements"][:2])
    denied = 422, "chosen: that place is one of those in rejected"
    near = [first[0] + 3.0, first[1] - 2.0]
    for said in ({"chosen": first, "rejected": [second, first]}, {"chosen": first, "placed": True}):
        said = {"rejected": [near], **said}
        assert_problem(change(client, piece, **said), *denied)
        assert client.get(piece["links"]["self"]).json() == piece
    # What was said before counts as well, until it is taken back.
    placed = change(client, piece, placed=True, chosen=first).json()
    assert_problem(change(client, piece, rejected=[near]), *denied)
    assert client.get(piece["links"]["self"]).json() == placed
    assert change(client, piece, rejected=[near], chosen=second).status_code == 200
    assert_problem(change(client, piece, chosen=first), *denied)
    assert change(client, piece, rejected=[], chosen=first).json() == placed


def test_one_of_a_few_places_holds_until_one_of_them_is_wrong(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    (piece,) = locate(client, puzzle, (1, 2))
    service = client.app.state.service  # type: ignore[attr-defined]
    service.storage.update_piece(puzzle, piece["id"], {"one_of": 3})
    assert client.get(piece["links"]["self"]).json()["one_of"] == 3
    wrong = [piece["placements"][1]["center"]]
    assert change(client, piece, rejected=wrong).json()["one_of"] is None
    assert change(client, piece, rejected=[]).json()["one_of"] == 3


@pytest.mark.slow
def test_all_pieces_of_a_photo_are_found_on_request(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    cells = [(0, 1), (1, 2), (2, 0)]
    table = small_table(*cells, degrees=0)
    (piece,) = send_photos(client, puzzle, table, many="true").json()["pieces"][:1]
    assert_problem(change(client, piece, many=True), 409, "searched for all pieces")
    other = add_small(client, 5)["id"]
    kept = keep_photos(client, other, table, encoded(small_piece(2, 2)))
    first, single = kept.json()["pieces"]
    settled_pieces(client, other)
    answer = change(client, first, many=True).json()
    assert (answer["id"], answer["state"]) == (first["id"], "waiting")
    pieces = settled_pieces(client, other)
    of_table = [piece for piece in pieces if piece["photo_id"] == first["photo_id"]]
    assert sorted(p["placements"][0]["cell"] for p in of_table) == [list(cell) for cell in cells]
    assert sorted(piece["number"] for piece in pieces) == [1, 2, 3, 4]
    # One that shows no more than its piece keeps the answer that it had.
    known = client.get(single["links"]["self"]).json()
    assert change(client, single, many=True).json()["placements"] == []
    settled_pieces(client, other)
    assert client.get(single["links"]["self"]).json()["placements"] == known["placements"]


@pytest.mark.slow
def test_name_and_number_of_pieces_are_changed(client: TestClient) -> None:
    made = add_small(client, name="Lake")
    address, puzzle = made["links"]["self"], made["id"]
    (piece,) = locate(client, puzzle, (1, 2))
    assert change(client, piece, placed=True).status_code == 200
    renamed = client.patch(address, json={"name": " Sea  side "}).json()
    assert (renamed["name"], renamed["state"]) == ("Sea side", "ready")
    finer = client.patch(address, json={"grid": "6x8"}).json()
    assert finer["grid"] == {"rows": 6, "cols": 8}
    wait_ready(client, puzzle)
    again = client.get(piece["links"]["self"]).json()
    assert again["state"] == "located"  # looked up again
    assert again["placed"]
    unknown = client.patch(address, json={"pieces": None}).json()
    assert (unknown["grid"], unknown["pieces"]) == (None, None)
    wait_ready(client, puzzle)
    counted = client.patch(address, json={"pieces": 12}).json()
    assert counted["grid"] == {"rows": 3, "cols": 4}
    wait_ready(client, puzzle)
    assert client.get(piece["links"]["self"]).json()["placements"][0]["cell"] == [1, 2]
    assert_problem(client.patch(address, json={"pieces": 12, "grid": "3x4"}), 422, "not both")
    assert_problem(client.patch(address, json={"grid": "none"}), 422)
    for number in (0, True, "12", 12.0):
        assert_problem(client.patch(address, json={"pieces": number}), 422)
    assert client.get(address).json()["pieces"] == 12
