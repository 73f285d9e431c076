"""Routes of puzzles: their pictures, corners, events and the solution."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Path, Query, Request, Response, UploadFile
from pydantic import TypeAdapter, ValidationError
from sse_starlette import EventSourceResponse

from heatmap_locator.picture.formats import NAMES
from heatmap_locator.service import pictures, puzzles, schemas
from heatmap_locator.service.fitting import view
from heatmap_locator.service.problems import Problem
from heatmap_locator.service.queries import ApiRoute, fetched_anew
from heatmap_locator.service.records import clean_name
from heatmap_locator.service.responses import image_answer, problems
from heatmap_locator.service.service import Service
from heatmap_locator.service.solve import solve
from heatmap_locator.service.streams import puzzle_events
from heatmap_locator.service.uploads import UploadRoute

ID_PATTERN = r"^[A-Za-z0-9_-]{22}$"
PuzzleId = Annotated[str, Path(pattern=ID_PATTERN, description="as POST /v1/puzzles answered it")]
Shown = Annotated[
    bool, Query(description="as a JPEG where it is of a format that browsers do not show")
]

_CORNERS: TypeAdapter[list[list[float]]] = TypeAdapter(schemas.Corners)


def get_service(request: Request) -> Service:
    """The application's service."""
    service: Service = request.app.state.service
    return service


TheService = Annotated[Service, Depends(get_service)]

uploads = APIRouter(prefix="/v1", tags=["puzzles"], route_class=UploadRoute)
router = APIRouter(prefix="/v1", tags=["puzzles"], route_class=ApiRoute)


def _parse_corners(text: str | None) -> list[list[float]] | None:
    if text is None or not text.strip():
        return None
    try:
        corners = _CORNERS.validate_python(json.loads(text))
    except (ValueError, RecursionError, ValidationError):
        raise Problem(
            422, "corners: give a JSON list of four [x, y], clockwise from the top left"
        ) from None
    return finite(corners, "corners")


def finite(points: list[list[float]], name: str) -> list[list[float]]:
    """Points as they are; 422 where a coordinate is none of a picture's."""
    if not all(abs(value) < 1e6 for point in points for value in point):  # NaN is not less either
        raise Problem(422, f"{name}: give coordinates in pixels of the picture")
    return points


@uploads.post(
    "/puzzles",
    status_code=201,
    response_model=schemas.Puzzle,
    responses=problems(400, 408, 413, 415, 503, 507),
    summary="Give the picture of a whole puzzle",
)
async def add_puzzle(
    service: TheService,
    response: Response,
    picture: Annotated[
        UploadFile, File(description=f"the box's picture, or a photo of it: {NAMES}")
    ],
    pieces: Annotated[
        int | None, Form(ge=1, le=50_000, description="how many pieces it has", examples=[192])
    ] = None,
    grid: Annotated[
        str | None,
        Form(max_length=20, description="or how it is cut, ROWSxCOLS", examples=["12x16"]),
    ] = None,
    name: Annotated[
        str | None, Form(max_length=200, description="what to call it", examples=["Lake"])
    ] = None,
    corners: Annotated[
        str | None,
        Form(
            max_length=400,
            description="JSON list of the puzzle's four corners [x, y] in the picture's pixels, "
            "clockwise from the top left; it is squared up by them",
            examples=["[[102,96],[911,120],[940,700],[80,671]]"],
        ),
    ] = None,
    find_corners: Annotated[
        bool, Form(description="find the corners in a photo taken at an angle")
    ] = False,
) -> Any:
    """Answers at once; the picture is encoded in the background (`state`, or `events`).

    With neither `pieces` nor `grid` the size of a piece is searched, which takes longer.
    """
    given = clean_name(picture.filename, "picture")
    record = await puzzles.add_puzzle(
        service,
        puzzles.Given(
            await picture.read(),
            clean_name(name, given),
            pieces,
            grid,
            _parse_corners(corners),
            find_corners,
        ),
    )
    response.headers["Location"] = f"/v1/puzzles/{record['id']}"
    return await view(service, record)


@router.get("/puzzles", response_model=schemas.Puzzles, responses=problems(), summary="All puzzles")
async def list_puzzles(service: TheService) -> Any:
    """Newest first."""
    return {"puzzles": await puzzles.views(service)}


@router.get(
    "/puzzles/{puzzle}",
    response_model=schemas.Puzzle,
    responses=problems(404),
    summary="One puzzle",
)
async def get_puzzle(service: TheService, puzzle: PuzzleId) -> Any:
    """Its `state` says whether it is encoded."""
    return await view(service, await service.puzzle(puzzle))


@router.patch(
    "/puzzles/{puzzle}",
    response_model=schemas.Puzzle,
    responses=problems(400, 404, 409, 413, 415, 503, 507),
    summary="Change its name or number of pieces",
)
async def change_puzzle(service: TheService, puzzle: PuzzleId, change: schemas.PuzzleChange) -> Any:
    """With another number of pieces, or rows and columns, its pieces are located anew."""
    given = change.model_dump(exclude_unset=True)
    if given.get("pieces") is not None and given.get("grid") is not None:
        raise Problem(422, "give pieces or grid, not both")
    return await view(service, await puzzles.change(service, puzzle, given))


@router.delete(
    "/puzzles/{puzzle}", status_code=204, responses=problems(404), summary="Delete a puzzle"
)
async def delete_puzzle(service: TheService, puzzle: PuzzleId) -> None:
    """With all its pieces."""
    await puzzles.delete_puzzle(service, puzzle)


@router.put(
    "/puzzles/{puzzle}/corners",
    response_model=schemas.Puzzle,
    responses=problems(400, 404, 408, 413, 415, 503, 507),
    summary="Set the corners",
)
async def set_corners(service: TheService, puzzle: PuzzleId, change: schemas.CornersChange) -> Any:
    """Squares the picture up by them, encodes it and locates its pieces anew.

    Coordinates are pixels of the original, clockwise from the top left; `null` undoes it.
    """
    corners = None if change.corners is None else finite(change.corners, "corners")
    return await view(service, await puzzles.set_corners(service, puzzle, corners))


@router.get(
    "/puzzles/{puzzle}/suggested-corners",
    response_model=schemas.SuggestedCorners,
    responses=problems(404),
    summary="Find the corners",
)
async def suggest_corners(service: TheService, puzzle: PuzzleId) -> Any:
    """The four corners of the puzzle in the original, or `null`; nothing is changed."""
    return {"corners": await puzzles.suggest_corners(service, puzzle)}


@uploads.put(
    "/puzzles/{puzzle}/done",
    response_model=schemas.Puzzle,
    responses=problems(400, 404, 408, 409, 413, 415, 503, 507),
    summary="Give a photo of the half-done puzzle",
)
async def set_done(
    service: TheService,
    puzzle: PuzzleId,
    photo: Annotated[
        UploadFile, File(description=f"what is done, on the table, from above: {NAMES}")
    ],
) -> Any:
    """Pieces go into the cells that it shows open (`open`) and are located anew.

    A photo that shows no finished part of the picture, or all of it, is refused. A later one
    replaces it.
    """
    name = clean_name(photo.filename, "photo")
    return await view(service, await puzzles.set_done(service, puzzle, await photo.read(), name))


@router.delete(
    "/puzzles/{puzzle}/done",
    response_model=schemas.Puzzle,
    responses=problems(404, 503, 507),
    summary="Let go of the photo of the half-done puzzle",
)
async def forget_done(service: TheService, puzzle: PuzzleId) -> Any:
    """All cells are open again, and pieces are located anew."""
    return await view(service, await puzzles.forget_done(service, puzzle))


@router.get(
    "/puzzles/{puzzle}/done",
    response_class=Response,
    dependencies=[Depends(fetched_anew)],
    responses={**problems(404), **image_answer("image/*", "the file as it was sent")},
    summary="The photo of the half-done puzzle",
)
async def get_done(service: TheService, puzzle: PuzzleId, shown: Shown = False) -> Response:
    """As it was sent last."""
    return await _send(service, puzzle, "done", shown)


async def _send(service: Service, puzzle: str, role: str, shown: bool = False) -> Response:
    record = await service.puzzle(puzzle)
    data = await service.file(record, role)
    return await pictures.as_shown(service, data, role, shown)


@router.get(
    "/puzzles/{puzzle}/picture",
    response_class=Response,
    dependencies=[Depends(fetched_anew)],
    responses={**problems(404), **image_answer("image/jpeg", "squared up and upright")},
    summary="The picture",
)
async def get_picture(service: TheService, puzzle: PuzzleId) -> Response:
    """In the pixels that boxes are given in."""
    return await _send(service, puzzle, "picture")


@router.get(
    "/puzzles/{puzzle}/thumbnail",
    response_class=Response,
    dependencies=[Depends(fetched_anew)],
    responses={**problems(404), **image_answer("image/jpeg", "480 pixels at most")},
    summary="A small picture",
)
async def get_thumbnail(service: TheService, puzzle: PuzzleId) -> Response:
    """For lists."""
    return await _send(service, puzzle, "thumbnail")


@router.get(
    "/puzzles/{puzzle}/original",
    response_class=Response,
    responses={**problems(404), **image_answer("image/*", "the file as it was sent")},
    summary="The original",
)
async def get_original(service: TheService, puzzle: PuzzleId, shown: Shown = False) -> Response:
    """The picture as it was sent."""
    return await _send(service, puzzle, "original", shown)


@router.get(
    "/puzzles/{puzzle}/events",
    response_class=EventSourceResponse,
    responses={
        **problems(404, 503),
        200: {
            "description": "`puzzle`, `piece`, `solve` and `removed` events with JSON data",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
    summary="What happens to a puzzle",
)
async def get_events(service: TheService, puzzle: PuzzleId) -> EventSourceResponse:
    """Server-sent events; the first is the puzzle as it is."""
    return await puzzle_events(service, await service.puzzle(puzzle))


@router.post(
    "/puzzles/{puzzle}/solve",
    response_model=schemas.Solution,
    response_model_exclude_unset=True,
    responses=problems(404, 409, 503),
    summary="A cell for every piece",
)
async def solve_puzzle(service: TheService, puzzle: PuzzleId) -> Any:
    """One consistent answer for all pieces so far: no two in one cell."""
    return await solve(service, await service.puzzle(puzzle))
