"""The page's tables of words, and what of its files a reader sees, for tests."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TypeAlias

import yaml

STATIC = Path(__file__).resolve().parents[1] / "heatmap_locator" / "service" / "static"
SCRIPTS = sorted((STATIC / "js").glob("*.js"))
TABLES = sorted((STATIC / "js" / "words").glob("*.js"))

Table: TypeAlias = dict[str, str | dict[str, str]]

_SEEN = ("aria-label", "title", "alt", "placeholder", "aria-description", "content", "value")


def words(path: Path) -> Table:
    """A table: a mapping as YAML reads it too, once its comments are gone."""
    text = path.read_text()
    body = text[text.index("{\n") : text.rindex("}") + 1]
    lines = [line for line in body.splitlines() if not line.strip().startswith("//")]
    # Words alone: to YAML some of them, such as yes, would be something else.
    table: Table = yaml.load("\n".join(lines), yaml.BaseLoader)
    return table


def forms(entry: str | dict[str, str]) -> list[str]:
    """An entry's sentences: one, or one for each form that a number asks for."""
    return [entry] if isinstance(entry, str) else list(entry.values())


def placeholders(entry: str | dict[str, str]) -> set[str]:
    """Names of the values in all forms of an entry."""
    return {name for form in forms(entry) for name in re.findall(r"\{(\w+)\}", form)}


def keys_in_html() -> set[str]:
    """Keys that the page's elements name."""
    return set(re.findall(r'data-t(?:-\w+)?="([^"]+)"', (STATIC / "index.html").read_text()))


_TOKEN = re.compile(
    r"""(?P<comment>//[^\n]*|/\*.*?\*/)
    |(?P<string>"(?:[^"\\\n]|\\.)*")
    |(?P<regex>(?<=[(,=:\[!&|?{};])\s*/(?:[^/\\\n\[]|\\.|\[[^\]\n]*\])+/)
    |(?P<end>[`}])|(?P<open>\{)|(?P<other>.)""",
    re.S | re.X,
)
_CHUNK = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*", re.S)


def read_script(script: str) -> tuple[str, list[str]]:
    """A script without its comments, and its strings: also what stands around ``${}``."""
    kept: list[str] = []
    strings: list[str] = []
    braces: list[bool] = []  # of each that is open, whether it is a template's
    at = 0
    while at < len(script):
        found = _TOKEN.match(script, at)
        assert found is not None
        at = found.end()
        text = found.group()
        if found["comment"]:
            continue
        kept.append(text)
        if found["string"]:
            strings.append(text[1:-1])
        elif found["open"]:
            braces.append(False)
        elif text == "`" or (text == "}" and braces.pop()):
            chunk = _CHUNK.match(script, at)
            assert chunk is not None
            strings.append(chunk.group())
            begins = script.startswith("${", chunk.end())
            at = chunk.end() + (2 if begins else 1)
            kept.append(script[chunk.start() : at])
            if begins:
                braces.append(True)
    return "".join(kept), strings


class _Seen(HTMLParser):
    """Collects what a reader sees or hears of a document's body."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._within: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("link", "meta", "input", "img", "path", "circle", "rect", "use"):
            self._within.append(tag)
        for name, value in attrs:
            if name in _SEEN and tag not in ("meta", "option") and value:
                self.found.append(value)

    def handle_endtag(self, tag: str) -> None:
        if self._within and self._within[-1] == tag:
            self._within.pop()

    def handle_data(self, data: str) -> None:
        # What stands there before a script has run, or where none may, is English.
        if data.strip() and not {"noscript", "title", "script"} & set(self._within):
            self.found.append(data.strip())


def seen_in_html() -> list[str]:
    """Texts and spoken attributes of the page's document, but for title and noscript."""
    parser = _Seen()
    parser.feed((STATIC / "index.html").read_text())
    return parser.found


ENGLISH = words(STATIC / "js" / "words" / "en.js")
