"""Who may send, how much, from where, and how many at once."""

import threading
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import numpy as np
import pytest
from conftest import HANG
from fastapi import APIRouter, File, UploadFile
from fastapi.testclient import TestClient
from service_support import (
    add_small,
    assert_problem,
    encoded,
    send_photos,
    small_picture,
    small_piece,
)

from heatmap_locator.service.uploads import BODY_FILES, FIELD_BYTES, UploadRoute

WHOLE = encoded(small_picture(), "JPEG")


def test_uploads_over_the_limit(make_client: Callable[..., TestClient]) -> None:
    client = make_client(max_upload_mb=0.1)
    puzzle = add_small(client)["id"]
    large = encoded(np.random.default_rng(0).integers(0, 256, (250, 250, 3), np.uint8))
    assert len(large) > 180_000
    body = assert_problem(client.post("/v1/puzzles", files={"picture": large}), 413, "0.1")
    assert body["type"] == "urn:heatmap-locator:too-large"
    # Under what a body of several files may have, over what one file may.
    assert_problem(send_photos(client, puzzle, large), 413)
    assert_problem(send_photos(client, puzzle, *([bytes(90_000)] * 11)), 413, "0.8 MB")
    huge = {"corners": [[0.0, 0.0]] * 100_000}
    assert_problem(client.put(f"/v1/puzzles/{puzzle}/corners", json=huge), 413)
    assert send_photos(client, puzzle, encoded(small_piece(0, 0))).status_code == 200


@pytest.mark.parametrize(("several", "most"), [(False, 1), (True, BODY_FILES)])
def test_a_new_route_takes_as_much_as_its_files(
    make_client: Callable[..., TestClient], several: bool, most: int
) -> None:
    """The limit of a body is the route's own, whatever its path."""
    client = make_client(max_upload_mb=0.1)
    taken: list[int] = []

    async def one(scan: UploadFile) -> None:
        taken.append(len(await scan.read()))

    async def many(scan: Annotated[list[UploadFile], File()]) -> None:
        taken.append(sum([len(await part.read()) for part in scan]))

    router = APIRouter(route_class=UploadRoute)
    router.post("/scans")(many if several else one)
    client.app.include_router(router)  # type: ignore[attr-defined]
    files = [("scan", ("a.png", bytes(99_000)))] * most
    answer = client.post("/scans", files=files)
    assert answer.status_code == 200, answer.text
    assert taken == [99_000 * most]
    large = [("scan", ("a.png", bytes(99_000)))] * (most + 1)
    assert_problem(client.post("/scans", files=large), 413, f"{most / 10:g} MB")
    assert_problem(client.post("/scans", files={"scan": bytes(101_000)}), 413, "0.1 MB")


@pytest.mark.parametrize(("megabytes", "limit"), [(0.1, FIELD_BYTES), (0.002, 2000)])
def test_fields_beside_a_file_are_small(
    make_client: Callable[..., TestClient], megabytes: float, limit: int
) -> None:
    """No more of a text than FIELD_BYTES, nor than of a file, is kept in memory."""
    client, files = make_client(max_upload_mb=megabytes), {"picture": ("a.jpg", b"x")}
    for size, status in ((limit, 422), (limit + 1, 400)):
        answer = client.post("/v1/puzzles", files=files, data={"name": "x" * size})
        assert_problem(answer, status)


def test_a_body_without_a_length_is_cut_off_while_it_comes(
    make_client: Callable[..., TestClient],
) -> None:
    client = make_client(max_upload_mb=0.1)

    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a"\r\n\r\n'
        for _ in range(50):
            yield bytes(10_000)

    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert_problem(client.post("/v1/puzzles", content=endless(), headers=headers), 413)


def test_the_token_guards_all_of_v1(make_client: Callable[..., TestClient]) -> None:
    client = make_client(token="s3cret")
    wrong: list[dict[str, Any]] = [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic s3cret"},
        {"Authorization": "s3cret"},
        {"Authorization": "Bearer s3cretx"},
        {"Authorization": b"Bearer \xff\xfe"},
    ]
    for headers in wrong:
        for method, path in (("GET", "/v1/puzzles"), ("POST", "/v1/puzzles"), ("GET", "/v1/none")):
            answer = client.request(method, path, headers=headers)
            assert_problem(answer, 401, "Bearer")
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert client.get("/healthz").status_code == 200
    assert client.get("/openapi.json").status_code == 200
    client.headers["Authorization"] = "Bearer s3cret"
    assert add_small(client)["state"] == "ready"


def test_other_origins_are_let_in_only_where_asked(
    make_client: Callable[..., TestClient], tmp_path: Any
) -> None:
    origin = {"Origin": "https://app.example"}
    closed = make_client().get("/v1/puzzles", headers=origin)
    assert "access-control-allow-origin" not in closed.headers
    client = make_client(data=tmp_path / "open", cors=("https://app.example",), token="s3cret")
    asked = client.options(
        "/v1/puzzles",
        headers={
            **origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        },
    )
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == "https://app.example"
    # The browser must be able to read why it is refused.
    refused = client.get("/v1/puzzles", headers=origin)
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == "https://app.example"


def test_a_full_queue_says_when_to_come_again(make_client: Callable[..., TestClient]) -> None:
    client = make_client(queue=2)
    puzzle, photo = add_small(client)["id"], encoded(small_piece(1, 1))
    service = client.app.state.service  # type: ignore[attr-defined]
    with service.room(2):
        for answer in (
            send_photos(client, puzzle, photo),
            client.post("/v1/puzzles", files={"picture": WHOLE}),
            client.put(f"/v1/puzzles/{puzzle}/corners", json={"corners": None}),
        ):
            body = assert_problem(answer, 503, "try again")
            assert body["type"] == "urn:heatmap-locator:queue-full"
            assert int(answer.headers["retry-after"]) >= 1
        assert client.get(f"/v1/puzzles/{puzzle}").status_code == 200
    with service.room(1):
        assert_problem(send_photos(client, puzzle, photo, photo), 503)
        assert send_photos(client, puzzle, photo).status_code == 200
    assert "heatmap_refused_total 4.0" in client.get("/metrics").text


def test_more_clients_than_room(make_client: Callable[..., TestClient]) -> None:
    """Some are turned away, none waits for ever, none gets another's answer."""
    client = make_client(queue=3, batch=2)
    puzzle = add_small(client)["id"]
    cells = [(r, c) for r in range(3) for c in range(4)]
    found: dict[tuple[int, int], Any] = {}

    def ask(cell: tuple[int, int]) -> None:
        found[cell] = send_photos(client, puzzle, encoded(small_piece(*cell)))

    threads = [threading.Thread(target=ask, args=(cell,)) for cell in cells]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG)
    statuses = [answer.status_code for answer in found.values()]
    assert len(statuses) == len(cells)
    assert set(statuses) <= {200, 503}
    assert 200 in statuses
    assert 503 in statuses
    for cell, answer in found.items():
        if answer.status_code == 200:
            assert answer.json()["pieces"][0]["placements"][0]["cell"] == list(cell)


def test_a_puzzle_that_would_take_all_memory(make_client: Callable[..., TestClient]) -> None:
    client = make_client(max_pieces=11)
    for fields in ({"grid": "3x4"}, {"pieces": "12"}):
        answer = client.post("/v1/puzzles", files={"picture": ("a.jpg", WHOLE)}, data=fields)
        assert_problem(answer, 422, "a.jpg: 12 pieces are over this server's limit of 11")
    assert client.get("/v1/puzzles").json() == {"puzzles": []}
    answer = client.post("/v1/puzzles", files={"picture": WHOLE}, data={"grid": "1x11"})
    assert answer.status_code == 201


def test_a_picture_too_long_for_a_jpeg(client: TestClient) -> None:
    long = encoded(np.zeros((10, 65_501, 3), np.uint8))
    answer = client.post("/v1/puzzles", files={"picture": ("a.png", long)}, data={"grid": "1x9"})
    assert_problem(answer, 422, "a.png: a side is over 65500 pixels")
    assert client.get("/v1/puzzles").json() == {"puzzles": []}
