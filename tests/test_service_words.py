"""The page's table of words: what it asks for is there, and nothing else."""

import re
from pathlib import Path

STATIC = Path(__file__).resolve().parents[1] / "heatmap_locator" / "service" / "static" / "js"


def test_every_word_that_is_asked_for_is_there() -> None:
    table = (STATIC / "words" / "en.js").read_text()
    known = set(re.findall(r'^  "?([\w.]+)"?:', table, re.M))
    source = "".join(path.read_text() for path in STATIC.glob("*.js"))
    asked = set(re.findall(r'\bt\((?:[^()`]*\? )?"([\w.]+)"', source))
    asked |= set(re.findall(r'\bt\([^()`]*\? "[\w.]+" : "([\w.]+)"', source))
    begun = {start for start in re.findall(r"\bt\(`([\w.]+)\.\$\{", source)}
    assert asked <= known, asked - known
    unused = {key for key in known - asked if key.rpartition(".")[0] not in begun}
    assert not unused
