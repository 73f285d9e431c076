"""Pictures and models that several test modules use."""

import os

# Several tests run side by side, and the tensors are small: more threads than this get in each
# other's way.  OMP_NUM_THREADS=2 pytest ... runs with two, servers and other processes as well.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

HANG = 300.0
"""Seconds after which a test takes something for hung: no working machine, however busy, is late by
as much.  What it waits for comes much sooner."""

if TYPE_CHECKING:
    from fastapi.testclient import TestClient

    from heatmap_locator.locator import Locator, Puzzle


def draw_texture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """(height, width, 3) uint8: coloured blobs of several sizes, no part like another."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), np.float32)
    for sigma, strength in ((2.0, 0.5), (5.0, 1.0), (12.0, 1.0)):
        layer = cv2.GaussianBlur(rng.standard_normal((height, width, 3)), (0, 0), sigma)
        total += strength * (layer / layer.std()).astype(np.float32)
    return (127 + 45 * total / total.std()).clip(0, 255).astype(np.uint8)


def write_plain_weights(path: Path) -> Path:
    """Weights of an untrained model whose heat is a plain readout of the pixel correlation."""
    import torch

    from heatmap_locator.model.files import save_model
    from heatmap_locator.model.network import HeatmapLocator, ModelConfig

    torch.manual_seed(0)
    model = HeatmapLocator(ModelConfig(features=8, head_decoder=(8, 8, 8)))
    with torch.no_grad():
        for parameter in model.head.fuse[-1].parameters():
            parameter.zero_()
        model.head.log_weights.copy_(torch.tensor([-20.0, 3.0]))
    save_model(model, path, {"calibration": {"scale": 2.0, "unseen": -1.0}})
    return path


@pytest.fixture(scope="session")
def plain_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that is quick to search with."""
    return write_plain_weights(tmp_path_factory.mktemp("plain") / "plain.safetensors")


@pytest.fixture(scope="session")
def plain_locator(plain_weights: Path) -> "Locator":
    """A small model that is quick to search with."""
    from heatmap_locator.locator import Locator

    return Locator.from_pretrained(plain_weights, device="cpu")


@pytest.fixture
def make_client(tmp_path: Path, plain_locator: "Locator") -> "Iterator[Callable[..., TestClient]]":
    """Makes clients of applications in this process: ``make_client(queue=1, ...)``."""
    from fastapi.testclient import TestClient

    from heatmap_locator.service.app import create_app
    from heatmap_locator.service.settings import Settings

    with contextlib.ExitStack() as stack:

        def make(locator: Any = plain_locator, **settings: Any) -> TestClient:
            settings = {"data": tmp_path / "data", **settings}
            app = create_app(Settings(**settings), locator)
            return stack.enter_context(TestClient(app, raise_server_exceptions=False))

        yield make


@pytest.fixture
def client(make_client: "Callable[..., TestClient]") -> "TestClient":
    """A client of an application with a data folder of its own."""
    return make_client()


@pytest.fixture(scope="session")
def example_puzzle() -> "Puzzle":
    """The example's picture, encoded with the weights that ship."""
    from heatmap_locator.locator import Locator

    examples = Path(__file__).resolve().parents[1] / "examples"
    return Locator.from_pretrained(device="cpu").encode(examples / "puzzle.jpg", pieces=192)
