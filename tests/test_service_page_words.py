"""The page in German: by the browser's language, by choice, and down to the sheet."""

import json
import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from page_support import FIXTURES, PHONE, Open, check_access, expect, give, give_cells, home, row
from page_words import ENGLISH, forms
from service_support import Server, encoded, small_picture

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES

SEEN = """() => {
    const found = [];
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode())
        if (!node.parentElement.closest("noscript, option[lang]")) found.push(node.data.trim());
    for (const name of ["aria-label", "title", "alt"])
        for (const one of document.querySelectorAll(`[${name}]`))
            found.push(one.getAttribute(name));
    return found.filter((text) => text);
}"""
"""All that a reader sees or hears, and what is hidden for now."""


def english_in(page: object) -> list[str]:
    """What a page says in English: sentences of that table which are no German ones."""
    sayings = {form for entry in ENGLISH.values() for form in forms(entry)}
    patterns = [
        re.compile(re.sub(r"\\\{\w+\\\}", ".+", re.escape(one)))
        for one in sayings
        if re.search(r"[a-z]{3,} [a-z]{3,}", re.sub(r"\{\w+\}", "", one))
    ]
    seen = page.evaluate(SEEN)  # type: ignore[attr-defined]
    assert len(seen) > 50
    return [text for text in seen if any(one.fullmatch(text) for one in patterns)]


@pytest.mark.parametrize("size", [PHONE, (1440, 900)], ids=["phone", "laptop"])
def test_an_evening_in_german(
    small_server: Server, open_page: Open, tmp_path: Path, shots: Path, size: tuple[int, int]
) -> None:
    seed = 111 if size == PHONE else 112
    page = open_page(home(small_server), size, locale="de-AT")
    page.locator("#view-home").wait_for()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    expect(page).to_have_title("Wohin gehört dieses Teil?")
    assert english_in(page) == []
    check_access(page)
    (tmp_path / "bild.png").write_bytes(encoded(small_picture(seed)))
    page.locator("#picture-file").set_input_files(tmp_path / "bild.png")
    page.get_by_role("button", name="Dieses Bild nehmen").click()
    expect(page.locator("#setup-count-error")).to_contain_text("eine ganze Zahl ab 2")
    page.get_by_role("radio", name="Reihen und Spalten").check()
    page.get_by_label("Reihen", exact=True).fill("3")
    page.get_by_label("Spalten", exact=True).fill("4")
    page.get_by_role("button", name="Dieses Bild nehmen").click()
    expect(page.locator("#bar-size")).to_have_text(re.compile("^12 Teile, 3 . 4$"))
    expect(page.locator("#answer-title")).to_have_text("Jetzt die Teile")
    give_cells(page, tmp_path, seed, (0, 0), (2, 3))
    whole, letter = tmp_path / "ganz.png", tmp_path / "brief.jpg"
    whole.write_bytes(encoded(small_picture(seed)))
    letter.write_bytes(b"Dear all, " * 20)
    give(page, whole, letter)
    expect(page.locator("#pieces .piece")).to_have_count(4)
    expect(page.locator("#pieces .piece[data-level=failed]")).to_have_count(1)
    row(page, "Teil 2").click()
    expect(page.locator("#answer-title")).to_have_text("Reihe 3, Spalte 4")
    expect(page.locator("#answer .turn")).to_contain_text("Dreh es vom Foto aus um")
    page.locator(".why summary").click()
    expect(page.locator(".why")).to_contain_text("zu 1 dafür")
    page.get_by_role("button", name="Liegt da").click()
    expect(row(page, "Teil 2")).to_contain_text("Reihe 3, Spalte 4, liegt")
    expect(page.locator("#pieces-count")).to_have_text("2 von 12 gefunden, 1 liegt")
    assert english_in(page) == []
    check_access(page)
    page.screenshot(path=shots / f"german-{size[0]}.png")
    row(page, "ganz.png").click()
    expect(page.locator("#answer")).to_contain_text("Das ist das ganze Bild.")
    row(page, "brief.jpg").click()
    expect(page.locator("#answer-title")).to_have_text("Dieses Foto ist nicht brauchbar")
    page.get_by_role("button", name="Entfernen", exact=True).click()
    expect(page.locator("#toasts")).to_contain_text("brief.jpg entfernt.")
    page.get_by_role("button", name="Alle Teile zusammen einpassen").click()
    expect(page.locator("#solve-hint")).to_contain_text("von 2 sicher eingepasst")
    page.evaluate("() => { window.print = () => {}; }")
    page.get_by_role("button", name="Drucken").click()
    expect(page.locator("#sheet thead")).to_have_text("TeilFotoReiheSpalteDrehungSicherLiegt")
    assert english_in(page) == []


def test_the_language_is_chosen_and_kept(small_server: Server, open_page: Open) -> None:
    page = open_page(home(small_server), PHONE, locale="fr-FR")  # there is no such table
    expect(page.locator("html")).to_have_attribute("lang", "en")
    expect(page.get_by_label("Language")).to_have_value("en")
    page.get_by_label("Language").select_option("Deutsch")
    expect(page.get_by_label("Sprache")).to_have_value("de")
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    # And the app is installed by its German name, from where it is.
    page.locator("link[rel=manifest][href^=data]").wait_for(state="attached")
    manifest = json.loads(
        unquote(page.locator("link[rel=manifest]").get_attribute("href").partition(",")[2])
    )
    assert (manifest["name"], manifest["lang"]) == ("Wohin gehört dieses Teil?", "de")
    read = page.context.new_cdp_session(page).send("Page.getAppManifest")
    assert read["errors"] == []
    assert json.loads(read["data"])["start_url"] == home(small_server)
    page.get_by_label("Sprache").select_option("English")
    expect(page.get_by_label("Language")).to_have_value("en")
