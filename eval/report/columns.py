"""Rows of text in columns: for a terminal, and in Markdown."""

from collections.abc import Sequence


def in_columns(headings: Sequence[str], rows: Sequence[Sequence[str]], names: int = 1) -> str:
    """Headings and rows for a terminal.

    Args:
        headings: of the columns.
        rows: as long as these.
        names: first columns that are set to the left; the others are numbers, to the right.
    """
    lines = [headings, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    return "\n".join(
        "  ".join(
            text.rjust(width) if i >= names else text.ljust(width)
            for i, (text, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def in_markdown(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Headings and rows as a table of Markdown."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (headings, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(headings), *lines[1:]])
