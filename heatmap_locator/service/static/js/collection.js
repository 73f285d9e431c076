// The pieces of a puzzle as the server last told of them.

import { forgetCutout } from "./cutouts.js";
import { t } from "./lang.js";
import { choices, markTwins } from "./places.js";

export class Collection {
  constructor() {
    this.pieces = new Map();
    this.revisions = new Map();
    this.own = new Set();
    this.held = [];
  }

  get size() {
    return this.pieces.size;
  }

  has(id) {
    return this.pieces.has(id);
  }

  get(id) {
    return this.pieces.get(id);
  }

  /** What is known of a piece by now: events may come before the answer to its photo. */
  latest(piece) {
    const told = this.held.findLast(({ id }) => id === piece.id) || this.pieces.get(piece.id);
    return told && told.state !== "waiting" ? told : piece;
  }

  /**
   * Takes a piece as the server sent it; whether that changed one that was known.
   * own: whether it answers a photo that was given in this window.
   */
  keep(piece, own = false) {
    this.held = this.held.filter((other) => other.id !== piece.id);
    if (own) this.own.add(piece.id);
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
  claim({ name, known }) {
    const mine = ({ id, photo }) => photo === name && !known.has(id) && !this.own.has(id);
    const piece = known && [...this.pieces.values()].find(mine);
    if (piece) this.own.add(piece.id);
    return Boolean(piece);
  }

  /** Whether any piece is so. */
  some(is) {
    return [...this.pieces.values()].some(is);
  }

  get ids() {
    return new Set(this.pieces.keys());
  }

  delete(id) {
    this.pieces.delete(id);
    forgetCutout(id);
  }

  /** Forgets those of some that are not among others. */
  drop(some, others) {
    const wanted = new Set(others);
    for (const id of some) if (!wanted.has(id)) this.delete(id);
  }

  /**
   * Pieces and photos on their way: [{key, number, name, file, piece | item, list, choice, twin}].
   * list: its places, the one to believe first; choice: that one, or null; twin: the entry of the
   * same piece photographed before.  By number; photos that are not numbered yet come last.
   *
   * items: as of Uploads; assigned(id): a piece's place among all others; without: keys left out.
   */
  entries(items, assigned, without = new Set()) {
    const found = [...this.pieces.values()].map((piece, index) => {
      const number = piece.number || index + 1;
      const list = choices(piece, assigned(piece.id));
      const choice = (piece.state === "located" && list[0]) || null;
      return { key: piece.id, number, name: t("piece.name", { n: number }), file: piece.photo, piece, list, choice };
    });
    found.sort((a, b) => a.number - b.number);
    markTwins(found);
    const photos = items.map((item) => ({ key: item.key, name: item.name, file: item.name, item, list: [], choice: null }));
    return [...found, ...photos].filter(({ key }) => !without.has(key));
  }
}
