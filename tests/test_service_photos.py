"""Photos and pictures as people send them: turned, moving, of many pieces, oddly named."""

import numpy as np
import pytest
from conftest import draw_texture
from fastapi.testclient import TestClient
from PIL import Image
from service_support import (
    CELL,
    COLS,
    ROWS,
    add_small,
    assert_problem,
    encoded,
    send_photos,
    small_picture,
    small_piece,
    wait_ready,
)


def test_many_pieces_in_one_photo(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    table = np.zeros((260, 420, 4), np.uint8)
    for number, (row, col) in enumerate(((0, 0), (1, 3), (2, 1))):
        table[80:170, 20 + number * 130 : 110 + number * 130] = small_piece(row, col)
    photo = np.where(table[..., 3:] > 127, table[..., :3], 255).astype(np.uint8)
    answer = send_photos(client, puzzle, encoded(photo), many="true")
    assert answer.status_code == 200, answer.text
    pieces = answer.json()["pieces"]
    assert len(pieces) == 3
    for piece in pieces:
        number = int(piece["box_in_photo"][0] // 130)
        assert piece["placements"][0]["cell"] == [[0, 0], [1, 3], [2, 1]][number]
        assert client.get(piece["links"]["photo"]).content == encoded(photo)
    # The photo stays until the last of its pieces goes.
    for piece in pieces[:2]:
        client.delete(piece["links"]["self"])
    assert client.get(pieces[2]["links"]["photo"]).status_code == 200


def test_a_photo_without_a_piece(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    empty = encoded(np.full((200, 200, 3), 180, np.uint8))
    body = assert_problem(send_photos(client, puzzle, empty), 422)
    assert body["type"] == "urn:heatmap-locator:no-piece"
    assert body["detail"].startswith("0.png: ")


def test_names_are_kept_as_text(client: TestClient) -> None:
    puzzle = add_small(client, name="<script>alert(1)</script>\r\n\x07 ☃")
    assert puzzle["name"] == "<script>alert(1)</script> ☃"
    files = [("photos", ("../../etc/<b>passwd.png", encoded(small_piece(0, 0))))]
    answer = client.post(f"/v1/puzzles/{puzzle['id']}/locate", files=files)
    assert answer.json()["pieces"][0]["photo"].endswith("<b>passwd.png")


def test_the_picture_is_turned_as_exif_says(client: TestClient) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = np.rot90(small_picture())
    files = {"picture": ("phone.jpg", encoded(turned, "JPEG", exif=exif.tobytes(), quality=95))}
    puzzle = client.post("/v1/puzzles", files=files, data={"grid": "3x4"}).json()
    assert (puzzle["width"], puzzle["height"]) == (COLS * CELL, ROWS * CELL)


def test_the_first_frame_of_an_animation_counts(client: TestClient) -> None:
    frames = [Image.fromarray(small_picture(seed)) for seed in (5, 6, 7)]
    from io import BytesIO

    file = BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    files = {"picture": ("moving.webp", file.getvalue())}
    puzzle = client.post("/v1/puzzles", files=files, data={"grid": "3x4"}).json()
    wait_ready(client, puzzle["id"])
    (piece,) = send_photos(client, puzzle["id"], encoded(small_piece(2, 2))).json()["pieces"]
    assert piece["placements"][0]["cell"] == [2, 2]


def test_texture_without_grid_is_searched(client: TestClient) -> None:
    picture = draw_texture(120, 160, 5)
    files = {"picture": ("small.png", encoded(picture))}
    puzzle = wait_ready(client, client.post("/v1/puzzles", files=files).json()["id"])
    (piece,) = send_photos(client, puzzle["id"], encoded(small_piece(1, 1))).json()["pieces"]
    first = piece["placements"][0]
    assert first["cell"] is None
    assert first["center"] == pytest.approx([1.5 * CELL, 1.5 * CELL], abs=CELL / 2)
