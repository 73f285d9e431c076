"""Weights files: safetensors with the model's configuration inside."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from heatmap_locator.errors import MissingPackageError, WeightsError
from heatmap_locator.files import write_atomically
from heatmap_locator.model.network import HeatmapLocator, ModelConfig
from heatmap_locator.model.ranker import FEATURES, in_order

FORMAT = "heatmap-locator/1"
SHIPPED = "heatmap_locator.safetensors"

RANKER = "ranker.weights"

UNNAMED_RANKER = ("head", "feature", "pixel", "colour", "detail", "local", "cell", "turn", "size")
"""What the ranker's weights are of, in files that do not say so: those written before they did."""


def shipped_weights(name: str = SHIPPED) -> Path:
    """The weights that come with the package."""
    return Path(str(resources.files("heatmap_locator") / "weights" / name))


def read_weights(
    path: str | Path | None, shipped: str, kind: str, what: str
) -> tuple[Path, dict[str, str], dict[str, Tensor]]:
    """A weights file, its metadata and its tensors.

    Args:
        path: of the file; ``None`` is the one of the name ``shipped`` that comes with the package.
        kind: the format and version that it has to have.
        what: such a file is called in errors.

    Raises:
        WeightsError: missing, damaged, of another kind or version.
    """
    source = shipped_weights(shipped) if path is None else Path(path)
    if not source.is_file():
        hint = "reinstall the package" if path is None else "give a .safetensors file"
        raise WeightsError(f"{source}: no such weights file; {hint}")
    try:
        with safe_open(source, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{source}: not a readable safetensors file; get it again") from error
    found = metadata.get("format")
    if found != kind:
        raise WeightsError(
            f"{source}: not {what}, its format is {found or 'unknown'} and this version reads "
            f"{kind}; retrain or use the weights that came with it"
        )
    return source, metadata, tensors


@contextlib.contextmanager
def described_by(source: Path) -> Iterator[None]:
    """Context in which what a weights file describes is built from it.

    Raises:
        WeightsError: the file does not fit that.
    """
    try:
        yield
    except WeightsError:
        raise
    except MissingPackageError as error:
        raise WeightsError(f"{source}: {error}") from error
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise WeightsError(
            f"{source}: does not fit the model it describes; use weights of this version"
        ) from error


def weights_bytes(kind: str, tensors: Mapping[str, Tensor], described: Mapping[str, Any]) -> bytes:
    """A weights file's content: the one way that all networks share.

    Args:
        kind: its format and version.
        tensors: by name.
        described: what else it says, each stored as JSON.
    """
    metadata = {key: json.dumps(value, sort_keys=True) for key, value in described.items()}
    stored = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    return save(stored, {"format": kind, **metadata})


def write_weights(
    path: str | Path, kind: str, tensors: Mapping[str, Tensor], described: Mapping[str, Any]
) -> None:
    """Write :func:`weights_bytes` to a file, which is there whole or not at all."""
    write_atomically(path, weights_bytes(kind, tensors, described))


def model_bytes(model: HeatmapLocator, extra: dict[str, Any]) -> bytes:
    """The weights file of ``model``: its parameters, its configuration and ``extra``, which is how
    it was trained and its calibration."""
    described = {"config": model.config.to_dict(), "extra": extra, "ranker": FEATURES}
    return weights_bytes(FORMAT, model.state_dict(), described)


def save_model(model: HeatmapLocator, path: str | Path, extra: dict[str, Any]) -> None:
    """Write :func:`model_bytes` to a file, which is there whole or not at all."""
    write_atomically(path, model_bytes(model, extra))


def _by_name(weights: Tensor, names: str | None, source: Path) -> Tensor:
    """A ranker's weights in the order of ``FEATURES``.

    Args:
        weights: as the file has them.
        names: JSON, of what they are; ``None`` where the file does not say.
        source: the file, for errors.

    Raises:
        WeightsError: they are not of what this version measures.
    """
    own = list(UNNAMED_RANKER) if names is None else json.loads(names)
    try:
        if len(set(own)) < len(own):
            raise ValueError("a name comes twice")
        ordered = in_order(dict(zip(own, weights, strict=True)))
    except ValueError as error:
        raise WeightsError(
            f"{source}: a ranker of other measures than this version's ({error}); use weights of "
            "this version, or retrain"
        ) from error
    return torch.stack(ordered)


def load_model(path: str | Path | None = None) -> tuple[HeatmapLocator, dict[str, Any]]:
    """Read a model, in evaluation mode on the CPU, and what was stored beside it.

    Args:
        path: a file written by ``save_model``; ``None`` is the shipped one.

    Raises:
        WeightsError: missing, damaged, of another kind or version.
    """
    source, metadata, tensors = read_weights(path, SHIPPED, FORMAT, "weights of a locator")
    with described_by(source):
        config = ModelConfig.from_dict(json.loads(metadata["config"]))
        extra = json.loads(metadata.get("extra", "{}"))
        model = HeatmapLocator(config)
        if RANKER in tensors:
            tensors[RANKER] = _by_name(tensors[RANKER], metadata.get("ranker"), source)
        else:  # a model that was never given a ranker has the unfitted one
            tensors[RANKER] = model.ranker.weights.detach()
        model.load_state_dict(tensors, strict=True)
    return model.eval().requires_grad_(False), extra
