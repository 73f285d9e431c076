"""What is told about the service: its document, figures, errors and pages."""

import json
import re

import pytest
from fastapi.testclient import TestClient
from service_support import (
    add_small,
    assert_problem,
    encoded,
    send_photos,
    small_piece,
)

from heatmap_locator.service import schemas

MISSING = "A" * 22


def test_operations(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ok"}
    puzzle = add_small(client)["id"]
    send_photos(client, puzzle, encoded(small_piece(0, 0)))
    text = client.get("/metrics").text
    line = 'heatmap_requests_total{method="POST",route="/v1/puzzles/{puzzle}/locate",status="200"}'
    assert f"{line} 1.0" in text
    assert "heatmap_batch_size_sum 1.0" in text
    assert "heatmap_puzzles_encoded_total 1.0" in text
    assert "heatmap_queue_length 0.0" in text
    assert 'route="/v1/puzzles/{puzzle}/locate"' in text
    client.get("/no/such/path")
    assert "/no/such/path" not in client.get("/metrics").text


def test_a_stopped_engine_is_not_ready(client: TestClient) -> None:
    client.app.state.service.device.stop()  # type: ignore[attr-defined]
    assert_problem(client.get("/readyz"), 503, "not ready")
    assert client.get("/healthz").status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/v1/puzzles/{MISSING}", 404),
        ("GET", f"/v1/puzzles/{MISSING}/picture", 404),
        ("GET", f"/v1/puzzles/{MISSING}/events", 404),
        ("GET", f"/v1/puzzles/{MISSING}/pieces", 404),
        ("GET", f"/v1/puzzles/{MISSING}/pieces/{MISSING}", 404),
        ("GET", f"/v1/puzzles/{MISSING}/pieces/{MISSING}/overlay", 404),
        ("DELETE", f"/v1/puzzles/{MISSING}/pieces/{MISSING}", 404),
        ("POST", f"/v1/puzzles/{MISSING}/solve", 404),
        ("GET", "/v1/puzzles/..%2f..%2fetc%2fpasswd", 404),
        ("GET", "/v1/puzzles/short", 404),
        ("GET", f"/v1/puzzles/{MISSING}x", 404),
        ("GET", "/v1/puzzles/%2e%2e", 404),
        ("DELETE", f"/v1/puzzles/{MISSING}/pieces/short", 404),
        ("PUT", "/v1/puzzles/short/corners", 404),
        ("GET", "/static/../app.py", 404),
        ("GET", "/static/%2e%2e/app.py", 404),
        ("GET", "/nowhere", 404),
        ("PATCH", "/v1/puzzles", 405),
        ("POST", "/healthz", 405),
    ],
)
def test_what_is_not_there(client: TestClient, method: str, path: str, status: int) -> None:
    answer = client.request(method, path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/v1/puzzles", "GET, HEAD, POST"),
        ("PUT", f"/v1/puzzles/{MISSING}", "GET, HEAD, PATCH, DELETE"),
        ("POST", f"/v1/puzzles/{MISSING}/pieces/{MISSING}", "GET, HEAD, PATCH, DELETE"),
        ("GET", f"/v1/puzzles/{MISSING}/corners", "PUT"),
        ("GET", f"/v1/puzzles/{MISSING}/locate", "POST"),
        ("POST", "/healthz", "GET, HEAD"),
        ("POST", "/openapi.json", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_all_right_ones(
    client: TestClient, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    assert_problem(answer, 405)
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/healthz", "/v1/puzzles", "/", "/openapi.json", "/metrics"])
def test_head_is_answered_as_get_without_what_is_asked_for(client: TestClient, path: str) -> None:
    head, got = client.head(path), client.get(path)
    assert head.status_code == got.status_code == 200
    assert head.content == b""
    assert head.headers["content-type"] == got.headers["content-type"]


def test_head_of_what_is_not_there_and_of_a_stream_ends(client: TestClient) -> None:
    assert client.head(f"/v1/puzzles/{MISSING}").status_code == 404
    line = 'heatmap_requests_total{method="HEAD",route="/v1/puzzles/{puzzle}",status="404"} 1.0'
    assert line in client.get("/metrics").text
    assert client.head(f"/v1/puzzles/{MISSING}/locate").status_code == 405
    events = client.head(f"/v1/puzzles/{add_small(client)['id']}/events")
    assert events.status_code == 200
    assert events.headers["content-type"].startswith("text/event-stream")


def test_a_crash_is_a_problem_too(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    service = client.app.state.service  # type: ignore[attr-defined]

    def crash() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(service.storage, "puzzles", crash)
    body = assert_problem(client.get("/v1/puzzles"), 500)
    assert "secret" not in json.dumps(body)


def test_the_document_is_complete(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    names = [o["operationId"] for path in document["paths"].values() for o in path.values()]
    assert len(set(names)) == len(names)
    assert {"add_puzzle", "locate", "list_pieces", "get_image", "healthz"} <= set(names)
    bodies = document["components"]["schemas"]
    assert bodies["Body_add_puzzle"]["properties"]["picture"]["format"] == "binary"
    assert bodies["Body_locate"]["properties"]["photos"]["items"]["format"] == "binary"
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            assert operation["summary"], (path, method)
            assert operation["description"], (path, method)
            assert any(status.startswith("2") for status in operation["responses"])
            for status, response in operation["responses"].items():
                if status[0] in "45":
                    assert list(response["content"]) == ["application/problem+json"]
                    example = response["content"]["application/problem+json"]["example"]
                    assert schemas.Problem.model_validate(example).status == int(status)
            if not path.startswith("/v1"):
                continue
            assert {"401", "500"} <= set(operation["responses"]), (path, method)
            assert operation["security"] == [{"token": []}, {}]
            if any(p["in"] == "query" for p in operation.get("parameters", [])):
                assert "422" in operation["responses"], (path, method)
            if path.rpartition("/")[2] in ("image", "photo", "overlay", "heatmap", "picture"):
                (media,) = operation["responses"]["200"]["content"].items()
                assert media[0].startswith("image/")
                assert media[1]["schema"] == {"type": "string", "format": "binary"}
            if method == "post" and "requestBody" in operation:
                assert {"400", "408", "413", "415", "422", "503"} <= set(operation["responses"])
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for name in ("Puzzle", "Piece", "Placement", "Problem"):
        assert document["components"]["schemas"][name]["examples"]
    for name in ("Puzzle", "Piece", "Placement", "Problem", "Health"):
        model = getattr(schemas, name)
        for example in document["components"]["schemas"][name]["examples"]:
            model.model_validate(example)


def test_the_docs_ask_nobody_else(client: TestClient) -> None:
    page = client.get("/docs")
    assert page.status_code == 200
    addresses = re.findall(r"(?:src|href)=\"([^\"]+)\"", page.text)
    assert addresses
    for address in addresses:
        assert address.startswith("/")
        assert client.get(address).status_code == 200
    assert "https://" not in page.text
