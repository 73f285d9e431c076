"""A part of what ``fuzz_images.py`` and ``fuzz_api.py`` do at length."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from fuzz_api import explore
from fuzz_images import cases, run
from service_support import Server


@pytest.mark.slow
def test_mutated_images(client: TestClient) -> None:
    assert list(cases(20, seed=3)) == list(cases(20, seed=3))
    statuses, _, _ = run(client, 60, seed=3)
    assert sum(statuses.values()) == 60
    assert len(statuses) >= 2


@pytest.mark.slow
def test_the_api_as_its_document_says(tmp_path: Path, plain_weights: Path) -> None:
    with Server(tmp_path / "data", plain_weights) as server:
        report = explore(server, cases=60, seed=3)
    assert report.failures == []
    assert report.calls >= 60
