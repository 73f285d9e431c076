"""Problems that a route can answer with, as the OpenAPI document shows them."""

import http
from typing import Any

_WHY = {
    400: "The body is not valid multipart or JSON, or was cut short.",
    401: "The server asks for a bearer token.",
    404: "There is no such puzzle or piece.",
    405: "The path does not take this method.",
    408: "The body came too slowly.",
    409: "The puzzle is not ready, or has no grid.",
    413: "The upload is larger than the limit.",
    415: "The body or a file is of a kind that is not taken.",
    422: "A field or parameter is missing, unknown or out of range, or an image cannot be used.",
    500: "The server failed; it has been logged.",
    503: "Too much is waiting; try again after Retry-After seconds.",
    507: "The storage is full of puzzles in use.",
}


def _example_of(status: int) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": http.HTTPStatus(status).phrase,
        "status": status,
        "detail": _WHY[status],
        "instance": "/v1/puzzles",
    }


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of a route that can answer with these problems."""
    reference = {"$ref": "#/components/schemas/Problem"}
    found: dict[int | str, dict[str, Any]] = {}
    for status in sorted({401, 422, 500, *statuses}):
        entry: dict[str, Any] = {
            "description": _WHY[status],
            "content": {
                "application/problem+json": {"schema": reference, "example": _example_of(status)}
            },
        }
        if status == 503:
            entry["headers"] = {
                "Retry-After": {"description": "seconds", "schema": {"type": "integer"}}
            }
        found[status] = entry
    return found


def image_answer(media_type: str, about: str) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` entry of an image."""
    schema = {"schema": {"type": "string", "format": "binary"}}
    return {200: {"description": about, "content": {media_type: schema}}}
