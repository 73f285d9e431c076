"""Uploads that are wrong, damaged, too large or too many: a reason, and the next is answered."""

import json
import struct
import zlib

import numpy as np
import pytest
from fastapi.testclient import TestClient
from service_support import (
    add_small,
    assert_problem,
    encoded,
    send_photos,
    small_picture,
    small_piece,
    worked,
    zip_file,
)


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
    (b"\0\0\0\x18ftypheic" + bytes(100), 422, "HEIC file is damaged"),
    (b"\0\0\0\x18ftypisom" + bytes(100), 415, "a film cannot be read"),
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


def test_a_picture_of_one_colour_is_refused(client: TestClient) -> None:
    for plain in (np.full((90, 120, 3), 140, np.uint8), np.zeros((90, 120, 4), np.uint8)):
        answer = client.post("/v1/puzzles", files={"picture": ("lid.png", encoded(plain))})
        assert_problem(answer, 422, "lid.png: is of one colour all over")
    assert client.get("/v1/puzzles").json() == {"puzzles": []}


def test_json_bodies_of_other_kinds(client: TestClient) -> None:
    """As ``curl -d`` sends them without a header, among others."""
    puzzle = add_small(client)["links"]["self"]
    form = "application/x-www-form-urlencoded"
    for kind in (form, "text/plain"):
        sent = {"Content-Type": kind}
        answer = client.patch(puzzle, content=b'{"name": "Lake"}', headers=sent)
        assert_problem(answer, 415, "send a JSON object, with the header Content-Type: app")
    json = {"Content-Type": "application/json; charset=utf-8"}
    for body in (b"[]", b"null", b'"x"', b""):
        answer = client.patch(puzzle, content=body, headers=json)
        assert_problem(answer, 422, "body: send a JSON object")
    long = b'{"name": "' + b"x" * 70_000 + b'"}'
    answer = client.patch(puzzle, content=long, headers=json)
    assert_problem(answer, 413, "the body is larger than the 65536 bytes that are taken here")
    answer = client.patch(puzzle, content=b'{"name": "Lake"}', headers=json)
    assert answer.json()["name"] == "Lake"


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
    # A text field where a file belongs, as curl sends it without its @.
    answer = client.post("/v1/puzzles", files={"picture": (None, "box.jpg")})
    assert_problem(answer, 422, "picture: is text, not a file; with curl, -F picture=@FILE")


def test_a_field_that_comes_twice(client: TestClient) -> None:
    picture = ("picture", ("a.jpg", WHOLE))
    other = ("picture", ("b.png", encoded(small_piece(0, 0))))
    answer = client.post("/v1/puzzles", files=[picture, other])
    assert_problem(answer, 422, "picture: was sent twice")
    answer = client.post("/v1/puzzles", files=[picture], data={"pieces": ["24", "192"]})
    assert_problem(answer, 422, "pieces: was sent twice")
    assert client.get("/v1/puzzles").json() == {"puzzles": []}


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


def test_problem_documents_never_hold_the_input(client: TestClient) -> None:
    answer = client.post("/v1/puzzles", files={"picture": WHOLE}, data={"pieces": "q" * 4000})
    assert "qqqqq" not in json.dumps(assert_problem(answer, 422))
