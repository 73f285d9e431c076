"""Parameters of a request's address: as with fields of a body, one that is not known is refused.

And of a route that takes JSON, a body that does not say it is, or holds a key twice.
"""

import contextlib
import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Query, Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel

from heatmap_locator.errors import one_line
from heatmap_locator.service.problems import Problem

_SHOWN = 40
"""Characters of a name that messages repeat."""


def fetched_anew(
    of: Annotated[
        str, Query(description="anything: with another value browsers fetch it anew")
    ] = "",
) -> None:
    """A dependency of routes whose images change under their address."""


def unknown(name: str, what: str, known: frozenset[str]) -> Problem:
    """The answer to a field or parameter that a route does not take.

    Args:
        name: as it was sent.
        what: it is.
        known: those that the route takes.
    """
    takes = ", ".join(sorted(known)) or "none"
    shown = one_line(name[:_SHOWN])
    return Problem(422, f"unknown {what} '{shown}'; this takes {takes}", f"unknown-{what}")


def twice(name: str) -> Problem:
    """The answer to a field or parameter that a request holds twice, where one is taken."""
    return Problem(422, f"{one_line(name[:_SHOWN])}: was sent twice; send one", "sent-twice")


class ApiRoute(APIRoute):
    """A route that takes no query parameters but its own, each once, and JSON where it takes it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known, fields = frozenset(_parameters(self.dependant)), _fields(self.dependant)
        takes_json = any(map(_model_of, self.dependant.body_params))

        async def checked(request: Request) -> Response:
            seen: set[str] = set()
            for name, _ in request.query_params.multi_items():
                if name in fields:
                    raise Problem(422, f"{name}: send it in the body", "unknown-parameter")
                if name not in known:
                    raise unknown(name, "parameter", known)
                if name in seen:
                    raise twice(name)
                seen.add(name)
            if takes_json and _says_json(request):
                _refuse_twins(await request.body())
            try:
                return await handle(request)
            except RequestValidationError as error:  # FastAPI reads no JSON that is not called so
                of_body = all(entry["loc"][0] == "body" for entry in error.errors())
                if not (takes_json and of_body) or _says_json(request):
                    raise
                detail = "send a JSON object, with the header Content-Type: application/json"
                raise Problem(415, detail, "not-json") from None

        return checked


def _refuse_twins(body: bytes) -> None:
    """Refuse an object with a key sent twice, of which the last would count without a word."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        keyed: dict[str, Any] = {}
        for name, value in pairs:
            if name in keyed:
                raise twice(name)
            keyed[name] = value
        return keyed

    with contextlib.suppress(ValueError, RecursionError):  # no JSON is answered where it is read
        json.loads(body, object_pairs_hook=once)


def _parameters(dependant: Dependant) -> set[str]:
    """Names of a route's query parameters, with those of what it depends on."""
    own = {field.alias for field in dependant.query_params}
    return own.union(*map(_parameters, dependant.dependencies))


def _fields(dependant: Dependant) -> set[str]:
    """Names of the fields of a route's body, form or JSON."""
    found: set[str] = set()
    for field in dependant.body_params:
        model = _model_of(field)
        found |= {field.alias} if model is None else set(model.model_fields)
    return found


def _model_of(field: Any) -> type[BaseModel] | None:
    """What a parameter is that is a JSON object of its own."""
    kind = field.field_info.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


def _says_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
