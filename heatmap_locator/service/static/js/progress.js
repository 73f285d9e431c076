// How far things are: the count beside the list, and the pill on the picture.

import { $ } from "./dom.js";
import { plural } from "./words.js";

export function drawProgress({ entries, puzzle, uploads, lost }) {
  const waiting = uploads.busy.length;
  const located = entries.filter(({ choice }) => choice).length;
  const of = puzzle.grid ? ` of ${(puzzle.grid.rows * puzzle.grid.cols).toLocaleString("en")}` : "";
  $("pieces-count").textContent = waiting ? `${plural(waiting, "photo")} to go` : located ? `${located}${of} found` : "";
  const words = pillWords(puzzle, uploads, lost);
  $("stage-busy").hidden = !words;
  $("stage-busy").dataset.kind = lost ? "lost" : "busy";
  $("stage-busy-text").textContent = words;
}

function pillWords(puzzle, { busy }, lost) {
  if (lost) return "No connection, trying again…";
  if (puzzle.state === "encoding") return "Studying the picture…";
  if (!busy.length) return "";
  const held = busy.filter(({ state }) => state === "held");
  if (held.length && !busy.some(({ state }) => state === "looking"))
    return `Server full, again in ${Math.min(...held.map(({ wait }) => wait))} s`;
  return `Looking, ${plural(busy.length, "photo")} to go`;
}
