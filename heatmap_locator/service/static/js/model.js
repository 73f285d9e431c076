// What is known of one puzzle: itself, its pieces, photos on their way, whether the server answers.

import * as api from "./api.js";
import { Collection } from "./collection.js";
import { listen } from "./live.js";
import { uploadsOf } from "./uploads.js";

export class PuzzleModel {
  /**
   * on: {change(), puzzle(before), found(piece, item), failed(item), renewed(id), lost(), back(),
   * removed(), solving(data)}.  renewed: a piece that was known has been located anew.
   */
  constructor(id, on) {
    this.id = id;
    this.on = on;
    this.puzzle = null;
    this.pieces = new Collection();
    this.lost = false;
    this.abort = new AbortController();
    this.uploads = uploadsOf(id, {
      change: on.change,
      piece: (piece, item) => {
        this.#keep(piece, item.turn);
        on.found(piece, item);
      },
      failed: on.failed,
      idle: () => this.#settle(),
      known: () => this.pieces.ids,
    });
  }

  /** Aborts when the view is left. */
  get signal() {
    return this.abort.signal;
  }

  leave() {
    this.abort.abort();
    this.uploads.leave();
  }

  async load() {
    const { id, signal } = this;
    const [puzzle, pieces] = await Promise.all([api.getPuzzle(id, signal), api.listPieces(id, signal)]);
    if (signal.aborted) return;
    this.pieces.retain(pieces.map((piece) => piece.id));
    for (const piece of pieces) this.#keep(piece);
    this.#setPuzzle(puzzle);
  }

  /** Hears from then on what happens to the puzzle. */
  follow() {
    const on = { event: (kind, data) => this.#heard(kind, data), lost: () => this.#setLost(), back: () => this.#back() };
    listen(this.id, { on, signal: this.signal });
    this.#resume();
  }

  async removePiece(id) {
    try {
      await api.deletePiece(this.id, id);
    } catch (error) {
      if (error.status !== 404) throw error;
    }
    this.pieces.delete(id);
  }

  async removePuzzle() {
    // Its own stream would tell of the deletion as if another window had done it.
    this.removing = true;
    try {
      await api.deletePuzzle(this.id);
    } finally {
      this.removing = false;
    }
    this.uploads.stop();
    this.abort.abort();
  }

  #setPuzzle(puzzle) {
    const before = this.puzzle;
    this.puzzle = puzzle;
    this.uploads.setPaused(puzzle.state !== "ready");
    this.on.puzzle(before);
  }

  #heard(kind, data) {
    if (kind === "puzzle") this.#setPuzzle(data);
    else if (kind === "piece") this.#heardPiece(data);
    else if (kind === "solve") this.on.solving(data);
    else if (kind === "removed" && data.id === this.id && !this.removing) {
      this.uploads.stop();
      this.on.removed();
    }
  }

  /**
   * A piece that may be from another window, or one of ours whose own answer is still to come:
   * those wait, so that a photo and its piece are never both in the list.
   */
  #heardPiece(piece) {
    const waits = ({ state, name }) => state === "looking" && name === piece.photo;
    if (!this.pieces.has(piece.id) && this.uploads.items.some(waits)) this.pieces.hold(piece);
    else this.#keep(piece);
    this.on.change();
  }

  /** No photo is on its way any more: what was set aside is another window's, or answers one cut off. */
  #settle() {
    for (const piece of this.pieces.release()) this.#keep(piece);
    for (const item of this.uploads.cutOff) if (this.pieces.claim(item)) this.uploads.remove(item);
    this.on.change();
  }

  #keep(piece, turn) {
    if (this.pieces.keep(piece, turn)) this.on.renewed(piece.id);
  }

  #setLost() {
    this.lost = true;
    this.on.lost();
  }

  async #back() {
    await this.load();
    if (this.signal.aborted) return;
    if (this.lost) this.on.back();
    this.lost = false;
    this.#resume();
  }

  /** Goes on with what a broken connection cut off, here or while another view was shown. */
  #resume() {
    this.#settle();
    this.uploads.resume();
  }
}
