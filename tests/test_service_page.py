"""The page in Debian's Chromium, against a real server: from the picture to the places."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from page_support import (
    DRAWN,
    FIXTURES,
    LAPTOP,
    PHONE,
    Open,
    SmallPage,
    check_access,
    check_places,
    drawn,
    expect,
    give,
    give_puzzle,
    home,
    row,
    shown_box,
    small_photo,
    wait_ready,
)
from service_support import Server, encoded, small_picture, small_piece

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES

WIDTH = "() => document.querySelector('.picture').getBoundingClientRect().width"
BOXES = """() => [".answer-text", ".answer-others", "#answer"]
    .map((at) => document.querySelector(at).getBoundingClientRect().toJSON())"""
FINGERS = "Input.dispatchTouchEvent"


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_three_pieces_are_still_in_their_places_when_one_comes_back(
    puzzle: str, open_page: Open, shots: Path, size: tuple[int, int], scheme: str
) -> None:
    page = open_page(puzzle, size, scheme)
    expect(page.locator("#pieces .piece")).to_have_count(3)
    page.locator(".tile").first.wait_for()
    assert drawn(page, "scrollY") == 0
    check_places(page)
    page.locator(".heat canvas").wait_for()
    page.screenshot(path=shots / f"result-{size[0]}-{scheme}.png", full_page=size == PHONE)
    check_access(page)
    page.get_by_role("link", name="All puzzles").click()
    expect(page.locator(".card-name")).to_contain_text(["Village under the hills"])
    page.screenshot(path=shots / f"puzzles-{size[0]}-{scheme}.png", full_page=True)
    check_access(page)
    page.get_by_role("link", name="Village under the hills").click()
    expect(page.locator("#pieces .piece")).to_have_count(3)


def test_runners_up_layers_and_zoom(puzzle: str, open_page: Open) -> None:
    page = open_page(puzzle)
    row(page, "piece1.jpg").click()
    first = shown_box(page)
    page.locator(".rank").nth(1).click()
    expect(page.locator(".rank").nth(1)).to_have_attribute("aria-pressed", "true")
    assert shown_box(page) != pytest.approx(first, abs=1)
    page.locator(".rank").nth(0).click()

    for button, layer in (("Heatmap", ".heat canvas"), ("Piece", ".cutout.main")):
        page.locator(layer).wait_for()
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.locator(layer)).to_have_count(0)
    expect(page.locator(".cutout")).to_have_count(2)
    page.get_by_role("button", name="All pieces", exact=True).click()
    expect(page.locator(".cutout")).to_have_count(0)

    fitted = drawn(page, WIDTH)
    page.locator("#stage").focus()
    page.keyboard.press("z")
    expect(page.locator("#stage")).to_have_attribute("data-zoomed", "true")
    assert drawn(page, WIDTH) > 2 * fitted
    # The box stays on its place whatever the zoom.
    assert shown_box(page) == pytest.approx(first, abs=1)
    page.keyboard.press("0")
    expect(page.locator("#stage")).to_have_attribute("data-zoomed", "false")
    page.mouse.move(600, 300)
    page.mouse.wheel(0, -400)
    expect(page.locator("#stage")).to_have_attribute("data-zoomed", "true")


def test_two_fingers_zoom_and_one_moves_the_picture(puzzle: str, open_page: Open) -> None:
    page = open_page(puzzle, PHONE)
    stage = page.locator("#stage")
    row(page, "piece1.jpg").click()
    box = shown_box(page)
    fitted = drawn(page, WIDTH)
    frame = stage.bounding_box()
    x, y = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    fingers = page.context.new_cdp_session(page)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        at = [{"x": x + dx, "y": y + dy, "id": n} for n, (dx, dy) in enumerate(points)]
        fingers.send(FINGERS, {"type": kind, "touchPoints": at})

    # Upright, as one finger would scroll the page that way.
    touch("touchStart", (0, -20), (0, 20))
    for spread in (30, 40, 50, 60):
        touch("touchMove", (0, -spread), (0, spread))
    touch("touchEnd")
    expect(stage).to_have_attribute("data-zoomed", "true")
    assert drawn(page, WIDTH) == pytest.approx(3 * fitted, rel=0.05)
    assert shown_box(page) == pytest.approx(box, abs=1)

    left = "() => document.querySelector('.picture').getBoundingClientRect().left"
    before = drawn(page, left)
    touch("touchStart", (0, 0))
    for dx in (20, 40, 60):
        touch("touchMove", (dx, 0))
    touch("touchEnd")
    assert drawn(page, left) == pytest.approx(before + 60, abs=8)
    assert page.evaluate("() => scrollY") == 0
    # All of the picture in sight: one finger scrolls the page.
    page.get_by_role("button", name="Show the whole picture").click()
    expect(stage).to_have_attribute("data-zoomed", "false")
    page.evaluate(DRAWN)
    touch("touchStart", (0, 0))
    for dy in (-20, -40, -60, -80):
        touch("touchMove", (0, dy))
    touch("touchEnd")
    page.wait_for_function("() => scrollY > 0")


@pytest.mark.parametrize(
    "size", [(320, 640), (844, 390), (820, 1180), (1024, 768), (1280, 720)], ids="{0[0]}".format
)
def test_an_answer_is_legible_in_every_window(
    puzzle: str, open_page: Open, size: tuple[int, int]
) -> None:
    page = open_page(puzzle, size)
    row(page, "piece2.jpg").click()
    expect(row(page, "piece2.jpg")).to_have_attribute("aria-current", "true")
    page.locator(".tile").first.wait_for(state="attached")
    expect(page.locator(".answer-others")).to_be_visible()
    text, others, panel = drawn(page, BOXES)  # at one moment: the answer may be drawn anew
    assert text["width"] > 150
    beside = text["x"] + text["width"] <= others["x"]
    below = text["y"] + text["height"] <= others["y"]
    assert beside or below
    assert others["x"] + others["width"] <= panel["x"] + panel["width"]
    assert page.locator("#stage").bounding_box()["height"] > 150
    for button in page.locator(".add-buttons .button").all():
        box = button.bounding_box()
        assert box is None or box["x"] + box["width"] <= size[0]
    check_access(page)


def test_a_copied_picture_is_pasted(small_server: Server, open_page: Open) -> None:
    page = open_page(home(small_server))
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])

    def copy(png: bytes) -> None:
        page.evaluate(
            """async (bytes) => {
                const blob = new Blob([Uint8Array.from(bytes)], {type: "image/png"});
                await navigator.clipboard.write([new ClipboardItem({"image/png": blob})]);
            }""",
            list(png),
        )

    page.locator("#view-home").wait_for()
    copy(encoded(small_picture(31)))
    page.keyboard.press("Control+V")
    expect(page.locator("#view-setup")).to_be_visible()
    page.get_by_label("Number of pieces").fill("12")
    page.get_by_role("button", name="Use this picture").click()
    wait_ready(page)
    copy(encoded(small_piece(1, 2, 40, 31)))
    page.keyboard.press("Control+V")
    expect(page.locator("#answer-title")).to_have_text("Row 2, column 3")
    expect(page.locator(".piece-file")).to_contain_text(["Pasted"])

    page.evaluate("() => navigator.clipboard.writeText('no picture')")
    page.keyboard.press("Control+V")
    expect(page.get_by_text("That is not a picture")).to_be_visible()
    expect(page.locator("#pieces .piece")).to_have_count(1)


def test_pieces_stand_in_the_order_they_were_given(small_page: SmallPage, tmp_path: Path) -> None:
    page = small_page(32)
    first = []

    def late(route: object) -> None:
        if first:
            route.continue_()  # type: ignore[attr-defined]
        else:
            first.append(route)

    # The others are sent after it, so that they are numbered as they were given.
    page.route("**/locate", late)
    names = ["first.png", "second.png", "third.png"]
    photos = [small_photo(tmp_path, name, n, n, 32) for n, name in enumerate(names)]
    give(page, *photos)
    expect(page.locator(".piece-name")).to_have_text(names)
    # A look at the other puzzles loses nothing that is on its way.
    page.get_by_role("link", name="All puzzles").click()
    page.locator(".card").first.wait_for()
    page.go_back()
    expect(page.locator("#pieces .piece")).to_have_count(3)
    first[0].continue_()
    expect(page.locator(".piece-score")).to_have_count(3)
    expect(page.locator(".piece-name")).to_have_text(["Piece 1", "Piece 2", "Piece 3"])
    expect(page.locator(".piece-file")).to_have_text(names)


def test_all_pieces_are_fitted_together(puzzle: str, open_page: Open) -> None:
    page = open_page(puzzle)
    page.get_by_role("button", name="Fit all pieces together").click()
    expect(page.locator("#solve-hint")).to_contain_text("of 3 fitted for sure")
    cells = page.locator(".piece-state").all_inner_texts()
    assert len({re.search(r"Row \d+, column \d+", text).group() for text in cells}) == 3  # type: ignore[union-attr]
    page.reload()
    expect(page.locator("#solve-hint")).to_contain_text("of 3 fitted for sure")


@pytest.mark.parametrize("size", [LAPTOP, PHONE], ids=["laptop", "phone"])
def test_a_lid_at_an_angle_is_squared_up_by_hand(
    server: Server, open_page: Open, shots: Path, tmp_path: Path, size: tuple[int, int]
) -> None:
    corners = np.float32([[90, 60], [560, 100], [590, 420], [60, 380]])
    plan = np.float32([[0, 0], [160, 0], [160, 120], [0, 120]])
    matrix = cv2.getPerspectiveTransform(plan, corners)
    photo = cv2.warpPerspective(small_picture(), matrix, (640, 480), borderValue=(60, 62, 58))
    # A name of its own: what another test deleted last may not be gone yet.
    name = f"lid {size[0]}"
    cv2.imwrite(str(tmp_path / f"{name}.png"), photo)

    page = open_page(home(server), size, "dark")
    page.locator("#view-home").wait_for()
    check_access(page)
    give_puzzle(page, tmp_path / f"{name}.png", 12)
    page.wait_for_url(re.compile("#/puzzle/.*/corners"))  # offered, as a table is seen around it
    handles = page.locator(".handle")
    expect(page.locator("#view-corners")).to_have_attribute("data-loading", "false")
    scale = drawn(page, "document.getElementById('corners-image').clientWidth") / 640
    frame = page.locator("#corners-image").bounding_box()
    for index, (x, y) in enumerate(corners.tolist()):
        at = handles.nth(index).bounding_box()
        page.mouse.move(at["x"] + at["width"] / 2, at["y"] + at["height"] / 2)
        page.mouse.down()
        page.mouse.move(frame["x"] + x * scale, frame["y"] + y * scale, steps=4)
        page.mouse.up()
    page.evaluate(DRAWN)
    before = handles.nth(0).bounding_box()
    handles.nth(0).focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(key)
    page.evaluate(DRAWN)
    assert handles.nth(0).bounding_box() == pytest.approx(before, abs=1)
    page.screenshot(path=shots / f"corners-{size[0]}.png", full_page=True)
    check_access(page)
    with page.expect_request(lambda request: request.method == "PUT") as asked:
        page.get_by_role("button", name="Use these corners").click()
    assert np.abs(np.array(asked.value.post_data_json["corners"]) - corners).max() < 3
    wait_ready(page)
    expect(page.locator(".picture")).to_have_attribute("src", re.compile(r"\?of="))
    ratio = page.evaluate(
        """async () => {
            const image = document.querySelector(".picture");
            await image.decode();
            return image.naturalWidth / image.naturalHeight;
        }"""
    )
    assert ratio == pytest.approx(160 / 120, rel=0.2)

    page.get_by_role("button", name="Delete puzzle").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.locator("#view-home")).to_be_visible()
    expect(page.locator(".card-name", has_text=name)).to_have_count(0)
