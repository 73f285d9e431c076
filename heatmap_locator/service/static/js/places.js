// Which places of a piece are shown, and in what order.

import { SURE } from "./words.js";

const same = (a, b) =>
  a.cell && b.cell
    ? a.cell[0] === b.cell[0] && a.cell[1] === b.cell[1]
    : Math.hypot(a.center[0] - b.center[0], a.center[1] - b.center[1]) < 0.3 * (a.box[2] - a.box[0]);

/**
 * The places of a piece, the one to believe first: [{placement, transform, fitted, sure, why, problem}].
 * An assignment (of all pieces together) goes before the piece's own first choice.
 */
export function choices(piece, assignment) {
  const own = piece.placements.map((placement, index) => ({
    placement,
    transform: piece.transforms?.[index] || null,
    fitted: false,
  }));
  if (!assignment?.placement) return own;
  const at = own.findIndex((choice) => same(choice.placement, assignment.placement));
  const fitted = at >= 0 ? own.splice(at, 1)[0] : { placement: assignment.placement, transform: null };
  const { sure, why, problem } = assignment;
  return [{ ...fitted, fitted: true, sure, why, problem }, ...own];
}

/** Notes, as twin, where a piece was photographed before: it surely belongs where another does. */
export function markTwins(entries) {
  const sure = entries.filter(({ choice }) => choice && !choice.fitted && choice.placement.score >= SURE);
  sure.forEach((entry, index) => {
    entry.twin = sure.slice(0, index).find((other) => same(other.choice.placement, entry.choice.placement));
  });
}

/** How many of its first places a piece belongs to one of, where no single one is likely; else 0. */
export const oneOf = ({ one_of: few, placed, rejected }, choice) => (choice.fitted || placed || rejected.length ? 0 : few || 0);

/** What the places of a piece are called, best first: A, B, C. */
export const letter = (rank) => String.fromCharCode(65 + rank);

const NO_PIECE = /\bno (puzzle |jigsaw )?piece\b/i;

/** Whether an error says that a photo shows no piece, which is an answer and not a fault. */
export const isNoPiece = (error) =>
  /no-piece$/.test(error?.type || "") || NO_PIECE.test(String(error?.detail ?? error ?? ""));
