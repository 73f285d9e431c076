"""The network's parts as ONNX programs, for runtimes without torch.

What lies between them (the rotation bank, the correlation, decoding, comparing) is array work and
is not exported: ``docs/export.md`` says where it is.
"""

import io
import logging
import warnings
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.torch_version import TorchVersion

from heatmap_locator.errors import MissingPackageError
from heatmap_locator.model.head import CenterHead

OPSET = 18
"""The operators' version: the oldest that torch's exporter writes without converting down."""

OLDEST_TORCH = "2.9"
"""Version from which torch exports with torch.export unless told otherwise.  2.5's exporter fixes
axes that are to stay free; those between were not tried."""

TOLERANCE = 1e-4
"""Largest difference from torch's output, over the output's largest value, of a program that is
written.  Rounding of another order of sums makes some 1e-6."""


@dataclass(frozen=True)
class Part:
    """A module that becomes a program of its own.

    Attributes:
        name: of the program.
        module: in evaluation mode, on the CPU, float32.
        inputs: names of its arguments.
        outputs: names of what it returns, in order.
        examples: arguments of two different shapes; the first is traced, both are compared.
        dynamic: of each argument, which axes may have other lengths, as ``torch.export`` takes it.
    """

    name: str
    module: nn.Module
    inputs: Sequence[str]
    outputs: Sequence[str]
    examples: tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
    dynamic: tuple[dict[int, Any], ...]


class FlatHead(nn.Module):
    """A head whose maps are a plain tuple: ``HeadMaps`` in the order of its fields."""

    def __init__(self, head: CenterHead) -> None:
        super().__init__()
        self.head = head

    def forward(self, feature: Tensor, pixel: Tensor) -> tuple[Tensor, ...]:
        """Two ``(B, R, h, w)`` correlation volumes, as ``CenterHead`` reads them."""
        maps = self.head(feature, pixel)
        return maps.heat, maps.offset, maps.rotation, maps.best


def encoder_part(encoder: nn.Module, stride: int) -> Part:
    """The shared encoder: ``image`` (N, 3, H, W) and ``mask`` (N, 1, H, W), both 0..1, to
    ``features`` (N, C, H / stride, W / stride)."""
    axes = _axes(stride)

    def example(*shape: int) -> tuple[Tensor, Tensor]:
        n, h, w = shape
        return _random(n, 3, h, w), _random(n, 1, h, w)

    examples = example(2, 16 * stride, 24 * stride), example(3, 32 * stride, 12 * stride)
    return Part("encoder", encoder, ("image", "mask"), ("features",), examples, (axes, axes))


def head_part(head: CenterHead) -> Part:
    """The head: ``feature`` and ``pixel`` (B, R, h, w) correlations to the maps of ``HeadMaps``."""
    # The head pads to whole blocks, and a range of lengths then has no single formula.
    axes: dict[int, Any] = {axis: torch.export.Dim.DYNAMIC for axis in (0, 2, 3)}

    def example(n: int, h: int, w: int) -> tuple[Tensor, Tensor]:
        shape = n, head.rotations, h, w
        return 2 * _random(*shape) - 1, 2 * _random(*shape) - 1

    outputs = "heat", "offset", "rotation", "best"
    examples = example(2, 37, 50), example(1, 64, 41)
    return Part("head", FlatHead(head), ("feature", "pixel"), outputs, examples, (axes, axes))


def outline_part(network: nn.Module, multiple: int) -> Part:
    """The outline network: ``photo`` (N, 3, H, W), 0..1, H and W multiples of ``multiple``, to
    ``logits`` (N, 1, H, W) of "this pixel is piece"."""
    examples = (_random(2, 3, 2 * multiple, 3 * multiple),), (_random(1, 3, *[4 * multiple] * 2),)
    return Part("outline", network, ("photo",), ("logits",), examples, (_axes(multiple),))


def to_onnx(part: Part, metadata: Mapping[str, str]) -> tuple[bytes, float]:
    """A part as an ONNX program, run once by ONNX Runtime and compared with torch.

    Args:
        metadata: travels inside, as ``metadata_props``.

    Returns:
        the file's bytes, and the largest difference between both runtimes' outputs on the part's
        examples, each over the largest value of its output.

    Raises:
        MissingPackageError: ``onnx``, ``onnxscript`` or ``onnxruntime`` is not installed, or torch
            is older than ``OLDEST_TORCH``.
        RuntimeError: the program does not compute what the module does.
    """
    try:
        import onnx
        import onnxruntime
        import onnxscript  # noqa: F401 - torch's exporter needs it, and says so at length
    except ImportError as error:
        raise MissingPackageError(
            f"{error.name} is not installed; run: pip install 'heatmap-locator[onnx]'"
        ) from error
    if TorchVersion(torch.__version__) < OLDEST_TORCH:
        raise MissingPackageError(
            f"torch {torch.__version__} is too old to export; run: "
            f"pip install --upgrade 'torch>={OLDEST_TORCH}'"
        )
    with torch.no_grad():
        # Before it is traced: what is computed once and kept must be kept as numbers.
        part.module.eval()(*part.examples[0])
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            part.module,
            part.examples[0],
            dynamo=True,
            dynamic_shapes=part.dynamic,
            input_names=list(part.inputs),
            output_names=list(part.outputs),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model)
    data = model.SerializeToString()
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    difference = max(_difference(part, session, example) for example in part.examples)
    if not difference <= TOLERANCE:
        raise RuntimeError(f"{part.name}: ONNX Runtime is {difference:.1e} away from torch")
    return data, difference


def _difference(part: Part, session: Any, example: tuple[Tensor, ...]) -> float:
    with torch.no_grad():
        wanted = part.module(*example)
    wanted = [wanted] if isinstance(wanted, Tensor) else wanted
    given = {name: t.numpy() for name, t in zip(part.inputs, example, strict=True)}
    found = session.run(list(part.outputs), given)
    return max(
        float(np.abs(f - w.numpy()).max() / max(float(w.abs().max()), 1e-6))
        for f, w in zip(found, wanted, strict=True)
    )


def _axes(multiple: int) -> dict[int, Any]:
    """Any number of images of any size that is a multiple of ``multiple``."""
    dim = torch.export.Dim
    return {0: dim("n", max=1 << 16), 2: multiple * dim("h"), 3: multiple * dim("w")}


def _random(*shape: int) -> Tensor:
    """Values 0..1, the same at every export."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@contextmanager
def _quiet() -> Any:
    """Without the exporter's progress and its advice to its own developers."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
