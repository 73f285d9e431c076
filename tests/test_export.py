"""The ONNX programs compute what torch computes, and refuse to be written where they cannot be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from service_support import EXAMPLES
from torch import Tensor, nn
from torch.torch_version import TorchVersion

from heatmap_locator.command.export import main
from heatmap_locator.errors import MissingPackageError
from heatmap_locator.locator import Locator
from heatmap_locator.model import onnx as onnx_programs
from heatmap_locator.model import precision
from heatmap_locator.model.head import HeadMaps
from heatmap_locator.model.onnx import OLDEST_TORCH, Part, to_onnx

onnxruntime = pytest.importorskip(
    "onnxruntime", reason="needs onnxruntime: pip install --editable '.[onnx]'"
)
pytest.importorskip("onnxscript", reason="needs onnxscript: pip install --editable '.[onnx]'")


new_enough = pytest.mark.skipif(
    TorchVersion(torch.__version__) < OLDEST_TORCH,
    reason=f"needs torch {OLDEST_TORCH}: pip install --upgrade 'torch>={OLDEST_TORCH}'",
)


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * x


def part(module: nn.Module) -> Part:
    examples = (torch.ones(1, 3),), (torch.zeros(2, 3),)
    dim = torch.export.Dim("n")
    return Part("double", module, ("x",), ("y",), examples, ({0: dim},))


@pytest.mark.slow
@new_enough
def test_a_program_takes_other_numbers_and_says_what_it_is_of() -> None:
    data, difference = to_onnx(part(Double()), {"version": "x"})
    assert difference == 0
    session = onnxruntime.InferenceSession(data)
    assert session.get_modelmeta().custom_metadata_map == {"version": "x"}
    assert session.run(["y"], {"x": np.full((5, 3), 3, np.float32)})[0].tolist() == [[6.0] * 3] * 5


@new_enough
def test_a_program_that_differs_from_torch_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    module = Double()
    other = part(module)
    export = torch.onnx.export

    def changed(*args: Any, **kwargs: Any) -> Any:
        program = export(*args, **kwargs)
        monkeypatch.setattr(module, "forward", lambda x: 2.001 * x)
        return program

    monkeypatch.setattr(onnx_programs.torch.onnx, "export", changed)
    with pytest.raises(RuntimeError, match=r"double: ONNX Runtime is .* away from torch"):
        to_onnx(other, {})


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{file}"], "is not a folder; name another for FOLDER"),
        (["{new}", "--weights", "{file}"], "not a readable safetensors file"),
        (["{new}", "--outline-weights", "{none}"], "no such weights file"),
        ([], "FOLDER"),
        ([""], "FOLDER: is empty; name a file or folder"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    arguments: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {name: tmp_path / name for name in ("file", "new", "none")}
    names["file"].write_text("no weights")
    assert main([argument.format(**names) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.startswith("heatmap-export: ")
    assert error.count("\n") == 1
    assert not names["new"].exists()


class EncoderProgram(nn.Module):
    """The exported encoder in the place of torch's."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.session = onnxruntime.InferenceSession(path)

    def forward(self, image: Tensor, mask: Tensor | None = None) -> Tensor:
        mask = torch.ones_like(image[:, :1]) if mask is None else mask
        given = {"image": image.numpy(), "mask": mask.numpy()}
        return torch.from_numpy(self.session.run(None, given)[0])


class HeadProgram(nn.Module):
    """The exported head in the place of torch's."""

    def __init__(self, path: Path, rotation_gain: float) -> None:
        super().__init__()
        self.session = onnxruntime.InferenceSession(path)
        self.rotation_gain = rotation_gain

    def forward(self, feature: Tensor, pixel: Tensor) -> HeadMaps:
        given = {"feature": feature.numpy(), "pixel": pixel.numpy()}
        return HeadMaps(*(torch.from_numpy(found) for found in self.session.run(None, given)))


class OutlineProgram(nn.Module):
    """The exported outline network in the place of torch's."""

    def __init__(self, path: Path, config: Any) -> None:
        super().__init__()
        self.session = onnxruntime.InferenceSession(path)
        self.config = config

    def forward(self, photo: Tensor) -> Tensor:
        return torch.from_numpy(self.session.run(None, {"photo": photo.numpy()})[0])


def test_an_older_torch_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_programs, "OLDEST_TORCH", "99.0")
    with pytest.raises(MissingPackageError, match="too old to export; run: pip install"):
        to_onnx(part(Double()), {})


@new_enough
@pytest.mark.slow
def test_the_examples_are_answered_alike_by_the_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The programs are float32, which torch's networks are not on every processor.
    monkeypatch.setattr(precision, "supports_bfloat16", lambda device: False)
    assert main([str(tmp_path / "programs")]) == 0
    assert capsys.readouterr().out.count(" of torch") == 3
    own, other = Locator.from_pretrained(device="cpu"), Locator.from_pretrained(device="cpu")
    folder = tmp_path / "programs"
    gain = own.model.head.rotation_gain
    other.model.encoder = EncoderProgram(folder / "encoder.onnx")  # type: ignore[assignment]
    other.model.head = HeadProgram(folder / "head.onnx", gain)  # type: ignore[assignment]
    network = OutlineProgram(folder / "outline.onnx", own.outlines.net.config)
    other.outlines.net = network  # type: ignore[misc,assignment]
    pieces = [EXAMPLES / f"piece{n}.jpg" for n in (1, 2, 3)]
    found, wanted = (
        locator.encode(EXAMPLES / "puzzle.jpg", pieces=192).search_many(pieces)
        for locator in (other, own)
    )
    for one, two in zip(found, wanted, strict=True):
        assert not isinstance(one, Exception)
        assert not isinstance(two, Exception)
        a, b = one.placements[0], two.placements[0]
        assert a.center == pytest.approx(b.center, abs=0.1)
        assert a.rotation == pytest.approx(b.rotation, abs=0.1)
        assert a.score == pytest.approx(b.score, abs=1e-3)
