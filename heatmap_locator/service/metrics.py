"""Prometheus figures of one application."""

import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# Upper bounds of the histograms' buckets.
_SECONDS = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Counters with a registry of their own, so that two applications do not share figures."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "heatmap_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.latency = Histogram(
            "heatmap_request_seconds",
            "Time from a request's head to the end of its answer.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.in_work = Gauge(
            "heatmap_photos_in_work", "Photos admitted and not answered.", registry=self.registry
        )
        self.queue = Gauge(
            "heatmap_queue_length", "Jobs waiting for the device.", registry=self.registry
        )
        self.batch = Histogram(
            "heatmap_batch_size",
            "Pieces searched together.",
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )
        self.search_seconds = Histogram(
            "heatmap_search_seconds",
            "Time a batch took on the device.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.encoded = Counter(
            "heatmap_puzzles_encoded", "Pictures encoded.", registry=self.registry
        )
        self.refused = Counter(
            "heatmap_refused", "Requests refused because of load.", registry=self.registry
        )
        self.removed = Counter(
            "heatmap_puzzles_removed",
            "Puzzles removed to stay under the storage limit.",
            registry=self.registry,
        )
        self.stored = Gauge("heatmap_stored_bytes", "Bytes kept.", registry=self.registry)


class MeasureRequests:
    """ASGI middleware: counts and times each request under its route's template."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            # A path that no route has is one label, or anyone could make millions.
            route = getattr(scope.get("route"), "path", "-")
            method = scope["method"] if scope["method"] in _METHODS else "-"
            self.metrics.requests.labels(method, route, str(status)).inc()
            self.metrics.latency.labels(method, route).observe(time.perf_counter() - started)


_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
