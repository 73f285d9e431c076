// What is known of one puzzle: itself, its pieces, photos on their way, whether the server answers.

import * as api from "./api.js";
import { Collection } from "./collection.js";
import { listen } from "./live.js";
import { uploadsOf } from "./uploads.js";

export class PuzzleModel {
  /**
   * on: {change(), puzzle(before), sent(piece, item), found(piece), failed(item), renewed(id),
   * lost(), back(), removed(), solving(data)}.  sent: a photo is kept, and waits as a piece; found:
   * what became of it; renewed: a piece that was known has been located anew.
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
      sent: (pieces, item) => {
        for (const piece of pieces) {
          this.#keep(this.pieces.latest(piece), true);
          on.sent(piece, item);
          // What became of it may have been told before the photo's own answer.
          if (this.pieces.get(piece.id).state !== "waiting") on.found(this.pieces.get(piece.id));
        }
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
    // What comes meanwhile may not be in the list yet.
    const known = this.pieces.ids;
    const [puzzle, pieces] = await Promise.all([api.getPuzzle(id, signal), api.listPieces(id, signal)]);
    if (signal.aborted) return;
    this.pieces.drop(known, pieces.map((piece) => piece.id));
    for (const piece of pieces) this.#keep(piece);
    this.#setPuzzle(puzzle);
  }

  /** Hears from then on what happens to the puzzle. */
  follow() {
    const on = { event: (kind, data) => this.#heard(kind, data), lost: () => this.#setLost(), back: () => this.#back() };
    listen(this.id, { on, signal: this.signal });
    this.#resume();
  }

  /** For good. */
  async removePiece(id) {
    try {
      await api.deletePiece(this.id, id);
    } catch (error) {
      if (error.status !== 404) throw error;
    }
    this.pieces.delete(id);
  }

  /** Says something of a piece: {placed, chosen, rejected} or {many}. */
  async mark(id, change) {
    this.#keep(await api.changePiece(this.id, id, change));
    this.on.change();
  }

  /** Another name or number of pieces. */
  async change(fields) {
    this.#setPuzzle(await api.changePuzzle(this.id, fields));
  }

  /** A photo of the half-done puzzle, or null: none any more. */
  async setDone(photo) {
    const { id, signal } = this;
    const puzzle = await (photo ? api.giveDone(id, photo, { signal }) : api.forgetDone(id));
    if (!signal.aborted) this.#setPuzzle(puzzle);
  }

  #setPuzzle(puzzle) {
    const before = this.puzzle;
    this.puzzle = puzzle;
    this.uploads.setPaused(puzzle.state === "failed");
    this.on.puzzle(before);
  }

  #heard(kind, data) {
    if (kind === "puzzle") this.#setPuzzle(data);
    else if (kind === "piece") this.#heardPiece(data);
    else if (kind === "solve") this.on.solving(data);
    else if (kind === "removed" && data.id === this.id) {
      this.uploads.stop();
      this.on.removed();
    }
  }

  /**
   * A piece that may be from another window, or one of ours whose own answer is still to come:
   * those wait, so that a photo and its piece are never both in the list.
   */
  #heardPiece(piece) {
    const waits = ({ state, name }) => state === "sending" && name === piece.photo;
    const before = this.pieces.get(piece.id);
    if (!before && this.uploads.items.some(waits)) this.pieces.hold(piece);
    else {
      this.#keep(piece);
      if (piece.state !== "waiting" && before?.state !== piece.state) this.on.found(piece);
    }
    this.on.change();
  }

  /** No photo is on its way any more: what was set aside is another window's, or answers one cut off. */
  #settle() {
    for (const piece of this.pieces.release()) this.#keep(piece);
    for (const item of this.uploads.cutOff) if (this.pieces.claim(item)) this.uploads.remove(item);
    this.on.change();
  }

  #keep(piece, own) {
    if (this.pieces.keep(piece, own)) this.on.renewed(piece.id);
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
