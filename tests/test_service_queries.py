"""What stands behind the ? of an address: parameters that are not known are refused by name."""

from typing import Any

import pytest
from fastapi.testclient import TestClient
from service_support import add_small, assert_problem, encoded, send_photos, small_piece

FILES = {"picture": ("a.png", encoded(small_piece(0, 0)))}
MISSING = "A" * 22


@pytest.mark.parametrize(
    ("method", "path", "body", "said"),
    [
        ("GET", "/v1/puzzles?limit=3", {}, "unknown parameter 'limit'; this takes none"),
        ("GET", "/v1/puzzles?", {}, None),
        ("GET", "/v1/puzzles?=", {}, "unknown parameter ''; this takes none"),
        ("POST", "/v1/puzzles?piece=3", {"files": FILES}, "unknown parameter 'piece'"),
        ("POST", "/v1/puzzles?pieces=3", {"files": FILES}, "pieces: send it in the body"),
        ("PATCH", f"/v1/puzzles/{MISSING}?name=a", {"json": {}}, "name: send it in the body"),
        ("PUT", f"/v1/puzzles/{MISSING}/corners?auto=1", {"json": {"corners": None}}, "'auto'"),
        ("GET", f"/v1/puzzles/{MISSING}/picture?size=9", {}, "'size'; this takes of"),
        ("GET", f"/v1/puzzles/{MISSING}/done?%0A=1", {}, "'?'; this takes of, shown"),
        ("GET", f"/v1/puzzles/{MISSING}/original?shown=1&shown=0", {}, "shown: was sent twice"),
        ("DELETE", f"/v1/puzzles/{MISSING}?force=1", {}, "'force'"),
        ("HEAD", "/v1/puzzles?limit=3", {}, ""),
    ],
)
def test_parameters_that_are_not_known(
    client: TestClient, method: str, path: str, body: dict[str, Any], said: str | None
) -> None:
    answer = client.request(method, path, **body)
    if said is None:
        assert answer.status_code == 200
    elif method == "HEAD":
        assert answer.status_code == 422
    else:
        kind = assert_problem(answer, 422, said)["type"]
        assert kind.rpartition(":")[2] in ("unknown-parameter", "sent-twice")
    assert client.get("/v1/puzzles").json() == {"puzzles": []}


def test_every_route_of_the_api_refuses_them(client: TestClient) -> None:
    for path, operations in client.get("/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if not path.startswith("/v1"):
                continue
            address = path.replace("{puzzle}", MISSING).replace("{piece}", MISSING)
            form = next(iter(operation.get("requestBody", {}).get("content", {})), None)
            body = {"files": FILES} if form == "multipart/form-data" else {}
            answer = client.request(method, f"{address}?nonesuch=1", **body)
            said = assert_problem(answer, 422, "unknown parameter 'nonesuch'; this takes ")
            taken = [p["name"] for p in operation.get("parameters", []) if p["in"] == "query"]
            assert said["detail"].endswith(f" {', '.join(sorted(taken)) or 'none'}")


def test_what_makes_browsers_fetch_anew_is_let_through(client: TestClient) -> None:
    puzzle = add_small(client)
    (piece,) = send_photos(client, puzzle["id"], encoded(small_piece(1, 2))).json()["pieces"]
    links = [puzzle["links"][name] for name in ("picture", "thumbnail")]
    links += [piece["links"][name] for name in ("image", "heatmap", "overlay")]
    for link in [*links, "/", "/sw.js", "/static/js/main.js", "/openapi.json", "/docs", "/healthz"]:
        assert client.get(f"{link}?of=2").status_code == 200, link
    for link in ("/", "/static/js/main.js", "/openapi.json", "/docs", "/metrics"):
        assert client.get(f"{link}?v=2").status_code == 200, link


@pytest.mark.parametrize(
    ("path", "text", "name"),
    [
        ("", '{"name": "a", "name": "b"}', "name"),
        ("", '{"n\\u0061me": "a", "name": "b"}', "name"),
        ("/corners", '{"corners": null, "corners": null}', "corners"),
        ("/corners", '{"corners": [{"a": 1, "a": 2}]}', "a"),
    ],
)
def test_a_key_sent_twice(client: TestClient, path: str, text: str, name: str) -> None:
    puzzle = add_small(client)
    answer = client.request(
        "PUT" if path else "PATCH",
        f"/v1/puzzles/{puzzle['id']}{path}",
        content=text,
        headers={"Content-Type": "application/json"},
    )
    assert_problem(answer, 422, f"{name}: was sent twice; send one")
    assert client.get(f"/v1/puzzles/{puzzle['id']}").json()["name"] == puzzle["name"]
