"""What a weights file holds besides parameters."""

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open


def stored_beside(path: str | Path) -> dict[str, Any]:
    """How a model was trained, and its calibration: what ``load_model`` returns beside the model.

    Args:
        path: a weights file that has been read; its head alone is looked at again.
    """
    with safe_open(path, "pt") as file:
        extra: dict[str, Any] = json.loads(file.metadata().get("extra", "{}"))
    return extra
