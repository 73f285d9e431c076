"""A client that openapi-python-client makes of the document does what the page does."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from service_support import Server, encoded, small_picture, small_piece, wait_ready


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, plain_weights: Path) -> Any:
    with Server(tmp_path_factory.mktemp("client") / "data", plain_weights) as made:
        yield made


@pytest.fixture(scope="module")
def generated(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The package, made without a warning."""
    folder = tmp_path_factory.mktemp("generated")
    document, config = folder / "openapi.json", folder / "config.json"
    document.write_text(server.client.get("/openapi.json").text)
    images = ("image/png", "image/jpeg", "image/*")  # which the generator does not know
    overrides = dict.fromkeys(images, "application/octet-stream")
    config.write_text(json.dumps({"content_type_overrides": overrides, "post_hooks": []}))
    package = folder / "heatmap_client"
    arguments = ("generate", "--meta", "none", "--fail-on-warning")
    made = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", *arguments),
            *("--path", document, "--config", config, "--output-path", package),
        ],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    yield lambda name: importlib.import_module(f"heatmap_client.{name}")
    sys.path.remove(str(folder))


@pytest.mark.slow
def test_a_generated_client_does_what_the_page_does(server: Server, generated: Any) -> None:
    import io

    client = generated("client").Client(base_url=str(server.client.base_url))
    models, file = generated("models"), generated("types").File

    def upload(pixels: Any) -> Any:
        return file(payload=io.BytesIO(encoded(pixels)), file_name="a.png", mime_type="image/png")

    body = models.BodyAddPuzzle(picture=upload(small_picture()), grid="3x4", name="Small")
    puzzle = generated("api.puzzles.add_puzzle").sync(client=client, body=body)
    assert puzzle.name == "Small"
    wait_ready(server.client, puzzle.id)
    body = models.BodyLocate(photos=[upload(small_piece(1, 2))], top=2)
    located = generated("api.pieces.locate").sync(puzzle.id, client=client, body=body)
    (piece,) = located.pieces
    assert piece.placements[0].cell == [1, 2]
    listed = generated("api.pieces.list_pieces").sync(puzzle.id, client=client)
    assert [p.id for p in listed.pieces] == [piece.id]
    image = generated("api.pieces.get_image").sync(puzzle.id, piece.id, client=client)
    assert Image.open(image.payload).mode == "RGBA"
    missing = generated("api.puzzles.get_puzzle").sync("short", client=client)
    assert isinstance(missing, models.Problem)
    assert missing.status == 404
