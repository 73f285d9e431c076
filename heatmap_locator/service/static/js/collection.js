// The pieces of a puzzle as the server last told of them.

import { forgetCutout } from "./cutouts.js";
import { choices } from "./places.js";

export class Collection {
  constructor() {
    this.pieces = new Map();
    this.revisions = new Map();
    this.turns = new Map();
    this.held = [];
  }

  get size() {
    return this.pieces.size;
  }

  has(id) {
    return this.pieces.has(id);
  }

  /**
   * Takes a piece as the server sent it; whether that changed one that was known.
   * turn: of the photo it was found in, where that was given in this window.
   */
  keep(piece, turn) {
    this.held = this.held.filter((other) => other.id !== piece.id);
    if (turn) this.turns.set(piece.id, turn);
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

  /** Sets a piece aside that may be the answer to a photo on its way, until that is known. */
  hold(piece) {
    this.held.push(piece);
  }

  /** The pieces that were set aside and are no photo's answer. */
  release() {
    return this.held.splice(0).filter(({ id }) => !this.has(id));
  }

  /** Whether a photo that was cut off had been answered after all; each piece answers one. */
  claim({ name, known, turn }) {
    const mine = ({ id, photo }) => photo === name && !known.has(id) && !this.turns.has(id);
    const piece = known && [...this.pieces.values()].find(mine);
    if (piece) this.turns.set(piece.id, turn);
    return Boolean(piece);
  }

  get ids() {
    return new Set(this.pieces.keys());
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
   * Pieces and photos on their way: [{key, name, piece | item, list, choice}].  list: its places,
   * the one to believe first; choice: that one, or null.  Those given in this window stand in the
   * order they were given in, however they are answered; the others, by their time, before them.
   *
   * items: as of Uploads; assigned(id): a piece's place among all others.
   */
  entries(items, assigned) {
    const pieces = [...this.pieces.values()].sort(({ created: a }, { created: b }) => (a < b ? -1 : a > b ? 1 : 0));
    const total = new Map();
    for (const { photo } of pieces) total.set(photo, (total.get(photo) || 0) + 1);
    const seen = new Map();
    const found = pieces.map((piece) => {
      const number = (seen.get(piece.photo) || 0) + 1;
      seen.set(piece.photo, number);
      const list = choices(piece, assigned(piece.id));
      const name = total.get(piece.photo) > 1 ? `${piece.photo} (${number})` : piece.photo;
      const choice = (piece.state === "located" && list[0]) || null;
      return { key: piece.id, turn: this.turns.get(piece.id) || 0, name, piece, list, choice };
    });
    const photos = items.map((item) => ({ key: item.key, turn: item.turn, name: item.name, item, list: [], choice: null }));
    return [...found, ...photos].sort((a, b) => a.turn - b.turn);
  }
}
