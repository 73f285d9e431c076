// Which pieces the list shows, and in what order.

import { SURE, region } from "./words.js";

const SHOWN = {
  all: () => true,
  unplaced: ({ piece }) => !piece?.placed,
  placed: ({ piece }) => piece?.placed,
  unsure: ({ piece, choice }) => !piece?.placed && !(choice?.placement.score >= SURE),
};

/** Part of the picture that a piece lies in: "border", or as of region(). */
function liesIn(where, { choice }, puzzle) {
  if (where === "anywhere") return true;
  if (!choice) return false;
  if (where === "border") return isBorder(choice.placement, puzzle);
  return region(choice.placement, puzzle) === where;
}

function isBorder({ cell, box }, { grid, width, height }) {
  if (cell && grid) return cell[0] === 0 || cell[1] === 0 || cell[0] === grid.rows - 1 || cell[1] === grid.cols - 1;
  const side = 0.25 * Math.max(box[2] - box[0], box[3] - box[1]);
  return box[0] < side || box[1] < side || box[2] > width - side || box[3] > height - side;
}

const score = ({ choice }) => (choice ? choice.placement.score : -1);
const byPlace = ({ choice }, { grid, width }) => {
  if (!choice) return Infinity;
  const { cell, center } = choice.placement;
  return cell && grid ? cell[0] * grid.cols + cell[1] : Math.floor(center[1] / (width / 40)) * 1e4 + center[0];
};

const ORDERS = {
  number: null,
  sure: (a, b) => Boolean(a.piece?.placed) - Boolean(b.piece?.placed) || score(b) - score(a),
  place: (a, b, puzzle) => byPlace(a, puzzle) - byPlace(b, puzzle),
};

/** entries as of Collection; wish: {show, where, sort}.  Photos on their way are always shown. */
export function arrange(entries, { show, where, sort }, puzzle) {
  const kept = entries.filter((entry) => entry.item || (SHOWN[show](entry) && liesIn(where, entry, puzzle)));
  return ORDERS[sort] ? kept.sort((a, b) => ORDERS[sort](a, b, puzzle)) : kept;
}
