"""Between what the library computes, what is stored, and what the API shows."""

import io
import secrets
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from heatmap_locator.geometry import compose
from heatmap_locator.placement import Placement
from heatmap_locator.resample import resize
from heatmap_locator.service import half_done, marks
from heatmap_locator.service.storage import Record

if TYPE_CHECKING:
    from heatmap_locator.locator import Search
    from heatmap_locator.outline.sides import Sides

CUT_SIDE = 1024
"""Longest side of a stored cut-out; larger ones are shrunk."""

THUMBNAIL = 480
"""Longest side of a thumbnail, in pixels."""

_MARGIN = 4
_OUTLINE_ERROR = 0.75
"""Pixels that a simplified outline may be off."""


def new_id() -> str:
    """22 characters that nobody guesses."""
    return secrets.token_urlsafe(16)


def now() -> str:
    """ISO 8601 in UTC, sorting as text."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def clean_name(text: str | None, otherwise: str) -> str:
    """A name as people gave it, on one line of printable characters, 120 at most."""
    kept = "".join(c if c.isprintable() else " " for c in text or "")
    return " ".join(kept.split())[:120].strip() or otherwise


# ---------------------------------------------------------------------- images


def to_jpeg(rgb: np.ndarray, side: int | None = None) -> bytes:
    """(H, W, 3) uint8 as JPEG, at most ``side`` pixels long."""
    if side is not None and max(rgb.shape[:2]) > side:
        scale = side / max(rgb.shape[:2])
        size = (max(1, round(rgb.shape[1] * scale)), max(1, round(rgb.shape[0] * scale)))
        rgb = resize(rgb, size, scale)
    quality = [cv2.IMWRITE_JPEG_QUALITY, 92]
    return _file(".jpg", cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR), quality)


def to_png(pixels: np.ndarray) -> bytes:
    """(H, W), (H, W, 3) or (H, W, 4) uint8, RGB or RGBA, as PNG."""
    if pixels.ndim == 3:
        way = cv2.COLOR_RGB2BGR if pixels.shape[2] == 3 else cv2.COLOR_RGBA2BGRA
        pixels = cv2.cvtColor(pixels, way)
    return _file(".png", pixels, [cv2.IMWRITE_PNG_COMPRESSION, 3])


def _file(suffix: str, pixels: np.ndarray, options: list[int]) -> bytes:
    """An image file; OpenCV says only by a flag that it could not write one."""
    written, data = cv2.imencode(suffix, pixels, options)
    if not written:
        raise ValueError(f"an image of {pixels.shape} cannot be written as {suffix}")
    return bytes(data)


def from_png(data: bytes) -> np.ndarray:
    """(H, W, 4) or (H, W, 3) uint8 RGB(A) of a file written by ``to_png``."""
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ValueError("a stored image is damaged")
    way = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGBA
    return cv2.cvtColor(pixels, way)


def _outline(mask: np.ndarray) -> np.ndarray:
    """(N, 2) points around the largest part of a mask, in its pixels."""
    found, _ = cv2.findContours(
        (mask > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    largest = max(found, key=cv2.contourArea)
    points: np.ndarray = cv2.approxPolyDP(largest, _OUTLINE_ERROR, True)[:, 0] + 0.5
    return points


# ---------------------------------------------------------------------- pieces


def located(search: "Search") -> tuple[Record, dict[str, bytes]]:
    """A search as members of a piece's record, and the data of its ``files`` by role."""
    from heatmap_locator.assign.located import sides_to_dict  # here: what is told needs no SciPy

    rgb, mask = search.piece_rgb, search.piece_mask
    ys, xs = np.nonzero(mask > 0.5)
    top, bottom = max(0, ys.min() - _MARGIN), min(mask.shape[0], ys.max() + 1 + _MARGIN)
    left, right = max(0, xs.min() - _MARGIN), min(mask.shape[1], xs.max() + 1 + _MARGIN)
    alpha = np.rint(mask[top:bottom, left:right] * 255).astype(np.uint8)
    cut = np.dstack([rgb[top:bottom, left:right], alpha])
    scale = max(1.0, max(cut.shape[:2]) / CUT_SIDE)
    if scale > 1:
        size = (max(1, round(cut.shape[1] / scale)), max(1, round(cut.shape[0] / scale)))
        cut = resize(cut, size, 1 / scale)
    points = _outline(mask)
    low, high = points.min(axis=0) - 0.5, points.max(axis=0) + 0.5
    heat = io.BytesIO()
    np.savez_compressed(heat, heatmap=search.heatmap.astype(np.float16))
    record = {
        "state": "located",
        "error": None,
        "outline": [[round(float(v), 1) for v in point] for point in points],
        "box_in_photo": [round(float(v), 1) for v in (*low, *high)],
        "touching": False,
        **search.about_photo(),
        "size_estimate": search.size_estimate,
        "grid_estimate": None if search.grid_estimate is None else list(search.grid_estimate),
        "one_of": search.one_of,
        "placements": [p.to_dict(exact=True) for p in search.placements],
        "sides": None if search.sides is None else sides_to_dict(search.sides),
        # From the cut-out's pixels to those of the image that was searched.
        "cut": [
            (right - left) / cut.shape[1],
            (bottom - top) / cut.shape[0],
            float(left),
            float(top),
        ],
    }
    return record, {"image": to_png(cut), "heatmap": heat.getvalue()}


def waiting() -> Record:
    """Members of the record of a photo that is kept and not searched yet."""
    return {**failed(""), "state": "waiting", "error": None, "progress": None, "tries": 0}


def failed(error: str) -> Record:
    """Members of the record of a piece that could not be located."""
    return {
        "state": "failed",
        "error": error,
        "outline": None,
        "box_in_photo": None,
        "touching": False,
        "placements": [],
        "cut": None,
    }


def placements_of(record: Record, top: int | None = None) -> list[Placement]:
    """The first ``top`` places that are not marked wrong; their matrices map the cut-out."""
    if record["cut"] is None:
        return []
    sx, sy, x, y = record["cut"]
    uncut = np.array([[sx, 0.0, x], [0.0, sy, y]])
    found = []
    stored = [Placement.from_dict(values) for values in record["placements"]]
    for placement in marks.ordered(record, stored)[:top]:
        matrix = compose(np.reshape(placement.matrix, (2, 3)), uncut)
        flat = tuple(float(v) for v in matrix.flatten())
        found.append(replace(placement, matrix=flat))  # type: ignore[arg-type]
    return found


def sides_of(record: Record) -> "Sides | None":
    """The sides of a located piece, in pixels of its cut-out, as its placements have them.

    Raises:
        KeyError: an older record, which has none.
    """
    from heatmap_locator.assign.located import sides_from_dict

    if record["sides"] is None:
        return None
    found = sides_from_dict(record["sides"])
    sx, sy, x, y = record["cut"]
    return replace(found, corners=(found.corners - [x, y]) / [sx, sy])


def read_heatmap(data: bytes) -> np.ndarray:
    """(h, w) float32, 0..1."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return np.asarray(stored["heatmap"], np.float32)


def stored_search(record: Record, image: bytes, heatmap: bytes) -> "Search":
    """The search that a piece's record was made from, on its cut-out."""
    from heatmap_locator.locator import Search

    cut = from_png(image)
    return Search(
        placements_of(record),
        read_heatmap(heatmap),
        np.ascontiguousarray(cut[..., :3]),
        cut[..., 3].astype(np.float32) / 255,
    )


# ----------------------------------------------------------------------- views


def puzzle_view(record: Record, piece_count: int) -> dict[str, Any]:
    """A puzzle as the API shows it."""
    here = f"/v1/puzzles/{record['id']}"
    grid = record["grid"]
    shown = ("id", "name", "created", "width", "height", "state", "error", "corners", "original")
    return {
        **{key: record[key] for key in shown},
        "grid": None if grid is None else {"rows": grid[0], "cols": grid[1]},
        "pieces": None if grid is None else grid[0] * grid[1],
        "piece_count": piece_count,
        "open": half_done.open_cells(record),
        "links": {
            "self": here,
            "picture": f"{here}/picture",
            "thumbnail": f"{here}/thumbnail",
            "original": f"{here}/original",
            "events": f"{here}/events",
            "done": f"{here}/done" if half_done.ROLE in record["files"] else None,
        },
    }


def _photo_id(files: dict[str, str]) -> str | None:
    """The same for all pieces of one photo."""
    name = files.get("photo")
    return None if name is None else name.partition(".")[0].removeprefix("photo-")


def piece_view(record: Record, version: int | None = None) -> dict[str, Any]:
    """A piece as the API shows it.

    Args:
        version: of the puzzle's picture; a piece located in another waits to be located anew.
    """
    if version is not None and version != record["version"] and record["state"] == "located":
        record = {**record, "state": "waiting"}
    if record["state"] == "waiting":
        record = {**record, "placements": []}
    here = f"/v1/puzzles/{record['puzzle']}/pieces/{record['id']}"
    files = record.get("files", {})
    places = placements_of(record, record["top"])
    shown = ("id", "photo", "state", "error", "outline", "box_in_photo", "touching", "created")
    located_too = "heatmap" in files
    return {
        **{key: record[key] for key in shown},
        "number": record.get("number"),  # not in older records, as some others
        "many": record["many"],
        "photo_id": _photo_id(files),
        "progress": record.get("progress") if record["state"] == "waiting" else None,
        **marks.shown(record),
        "others": record.get("others", []),
        "foreign": record.get("foreign"),
        "doubts": record.get("doubts", []),
        "size_estimate": record.get("size_estimate"),
        "grid_estimate": record.get("grid_estimate"),
        # Of its first places some are gone where any is said to be wrong.
        "one_of": None if record.get("rejected") else record.get("one_of"),
        "placements": [p.to_dict() for p in places],
        "transforms": [[round(v, 6) for v in p.matrix] for p in places],
        "seconds": round(record["seconds"], 3),
        "links": {
            "self": here,
            "image": f"{here}/image" if "image" in files else None,
            "photo": f"{here}/photo" if "photo" in files else None,
            "overlay": f"{here}/overlay" if located_too else None,
            "heatmap": f"{here}/heatmap" if located_too else None,
        },
    }
