"""One consistent answer for all pieces of a puzzle."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from heatmap_locator.grid import Grid
from heatmap_locator.service import half_done, puzzles, records, squaring
from heatmap_locator.service.marks import settled
from heatmap_locator.service.problems import Problem
from heatmap_locator.service.records import placements_of
from heatmap_locator.service.service import Service
from heatmap_locator.service.storage import Record

if TYPE_CHECKING:
    from heatmap_locator.assign import Assignment, Located
    from heatmap_locator.locator import Search
    from heatmap_locator.outline.sides import Sides
    from heatmap_locator.picture.done import Done


async def solve(service: Service, puzzle: Record) -> dict[str, Any]:
    """Assigns each located piece a cell of its own.

    Raises:
        Problem: 409, the puzzle has no grid, is or is not ready.
    """
    grid = squaring.grid_of(puzzle)
    if grid is None:
        raise Problem(409, "the grid is not known; give pieces or grid with the puzzle", "no-grid")
    if puzzle["state"] != "ready":
        raise Problem(409, f"the puzzle is {puzzle['state']}; try again later", "not-ready")
    located = [
        piece
        for piece in await service.pieces(puzzle["id"])
        if piece["state"] == "located" and placements_of(piece)
    ]
    service.events.publish(puzzle["id"], "solve", {"state": "started", "pieces": len(located)})
    size = puzzle["width"], puzzle["height"]
    # The photos are let go one by one.
    kept = [
        await service.work(_kept, p, settled(p, await service.stored_search(p), size), grid)
        for p in located
    ]

    def compute() -> "list[Assignment]":
        from heatmap_locator.assign import assign

        return assign(_Cut(*size, grid, done), kept)

    async with service.decoded.of(puzzle["id"]):
        done = await service.work(puzzles.seen_done, service, puzzle)
    if done is not None:
        lying = [placements_of(piece)[0].cell for piece in located if piece.get("placed")]
        done = half_done.with_placed(done, [cell for cell in lying if cell is not None])
    answers = await service.work(compute) if kept else []
    ids = [piece["id"] for piece in located]
    assignments = [_entry(answer, ids) for answer in answers]
    unsure = [entry["piece"] for entry in assignments if not entry["sure"]]
    service.events.publish(
        puzzle["id"],
        "solve",
        {"state": "done", "pieces": len(located), "unsure": len(unsure)},
    )
    return {"puzzle": puzzle["id"], "assignments": assignments, "unsure": unsure}


def _kept(piece: Record, search: "Search", grid: Grid) -> "Located":
    """What assigning needs of a piece and its search."""
    from heatmap_locator.assign import keep  # here: it loads SciPy

    return keep(replace(search, sides=_sides(piece, search)), grid)


def _sides(piece: Record, search: "Search") -> "Sides | None":
    """As they were seen in the photo; of older records, which do not have them, in the cut-out."""
    if "sides" in piece:
        return records.sides_of(piece)
    from heatmap_locator.outline.sides import find_sides

    return find_sides(search.piece_mask, search.piece_rgb)


def _entry(answer: "Assignment", ids: list[str]) -> dict[str, Any]:
    """An assignment as the API shows it."""
    problem = None
    if answer.problem is not None:
        problem = {"other": None, "cell": None, **answer.problem.to_dict()}
        if answer.problem.other is not None:
            problem["other"] = ids[answer.problem.other]
    return {
        "piece": ids[answer.index],
        "cell": None if answer.cell is None else list(answer.cell),
        "placement": answer.placement.to_dict(),
        "sure": bool(answer.sure),
        "why": None if answer.why is None else answer.why.to_dict(),
        "problem": problem,
    }


class _Cut:
    """What an assignment asks of a puzzle, without its features."""

    def __init__(self, width: int, height: int, grid: Grid, done: "Done | None") -> None:
        self.width, self.height, self.done = width, height, done
        self.grid: Grid | None = grid
