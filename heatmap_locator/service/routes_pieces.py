"""Routes of pieces: photos in, places out, and pictures of both."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, File, Form, Header, Path, Request, Response, UploadFile
from sse_starlette import EventSourceResponse

from heatmap_locator.picture.formats import NAMES
from heatmap_locator.service import photos as photos_kept
from heatmap_locator.service import pictures, schemas
from heatmap_locator.service.locating import Asked
from heatmap_locator.service.marks import is_at, is_denied
from heatmap_locator.service.problems import Problem
from heatmap_locator.service.queries import ApiRoute, fetched_anew
from heatmap_locator.service.records import clean_name, piece_view, placements_of
from heatmap_locator.service.responses import image_answer, problems
from heatmap_locator.service.routes_puzzles import (
    ID_PATTERN,
    PuzzleId,
    Shown,
    TheService,
    finite,
)
from heatmap_locator.service.streams import (
    Photo,
    locate_events,
    locate_photos,
    while_connected,
)
from heatmap_locator.service.uploads import UploadRoute

PieceId = Annotated[str, Path(pattern=ID_PATTERN, description="as locate answered it")]

uploads = APIRouter(prefix="/v1", tags=["pieces"], route_class=UploadRoute)
router = APIRouter(prefix="/v1/puzzles/{puzzle}/pieces", tags=["pieces"], route_class=ApiRoute)


@uploads.post(
    "/puzzles/{puzzle}/locate",
    response_model=schemas.Located,
    response_model_exclude_unset=True,
    responses={
        **problems(400, 404, 408, 409, 413, 415, 503, 507),
        202: {
            "description": "with `Prefer: respond-async`: the photos are kept; each is a piece "
            "that waits",
            "model": schemas.Located,
            "headers": {
                "Preference-Applied": {"schema": {"type": "string"}},
                "Location": {"schema": {"type": "string"}},
            },
        },
        200: {
            "description": "a piece for every one found; one that failed says why",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
    },
    summary="Where do these pieces go?",
)
async def locate(
    request: Request,
    response: Response,
    service: TheService,
    puzzle: PuzzleId,
    photos: Annotated[
        list[UploadFile],
        File(
            description=f"photos of one piece each: {NAMES}; an alpha channel that cuts something "
            "out is its outline"
        ),
    ],
    top: Annotated[int, Form(ge=1, le=100, description="places a piece", examples=[5])] = 5,
    many: Annotated[bool, Form(description="each photo shows many loose pieces")] = False,
    cutout: Annotated[
        bool,
        Form(
            description="each image is a piece cut out, whatever its shape: a plain rectangle "
            "too, which is otherwise taken for a photo"
        ),
    ] = False,
    accept: Annotated[str, Header(description="text/event-stream for one event a piece")] = "",
    prefer: Annotated[
        str, Header(description="respond-async (RFC 7240) for an answer before the search")
    ] = "",
) -> Any:
    """Waits for the picture to be encoded.  All failed: 422; some: those have an `error`.

    With `Prefer: respond-async` the answer is 202 as soon as the photos are on disk.  Their pieces
    are `waiting` then; ask for them, or listen to the puzzle's events.

    With `Accept: text/event-stream` each piece is sent as a `piece` event as soon as it is
    located, then `done`.
    """
    record = await service.puzzle(puzzle)
    if record["state"] == "failed":
        raise Problem(409, f"the puzzle could not be encoded: {record['error']}", "not-ready")
    service.check_room(len(photos))
    taken = [
        Photo(clean_name(photo.filename, f"photo {number}"), await photo.read())
        for number, photo in enumerate(photos, 1)
    ]
    asked = Asked(top, many, cutout)
    if "respond-async" in [part.partition(";")[0].strip().lower() for part in prefer.split(",")]:
        kept = await photos_kept.accept(service, record, taken, asked)
        response.status_code = 202
        response.headers["Preference-Applied"] = "respond-async"
        response.headers["Location"] = piece_view(kept[0])["links"]["self"]
        return {"puzzle": puzzle, "pieces": [piece_view(piece) for piece in kept]}
    if "text/event-stream" in accept.lower():
        return EventSourceResponse(locate_events(service, record, taken, asked), ping=15)
    work = locate_photos(service, record, taken, asked)
    found = await while_connected(request, work)
    return {"puzzle": puzzle, "pieces": [piece_view(piece) for piece in found]}


@router.get(
    "",
    response_model=schemas.Pieces,
    response_model_exclude_unset=True,
    responses=problems(404),
    summary="All pieces",
)
async def list_pieces(service: TheService, puzzle: PuzzleId) -> Any:
    """Oldest first."""
    version = (await service.puzzle(puzzle))["version"]
    pieces = await service.pieces(puzzle)
    photos_kept.adopt(service, pieces)
    return {"pieces": [piece_view(piece, version) for piece in pieces]}


@router.get(
    "/{piece}",
    response_model=schemas.Piece,
    response_model_exclude_unset=True,
    responses=problems(404),
    summary="One piece",
)
async def get_piece(service: TheService, puzzle: PuzzleId, piece: PieceId) -> Any:
    """As it was answered when it was located."""
    version = (await service.puzzle(puzzle))["version"]
    return piece_view(await service.piece(puzzle, piece), version)


@router.patch(
    "/{piece}",
    response_model=schemas.Piece,
    response_model_exclude_unset=True,
    responses=problems(400, 404, 409, 413, 415),
    summary="Say where it lies, or does not",
)
async def change_piece(
    service: TheService, puzzle: PuzzleId, piece: PieceId, change: schemas.PieceChange
) -> Any:
    """Marks a piece as placed, chooses one of its places, or takes wrong ones away.

    Points are in the picture's pixels. What is left out stays as it was said before; a place cannot
    be both chosen and rejected. `many` searches its photo again for all pieces in it.
    """
    given = change.model_dump(exclude_unset=True)
    record = await service.piece(puzzle, piece)
    version = (await service.puzzle(puzzle))["version"]
    if "many" in given:
        if len(given) > 1:
            raise Problem(422, "give many alone")
        return piece_view(await photos_kept.find_all(service, record), version)
    for point in [given.get("chosen"), *given.get("rejected", [])]:
        if point is not None:
            finite([point], "points")
    said = {**record, **given}
    if given.keys() & {"chosen", "rejected"} and is_denied(
        said, placements_of({**said, "rejected": []})
    ):
        raise Problem(422, "chosen: that place is one of those in rejected; give it in one of them")
    if given.get("chosen") and not any(is_at(p, given["chosen"]) for p in placements_of(said)):
        raise Problem(422, "chosen: none of the piece's places is there")
    changed = await service.change_piece(puzzle, piece, given)
    service.events.publish(puzzle, "piece", piece_view(changed, version))
    return piece_view(changed, version)


@router.delete("/{piece}", status_code=204, responses=problems(404), summary="Delete a piece")
async def delete_piece(service: TheService, puzzle: PuzzleId, piece: PieceId) -> None:
    """With its images."""
    await service.delete_piece(puzzle, piece)


@router.get(
    "/{piece}/image",
    response_class=Response,
    dependencies=[Depends(fetched_anew)],
    responses={**problems(404), **image_answer("image/png", "the piece cut out, RGBA")},
    summary="The piece cut out",
)
async def get_image(service: TheService, puzzle: PuzzleId, piece: PieceId) -> Response:
    """Its `transforms` map pixels of this image to the picture's."""
    data = await service.file(await service.piece(puzzle, piece), "image")
    return Response(data, media_type="image/png")


@router.get(
    "/{piece}/photo",
    response_class=Response,
    responses={**problems(404), **image_answer("image/*", "the file as it was sent")},
    summary="The photo it is from",
)
async def get_photo(
    service: TheService, puzzle: PuzzleId, piece: PieceId, shown: Shown = False
) -> Response:
    """The photo as it was sent."""
    data = await service.file(await service.piece(puzzle, piece), "photo")
    return await pictures.as_shown(service, data, "photo", shown)


@router.get(
    "/{piece}/overlay",
    response_class=Response,
    dependencies=[Depends(fetched_anew)],
    responses={**problems(404), **image_answer("image/png", "its places drawn")},
    summary="Its places, drawn in the picture",
)
async def get_overlay(service: TheService, puzzle: PuzzleId, piece: PieceId) -> Response:
    """As `heatmap-predict --overlay` draws it."""
    record = await service.piece(puzzle, piece)
    data = await pictures.overlay(service, await service.puzzle(puzzle), record)
    return Response(data, media_type="image/png")


@router.get(
    "/{piece}/heatmap",
    response_class=Response,
    dependencies=[Depends(fetched_anew)],
    responses={**problems(404), **image_answer("image/png", "grey, white is most likely")},
    summary="Its heatmap",
)
async def get_heatmap(service: TheService, puzzle: PuzzleId, piece: PieceId) -> Response:
    """Over the whole picture, at the resolution it was computed in."""
    data = await pictures.heatmap(service, await service.piece(puzzle, piece))
    return Response(data, media_type="image/png")
