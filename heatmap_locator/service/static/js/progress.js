// How far things are: the count beside the list, and the pill on the picture.

import { $ } from "./dom.js";
import { count, t } from "./lang.js";

export function drawProgress({ entries, puzzle, uploads, lost }) {
  const waiting = uploads.busy.length + entries.filter(({ piece }) => piece?.state === "waiting").length;
  const located = entries.filter(({ choice }) => choice).length;
  const placed = entries.filter(({ piece }) => piece?.placed).length;
  const of = puzzle.grid ? puzzle.grid.rows * puzzle.grid.cols : 0;
  const words = [];
  if (waiting) words.push(t("count.waiting", { n: waiting }));
  else if (located) words.push(of ? t("count.found.of", { n: located, of }) : t("count.found", { n: located }));
  if (placed) words.push(t("count.placed", { n: placed }));
  $("pieces-count").textContent = words.join(", ");
  $("placed-bar").hidden = !placed || !of;
  $("placed-bar").value = of ? placed / of : 0;
  $("placed-bar").setAttribute("aria-valuetext", of ? t("count.placed.of", { n: placed, of: count(of) }) : "");
  const pill = pillWords(puzzle, uploads, waiting, lost);
  $("stage-busy").hidden = !pill;
  $("stage-busy").dataset.kind = lost ? "lost" : "busy";
  $("stage-busy-text").textContent = pill;
}

function pillWords(puzzle, { busy }, waiting, lost) {
  if (lost) return t("pill.lost");
  if (puzzle.state === "encoding") return t("pill.encoding");
  const held = busy.filter(({ state }) => state === "held");
  if (held.length) return t("pill.held", { n: Math.min(...held.map(({ wait }) => wait)) });
  return waiting ? t("pill.looking", { n: waiting }) : "";
}
