"""The API's routes, as a program uses them."""

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from service_support import (
    CELL,
    COLS,
    EXAMPLES,
    ROWS,
    add_small,
    assert_problem,
    encoded,
    send_photos,
    small_picture,
    small_piece,
    wait_ready,
)

from heatmap_locator import Locator
from heatmap_locator.geometry import angle_difference
from heatmap_locator.service import schemas


def events(text: str) -> list[tuple[str, Any]]:
    """(kind, data) of every server-sent event."""
    found = []
    for block in re.split(r"\r?\n\r?\n", text):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"])))
    return found


def test_the_examples_are_found(make_client: Callable[..., TestClient]) -> None:
    """The shipped weights, over HTTP, as the README shows."""
    client = make_client(Locator.from_pretrained(device="cpu"))
    answer = client.post(
        "/v1/puzzles",
        files={"picture": ("puzzle.jpg", (EXAMPLES / "puzzle.jpg").read_bytes())},
        data={"pieces": "192", "name": "Village"},
    )
    assert answer.status_code == 201
    puzzle = answer.json()
    schemas.Puzzle.model_validate(puzzle)
    assert puzzle["name"] == "Village"
    assert puzzle["grid"] == {"rows": 12, "cols": 16}
    assert answer.headers["location"] == puzzle["links"]["self"]
    located = client.post(
        f"/v1/puzzles/{puzzle['id']}/locate",
        files=[("photos", ("piece1.jpg", (EXAMPLES / "piece1.jpg").read_bytes()))],
        data={"top": "3"},
    )
    assert located.status_code == 200, located.text
    (piece,) = located.json()["pieces"]
    truth = json.loads((EXAMPLES / "truth.json").read_text())["piece1.jpg"]
    first = piece["placements"][0]
    side = truth["box"][2] - truth["box"][0]
    for at in range(4):
        assert abs(first["box"][at] - truth["box"][at]) < side / 2
    assert abs(angle_difference(first["rotation"], truth["rotation"])) < 15
    assert first["cell"] == truth["cell"]
    assert len(piece["placements"]) == 3
    assert piece["photo"] == "piece1.jpg"


def test_a_puzzle_from_first_to_last(client: TestClient) -> None:
    puzzle = add_small(client, name="Small")
    assert (puzzle["width"], puzzle["height"]) == (COLS * CELL, ROWS * CELL)
    assert puzzle["pieces"] == ROWS * COLS
    assert puzzle["state"] == "ready"
    assert client.get("/v1/puzzles").json() == {"puzzles": [puzzle]}
    here = puzzle["links"]["self"]
    for role, kind in (("picture", "jpeg"), ("thumbnail", "jpeg"), ("original", "png")):
        answer = client.get(puzzle["links"][role])
        assert answer.headers["content-type"] == f"image/{kind}"
        assert answer.headers["x-content-type-options"] == "nosniff"
    assert client.get(f"{here}/original").content == encoded(small_picture())
    assert client.delete(here).status_code == 204
    assert_problem(client.get(here), 404, "no such puzzle")
    assert_problem(client.delete(here), 404)
    assert client.get("/v1/puzzles").json() == {"puzzles": []}


def test_pieces_are_located_and_kept(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    photos = [encoded(small_piece(r, c, turn)) for r, c, turn in ((0, 1, 0), (2, 3, 90))]
    answer = send_photos(client, puzzle, *photos, top="2")
    assert answer.status_code == 200, answer.text
    schemas.Located.model_validate(answer.json())
    first, second = answer.json()["pieces"]
    assert [first["photo"], second["photo"]] == ["0.png", "1.png"]
    assert first["placements"][0]["cell"] == [0, 1]
    assert second["placements"][0]["cell"] == [2, 3]
    assert abs(angle_difference(second["placements"][0]["rotation"], 90)) < 8
    assert len(first["placements"]) == 2
    assert client.get(f"/v1/puzzles/{puzzle}/pieces").json()["pieces"] == [first, second]
    assert client.get(first["links"]["self"]).json() == first
    assert client.get(f"/v1/puzzles/{puzzle}").json()["piece_count"] == 2
    assert client.get(first["links"]["photo"]).content == photos[0]
    assert client.delete(first["links"]["self"]).status_code == 204
    assert_problem(client.get(first["links"]["self"]), 404, "no such piece")
    assert client.get(f"/v1/puzzles/{puzzle}/pieces").json()["pieces"] == [second]


def test_answers_are_those_of_the_library(client: TestClient, plain_locator: Locator) -> None:
    puzzle = add_small(client)["id"]
    found = plain_locator.encode(small_picture(), grid=(ROWS, COLS))
    photo = small_piece(1, 2, 30)
    (piece,) = send_photos(client, puzzle, encoded(photo), top="3").json()["pieces"]
    assert piece["placements"] == [p.to_dict() for p in found.locate(photo, top=3)]


def test_pictures_of_a_piece(client: TestClient) -> None:
    puzzle = add_small(client)
    (piece,) = send_photos(client, puzzle["id"], encoded(small_piece(1, 1, 45))).json()["pieces"]

    def image(role: str) -> Image.Image:
        answer = client.get(piece["links"][role])
        assert answer.headers["content-type"] == "image/png"
        from io import BytesIO

        return Image.open(BytesIO(answer.content))

    cut, heat, overlay = image("image"), image("heatmap"), image("overlay")
    assert cut.mode == "RGBA"
    assert heat.mode == "L"
    assert heat.width / heat.height == pytest.approx(COLS / ROWS, rel=0.1)
    assert overlay.width > puzzle["width"]
    # The transform puts the cut-out's middle into the middle of its box.
    alpha = np.asarray(cut)[..., 3] > 127
    ys, xs = np.nonzero(alpha)
    matrix = np.reshape(piece["transforms"][0], (2, 3))
    x, y = matrix @ [xs.mean() + 0.5, ys.mean() + 0.5, 1]
    centre = piece["placements"][0]["center"]
    assert abs(x - centre[0]) < 2
    assert abs(y - centre[1]) < 2
    # The outline lies on the cut-out's edge, in the photo's pixels.
    x1, y1, x2, y2 = piece["box_in_photo"]
    assert (x2 - x1, y2 - y1) == pytest.approx((np.ptp(xs) + 1, np.ptp(ys) + 1), abs=1.01)
    outline = np.array(piece["outline"])
    assert outline.min(0) == pytest.approx([x1 + 0.5, y1 + 0.5], abs=0.6)


def test_a_photo_that_fails_does_not_take_the_others_with_it(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    answer = send_photos(client, puzzle, b"no image", encoded(small_piece(0, 0)))
    assert answer.status_code == 200
    bad, good = answer.json()["pieces"]
    assert bad["state"] == "failed"
    assert "0.png: not an image" in bad["error"]
    assert bad["links"]["image"] is None
    assert good["state"] == "located"
    assert len(client.get(f"/v1/puzzles/{puzzle}/pieces").json()["pieces"]) == 2


def test_nothing_is_kept_where_every_photo_fails(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    assert_problem(send_photos(client, puzzle, b"no image"), 415, "0.png")
    cut = encoded(small_piece(0, 0))[:200]
    body = assert_problem(send_photos(client, puzzle, b"no image", cut), 422, "1.png")
    assert "0.png" in body["detail"]
    assert client.get(f"/v1/puzzles/{puzzle}/pieces").json() == {"pieces": []}


def test_pieces_are_streamed(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    files = [("photos", (f"{n}.png", encoded(small_piece(n, 0)))) for n in range(2)]
    files.append(("photos", ("bad.png", b"no image")))
    answer = client.post(
        f"/v1/puzzles/{puzzle}/locate", files=files, headers={"Accept": "text/event-stream"}
    )
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = events(answer.text)
    assert [kind for kind, _ in found] == ["piece"] * 3 + ["done"]
    assert found[-1][1] == {"puzzle": puzzle, "pieces": 3, "failed": 1}
    states = {data["photo"]: data["state"] for kind, data in found if kind == "piece"}
    assert states == {"0.png": "located", "1.png": "located", "bad.png": "failed"}
    kept = client.get(f"/v1/puzzles/{puzzle}/pieces").json()["pieces"]
    assert {p["id"] for p in kept} == {data["id"] for kind, data in found if kind == "piece"}


def test_solve_gives_each_piece_a_cell_of_its_own(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    cells = [(0, 0), (1, 2), (2, 3)]
    photos = [encoded(small_piece(r, c)) for r, c in cells]
    pieces = send_photos(client, puzzle, *photos, photos[0]).json()["pieces"]
    answer = client.post(f"/v1/puzzles/{puzzle}/solve")
    assert answer.status_code == 200, answer.text
    solved = answer.json()
    schemas.Solution.model_validate(solved)
    assert [entry["piece"] for entry in solved["assignments"]] == [p["id"] for p in pieces]
    taken = [tuple(entry["cell"]) for entry in solved["assignments"]]
    assert len(set(taken)) == 4
    assert taken[1:3] == cells[1:]
    assert cells[0] in (taken[0], taken[3])
    unsure = [e["piece"] for e in solved["assignments"] if not e["sure"]]
    assert solved["unsure"] == unsure


def test_solve_needs_a_grid(client: TestClient) -> None:
    files = {"picture": ("small.png", encoded(small_picture()))}
    puzzle = client.post("/v1/puzzles", files=files).json()
    assert puzzle["grid"] is None
    assert puzzle["pieces"] is None
    wait_ready(client, puzzle["id"])
    assert_problem(client.post(f"/v1/puzzles/{puzzle['id']}/solve"), 409, "grid is not known")


def test_corners_square_the_picture_up(client: TestClient) -> None:
    wide = np.full((240, 320, 3), 200, np.uint8)
    wide[60:180, 80:240] = small_picture()
    corners = [[80, 60], [240, 60], [240, 180], [80, 180]]
    answer = client.post(
        "/v1/puzzles",
        files={"picture": ("table.png", encoded(wide))},
        data={"grid": "3x4", "corners": json.dumps(corners)},
    )
    assert answer.status_code == 201, answer.text
    puzzle = wait_ready(client, answer.json()["id"])
    assert puzzle["original"] == {"width": 320, "height": 240}
    assert puzzle["width"] / puzzle["height"] == pytest.approx(4 / 3, rel=0.03)
    (piece,) = send_photos(client, puzzle["id"], encoded(small_piece(1, 2))).json()["pieces"]
    assert piece["placements"][0]["cell"] == [1, 2]


@pytest.mark.slow
def test_new_corners_locate_the_pieces_anew(client: TestClient) -> None:
    wide = np.full((240, 320, 3), 200, np.uint8)
    wide[60:180, 80:240] = small_picture()
    files = {"picture": ("table.png", encoded(wide))}
    answer = client.post("/v1/puzzles", files=files, data={"grid": "3x4"})
    puzzle = wait_ready(client, answer.json()["id"])
    here = puzzle["links"]["self"]
    square = encoded(small_piece(0, 3))
    (before,) = send_photos(client, puzzle["id"], square, cutout="true").json()["pieces"]
    corners = [[80, 60], [240, 60], [240, 180], [80, 180]]
    answer = client.put(f"{here}/corners", json={"corners": corners})
    assert answer.status_code == 200, answer.text
    assert answer.json()["state"] == "encoding"
    assert answer.json()["corners"] == corners
    wait_ready(client, puzzle["id"])
    after = client.get(before["links"]["self"]).json()
    assert after["state"] == "located"
    assert after["placements"] != before["placements"]
    assert after["placements"][0]["cell"] == [0, 3]
    assert client.get(after["links"]["overlay"]).status_code == 200
    undone = client.put(f"{here}/corners", json={"corners": None}).json()
    assert (undone["width"], undone["height"]) == (320, 240)


def test_events_begin_with_the_puzzle_and_end_with_it(client: TestClient) -> None:
    puzzle = add_small(client)
    service = client.app.state.service  # type: ignore[attr-defined]
    portal = client.portal
    assert portal is not None
    publish = service.events.publish

    def at_once(kind: str, data: dict[str, Any]) -> None:
        # The stream of the test client is only read once it has ended.
        async def soon() -> None:
            import asyncio

            while not service.events.count:
                await asyncio.sleep(0.01)
            publish(puzzle["id"], kind, data)
            publish(puzzle["id"], "removed", {"id": puzzle["id"]})

        portal.start_task_soon(soon)

    at_once("piece", {"id": "x"})
    answer = client.get(puzzle["links"]["events"])
    found = events(answer.text)
    assert found[0] == ("puzzle", puzzle)
    assert found[1:] == [("piece", {"id": "x"}), ("removed", {"id": puzzle["id"]})]
    assert service.events.count == 0
