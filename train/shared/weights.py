"""What a weights file holds besides parameters."""

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from heatmap_locator.errors import InputError
from heatmap_locator.locator import Locator
from heatmap_locator.model.network import HeatmapLocator


def stored_beside(path: str | Path) -> dict[str, Any]:
    """How a model was trained, and its calibration: what ``load_model`` returns beside the model.

    Args:
        path: a weights file that has been read; its head alone is looked at again.
    """
    with safe_open(path, "pt") as file:
        extra: dict[str, Any] = json.loads(file.metadata().get("extra", "{}"))
    return extra


def weights_to_extend(
    init: str | None, device: str, wanted: str
) -> tuple[str, HeatmapLocator, dict[str, Any]]:
    """The weights ``init``, their model, on a device, and what is stored beside it.

    Args:
        init: as given.
        device: where the model is to run.
        wanted: what is done to it, in the error's words.

    Raises:
        InputError: there are no weights to start from.
    """
    if init is None:
        raise InputError(f"--init: name the weights whose {wanted}")
    return init, Locator.from_pretrained(init, device).model, stored_beside(init)


def digest_without(model: torch.nn.Module, prefix: str) -> str:
    """What tells a model from others: all parameters but those whose names begin so."""
    state = b"".join(
        t.detach().cpu().numpy().tobytes()
        for key, t in sorted(model.state_dict().items())
        if not key.startswith(prefix)
    )
    return hashlib.sha256(state).hexdigest()[:12]
