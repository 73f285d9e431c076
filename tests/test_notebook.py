"""The notebook runs from top to bottom, and shows what it says."""

from pathlib import Path
from typing import Any

import pytest

nbclient = pytest.importorskip("nbclient", reason="needs nbclient: pip install '.[dev]'")
nbformat = pytest.importorskip("nbformat", reason="needs nbformat: pip install '.[dev]'")
pytest.importorskip("ipykernel", reason="needs ipykernel: pip install '.[dev]'")

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    """Outputs by what their cell begins with, of the notebook run anew."""
    notebook = nbformat.read(NOTEBOOKS / "quickstart.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)  # committed without
    resources = {"metadata": {"path": str(NOTEBOOKS)}}
    nbclient.NotebookClient(notebook, timeout=600, resources=resources).execute()
    return {
        cell.source.split("\n")[0]: cell.outputs for cell in notebook.cells if "outputs" in cell
    }


def outputs_of(shown: dict[str, Any], beginning: str) -> list[dict[str, Any]]:
    (found,) = (outputs for source, outputs in shown.items() if source.startswith(beginning))
    return [output.get("data", {"text/plain": output.get("text")}) for output in found]


def test_places_are_read_at_a_glance(shown: dict[str, Any]) -> None:
    (data,) = outputs_of(shown, "places = ")
    text = data["text/plain"]
    assert text.startswith("[Placement(box=(34")
    assert "cell=(3, 5), why=(print +" in text


def test_puzzle_search_and_heatmap_are_pictures(shown: dict[str, Any]) -> None:
    for beginning in ("puzzle = ", "search = ", "import numpy"):
        assert "image/png" in outputs_of(shown, beginning)[-1], beginning


def test_each_piece_has_its_cell(shown: dict[str, Any]) -> None:
    (data,) = outputs_of(shown, "answers = ")
    assert data["text/plain"] == "[((3, 5), True), ((8, 10), True), ((6, 2), True)]"
