"""Names of what is drawn.  Imports nothing heavy: commands tell them before they load anything."""

PICTURES = ("plain", "repeating", "smooth")
"""What is made of pictures (``kinds.py``)."""

PLACED = (
    "plain",
    "finger",
    "hand",
    "glare",
    "shadow",
    "partly",
    "two",
    "cloth",
    "motion",
    "dark",
    "count",
)
"""Photos that show a piece of the picture as it is (``nuisances.py``).  ``count`` is a plain photo:
the number of pieces is wrong."""

MIRRORED = "mirrored"
"""One that shows a piece of the picture the wrong way round."""

FOREIGN = ("back", "foreign", "none")
"""Those that show none."""

PHOTOS = (*PLACED, MIRRORED, *FOREIGN)
