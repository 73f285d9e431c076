"""What ``heatmap-eval shape`` found of whole puzzles, as tables for people."""

from typing import Any


def _percent(counts: list[int]) -> str:
    """Of (right, all)."""
    return f"{100 * counts[0] / counts[1]:.1f}" if counts[1] else "-"


def table_of_done(rows: list[dict[str, Any]]) -> str:
    """For people, with ``--done``."""
    names = ("open", "missed", "mistaken", "alone", "together", "low", "surest", "seconds")
    lines = [f"{'puzzle':>14}" + "".join(f"{name:>10}" for name in names)]
    for row in rows:
        values = [str(row[name]) for name in names[:3]]
        values += [_percent(row[name]) for name in names[3:7]]
        values.append("-" if row["seconds"] is None else f"{row['seconds']:.1f}")
        lines.append(f"{row['puzzle']:>14}" + "".join(f"{value:>10}" for value in values))
    return "\n".join(lines) + (
        "\n\nopen: cells without a piece; missed: those taken for done, and mistaken: done ones "
        "taken for open; %, cell and angle right, of their pieces: each alone, all together, of "
        "those with low texture, of the 90% with the highest scores; seconds to read the photo"
    )


def table_of_border(rows: list[dict[str, Any]]) -> str:
    """For people, with ``--border``."""
    names = ("pieces", "border", "right", "angle", "sideless", "angle", "inside", "sent")
    lines = [f"{'puzzle':>12}" + "".join(f"{name:>10}" for name in names)]
    for row in rows:
        plain = row["sideless"]
        values = [str(row["pieces"]), str(row["border"][1])]
        values += [_percent(row["border"]), _percent(row["angle"])]
        values += [_percent(plain["border"]), _percent(plain["angle"])]
        values += [str(row["sent"][1]), str(row["sent"][0])]
        lines.append(f"{row['puzzle']:>12}" + "".join(f"{value:>10}" for value in values))
    return "\n".join(lines) + (
        "\n\neach alone. border: pieces of it; right: %, cell and angle; angle: %, that alone; "
        "sideless: % right with sides not looked at, and their angle; inside: pieces that are not "
        "of the border, and how many of them are sent there"
    )


def table_of_whole(rows: list[dict[str, Any]]) -> str:
    """For people."""
    head = ("puzzle", "pieces", "located", "print", "low", "right", "low", "surest", "sure")
    more = ("of", "border", "angle", "sent", "s", "MB")
    lines = [f"{head[0]:>17}" + "".join(f"{name:>9}" for name in (*head[1:], *more))]
    for row in rows:
        printed, found = row["by_print"], row["together"]
        values = [row["pieces"], row["located"]]
        values += [_percent(printed["all"]), _percent(printed["low"])]
        values += [_percent(found[key]) for key in ("all", "low", "surest", "sure")]
        values += [found["sure"][1], *(_percent(row["alone"][key]) for key in ("border", "angle"))]
        values += [row["alone"]["sent"][0], row["seconds"], row["memory"] if row["memory"] else "-"]
        lines.append(f"{row['puzzle']:>17}" + "".join(f"{value!s:>9}" for value in values))
    notes = (
        "\n\n%, cell and angle right, of all pieces. print: assigned by print alone; low: of those "
        "with low texture; surest: of the 90% with the highest scores; sure: of those said to be, "
        "and how many; border, angle: pieces of it, each alone, and the angle alone; sent: others "
        "that alone are sent there; s, MB: to assign them all\n\n"
    )
    return "\n".join(lines) + notes + _by_colour(rows)


def _by_colour(rows: list[dict[str, Any]]) -> str:
    """What colour changes."""
    parts = {
        "each": "each alone",
        "lit": "each alone, in the light",
        "together": "together",
    }
    lines = [f"{'puzzle':>17}{'':>26}{'right':>8}{'low':>8}{'likely':>8}{'of':>6}{'wrong':>7}"]
    for row in rows:
        for part, name in parts.items():
            if part in row:
                own, (right, count) = row[part], row[part]["likely"]
                values = f"{_percent(own['all']):>8}{_percent(own['low']):>8}"
                values += f"{_percent(own['likely']):>8}{count:>6}{count - right:>7}"
                lines.append(f"{row['puzzle']:>17}{name:>26}{values}")
    return "\n".join(lines) + (
        "\n\nlikely: % right of answers with scores of .9 and more, how many these are, and how "
        "many of them are wrong; in the light: that of all pieces surely placed (--one-light)"
    )
