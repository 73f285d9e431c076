"""Uploads that are wrong, damaged, too large or too many: a reason, and the next is answered."""

import io
import json
import struct
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from service_support import (
    add_small,
    assert_problem,
    encoded,
    send_photos,
    small_picture,
    small_piece,
    worked,
)

from heatmap_locator.errors import InputError
from heatmap_locator.service.images import Decoders, DecodeTimeoutError, UnsupportedError


def png_of_size(width: int, height: int) -> bytes:
    """A small file whose header says it is so large."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


def zip_file() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("picture.png", encoded(small_picture()))
    return file.getvalue()


WHOLE = encoded(small_picture(), "JPEG")
BAD_IMAGES = [
    (b"", 422, "empty"),
    (b"GIF89a", 422, "damaged"),
    (b"\xff\xd8\xff\xe0" + bytes(50), 422, "damaged"),
    (WHOLE[: len(WHOLE) // 2], 422, "damaged or cut short"),
    (encoded(small_picture())[:3000], 422, "damaged or cut short"),
    (png_of_size(60_000, 60_000), 422, "100 million pixels"),
    (png_of_size(9_999, 9_999), 422, "damaged or cut short"),
    (png_of_size(0, 10), 422, ""),
    (encoded(np.zeros((4, 4, 3), np.uint8)), 422, "too small"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'/>", 415, "SVG"),
    (b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>", 415, "SVG"),
    (zip_file(), 415, "ZIP"),
    (b"\x1f\x8b\x08" + bytes(100), 415, "gzip"),
    (bytes(257) + b"ustar" + bytes(300), 415, "tar"),
    (b"%PDF-1.7\n", 415, "PDF"),
    (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n", 415, "PostScript"),
    (b"<!DOCTYPE html><html></html>", 415, "web page"),
    (b"\0\0\0\x18ftypheic" + bytes(100), 415, "HEIC"),
    (b"just text", 415, "not an image"),
]


@pytest.mark.parametrize(("data", "status", "said"), BAD_IMAGES)
def test_images_that_cannot_be_used(
    client: TestClient, data: bytes, status: int, said: str
) -> None:
    client.post("/v1/puzzles", files={"picture": ("a.png", WHOLE[:100])})  # starts a decoder
    start = worked()
    answer = client.post("/v1/puzzles", files={"picture": ("a.png", data)})
    assert worked() - start < 2
    body = assert_problem(answer, status, said)
    assert body["detail"].startswith("a.png: ")
    assert client.get("/v1/puzzles").json() == {"puzzles": []}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"pieces": "0"}, "pieces"),
        ({"pieces": "-5"}, "pieces"),
        ({"pieces": "many"}, "pieces"),
        ({"pieces": "1e3"}, "pieces"),
        ({"pieces": "9" * 400}, "pieces"),
        ({"pieces": "50000"}, "pixels a piece"),
        ({"grid": "3by4"}, "ROWSxCOLS"),
        ({"grid": "0x0"}, "whole numbers from 1"),
        ({"grid": "x" * 3000}, "grid"),
        ({"grid": "3x4", "pieces": "12"}, "not both"),
        ({"corners": "[[0,0]]"}, "corners"),
        ({"corners": "[[0,0],[9,0],[9,9],[0,NaN]]"}, "corners"),
        ({"corners": "[[0,0],[9,0],[9,9],[0,1e999]]"}, "corners"),
        ({"corners": "[" * 300}, "corners"),
        ({"corners": "nonsense"}, "corners"),
        ({"corners": "[[0,0],[0,0],[0,0],[0,0]]"}, ""),
        ({"corners": "[[0,0],[9,0],[9,9],[0,9]]", "find_corners": "true"}, "not both"),
        ({"piece": "192"}, "unknown field 'piece'"),
        ({"find_corners": "perhaps"}, "find_corners"),
        ({"name": "x" * 201}, "name"),
    ],
)
def test_fields_that_make_no_sense(client: TestClient, fields: dict[str, str], said: str) -> None:
    answer = client.post("/v1/puzzles", files={"picture": ("a.jpg", WHOLE)}, data=fields)
    assert_problem(answer, 422, said)
    assert client.get("/v1/puzzles").json() == {"puzzles": []}


def test_bodies_of_other_kinds(client: TestClient) -> None:
    assert_problem(client.post("/v1/puzzles", json={"picture": "x"}), 415, "multipart")
    assert_problem(client.post("/v1/puzzles", data={"pieces": "5"}), 415, "multipart")
    assert_problem(client.post("/v1/puzzles"), 415, "multipart")
    assert_problem(client.post("/v1/puzzles", files={"image": b"x"}), 422, "unknown field 'image'")
    assert_problem(client.post("/v1/puzzles", files={"pieces": b"12"}), 422)
    multipart = {"Content-Type": "multipart/form-data; boundary=x"}
    for body in (
        b"",
        b"--x",
        b"--x\r\n\r\n",
        b"--x\r\nContent-Disposition: form-data\r\n\r\na\r\n--x--",
    ):
        answer = client.post("/v1/puzzles", content=body, headers=multipart)
        assert answer.status_code in (400, 422), (body, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    no_boundary = {"Content-Type": "multipart/form-data"}
    assert_problem(client.post("/v1/puzzles", content=b"x", headers=no_boundary), 400)
    # A text field where a file belongs.
    answer = client.post("/v1/puzzles", files={"picture": (None, "text")})
    assert_problem(answer, 422, "picture")


def test_json_that_makes_no_sense(client: TestClient) -> None:
    here = add_small(client)["links"]["self"] + "/corners"
    for body in (
        b"",
        b"{",
        b"[]",
        b'{"corners": [[0, 0]]}',
        b'{"corner": null}',
        b"\xff",
        b"[" * 9999,
    ):
        answer = client.put(here, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), (body[:20], answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
    bowtie = {"corners": [[0, 0], [100, 100], [100, 0], [0, 100]]}
    assert_problem(client.put(here, json=bowtie), 422)


@pytest.mark.parametrize("fields", [{"top": "0"}, {"top": "101"}, {"top": "x"}, {"tops": "5"}])
def test_options_of_locate(client: TestClient, fields: dict[str, str]) -> None:
    puzzle = add_small(client)["id"]
    assert_problem(send_photos(client, puzzle, encoded(small_piece(0, 0)), **fields), 422, "top")


def test_thousands_of_tiny_files(client: TestClient) -> None:
    puzzle = add_small(client)["id"]
    files = [("photos", (f"{n}.png", b"x")) for n in range(3000)]
    start = worked()
    answer = client.post(f"/v1/puzzles/{puzzle}/locate", files=files)
    assert worked() - start < 2
    assert_problem(answer, 400, "Too many files")
    fields = {f"field{n}": "x" for n in range(3000)}
    files = [("photos", ("a.png", b"x"))]
    assert_problem(
        client.post(f"/v1/puzzles/{puzzle}/locate", files=files, data=fields), 400, "Too many"
    )


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
        thread.join(60)
    statuses = [answer.status_code for answer in found.values()]
    assert len(statuses) == len(cells)
    assert set(statuses) <= {200, 503}
    assert 200 in statuses
    assert 503 in statuses
    for cell, answer in found.items():
        if answer.status_code == 200:
            assert answer.json()["pieces"][0]["placements"][0]["cell"] == list(cell)


# ---------------------------------------------------------------------- decoders


@pytest.fixture
def decoders() -> Iterator[Decoders]:
    made = Decoders(count=1, seconds=120)
    yield made
    made.close()


def test_decoding_in_another_process_changes_nothing(decoders: Decoders) -> None:
    picture, piece = small_picture(), small_piece(0, 0)
    assert np.array_equal(decoders.decode(encoded(picture), "picture", "a"), picture)
    assert np.array_equal(decoders.decode(encoded(piece), "piece", "a"), piece)
    assert np.array_equal(decoders.decode(encoded(picture), "piece", "a"), picture)


def test_every_kind_that_is_taken(decoders: Decoders) -> None:
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"):
        decoded = decoders.decode(encoded(small_picture(), kind), "picture", kind)
        assert decoded.shape == (120, 160, 3), kind
        assert np.abs(decoded.astype(int) - small_picture()).mean() < 25, kind


def test_an_image_that_takes_too_long(decoders: Decoders) -> None:
    small = encoded(small_picture())
    decoders.decode(small, "picture", "a")  # the process is up
    slow = encoded(np.zeros((9000, 9000, 3), np.uint8), compress_level=1)
    decoders._seconds = 0.02
    with pytest.raises(DecodeTimeoutError, match="slow: took longer"):
        decoders.decode(slow, "picture", "slow")
    decoders._seconds = 120
    assert decoders.decode(small, "picture", "a").shape == (120, 160, 3)


def test_a_decoder_that_dies(decoders: Decoders) -> None:
    small = encoded(small_picture())
    decoders.decode(small, "picture", "a")
    (process,) = decoders._all
    assert process._popen is not None
    process._popen.kill()
    process._popen.wait()
    assert decoders.decode(small, "picture", "a").shape == (120, 160, 3)


def test_a_bomb_within_the_pixel_limit(decoders: Decoders) -> None:
    """99 million pixels out of 100 kB are decoded; what is more is not."""
    image = Image.new("L", (9_950, 9_950))
    file = io.BytesIO()
    image.save(file, "PNG")
    assert len(file.getvalue()) < 200_000
    assert decoders.decode(file.getvalue(), "picture", "a").shape == (9_950, 9_950, 3)
    with pytest.raises(InputError, match="100 million pixels"):
        decoders.decode(encoded(np.zeros((10_010, 10_010), np.uint8)), "picture", "a")


def test_a_name_does_not_decide_the_kind(decoders: Decoders) -> None:
    with pytest.raises(UnsupportedError, match="ZIP"):
        decoders.decode(zip_file(), "picture", "picture.png")


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


def test_problem_documents_never_hold_the_input(client: TestClient) -> None:
    answer = client.post("/v1/puzzles", files={"picture": WHOLE}, data={"pieces": "q" * 4000})
    assert "qqqqq" not in json.dumps(assert_problem(answer, 422))
