"""Synthetic photographs of puzzle pictures on tables, with their corners.

A pinhole camera of any usual lens looks at a print, an assembled puzzle or a box lid with sides
on one of many kinds of table, with things lying about.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from table_tops import TABLES, Array

from heatmap_train.draw.procedural import KINDS, draw_picture


@dataclass(frozen=True)
class TablePhoto:
    """A photo, (H, W, 3) uint8, its kind of table, and the picture's corners in it.

    ``corners`` is (4, 2), clockwise from the picture's own top left; None where there is none.
    ``printed`` is the same of what stands within a plain margin, where the print has one.
    """

    photo: Array
    table: str
    corners: Array | None = None
    printed: Array | None = None

    def error(self, found: Array) -> float:
        """Largest distance of a corner from its true place, in parts of the shortest side.

        Which corner comes first is not judged, their order is; a margin may be in or out.
        """
        truths = [truth for truth in (self.corners, self.printed) if truth is not None]
        return min(corner_error(found, truth) for truth in truths)


def _camera(
    size: tuple[int, int], aspect: float, lift: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """A 3 x 4 projection of the table's space to photo pixels, and the top face's corners.

    The picture spans ``aspect`` x 1 about the origin at height ``lift`` over the table.
    """
    width, height = size
    while True:
        focal = rng.uniform(0.6, 1.4) * np.hypot(width, height)
        tilt, turn = np.deg2rad(rng.uniform([-42, -20], [42, 20]))
        roll = np.deg2rad(rng.choice([rng.normal(0, 8), rng.uniform(-180, 180)], p=[0.75, 0.25]))
        rx = [[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]]
        ry = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
        rz = [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
        pose = np.array(rx) @ np.array(ry) @ np.array(rz)
        far = focal / (rng.uniform(0.35, 0.95) * min(width / aspect, height))
        shift = rng.normal(0, 0.06, 2) * far
        inner = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        projection = inner @ np.column_stack([pose, [*shift, far]])
        x, y = aspect / 2, 0.5
        face = np.array([[-x, -y], [x, -y], [x, y], [-x, y]])
        corners = project(projection, face, -lift)
        foot = project(projection, face, 0.0)
        room = 0.012 * max(size)
        both = np.vstack([corners, foot])
        covered = cv2.contourArea(corners.astype(np.float32)) / (width * height)
        if (both > room).all() and (both < np.array(size) - room).all() and covered > 0.12:
            return projection, corners


def project(projection: Array, points: Array, z: float) -> Array:
    """(N, 2) points of the plane at height z into the photo."""
    at = np.column_stack([points, np.full(len(points), z), np.ones(len(points))]) @ projection.T
    return at[:, :2] / at[:, 2:]


def _into(plan: Array, corners: Array, size: tuple[int, int], border: int) -> Array:
    """(H, W, C) float32, a plan whose own corners come to lie on (4, 2) corners of the photo."""
    height, width = plan.shape[:2]
    own = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    # OpenCV counts from pixel centres on both sides.
    forward = cv2.getPerspectiveTransform(own - 0.5, corners.astype(np.float32) - 0.5)
    return cv2.warpPerspective(
        plan.astype(np.float32), forward, size, flags=cv2.INTER_LINEAR, borderMode=border
    )


def _cover(polygon: Array, size: tuple[int, int]) -> Array:
    """(H, W, 1) 0..1, a polygon with soft edges."""
    mask = np.zeros(size[::-1], np.uint8)
    points = np.rint((polygon - 0.5) * 16).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, shift=4)
    return (mask / np.float32(255))[..., None]


def _printed(picture: Array, rng: np.random.Generator) -> tuple[Array, int]:
    """The picture with what prints have around and on them: a margin, a title, seams.

    Returns:
        The print, and how many pixels wide its margin is.
    """
    height, width = picture.shape[:2]
    shown, margin = picture.copy(), 0
    if rng.random() < 0.35:
        colour = int(rng.choice([250, 20, rng.integers(20, 240)]))
        margin = int(rng.uniform(0.015, 0.07) * height)
        shown[:margin], shown[-margin:], shown[:, :margin], shown[:, -margin:] = (colour,) * 4
    if rng.random() < 0.4:
        at = (int(0.06 * width), int(rng.uniform(0.15, 0.9) * height))
        ink = tuple(float(v) for v in rng.uniform(0, 255, 3))
        cv2.putText(shown, "1000 pieces", at, cv2.FONT_HERSHEY_DUPLEX, width / 350, ink, 2)
    if rng.random() < 0.4:
        cells, dark = rng.integers(8, 30), rng.uniform(0.45, 0.85)
        step = height / cells
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        wave = 0.12 * step
        seam = (x + wave * np.sin(y * 6.28 / step)) % step < 1.3
        seam |= (y + wave * np.sin(x * 6.28 / step)) % step < 1.3
        shown[seam] = (shown[seam] * dark).astype(np.uint8)
    return shown, margin


def _things(photo: Array, keep: Array, rng: np.random.Generator) -> Array:
    """Loose pieces, pens and cups with their shadows, off the (4, 2) outline ``keep``."""
    height, width = photo.shape[:2]
    size = (width, height)
    for _ in range(rng.integers(0, 8)):
        centre, radius = rng.uniform([0, 0], size), rng.uniform(0.015, 0.09) * width
        if cv2.pointPolygonTest(keep.astype(np.float32), centre.tolist(), True) > -1.5 * radius:
            continue
        angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 9)))
        if rng.random() < 0.4:
            angles = np.linspace(0, 2 * np.pi, 40)
        stretch = np.array([1.0, rng.uniform(0.15, 1.0)])
        turn = rng.uniform(0, np.pi)
        linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        shape = np.stack([np.cos(angles), np.sin(angles)], axis=1) * stretch * radius @ linear.T
        shadow = cv2.GaussianBlur(_cover(centre + shape + radius * 0.15, size), (0, 0), radius / 6)
        photo = photo * (1 - 0.4 * shadow[..., None])
        cover = _cover(centre + shape, size)
        photo = photo * (1 - cover) + rng.uniform(15, 245, 3) * cover
    return photo


def _taken(photo: Array, rng: np.random.Generator) -> Array:
    """Light, lens, sensor and file."""
    height, width = photo.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    slope = rng.uniform(-0.25, 0.25, 2)
    light = (1 + slope[0] * x + slope[1] * y) * (1 - rng.uniform(0, 0.3) * (x**2 + y**2) / 2)
    photo = photo * light[..., None] * rng.uniform(0.75, 1.15) * rng.uniform(0.92, 1.08, 3)
    if rng.random() < 0.25:  # a lamp's reflection
        at = rng.uniform(-0.8, 0.8, 2)
        spot = np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / rng.uniform(0.01, 0.08))
        photo = photo + rng.uniform(30, 140) * spot[..., None]
    photo = cv2.GaussianBlur(photo, (0, 0), rng.uniform(0.5, 1.7))
    grain = np.exp(rng.uniform(np.log(1.0), np.log(16.0)))
    photo = photo + grain * rng.standard_normal(photo.shape)
    _, data = cv2.imencode(
        ".jpg",
        photo.clip(0, 255).astype(np.uint8),
        [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 96))],
    )
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def photograph(rng: np.random.Generator, table: str, picture: Array | None = None) -> TablePhoto:
    """Photographs a picture, (H, W, 3) uint8 or one of its own, on a kind of table."""
    if picture is None:
        width, height = [(640, 480), (480, 640), (560, 560), (720, 400)][rng.integers(4)]
        picture = draw_picture(width, height, rng, KINDS[rng.integers(len(KINDS))])
    aspect = picture.shape[1] / picture.shape[0]
    size = [(1000, 750), (750, 1000), (1066, 600)][rng.integers(3)]
    lift = float(rng.choice([0.0, 0.006, rng.uniform(0.03, 0.14)], p=[0.3, 0.3, 0.4]))
    projection, corners = _camera(size, aspect, lift, rng)
    far = rng.uniform(1.5, 3.0)  # how much of the table the texture's own square spans
    ground = np.array([[-far, -far], [far, -far], [far, far], [-far, far]])
    photo = _into(TABLES[table](rng), project(projection, ground, 0.0), size, cv2.BORDER_REFLECT)
    x, y = aspect / 2, 0.5
    face = np.array([[-x, -y], [x, -y], [x, y], [-x, y]])
    foot = project(projection, face, 0.0)
    outline = cv2.convexHull(np.vstack([corners, foot]).astype(np.float32))[:, 0]
    photo = _things(photo, outline, rng)
    cast = project(projection, face + rng.normal(0, 0.4, 2) * (lift + 0.01), 0.0)
    soft = cv2.GaussianBlur(_cover(cast, size), (0, 0), 2 + 60 * lift * rng.uniform(0.3, 1))
    photo *= 1 - rng.uniform(0.1, 0.6) * soft[..., None]
    side = picture.mean(axis=(0, 1)) if rng.random() < 0.5 else rng.uniform(20, 240, 3)
    for a, b in ((0, 1), (1, 2), (2, 3), (3, 0)):
        wall = _cover(np.array([corners[a], corners[b], foot[b], foot[a]]), size)
        photo = photo * (1 - wall) + side * rng.uniform(0.3, 0.9) * wall
    top = _cover(corners, size)
    print_, margin = _printed(picture, rng)
    photo = photo * (1 - top) + _into(print_, corners, size, cv2.BORDER_REPLICATE) * top
    within = face - np.sign(face) * margin / picture.shape[0]
    printed = project(projection, within, -lift) if margin else None
    return TablePhoto(_taken(photo, rng), table, corners, printed)


def empty_table(rng: np.random.Generator, table: str) -> TablePhoto:
    """A table with things on it and no picture."""
    size = (1000, 750)
    projection, _ = _camera(size, 1.3, 0.0, rng)
    ground = np.array([[-2, -2], [2, -2], [2, 2], [-2, 2]])
    photo = _into(TABLES[table](rng), project(projection, ground, 0.0), size, cv2.BORDER_REFLECT)
    nowhere = np.array([[-900.0, -900], [-899, -900], [-899, -899], [-900, -899]])
    return TablePhoto(_taken(_things(photo, nowhere, rng), rng), table)


def corner_error(found: Array, truth: Array) -> float:
    """As of :meth:`TablePhoto.error`, against (4, 2) true corners."""
    side = np.linalg.norm(np.roll(truth, -1, axis=0) - truth, axis=1).min()
    turns = (np.roll(found, k, axis=0) for k in range(4))
    return min(float(np.linalg.norm(t - truth, axis=1).max() / side) for t in turns)


def kinds(count: int) -> list[str]:
    """Kinds of table, each in turn."""
    return [list(TABLES)[n % len(TABLES)] for n in range(count)]
