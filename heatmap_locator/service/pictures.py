"""Pictures of answers: overlay and heatmap."""

import numpy as np
from fastapi import Response

from heatmap_locator.service import puzzles, records
from heatmap_locator.service.images import sniff
from heatmap_locator.service.service import Service
from heatmap_locator.service.storage import Record


async def as_shown(service: Service, data: bytes, name: str, browsers: bool) -> Response:
    """An image file as it was sent; as a JPEG where browsers do not show its format.

    Args:
        browsers: whether it is for them; otherwise it stays as it is.
    """
    kind = sniff(data, name)
    if kind.browsers or not browsers:
        return Response(data, media_type=kind.media_type)

    def convert() -> bytes:
        return records.to_jpeg(service.decoders.decode(data, "picture", name))

    return Response(await service.work(convert), media_type="image/jpeg")


async def heatmap(service: Service, piece: Record) -> bytes:
    """Grey PNG of a piece's heatmap, black 0 and white 1."""
    data = await service.file(piece, "heatmap")

    def draw() -> bytes:
        heat = records.read_heatmap(data)
        return records.to_png(np.rint(heat.clip(0, 1) * 255).astype(np.uint8))

    return await service.work(draw)


async def overlay(service: Service, puzzle: Record, piece: Record) -> bytes:
    """PNG of a piece's places in the picture."""
    from heatmap_locator.overlay import draw_overlay

    search = await service.stored_search(piece)
    async with service.drawing:
        picture = await puzzles.picture(service, puzzle)

        def draw() -> bytes:
            drawn = draw_overlay(
                picture,
                search.heatmap,
                search.placements[: piece["top"]],
                search.piece_rgb,
                search.piece_mask,
                piece.get("doubts", []),
            )
            return records.to_png(drawn)

        return await service.work(draw)
