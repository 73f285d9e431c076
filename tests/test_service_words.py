"""The page's tables of words: all of them say all of it, and nothing is said past them."""

import ast
import inspect
import json
import re
from pathlib import Path

import pytest
from page_words import (
    ENGLISH,
    SCRIPTS,
    STATIC,
    TABLES,
    Table,
    forms,
    keys_in_html,
    placeholders,
    read_script,
    seen_in_html,
    words,
)

from heatmap_locator.search import remarks

SAME = {
    "layer.heat",
    "said.state",
    "name",
    "percent",
    "puzzle.title",
    "app.short",
    "setup.name",
    "token",
    "puzzle.grid",
}
"""Keys whose words may be the same in two languages."""

NO_WORDS = {
    *("Accept", "Authorization", "Bearer ", "Content-Type", "Prefer", "Retry-After"),
    *("AbortError", "ArrowDown", "ArrowLeft", "ArrowRight", "ArrowUp", "Delete", "End", "Enter"),
    *("input, textarea", "px sans-serif", "Files", "Home", "DELETE", "GET", "PATCH", "POST", "PUT"),
}
"""Strings of scripts that begin as sentences do, but are read by browsers and servers alone."""


def table(code: str) -> Table:
    return words(STATIC / "js" / "words" / f"{code}.js")


def test_there_are_two_languages_and_each_is_offered() -> None:
    codes = {path.stem for path in TABLES}
    assert codes >= {"en", "de"}
    (offered,) = re.findall(r"const TABLES = \{ (.*?) \};", (STATIC / "js" / "lang.js").read_text())
    assert set(offered.split(", ")) == codes


@pytest.mark.parametrize("code", [path.stem for path in TABLES])
def test_a_table_says_all_of_it(code: str) -> None:
    found = table(code)
    assert list(found) == list(ENGLISH)
    for key, entry in found.items():
        assert placeholders(entry) == placeholders(ENGLISH[key]), key
        assert all(form.strip() for form in forms(entry)), key
        if isinstance(entry, dict):
            assert {"one", "other"} <= set(entry), key
    if code != "en":
        same = {key for key in found if found[key] == ENGLISH[key] and key not in SAME}
        assert not same


def test_every_word_that_is_asked_for_is_there_and_no_other() -> None:
    source = "".join(read_script(path.read_text())[0] for path in SCRIPTS)
    strings = set(re.findall(r'"([^"\n]*)"', source))
    asked = set(re.findall(r'\bt\("([\w.-]+)"', source)) | keys_in_html() | {"app.noscript"}
    asked |= {
        key
        for pair in re.findall(r'\? "([\w.-]+)" : "([\w.-]+)"\s*[,)]', source)
        for key in pair
        if "." in key
    }
    assert asked - {"."} <= set(ENGLISH), asked - set(ENGLISH)
    begun = {start for start in re.findall(r"`([\w.-]+\.)\$\{", source)}
    begun |= set(re.findall(r"`(\w+)\.\$\{", source))
    unused = {
        key
        for key in set(ENGLISH) - asked - strings
        if not any(key.startswith(f"{start.rstrip('.')}.") for start in begun)
    }
    assert not unused


def test_no_sentence_stands_in_the_document() -> None:
    text = (STATIC / "index.html").read_text()
    assert [seen for seen in seen_in_html() if re.search(r"\w", seen)] == []
    # What is there before a script has run, or where none may.
    assert f"<title>{ENGLISH['app.title']}</title>" in text
    assert f'content="{ENGLISH["app.about"]}"' in text
    assert f'<noscript><p class="noscript">{ENGLISH["app.noscript"]}</p></noscript>' in text
    manifest = json.loads((STATIC / "manifest.webmanifest").read_text())
    for member, key in {"name": "title", "short_name": "short", "description": "about"}.items():
        assert manifest[member] == ENGLISH[f"app.{key}"]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_no_sentence_stands_in_a_script(script: Path) -> None:
    classes = set()
    for sheet in (STATIC / "css").glob("*.css"):
        classes |= set(re.findall(r"\.([a-z][\w-]*)", sheet.read_text()))
    for text in read_script(script.read_text())[1]:
        if text in NO_WORDS or re.search(r"[<>#=\[\]/(]|^no words for ", text):
            continue
        capital = re.match(r"[A-Z][a-z]+(?:[ ,.!?:…]|$)", text)
        several = re.search(r"[a-z]{2,}[,.;:]? [a-z]{2,}", text)
        names = set(re.findall(r"\w+(?:-\w+)*", text)) <= classes
        assert not capital, text
        assert not several or names, text


def sayings() -> list[str]:
    """What a search appends to what it has to say of a photo, each ``{}`` a number."""
    code = ast.parse(inspect.getsource(remarks))
    functions = {node.name: node for node in code.body if isinstance(node, ast.FunctionDef)}
    found = []
    for node in ast.walk(code):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "said.append":
            text = node.args[0]
            if isinstance(text, ast.Call):
                found += returned(functions[ast.unparse(text.func)])
            else:
                parts = text.values if isinstance(text, ast.JoinedStr) else [text]
                found.append("".join(map(written, parts)))
    return found


def returned(function: ast.FunctionDef) -> list[str]:
    """The module's sentences that a function of it answers with."""
    answers = [node.value for node in ast.walk(function) if isinstance(node, ast.Return)]
    names = [name.id for one in answers for name in ast.walk(one) if isinstance(name, ast.Name)]
    return [
        getattr(remarks, name) for name in names if isinstance(getattr(remarks, name, None), str)
    ]


def written(part: ast.expr) -> str:
    """A part of a sentence as it is read, a number in place of what is not known before."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    spec = part.format_spec if isinstance(part, ast.FormattedValue) else None
    return "7%" if spec is not None and "%" in ast.unparse(spec) else "7"


def test_what_the_library_says_of_a_photo_has_words() -> None:
    source = (STATIC / "js" / "said.js").read_text()
    patterns = [re.compile(found) for found in re.findall(r"^  \[/(.*)/, \"", source, re.M)]
    lines = sayings()
    assert {remarks.NOT_OF_IT, remarks.MAYBE_NOT, remarks.TOO_PLAIN} < set(lines)
    assert len(lines) >= 7
    for size in ("5 by 4", "12 by 0.06"):
        lines.append(f"no piece found: this is {size} pieces large in the picture; photograph")
    for line in lines:
        assert any(pattern.search(line) for pattern in patterns), line
