"""What comes in: who may send it, how much, how slowly, and in which fields."""

import asyncio
import functools
import hmac
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, get_args, get_origin

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.params import File
from fastapi.routing import APIRoute
from starlette.datastructures import FormData, Headers
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from heatmap_locator.service.problems import Problem, problem_response
from heatmap_locator.service.queries import ApiRoute, twice, unknown
from heatmap_locator.service.settings import Settings

MAX_PHOTOS = 32
"""Photos of one request."""

BODY_FILES = 8
"""A body of several files may be this many times as large as one."""

FIELD_BYTES = 4096
"""Of a field that is no file."""

_SLACK = 64 * 1024
"""Bytes of a body beside its files."""

_LINGER = 0.7
"""Seconds for which a body that is too large is read and dropped, so that its sender, who may not
look for an answer before all is sent, gets to see one."""


def _too_large(limit: float) -> Problem:
    return Problem(
        413,
        f"larger than the limit of {limit / 1e6:g} MB; shrink the image",
        "too-large",
        {"Connection": "close"},
    )


def body_limit(route: object, max_upload: int) -> int:
    """Bytes that the body of a request to a route may have: its files, and a little beside them.

    Args:
        route: what the request was matched to; one that declares no files takes none.
        max_upload: bytes of one file.
    """
    files = _files(route.dependant) if isinstance(route, APIRoute) else 0
    return files * max_upload + _SLACK


def _files(dependant: Dependant) -> int:
    """Full-sized files that the parameters of a route may come to."""
    count = sum(map(_files, dependant.dependencies))
    for field in dependant.body_params:
        if isinstance(field.field_info, File):
            count += BODY_FILES if _is_several(field.field_info.annotation) else 1
    return count


def _is_several(annotation: object) -> bool:
    origin = get_origin(annotation)
    if isinstance(origin, type) and issubclass(origin, (Sequence, set, frozenset)):
        return True
    return any(map(_is_several, get_args(annotation)))


class Guard:
    """ASGI middleware: the bearer token, and the size and pace of bodies, while they come in."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self._token = None if settings.token is None else settings.token.encode()

    def _welcome(self, scope: Scope, headers: Headers) -> bool:
        if self._token is None or scope["method"] == "OPTIONS":  # CORS asks without it
            return True
        if not (scope["path"] == "/v1" or scope["path"].startswith("/v1/")):
            return True
        kind, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode("utf-8", "replace"), self._token)
        return same and kind.lower() == "bearer"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self._welcome(scope, headers):
            response = problem_response(
                401,
                "send the server's token as 'Authorization: Bearer TOKEN'",
                scope["path"],
                "token",
                {"WWW-Authenticate": 'Bearer realm="heatmap-locator"'},
            )
            await response(scope, receive, send)
            return
        body = _Body(receive, scope, self.settings, headers)
        await self.app(scope, body.receive, send)


class _Body:
    """The receiving side of one request, counted and timed."""

    def __init__(
        self, receive: Receive, scope: Scope, settings: Settings, headers: Headers
    ) -> None:
        self._receive, self._scope, self._settings = receive, scope, settings
        self._seen, self._done = 0, False
        self._waits = headers.get("expect", "").lower() == "100-continue"
        try:
            self._declared = int(headers.get("content-length", "0"))
        except ValueError:
            self._declared = 0
        self._end = time.monotonic() + settings.upload_seconds

    @functools.cached_property
    def _limit(self) -> int:
        # The router leaves the route here, before anything of the body is asked for.
        return body_limit(self._scope.get("route"), self._settings.max_upload)

    async def receive(self) -> Message:
        if self._done:
            return await self._receive()
        if self._declared > self._limit:
            await self._refuse()
        message = await self._timed(self._receive)
        if message["type"] == "http.request":
            self._seen += len(message.get("body", b""))
            self._done = not message.get("more_body", False)
            if self._seen > self._limit:
                await self._refuse()
        else:
            self._done = True
        return message

    async def _timed(self, receive: Receive) -> Message:
        left = self._end - time.monotonic()
        try:
            return await asyncio.wait_for(
                receive(), max(0.0, min(left, self._settings.idle_seconds))
            )
        except TimeoutError:
            self._done = True
            raise Problem(
                408, "the body came too slowly; send it again", "slow", {"Connection": "close"}
            ) from None

    async def _refuse(self) -> None:
        """Raises 413, after a moment of listening."""
        if not self._done and not (self._waits and self._seen == 0):
            try:
                async with asyncio.timeout(_LINGER):
                    while (await self._receive()).get("more_body", False):
                        pass
            except TimeoutError:
                pass
        self._done = True
        if self._limit > _SLACK:  # what surrounds the files is not the sender's to count
            raise _too_large(self._limit - _SLACK)
        detail = f"the body is larger than the {_SLACK} bytes that are taken here"
        raise Problem(413, detail, "too-large", {"Connection": "close"})


class _Parser(MultiPartParser):
    """Starlette's parser with a limit of each file, kept while it comes in."""

    def __init__(self, *args: Any, max_file: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._max_file, self._of_part = max_file, 0

    def on_part_begin(self) -> None:
        super().on_part_begin()
        self._of_part = 0

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        # A field that is no file is refused here; its limit is no larger than a file's.
        super().on_part_data(data, start, end)
        self._of_part += end - start
        if self._of_part > self._max_file:
            raise _too_large(self._max_file)


class UploadRequest(Request):
    """A request whose form is multipart, of known fields, within limits.

    Attributes:
        known: names of the fields that the route takes, ``files`` those that are files, and
            ``several`` those that may come more than once.
    """

    known: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    several: frozenset[str] = frozenset()

    async def form(self, **limits: Any) -> FormData:  # type: ignore[override]
        """The form; a ``Problem`` says what is wrong with it."""
        settings: Settings = self.app.state.settings
        kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "multipart/form-data":
            raise Problem(415, "send a multipart/form-data body", "not-multipart")
        self.app.state.service.check_room(1)
        parser = _Parser(
            self.headers,
            self.stream(),
            max_files=min(MAX_PHOTOS, settings.queue),
            max_fields=16,
            max_part_size=min(FIELD_BYTES, settings.max_upload),
            max_file=settings.max_upload,
        )
        try:
            form = await parser.parse()
        except MultiPartException as error:
            raise Problem(400, f"the multipart body is not valid: {error.message}") from None
        except HTTPException:
            raise
        except Exception:  # the parser below it has errors of its own
            raise Problem(400, "the multipart body is not valid or was cut short") from None
        try:
            self._check(form)
        except Problem:
            await form.close()
            raise
        return form

    def _check(self, form: FormData) -> None:
        """Raises 422 for a field that the route does not take, or not like this."""
        seen: set[str] = set()
        for name, value in form.multi_items():
            if name not in self.known:
                raise unknown(name, "field", self.known)
            if name in self.files and isinstance(value, str):
                raise Problem(
                    422, f"{name}: is text, not a file; with curl, -F {name}=@FILE", "not-a-file"
                )
            if name in seen - self.several:
                raise twice(name)
            seen.add(name)


class UploadRoute(ApiRoute):
    """A route whose form is read by ``UploadRequest``."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        fields = {field.alias: field.field_info for field in self.dependant.body_params}
        several = {name for name, info in fields.items() if _is_several(info.annotation)}
        files = {name for name, info in fields.items() if isinstance(info, File)}

        async def read(request: Request) -> Response:
            upload = UploadRequest(request.scope, request.receive)
            upload.known, upload.files = frozenset(fields), frozenset(files)
            upload.several = frozenset(several)
            return await handle(upload)

        return read
