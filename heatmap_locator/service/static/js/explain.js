// What there is to say of an answer beside the place: what is odd, and what speaks for it.

import { h, icon } from "./dom.js";
import { listed, t } from "./lang.js";
import { letter, oneOf } from "./places.js";
import { doubts } from "./said.js";
import { cellName, oddsWords } from "./words.js";

/** A sentence with an icon; what matters most is marked. */
const remark = (text, ...more) => h("p", { class: "remark" }, icon("question"), h("span", {}, text), ...more);

/**
 * Remarks on a piece at one of its places, as elements.
 * twin: the entry of the same piece; named(id): what a piece is called; findAll: a button, or null.
 */
export function remarks({ piece, choice, twin, named, findAll }) {
  const found = [];
  const { problem } = choice;
  if (problem) found.push(t(`problem.${problem.kind}`, { name: named(problem.other), place: problem.cell ? cellName(problem.cell) : "" }));
  found.push(...doubts(piece));
  const few = oneOf(piece, choice);
  if (few) found.push(t("one.of", { n: few, letters: listed(Array.from({ length: few }, (_, rank) => letter(rank))) }));
  if (twin && problem?.kind !== "twice") found.push(t("twin", { name: twin.name }));
  if (choice.fitted && !choice.sure && !problem) found.push(t("unfitted"));
  if (piece.touching) found.push(t("touching"));
  const others = piece.others.length && !piece.many && piece.links.photo;
  return [...found.map((text) => remark(text)), ...(others ? [remark(t("others", { n: piece.others.length + 1 }), findAll)] : [])];
}

let open = false;

/** What speaks for a place, in numbers, to be folded out; null where nothing is known. */
export function why({ placement, why: there }) {
  const rows = there ? fittedRows(there) : placement.why ? ownRows(placement.why) : [];
  if (!rows.length) return null;
  const list = h("dl", {}, ...rows.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, oddsWords(value)))));
  const details = h(
    "details",
    { class: "why", open },
    h("summary", { "data-part": "why" }, t("why")),
    list,
    rows.length > 1 ? h("p", { class: "hint" }, t("why.hint")) : "",
  );
  // Whoever wants to know it of one piece wants it of the next.
  details.addEventListener("toggle", () => (open = details.open));
  return details;
}

// What says nothing beside the print is not mentioned.
const LEAST = Math.log(1.5);
const ownRows = ({ print, sides, open = 0 }) => [
  [t("why.print"), print],
  ...(Math.abs(sides) > LEAST ? [[t("why.sides"), sides]] : []),
  ...(Math.abs(open) > LEAST ? [[t("why.open"), open]] : []),
];

const fittedRows = ({ print, straight, neighbours, met }) => [
  ...ownRows({ print, sides: straight }),
  ...(met && Math.abs(neighbours) > LEAST ? [[t("why.neighbours", { n: met }), neighbours]] : []),
];
