"""The page as an app, and in the reader's language."""

import pytest
from page_support import FIXTURES, PHONE, Open, expect, home
from service_support import Server

pytestmark = pytest.mark.slow

browser, server, small_server, shots, open_page, small_page, puzzle = FIXTURES


def test_the_shell_is_there_without_the_server(small_server: Server, open_page: Open) -> None:
    page = open_page(home(small_server), PHONE, kept=True)
    page.locator("#view-home").wait_for()
    page.locator("html[data-kept=true]").wait_for()
    manifest = small_server.client.get("/static/manifest.webmanifest").json()
    for icon in manifest["icons"]:
        assert small_server.client.get(f"/static/{icon['src']}").status_code == 200
    page.context.set_offline(True)
    page.reload()
    expect(page.get_by_text("The server does not answer")).to_be_visible()
    page.get_by_role("button", name="Choose a picture").wait_for()
    # Of what the server says nothing is kept.
    kept = page.evaluate(
        """async () => {
            const cache = await caches.open("heatmap-locator-shell");
            return (await cache.keys()).map(({url}) => new URL(url).pathname);
        }"""
    )
    assert "/" in kept
    assert not [path for path in kept if path != "/" and not path.startswith("/static/")]
    page.context.set_offline(False)  # it is tried again by itself
    expect(page.get_by_text("The server does not answer")).to_have_count(0)
    page.locator("#view-home").wait_for()
