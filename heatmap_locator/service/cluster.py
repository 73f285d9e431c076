"""The same application on Ray Serve: several front ends, several models, one storage.

    HEATMAP_DATA=/srv/heatmap serve run heatmap_locator.service.cluster:app

``HEATMAP_STORAGE=s3://bucket/folder`` keeps everything in an object store instead of a folder that
all machines see; ``HEATMAP_REPLICAS`` (models), ``HEATMAP_FRONTS`` and ``HEATMAP_GPUS`` (of one
model, such as 0.5) say how much there is of it.
"""

import asyncio
import os
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import numpy as np
from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayActorError

from heatmap_locator.service.environment import read
from heatmap_locator.service.folder import LocalStorage
from heatmap_locator.service.settings import Layout, Settings
from heatmap_locator.service.storage import Storage

if TYPE_CHECKING:
    from ray.serve.handle import DeploymentHandle

    from heatmap_locator.locator import Search

ATTEMPTS = 5
"""Times a search is tried where the replica that had it dies."""

BATCH_WAIT = 0.02
"""Seconds a batch waits for more of its kind."""


def open_storage(settings: Settings, layout: Layout) -> Storage:
    """The storage that all processes share."""
    if layout.storage is None:
        return LocalStorage(settings.data, shared=True)
    from heatmap_locator.service.blobs import BlobStorage

    return BlobStorage(layout.storage)


class Searcher:
    """A replica with a model: collects searches into batches and runs them on its engine."""

    def __init__(self, settings: Settings, layout: Layout) -> None:
        from heatmap_locator.search.lanes import abreast
        from heatmap_locator.service.device import load_locator, together
        from heatmap_locator.service.engine import Engine
        from heatmap_locator.service.images import Decoders
        from heatmap_locator.service.metrics import Metrics
        from heatmap_locator.service.squaring import load_picture

        storage, decoders = open_storage(settings, layout), Decoders(1, settings.decode_seconds)
        locator = load_locator(settings)
        self._engine = Engine(
            locator,
            lambda puzzle, version: load_picture(storage, decoders, puzzle, version),
            together(locator, settings.batch),
            settings.cache,
            Metrics(),
            abreast(locator.device),
        )
        self.search.set_max_batch_size(settings.batch)
        self.search.set_batch_wait_timeout_s(BATCH_WAIT)

    @serve.batch
    async def search(self, asked: "list[tuple[str, int, np.ndarray, int, bool]]") -> "list[Any]":
        """Each answer is a search or the error that stands for it."""
        # All are in the engine's line before the first is done, so it takes them together.
        futures = [asyncio.wrap_future(self._engine.search(*one)) for one in asked]
        return await asyncio.gather(*futures, return_exceptions=True)

    async def encode(self, puzzle: str, version: int) -> None:
        """Make a puzzle's features ready here."""
        await asyncio.wrap_future(self._engine.encode(puzzle, version))

    def process(self) -> int:
        """The replica's process id."""
        return os.getpid()

    def check_health(self) -> None:
        """Raises where the engine has ended, so that the replica is replaced."""
        if not self._engine.ready:
            raise RuntimeError("the engine has stopped")


class RemoteDevice:
    """A ``Device`` whose models are replicas elsewhere; a search whose replica dies is repeated.

    Made in a running event loop.
    """

    def __init__(self, searcher: "DeploymentHandle[Any]") -> None:
        self._searcher, self._loop = searcher, asyncio.get_running_loop()

    @property
    def ready(self) -> bool:
        return True

    def encode(self, puzzle: str, version: int) -> "Future[None]":
        return self._start("encode", puzzle, version)

    def search(
        self, puzzle: str, version: int, image: np.ndarray, top: int, cutout: bool = False
    ) -> "Future[Search]":
        return self._start("search", (puzzle, version, image, top, cutout))

    def forget(self, puzzle: str, before: int | None = None) -> None:
        """Replicas drop what is not used."""

    def _start(self, method: str, *arguments: Any) -> "Future[Any]":
        return asyncio.run_coroutine_threadsafe(self._call(method, *arguments), self._loop)

    async def _call(self, method: str, *arguments: Any) -> Any:
        for attempt in range(ATTEMPTS):
            try:
                found = await getattr(self._searcher, method).remote(*arguments)
            except RayActorError:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(0.2 * 2**attempt)
                continue
            if isinstance(found, BaseException):
                raise found
            return found


def _front(settings: Settings, layout: Layout, searcher: "DeploymentHandle[Any]") -> FastAPI:
    from heatmap_locator.service.app import create_app

    return create_app(
        settings,
        storage=open_storage(settings, layout),
        make_device=lambda: RemoteDevice(searcher),
    )


def build(settings: Settings, layout: Layout) -> serve.Application:
    """The application as ``serve.run`` takes it."""
    searcher = serve.deployment(
        Searcher,
        name="searcher",
        num_replicas=layout.replicas,
        max_ongoing_requests=4 * settings.batch,
        health_check_period_s=2,
        ray_actor_options={"num_gpus": layout.gpus, "num_cpus": layout.cpus},
    ).bind(settings, layout)

    class Front:
        def __init__(self, handle: "DeploymentHandle[Any]") -> None:
            self.handle = handle

    def ingress() -> FastAPI:
        return _front(settings, layout, serve.get_deployment_handle("searcher"))

    front = serve.deployment(
        serve.ingress(ingress)(Front),
        name="front",
        num_replicas=layout.fronts,
        max_ongoing_requests=max(100, 2 * settings.queue),
        health_check_period_s=2,
        ray_actor_options={"num_cpus": 0.2},
    )
    return front.bind(searcher)


def app(arguments: dict[str, str] | None = None) -> serve.Application:
    """What ``serve run heatmap_locator.service.cluster:app`` runs."""
    return build(read(Settings), read(Layout))
