"""``heatmap-serve``: the service as a command.

Exit status: 0 stopped, 2 it could not start, 130 interrupted before it had.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from typing import TYPE_CHECKING

from heatmap_locator import __version__
from heatmap_locator.errors import HeatmapLocatorError, WeightsError
from heatmap_locator.options import Parser
from heatmap_locator.service.settings import Settings, add_arguments

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

PROG = "heatmap-serve"
CONNECTIONS = 512
"""Open connections beyond which the server answers 503."""


def build_parser() -> argparse.ArgumentParser:
    """The flags; each that was given is in the namespace, as text."""
    parser = Parser(
        prog=PROG,
        description="Serves a page and an API that say where jigsaw pieces go.",
        epilog="Every flag is also an environment variable: HEATMAP_PORT for --port, and so on.",
        allow_abbrev=False,
    )
    add_arguments(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the server until it is stopped; returns the exit status."""
    try:
        parser = build_parser()
        flags = vars(parser.parse_args(argv))
        from heatmap_locator.service.environment import read

        return _run(read(Settings, flags, parser.error))
    except ModuleNotFoundError as error:
        print(
            f"{PROG}: {error.name} is not installed; run: pip install 'heatmap-locator[serve]'",
            file=sys.stderr,
        )
        return 2
    except HeatmapLocatorError as error:
        print(f"{PROG}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _run(settings: Settings) -> int:
    for weights in (settings.weights, settings.outline_weights):
        if weights is not None and not weights.is_file():
            raise WeightsError(f"{weights}: no such weights file; check the path")
    import uvicorn

    from heatmap_locator.service.app import create_app
    from heatmap_locator.service.folder import LocalStorage

    storage = LocalStorage(settings.data)
    scratch = settings.data / "tmp"
    scratch.mkdir(exist_ok=True)
    # Uploads on their way in are spooled here, so that nothing else need be writable.
    tempfile.tempdir = str(scratch)
    for line in settings.lines():
        print(line)
    sys.stdout.flush()
    from heatmap_locator.service.engine import load_locator

    app = create_app(settings, load_locator(settings), storage)
    server = uvicorn.Server(_config(app, settings))
    try:
        server.run()
    finally:
        service = getattr(app.state, "service", None)
        if service is not None and not service.idle:
            # A search in work cannot be interrupted, and Python does not end well beside one that
            # goes on.  All that was acknowledged is on disk.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(130)
    return 0 if server.started else 2


def _config(app: "FastAPI", settings: Settings) -> "uvicorn.Config":
    import uvicorn

    from heatmap_locator.service.server import protocol

    return uvicorn.Config(
        app,
        http=protocol(settings.idle_seconds),
        host=settings.host,
        port=settings.port,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=1,
        server_header=False,
        ws="none",
        lifespan="on",
        log_level="info",
        access_log=False,
    )


if __name__ == "__main__":
    sys.exit(main())
