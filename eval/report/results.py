"""Results as JSON."""

import json
from pathlib import Path
from typing import Any

from heatmap_locator.files import write_atomically


def write_results(result: dict[str, Any], out: Path | None) -> str:
    """Write a result to ``results.json`` of a folder, if one is given; return it as JSON.

    Args:
        result: JSON-ready.
        out: the folder, which exists.
    """
    text = json.dumps(result, indent=2, allow_nan=False)
    if out is not None:
        write_atomically(out / "results.json", (text + "\n").encode())
    return text
