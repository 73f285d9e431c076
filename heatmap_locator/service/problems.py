"""Errors as RFC 9457 problem documents."""

import http
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from heatmap_locator.errors import InputError, NoPieceError
from heatmap_locator.service.images import UnsupportedError

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = 5
"""Seconds after which a refused request may be tried again."""

_NO_OBJECT = "model_attributes_type", "missing"
"""Pydantic's errors for a body that is no JSON object: ``null`` is missing to an old FastAPI."""

_log = logging.getLogger("heatmap_locator.service")


class Problem(HTTPException):
    """An error to be answered: a status, one line for people, and a kind for programs.

    Args:
        status: of HTTP, 400..599.
        detail: what is wrong and what to do, one line.
        kind: end of the problem's ``type``; ``None`` for ``about:blank``.
        headers: sent along.
        extra: further members of the document.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        kind: str | None = None,
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(status, " ".join(detail.split()), dict(headers or {}))
        self.kind, self.extra = kind, extra


def refused(error: InputError) -> Problem:
    """The answer to an image that cannot be used."""
    if isinstance(error, UnsupportedError):
        return Problem(415, str(error), "unsupported-image")
    if isinstance(error, NoPieceError):
        return Problem(422, str(error), "no-piece")
    return Problem(422, str(error), "bad-image")


def queue_full(detail: str) -> Problem:
    """The answer where too much is going on already."""
    return Problem(503, detail, "queue-full", {"Retry-After": str(RETRY_AFTER)})


def all_failed(problems: list[Problem]) -> Problem:
    """The answer where nothing of a request could be used."""
    if len(problems) == 1:
        return problems[0]
    status = problems[0].status_code if len({p.status_code for p in problems}) == 1 else 422
    detail = "; ".join(str(p.detail) for p in problems[:5])
    if len(problems) > 5:
        detail += f"; and {len(problems) - 5} more"
    return Problem(status, detail, "none-located")


def problem_response(
    status: int,
    detail: str,
    instance: str,
    kind: str | None = None,
    headers: Mapping[str, str] | None = None,
    **extra: Any,
) -> JSONResponse:
    """The document as a response."""
    try:
        title = http.HTTPStatus(status).phrase
    except ValueError:
        title = "Error"
    body = {
        "type": "about:blank" if kind is None else f"urn:heatmap-locator:{kind}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": instance,
        **extra,
    }
    return JSONResponse(body, status, headers=dict(headers or {}), media_type=MEDIA_TYPE)


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = error.kind if isinstance(error, Problem) else None
    extra = error.extra if isinstance(error, Problem) else {}
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_allowed(request))
    return problem_response(
        error.status_code, str(error.detail), request.url.path, kind, headers, **extra
    )


def _allowed(request: Request) -> list[str]:
    """Methods that a path takes: of all its routes, where the router names those of the first."""
    found = [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    return ["GET", "HEAD", *found[1:]] if found[:1] == ["GET"] else found


def _said(entry: Mapping[str, Any]) -> str:
    """What is wrong at one place of a request."""
    no_object = entry["type"] in _NO_OBJECT and tuple(entry["loc"]) == ("body",)
    return "send a JSON object" if no_object else str(entry["msg"])


async def _on_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # The input is left out: it may be a whole upload.
    found = [
        {
            "loc": [str(part) for part in entry["loc"]],
            "msg": _said(entry),
            "type": entry["type"],
        }
        for entry in error.errors()[:20]
    ]
    if any(entry["loc"][:1] == ["path"] for entry in found):
        gone = Problem(404, "no such puzzle or piece; ids have 22 characters", "not-found")
        return await _on_http(request, gone)
    where = ".".join(found[0]["loc"]) if found else "request"
    detail = f"{where}: {found[0]['msg']}" if found else "the request is not valid"
    return problem_response(422, detail, request.url.path, "validation", errors=found)


async def _on_crash(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    detail = "the server failed on this request; it has been logged"
    return problem_response(500, detail, request.url.path)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_validation)
    app.add_exception_handler(Exception, _on_crash)
