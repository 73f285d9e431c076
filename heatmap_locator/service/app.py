"""The application: routes, middleware, documents."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.openapi.utils import get_openapi
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import Lifespan

from heatmap_locator import __version__
from heatmap_locator.service import (
    fitting,
    photos,
    problems,
    routes_pieces,
    routes_puzzles,
    schemas,
)
from heatmap_locator.service.device import Device, load_locator
from heatmap_locator.service.folder import LocalStorage
from heatmap_locator.service.middleware import POLICY, HeadAsGet, Measured, SecurityHeaders
from heatmap_locator.service.service import Service
from heatmap_locator.service.settings import Settings
from heatmap_locator.service.storage import Storage
from heatmap_locator.service.uploads import Guard

if TYPE_CHECKING:
    from heatmap_locator.locator import Locator

STATIC = Path(__file__).parent / "static"

_ABOUT = """\
Where does this jigsaw piece go? Give the picture of the whole puzzle once, then photos of pieces;
each is answered with boxes in the picture's pixels, the angle it is turned by, and how sure it is.

Errors are problem documents (RFC 9457). Once a puzzle or a piece has been answered, it is on disk.
"""


def create_app(
    settings: Settings,
    locator: "Locator | None" = None,
    storage: Storage | None = None,
    make_device: Callable[[], Device] | None = None,
) -> FastAPI:
    """The application.

    Args:
        locator: the model; loaded by the settings at startup without one.
        storage: where everything is kept; the folder of the settings without one.
        make_device: makes what searches in place of a model in this process; called at startup.

    Raises:
        InputError: at startup, if the data folder cannot be used.
        WeightsError: at startup, if the weights cannot be used.
    """

    app = FastAPI(
        title="heatmap-locator",
        version=__version__,
        description=_ABOUT,
        lifespan=_lifespan(settings, locator, storage, make_device),
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        license_info={"name": "MIT"},
    )
    app.state.settings = settings
    problems.install(app)
    for router in (
        routes_puzzles.uploads,
        routes_puzzles.router,
        routes_pieces.uploads,
        routes_pieces.router,
    ):
        app.include_router(router)
    _add_operations(app)
    _add_pages(app)
    _add_middleware(app, settings)
    return app


def _lifespan(
    settings: Settings,
    locator: "Locator | None",
    storage: Storage | None,
    make_device: Callable[[], Device] | None,
) -> Lifespan[FastAPI]:
    """What goes on from startup to shutdown: the service, with what ``create_app`` was given."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        model = locator
        if model is None and make_device is None:
            model = await asyncio.to_thread(load_locator, settings)
        kept = storage
        if kept is None:
            kept = await asyncio.to_thread(LocalStorage, settings.data)
        service = Service(settings, kept, model, None if make_device is None else make_device())
        app.state.service = service
        await service.start()
        await fitting.resume(service)
        await photos.resume(service)
        yield
        await service.stop()

    return lifespan


def _add_middleware(app: FastAPI, settings: Settings) -> None:
    """The last one added is the first to see a request."""
    app.add_middleware(HeadAsGet)
    app.add_middleware(Guard, settings=settings)
    if settings.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(settings.cors),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Prefer"],
            expose_headers=["Location", "Preference-Applied", "Retry-After"],
        )
    app.add_middleware(SecurityHeaders)
    app.add_middleware(Measured)


def _add_operations(app: FastAPI) -> None:
    tags: list[Any] = ["operations"]

    @app.get("/healthz", response_model=schemas.Health, tags=tags, summary="Is the process up?")
    async def healthz() -> Any:
        """Always, as long as it answers."""
        return {"status": "ok"}

    unready: dict[int | str, dict[str, Any]] = {
        503: {
            "description": "The model is not ready.",
            "content": {
                "application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "example": {
                        "type": "urn:heatmap-locator:not-ready",
                        "title": "Service Unavailable",
                        "status": 503,
                        "detail": "the model is not ready",
                        "instance": "/readyz",
                    },
                }
            },
        }
    }

    @app.get(
        "/readyz",
        response_model=schemas.Health,
        responses=unready,
        tags=tags,
        summary="Does it take work?",
    )
    async def readyz(request: Request) -> Any:
        """Whether the model is loaded and its thread at work."""
        if not request.app.state.service.device.ready:
            raise problems.Problem(503, "the model is not ready", "not-ready")
        return {"status": "ok"}

    @app.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
        tags=tags,
        summary="Figures for Prometheus",
    )
    async def metrics(request: Request) -> Response:
        """Requests, latency, queue, batch size, storage."""
        registry = request.app.state.service.metrics.registry
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


def _add_pages(app: FastAPI) -> None:
    if STATIC.is_dir():
        app.mount("/static", StaticFiles(directory=STATIC), name="static")

    @app.get("/", include_in_schema=False)
    async def page() -> Response:
        if not (STATIC / "index.html").is_file():
            return JSONResponse({"docs": "/docs"})
        return FileResponse(STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/sw.js", include_in_schema=False)
    async def worker() -> Response:
        """Beside the page, as it may only keep what lies below itself."""
        return FileResponse(STATIC / "sw.js", headers={"Cache-Control": "no-cache"})

    try:
        import fastapi_offline
    except ModuleNotFoundError:
        swagger = None
    else:
        swagger = Path(fastapi_offline.__file__).parent / "static"
        app.mount("/docs-assets", StaticFiles(directory=swagger), name="docs-assets")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        if swagger is None:
            detail = "install fastapi-offline for this page; /openapi.json is there without"
            raise problems.Problem(404, detail)
        page = get_swagger_ui_html(
            openapi_url="/openapi.json",
            title=f"{app.title} API",
            swagger_js_url="/docs-assets/swagger-ui-bundle.js",
            swagger_css_url="/docs-assets/swagger-ui.css",
            swagger_favicon_url="/docs-assets/favicon.png",
        )
        # The page starts itself by a script within.
        page.headers["Content-Security-Policy"] = POLICY + "; script-src 'self' 'unsafe-inline'"
        return page

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with problems in place of FastAPI's own error shape."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        routes=app.routes,
        license_info=app.license_info,
    )
    parts = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        parts.pop(name, None)
    for part in parts.values():
        for member in part.get("properties", {}).values():
            for entry in (member, member.get("items", {})):
                if entry.pop("contentMediaType", None):  # FastAPI's, which few generators know
                    entry["format"] = "binary"
    own = schemas.Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    parts.update(own.pop("$defs", {}))
    parts["Problem"] = own
    for name, model in vars(schemas).items():
        # FastAPI drops the nulls from examples, and with them required members.
        if name in parts and "json_schema_extra" in getattr(model, "model_config", {}):
            parts[name].update(model.model_config["json_schema_extra"])
    document["components"]["securitySchemes"] = {
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "where the server was given a token",
        }
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if "application/json" in operation["responses"].get("422", {}).get("content", {}):
                del operation["responses"]["422"]  # FastAPI's own, where a route names none
            if path.startswith("/v1"):
                operation["security"] = [{"token": []}, {}]
    return document
