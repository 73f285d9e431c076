"""On the page: a photo of the half-done puzzle shows which places are open."""

import re
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from done_support import OPEN, half_done_photo
from page_support import (
    FIXTURES,
    LAPTOP,
    PHONE,
    TRUTH,
    Open,
    SmallPage,
    check_access,
    drawn,
    expect,
    give_cells,
    row,
    wait_ready,
)
from service_support import EXAMPLES, encoded, small_picture

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES


def photo_of_it(folder: Path, picture: np.ndarray, **options: Any) -> Path:
    path = folder / "done.jpg"
    path.write_bytes(encoded(half_done_photo(picture, **options), "JPEG", quality=92))
    return path


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_the_example_half_done(
    puzzle: str, open_page: Open, tmp_path: Path, shots: Path, size: tuple[int, int]
) -> None:
    """With the shipped weights: the top of the village is still open, where the pieces belong."""
    cells = [(row, col) for row in range(6) for col in range(3, 13) if row + abs(col - 8) < 6]
    cells += [tuple(truth["cell"]) for truth in TRUTH.values()]
    picture = cv2.imread(str(EXAMPLES / "puzzle.jpg"))[..., ::-1]
    photo = photo_of_it(tmp_path, picture, open_cells=cells, form=(12, 16), zoom=1.2)
    page = open_page(puzzle, size)
    wait_ready(page)
    page.locator("#done-file").set_input_files(photo)
    expect(page.locator("#done-open")).to_have_text(f"{len(set(cells))} places are open.")
    wait_ready(page)
    expect(page.locator("#pieces .piece .piece-score")).to_have_count(3)
    for name, truth in TRUTH.items():
        row(page, name).click()
        place = f"Row {truth['cell'][0] + 1}, column {truth['cell'][1] + 1}"
        expect(page.locator("#answer-title")).to_have_text(place)
    page.screenshot(path=shots / f"done-{size[0]}.jpg", type="jpeg", quality=80)
    page.get_by_role("button", name="All places again").click()
    expect(page.locator("#done-open")).to_have_text("")
    wait_ready(page)


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_open_places_are_shown_and_pieces_go_there(
    small_page: SmallPage, tmp_path: Path, shots: Path, size: tuple[int, int]
) -> None:
    seed = 131 if size == LAPTOP else 132
    page = small_page(seed, size)
    give_cells(page, tmp_path, seed, (0, 1), (2, 2))
    expect(page.locator("#layer-open")).to_be_hidden()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Half done? Photo of it").click()
    chooser.value.set_files(photo_of_it(tmp_path, small_picture(seed)))
    expect(page.locator("#done-open")).to_have_text("3 places are open.")
    wait_ready(page)
    expect(page.get_by_role("button", name="Another photo of it")).to_be_visible()
    path = drawn(page, "document.querySelector('.open-cells').getAttribute('d')")
    corners = [tuple(map(float, at)) for at in re.findall(r"M([\d.-]+) ([\d.-]+)h", path)]
    frame = drawn(
        page,
        """(() => { const p = document.querySelector(".picture").getBoundingClientRect();
            const s = document.getElementById("marks").getBoundingClientRect();
            return [p.left - s.left, p.top - s.top, p.width / 4, p.height / 3]; })()""",
    )
    left, top, width, height = frame
    wanted = [(left + c * width, top + r * height) for r, c in OPEN]
    np.testing.assert_allclose(corners, wanted, atol=1)
    expect(page.locator(".piece-score")).to_have_count(2)
    row(page, "Piece 1").click()
    expect(page.locator("#answer-title")).to_have_text("Row 1, column 2")
    page.locator(".why summary").click()
    expect(page.locator(".why dl")).to_contain_text("Open places4 to 1 for it")
    check_access(page)
    page.locator("#layer-open").click()
    expect(page.locator(".open-cells")).to_have_count(0)
    page.get_by_role("button", name="All places again").click()
    expect(page.locator("#done-open")).to_have_text("")
    expect(page.get_by_role("button", name="Half done? Photo of it")).to_be_focused()
    expect(page.locator("#layer-open")).to_be_hidden()


def test_a_photo_of_something_else_is_told(small_page: SmallPage, tmp_path: Path) -> None:
    page = small_page(133, locale="de")
    page.locator("#done-file").set_input_files(photo_of_it(tmp_path, small_picture(77)))
    notice = page.locator("#notices")
    expect(notice).to_contain_text("Darauf ist nichts von diesem Bild zu finden.")
    expect(page.get_by_role("button", name="Halb fertig? Foto davon")).to_be_visible()
    expect(page.locator(".open-cells")).to_have_count(0)
