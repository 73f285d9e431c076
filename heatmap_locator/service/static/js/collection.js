// The pieces of a puzzle as the server last told of them.

import { forgetCutout } from "./cutouts.js";
import { choices } from "./places.js";

export class Collection {
  constructor() {
    this.pieces = new Map();
    this.revisions = new Map();
  }

  get size() {
    return this.pieces.size;
  }

  has(id) {
    return this.pieces.has(id);
  }

  /** Takes a piece as the server sent it; whether that changed one that was known. */
  keep(piece) {
    const before = this.pieces.get(piece.id);
    const said = JSON.stringify(piece);
    if (before?.said === said) return false;
    // The same addresses show other images once a piece has been located anew.
    const revision = before ? (this.revisions.get(piece.id) || 0) + 1 : 0;
    const links = { ...piece.links };
    if (before) {
      forgetCutout(piece.id);
      this.revisions.set(piece.id, revision);
      for (const key of ["image", "heatmap"]) if (links[key]) links[key] += `?of=${revision}`;
    }
    this.pieces.set(piece.id, { ...piece, links, said });
    return Boolean(before);
  }

  delete(id) {
    this.pieces.delete(id);
    forgetCutout(id);
  }

  /** Forgets all but these. */
  retain(ids) {
    const wanted = new Set(ids);
    for (const id of [...this.pieces.keys()]) if (!wanted.has(id)) this.delete(id);
  }

  /**
   * Pieces in the order they came: [{key, name, piece, list, choice}].  list: its places, the
   * one to believe first; choice: that one, or null.  assigned(id): its place among all others.
   */
  entries(assigned) {
    const order = ({ created: a }, { created: b }) => (a < b ? -1 : a > b ? 1 : 0);
    const pieces = [...this.pieces.values()].sort(order);
    const total = new Map();
    for (const { photo } of pieces) total.set(photo, (total.get(photo) || 0) + 1);
    const seen = new Map();
    return pieces.map((piece) => {
      const number = (seen.get(piece.photo) || 0) + 1;
      seen.set(piece.photo, number);
      const list = choices(piece, assigned(piece.id));
      const name = total.get(piece.photo) > 1 ? `${piece.photo} (${number})` : piece.photo;
      return { key: piece.id, name, piece, list, choice: (piece.state === "located" && list[0]) || null };
    });
  }
}
