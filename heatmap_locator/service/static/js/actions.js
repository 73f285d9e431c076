// What the user does with pieces and the puzzle: placed, wrong, removed, deleted.

import { deletePuzzle } from "./api.js";
import { t } from "./lang.js";
import { announce, confirm, showError } from "./notices.js";
import { undoable } from "./undo.js";
import { puzzleName } from "./words.js";

/** Runs a request and shows its error; whether it worked. */
async function tried(run) {
  try {
    await run();
    return true;
  } catch (error) {
    showError(error);
    return false;
  }
}

/** Says that a piece lies in one of its places, or that it does not any more. */
export async function setPlaced(model, { piece, name, list }, rank) {
  const placed = !piece.placed;
  const chosen = placed && list[rank] ? list[rank].placement.center : null;
  if (await tried(() => model.mark(piece.id, { placed, chosen }))) announce(t(placed ? "placed.said" : "placed.not", { name }));
}

/** Takes a place away that is wrong: the next one moves up. */
export async function setWrong(model, { piece, name, list }, rank) {
  const before = { rejected: piece.rejected, chosen: piece.chosen, placed: piece.placed };
  const rejected = [...piece.rejected, list[rank].placement.center];
  if (!(await tried(() => model.mark(piece.id, { rejected, chosen: null, placed: false })))) return;
  undoable(t("wrong.said", { name }), { restore: () => tried(() => model.mark(piece.id, before)) });
}

/** Searches a piece's photo again, for all pieces in it. */
export const findAll = (model, { piece }) => tried(() => model.mark(piece.id, { many: true }));

/** Removes a piece or a photo on its way; changed(): it is hidden, or back. */
export function remove(model, { key, piece, item, name }, changed) {
  if (item) {
    model.uploads.remove(item);
    undoable(t("removed", { name }), { restore: () => (model.uploads.add([item.file], item.many), changed(key)) });
    return;
  }
  const gone = () => tried(() => model.removePiece(piece.id));
  undoable(t("removed", { name }), { key, commit: () => gone().then(() => changed(null)), restore: () => changed(key) });
}

/** Deletes a puzzle after asking, and goes to the others. */
export async function removePuzzle(model, go) {
  const { puzzle, pieces } = model;
  if (!puzzle) return;
  const words = { name: puzzleName(puzzle), n: pieces.size };
  if (!(await confirm(t("puzzle.delete.title"), t("puzzle.delete.text", words), t("puzzle.delete.yes")))) return;
  model.uploads.stop();
  const commit = () => tried(() => deletePuzzle(puzzle.id));
  undoable(t("removed", words), { key: puzzle.id, commit, restore: () => go(`#/puzzle/${puzzle.id}`) });
  go("#/");
}
