"""What the API answers, as the OpenAPI document shows it."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from heatmap_locator.service.examples import (
    PIECE_EXAMPLE,
    PLACEMENT_EXAMPLE,
    PUZZLE,
    PUZZLE_EXAMPLE,
)
from heatmap_locator.service.schemas_why import PieceProblem, Why, WhyThere

Point = Annotated[list[Annotated[float, Field(strict=True)]], Field(min_length=2, max_length=2)]
Box = Annotated[list[float], Field(min_length=4, max_length=4)]
Corners = Annotated[list[Point], Field(min_length=4, max_length=4)]
State = Literal["encoding", "ready", "failed"]


def _example(value: Any) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [value]})


def _request(*examples: Any) -> ConfigDict:
    """Of what is sent: a name that is not known is refused."""
    return ConfigDict(extra="forbid", json_schema_extra={"examples": list(examples)})


class Placement(BaseModel):
    """One possible place of a piece, as ``heatmap-predict --json`` prints it."""

    model_config = _example(PLACEMENT_EXAMPLE)

    box: Box = Field(description="(x1, y1, x2, y2) of the outline, knobs included, picture pixels")
    center: Point = Field(description="(x, y) of the box's middle")
    rotation: float = Field(description="degrees clockwise that the photo is turned, [0, 360)")
    score: float = Field(description="how sure, 0..1")
    cell: list[int] | None = Field(description="(row, col) from 0, null where no grid is known")
    why: Why | None = Field(description="what speaks for it; null where it was not searched for")


class Grid(BaseModel):
    """How the puzzle is cut."""

    rows: int
    cols: int


class Size(BaseModel):
    """Pixels, EXIF orientation applied."""

    width: int
    height: int


class PuzzleLinks(BaseModel):
    """Paths on this server."""

    self: str
    picture: str
    thumbnail: str
    original: str
    events: str
    done: str | None


class Puzzle(BaseModel):
    """A puzzle's picture and how far it is."""

    model_config = _example(PUZZLE_EXAMPLE)

    id: str
    name: str
    created: str = Field(description="ISO 8601, UTC")
    width: int = Field(description="of the squared-up picture; boxes are in its pixels")
    height: int
    grid: Grid | None
    pieces: int | None
    state: State
    error: str | None
    corners: Corners | None = Field(description="in the original's pixels, clockwise")
    original: Size
    piece_count: int = Field(description="pieces photographed so far")
    open: list[list[int]] | None = Field(
        description="(row, col) from 0 of the cells that the photo of the half-done puzzle shows "
        "open; null without one"
    )
    links: PuzzleLinks


class Puzzles(BaseModel):
    """All puzzles, newest first."""

    puzzles: list[Puzzle]


class OtherPiece(BaseModel):
    """A piece that lies in a photo beside the one located."""

    box: Box = Field(description="(x1, y1, x2, y2) in the photo's pixels")
    where: str = Field(description="in which part of the photo, such as `top left`")


class Progress(BaseModel):
    """How far the search of a photo of many pieces is."""

    done: int
    of: int


class PieceLinks(BaseModel):
    """Paths on this server; null where there is no such image."""

    self: str
    image: str | None
    photo: str | None
    overlay: str | None
    heatmap: str | None


class Piece(BaseModel):
    """A piece found in a photo, and its places."""

    model_config = _example(PIECE_EXAMPLE)

    id: str
    photo: str = Field(description="name of the photo as it was sent")
    number: int | None = Field(
        description="of its puzzle's, from 1, and never another's; null in older records"
    )
    many: bool = Field(description="its photo was said to show many pieces")
    photo_id: str | None = Field(description="the same for all pieces of one photo")
    state: Literal["located", "failed", "waiting"] = Field(
        description="waiting: its photo is kept and will be searched, or searched anew as the "
        "picture changed"
    )
    placed: bool = Field(description="somebody said that it lies in its place")
    chosen: Point | None = Field(description="the middle of the place that it was put in")
    rejected: list[Point] = Field(
        description="middles of places that are wrong; they are not among `placements`"
    )
    progress: Progress | None = Field(
        description="of a photo of many that waits, once its pieces are counted"
    )
    error: str | None
    outline: list[Point] | None = Field(description="in the photo's pixels")
    box_in_photo: Box | None
    touching: bool = Field(description="cut from a piece that it touched in the photo")
    others: list[OtherPiece] = Field(
        description="whole pieces beside this one in a photo of one; send it with `many` for all"
    )
    foreign: float | None = Field(
        description="probability, 0..1, that it is no piece of this picture: another puzzle's, "
        "seen from behind, none at all; null where it failed or the weights cannot tell"
    )
    doubts: list[str] = Field(
        description="what is odd about the photo, a few words each: probably or perhaps not of "
        "this picture, mirrored, runs off the photo, shows no print in part, lies half in shadow"
    )
    size_estimate: int | None = Field(
        description="about how many pieces the puzzle has, where that was not given or another "
        "number fits far better than the one given"
    )
    grid_estimate: list[int] | None = Field(
        description="[rows, columns] as the pieces before this one show them, where nothing was "
        "given of the cut; with those as its `grid` a puzzle's pieces are located anew"
    )
    one_of: int | None = Field(
        description="how many of the first placements hold nine tenths of the probability, where "
        "it takes 2 to 6 and none was said to be wrong; else null"
    )
    placements: list[Placement] = Field(description="best first")
    transforms: list[list[float]] = Field(
        description="for each placement, the 2x3 map from pixels of the image (the cut-out) to "
        "pixels of the picture, rows flattened"
    )
    seconds: float = Field(description="from the photo's arrival, waiting included")
    created: str
    links: PieceLinks


class Pieces(BaseModel):
    """All pieces of a puzzle, oldest first."""

    pieces: list[Piece]


class Located(BaseModel):
    """The pieces of the photos just sent."""

    puzzle: str
    pieces: list[Piece]


class SuggestedCorners(BaseModel):
    """Corners found in the original, null where none were."""

    corners: Corners | None


class CornersChange(BaseModel):
    """New corners, or null for none."""

    model_config = _request({"corners": [[102, 96], [911, 120], [940, 700], [80, 671]]})

    corners: Corners | None


class PieceChange(BaseModel):
    """What people say of a piece; what is left out stays as it is."""

    model_config = _request(
        {"placed": True, "chosen": [382.0, 252.6]}, {"rejected": [[75.2, 31.0]]}
    )

    placed: bool = Field(False, strict=True, description="whether it lies in its place")
    chosen: Point | None = Field(None, description="the middle of one of its places, or null")
    rejected: list[Point] = Field(
        [], max_length=100, description="middles of places that are wrong, all of them"
    )
    many: Literal[True] = Field(
        True, description="search its photo again, for all pieces in it; alone"
    )


class PuzzleChange(BaseModel):
    """What is to be changed of a puzzle; what is left out stays as it is."""

    model_config = _request({"name": "Lake in winter"}, {"pieces": 500})

    name: str = Field("", max_length=200)
    # strict: true is no number
    pieces: int | None = Field(None, ge=1, le=50_000, strict=True, description="null: not known")
    grid: str | None = Field(None, max_length=20, description="ROWSxCOLS; null: not known")


class Assignment(BaseModel):
    """The cell of a piece in one consistent answer."""

    piece: str
    cell: list[int] | None = Field(description="null for a piece left over; its problem says why")
    placement: Placement
    sure: bool
    why: WhyThere | None = Field(
        description="null for a piece left over, or where only print is known"
    )
    problem: PieceProblem | None


class Solution(BaseModel):
    """Each piece in a cell of its own."""

    puzzle: str
    assignments: list[Assignment]
    unsure: list[str] = Field(description="pieces that the answer would not swear to")


class Health(BaseModel):
    """Whether the process is up."""

    model_config = _example({"status": "ok"})

    status: str


class FieldError(BaseModel):
    """Where a request is not valid."""

    loc: list[str]
    msg: str
    type: str


class Problem(BaseModel):
    """RFC 9457."""

    model_config = _example(
        {
            "type": "urn:heatmap-locator:not-found",
            "title": "Not Found",
            "status": 404,
            "detail": "no such puzzle; it may have been deleted",
            "instance": f"/v1/puzzles/{PUZZLE}",
        }
    )

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldError] | None = None
