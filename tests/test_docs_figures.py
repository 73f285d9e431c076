"""The scripts that draw the figures of docs still do, from today's networks."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest
from PIL import Image
from test_docs import LARGEST, ROOT

pytest.importorskip("matplotlib", reason="needs matplotlib: pip install '.[train]'")

FIGURES = ROOT / "docs" / "figures"

pytestmark = pytest.mark.slow


def script(name: str) -> ModuleType:
    import matplotlib

    matplotlib.use("agg")
    spec = importlib.util.spec_from_file_location(name, FIGURES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses look for it
    spec.loader.exec_module(module)
    return module


def compare(folder: Path, names: set[str]) -> None:
    """What was drawn is what is committed: about as large, and small."""
    assert {path.name for path in folder.iterdir()} == names
    for name in names:
        drawn, committed = (Image.open(where / name).size for where in (folder, FIGURES))
        assert drawn == pytest.approx(committed, rel=0.1), name
        assert (folder / name).stat().st_size <= LARGEST["figures"], name


def test_stages_of_a_search(tmp_path: Path) -> None:
    module = script("stages")
    stages = module.search()
    assert stages.places[0].cell == (3, 5)
    # The head's and the pixels' maps say so before anything is compared.
    row, column = module._true_cell(stages)
    for volume in (stages.feature, stages.pixel):
        best = volume[:, row, column].argmax().item() * 10
        assert abs(best - stages.places[0].rotation) <= 10
    module.main(tmp_path)
    compare(tmp_path, {f"{name}.jpg" for name in module.FIGURES})


def test_photos_and_their_answers(tmp_path: Path) -> None:
    module = script("photos")
    said = dict[str, str]()
    answer = module.answer
    kinds = iter(module.SHOWN)
    module.answer = lambda puzzle, photo: said.setdefault(next(kinds), answer(puzzle, photo))
    module.main(tmp_path)
    compare(tmp_path, {"photos.jpg"})
    assert said["plain"].startswith("right")
    # What docs/photos.md says of the figure: the wrong ones are not sure.
    for told in said.values():
        assert not told.startswith("wrong") or float(told.rpartition(" ")[2]) < 0.9, said
