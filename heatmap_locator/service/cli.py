"""``heatmap-serve``: the service as a command.

Exit status: 0 stopped, 2 it could not start, 130 interrupted before it had.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from heatmap_locator import __version__
from heatmap_locator.completion import add_completion
from heatmap_locator.device import check_device
from heatmap_locator.errors import MissingPackageError
from heatmap_locator.files import check_weights_files
from heatmap_locator.options import Parser
from heatmap_locator.outcome import run_command
from heatmap_locator.service import lan
from heatmap_locator.service.port import check_port
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
    add_completion(parser)
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the server until it is stopped; returns the exit status."""
    return run_command(PROG, partial(_from_arguments, argv))


def _from_arguments(argv: Sequence[str] | None) -> int:
    parser = build_parser()
    flags = vars(parser.parse_args(argv))
    flags.pop("print_completion", None)
    try:
        from heatmap_locator.service.environment import read

        return _run(read(Settings, flags, parser.error))
    except ModuleNotFoundError as error:
        raise MissingPackageError(
            f"{error.name} is not installed; run: pip install 'heatmap-locator[serve]'"
        ) from None


def _run(settings: Settings) -> int:
    check_weights_files(settings.weights, settings.outline_weights)
    check_device(settings.device)
    check_port(settings.host, settings.port)
    from heatmap_locator.service.folder import LocalStorage

    storage = LocalStorage(settings.data)
    scratch = settings.data / "tmp"
    scratch.mkdir(exist_ok=True)
    # Uploads on their way in are spooled here, so that nothing else need be writable.
    tempfile.tempdir = str(scratch)
    if settings.lan:
        settings = _opened(settings)
    for line in settings.lines():
        print(line)
    sys.stdout.flush()
    import uvicorn

    from heatmap_locator.service.app import create_app
    from heatmap_locator.service.device import load_locator

    app = create_app(settings, load_locator(settings), storage)
    if settings.lan and settings.token is not None:
        print(lan.welcome(settings.port, settings.token), flush=True)
    server = uvicorn.Server(_config(app, settings))
    try:
        server.run()
    finally:
        service = getattr(app.state, "service", None)
        if service is not None and not service.idle:
            # A step in work cannot be interrupted, and Python does not end well beside one that
            # goes on.  All that was acknowledged is on disk.
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(130)
    return 0 if server.started else 2


def _opened(settings: Settings) -> Settings:
    """Settings for ``--lan``: all networks, and a token."""
    host = settings.host if settings.host != Settings.host else lan.ANY
    token = settings.token or lan.kept_token(settings.data)
    return replace(settings, host=host, token=token, port=settings.port or lan.free_port())


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
