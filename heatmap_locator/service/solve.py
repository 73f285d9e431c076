"""One consistent answer for all pieces of a puzzle."""

from typing import Any

from heatmap_locator.grid import Grid
from heatmap_locator.service.marks import settled
from heatmap_locator.service.problems import Problem
from heatmap_locator.service.records import placements_of
from heatmap_locator.service.service import Service
from heatmap_locator.service.storage import Record


async def solve(service: Service, puzzle: Record) -> dict[str, Any]:
    """Assigns each located piece a cell of its own.

    Raises:
        Problem: 409, the puzzle has no grid, is or is not ready.
    """
    if puzzle["grid"] is None:
        raise Problem(409, "the grid is not known; give pieces or grid with the puzzle", "no-grid")
    if puzzle["state"] != "ready":
        raise Problem(409, f"the puzzle is {puzzle['state']}; try again later", "not-ready")
    located = [
        piece
        for piece in await service.pieces(puzzle["id"])
        if piece["state"] == "located" and placements_of(piece)
    ]
    grid = Grid(*puzzle["grid"])
    service.events.publish(puzzle["id"], "solve", {"state": "started", "pieces": len(located)})
    searches = [await service.stored_search(piece) for piece in located]

    def compute() -> list[Any]:
        from heatmap_locator.assign import assign

        size = puzzle["width"], puzzle["height"]
        known = [settled(p, s, size) for p, s in zip(located, searches, strict=True)]
        return assign(_Cut(*size, grid), known)

    answers = await service.work(compute) if searches else []
    assignments = [
        {
            "piece": located[answer.index]["id"],
            "cell": None if answer.cell is None else list(answer.cell),
            "placement": answer.placement.to_dict(),
            "sure": bool(answer.sure),
        }
        for answer in answers
    ]
    unsure = [entry["piece"] for entry in assignments if not entry["sure"]]
    service.events.publish(
        puzzle["id"],
        "solve",
        {"state": "done", "pieces": len(located), "unsure": len(unsure)},
    )
    return {"puzzle": puzzle["id"], "assignments": assignments, "unsure": unsure}


class _Cut:
    """What an assignment asks of a puzzle, without its features."""

    def __init__(self, width: int, height: int, grid: Grid) -> None:
        self.width, self.height = width, height
        self.grid: Grid | None = grid
