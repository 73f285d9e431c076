"""Examples of answers, as the API's document shows them."""

PUZZLE = "Vq0pO4n1sK3gk7u2m5Yx9A"
PIECE = "b9tZr0QwL2cXk8e1N6uD3g"

PLACEMENT_EXAMPLE = {
    "box": [348.03, 210.14, 415.98, 295.07],
    "center": [382.0, 252.6],
    "rotation": 216.6,
    "score": 0.868,
    "cell": [3, 5],
    "why": {"print": 5.12, "sides": 0.0},
}
PUZZLE_EXAMPLE = {
    "id": PUZZLE,
    "name": "Lake in autumn",
    "created": "2026-01-31T18:02:11.480112Z",
    "width": 960,
    "height": 720,
    "grid": {"rows": 12, "cols": 16},
    "pieces": 192,
    "state": "ready",
    "error": None,
    "corners": None,
    "original": {"width": 960, "height": 720},
    "piece_count": 1,
    "open": None,
    "links": {
        "self": f"/v1/puzzles/{PUZZLE}",
        "picture": f"/v1/puzzles/{PUZZLE}/picture",
        "thumbnail": f"/v1/puzzles/{PUZZLE}/thumbnail",
        "original": f"/v1/puzzles/{PUZZLE}/original",
        "events": f"/v1/puzzles/{PUZZLE}/events",
        "done": None,
    },
}
PIECE_EXAMPLE = {
    "id": PIECE,
    "photo": "piece1.jpg",
    "number": 7,
    "many": False,
    "photo_id": "Qm2x8vT1cZ0r5kLw9aYb7g",
    "progress": None,
    "placed": False,
    "chosen": None,
    "rejected": [],
    "state": "located",
    "error": None,
    "outline": [[21.5, 30.0], [148.0, 33.5], [150.5, 160.0], [24.0, 158.5]],
    "box_in_photo": [21.5, 30.0, 150.5, 160.0],
    "touching": False,
    "others": [],
    "foreign": 0.0001,
    "doubts": [],
    "size_estimate": None,
    "grid_estimate": None,
    "one_of": None,
    "placements": [PLACEMENT_EXAMPLE],
    "transforms": [[0.41, -0.3, 361.2, 0.3, 0.41, 205.9]],
    "seconds": 0.47,
    "created": "2026-01-31T18:02:15.104501Z",
    "links": {
        "self": f"/v1/puzzles/{PUZZLE}/pieces/{PIECE}",
        "image": f"/v1/puzzles/{PUZZLE}/pieces/{PIECE}/image",
        "photo": f"/v1/puzzles/{PUZZLE}/pieces/{PIECE}/photo",
        "overlay": f"/v1/puzzles/{PUZZLE}/pieces/{PIECE}/overlay",
        "heatmap": f"/v1/puzzles/{PUZZLE}/pieces/{PIECE}/heatmap",
    },
}
