"""Weights files: safetensors with the model's configuration inside."""

import json
from importlib import resources
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from heatmap_locator.errors import MissingPackageError, WeightsError
from heatmap_locator.files import write_atomically
from heatmap_locator.model.network import HeatmapLocator, ModelConfig

FORMAT = "heatmap-locator/1"
SHIPPED = "heatmap_locator.safetensors"


def shipped_weights(name: str = SHIPPED) -> Path:
    """The weights that come with the package."""
    return Path(str(resources.files("heatmap_locator") / "weights" / name))


def read_weights(
    path: str | Path | None, shipped: str
) -> tuple[Path, dict[str, str], dict[str, Tensor]]:
    """A weights file, its metadata and its tensors.

    Args:
        path: of the file; ``None`` is the one of the name ``shipped`` that comes with the package.

    Raises:
        WeightsError: missing or damaged.
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
    return source, metadata, tensors


def save_model(model: HeatmapLocator, path: str | Path, extra: dict[str, Any]) -> None:
    """Write ``model`` with its configuration and ``extra`` (how it was trained, calibration)."""
    metadata = {
        "format": FORMAT,
        "config": json.dumps(model.config.to_dict(), sort_keys=True),
        "extra": json.dumps(extra, sort_keys=True),
    }
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    write_atomically(path, save(tensors, metadata))


def load_model(path: str | Path | None = None) -> tuple[HeatmapLocator, dict[str, Any]]:
    """Read a model, in evaluation mode on the CPU, and what was stored beside it.

    Args:
        path: a file written by ``save_model``; ``None`` is the shipped one.

    Raises:
        WeightsError: missing, damaged, of another kind or version.
    """
    source, metadata, tensors = read_weights(path, SHIPPED)
    found = metadata.get("format")
    if found != FORMAT:
        raise WeightsError(
            f"{source}: weights of format {found or 'unknown'}, this version reads {FORMAT}; "
            "retrain or use the weights that came with it"
        )
    try:
        config = ModelConfig.from_dict(json.loads(metadata["config"]))
        extra = json.loads(metadata.get("extra", "{}"))
        model = HeatmapLocator(config)
        # A model that was never given a ranker, or one of other measures, has the unfitted one.
        unfitted = {f"ranker.{k}": v for k, v in model.ranker.state_dict().items()}
        if any(k in tensors and tensors[k].shape != v.shape for k, v in unfitted.items()):
            tensors = {k: v for k, v in tensors.items() if k not in unfitted}
        tensors = {**unfitted, **tensors}
        model.load_state_dict(tensors, strict=True)
    except MissingPackageError as error:
        raise WeightsError(f"{source}: {error}") from error
    except (KeyError, ValueError, TypeError, RuntimeError) as error:
        raise WeightsError(
            f"{source}: does not fit the model it describes; use weights of this version"
        ) from error
    return model.eval().requires_grad_(False), extra
