// Which places of a piece are shown, and in what order.

const same = (a, b) =>
  a.cell && b.cell
    ? a.cell[0] === b.cell[0] && a.cell[1] === b.cell[1]
    : Math.hypot(a.center[0] - b.center[0], a.center[1] - b.center[1]) < 2;

/**
 * The places of a piece, the one to believe first: [{placement, transform, fitted, sure}].
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
  return [{ ...fitted, fitted: true, sure: assignment.sure }, ...own];
}

const NO_PIECE = /\bno (puzzle |jigsaw )?piece\b/i;

/** Whether an error says that a photo shows no piece, which is an answer and not a fault. */
export const isNoPiece = (error) =>
  /no-piece$/.test(error?.type || "") || NO_PIECE.test(String(error?.detail ?? error ?? ""));
