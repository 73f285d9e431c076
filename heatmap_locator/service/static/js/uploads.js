// Photos on their way: sent a few at a time, in order, and again when the server is busy.

import { locate } from "./api.js";

const AT_ONCE = 3;
const PATIENCE = 20; // times a busy server is asked again

let count = 0;

export class Uploads {
  /**
   * puzzle: its id.  on: {change(), piece(piece, item), failed(item, error), idle()}.
   */
  constructor(puzzle, on) {
    this.puzzle = puzzle;
    this.on = on;
    /** {key, file, name, many, state: "waiting" | "looking" | "failed", found, error} */
    this.items = [];
    this.paused = true;
  }

  add(files, many) {
    const items = files.map((file) => {
      count += 1;
      return { key: `photo-${count}`, file, name: file.name || "Photo", many, state: "waiting", found: 0, error: null };
    });
    this.items.push(...items);
    this.#next();
    return items;
  }

  /** Whether photos may be sent: not before the picture is ready. */
  setPaused(paused) {
    this.paused = paused;
    if (!paused) this.#next();
  }

  retry(item) {
    Object.assign(item, { state: "waiting", error: null, found: 0 });
    this.#next();
  }

  remove(item) {
    this.items = this.items.filter((other) => other !== item);
    this.on.change();
  }

  stop() {
    this.stopped = true;
  }

  get busy() {
    return this.items.filter((item) => item.state !== "failed");
  }

  #next() {
    this.on.change();
    if (this.paused || this.stopped) return;
    const looking = this.items.filter((item) => item.state === "looking").length;
    const waiting = this.items.filter((item) => item.state === "waiting");
    for (const item of waiting.slice(0, Math.max(AT_ONCE - looking, 0))) this.#send(item);
  }

  async #send(item) {
    item.state = "looking";
    this.on.change();
    try {
      await this.#patiently(item);
      this.items = this.items.filter((other) => other !== item);
    } catch (error) {
      Object.assign(item, { state: "failed", error });
      this.on.failed(item, error);
    }
    this.#next();
    if (!this.busy.length) this.on.idle();
  }

  async #patiently(item) {
    for (let tries = 1; ; tries += 1) {
      try {
        const onPiece = (piece) => {
          item.found += 1;
          this.on.piece(piece, item);
        };
        await locate(this.puzzle, item.file, { many: item.many, onPiece });
        return;
      } catch (error) {
        // Pieces that were already answered must not be located twice.
        const again = error.status === 503 && item.found === 0 && tries < PATIENCE && !this.stopped;
        if (!again) throw error;
        await new Promise((resolve) => setTimeout(resolve, 1000 * Math.min(error.retryAfter || 2, 30)));
      }
    }
  }
}
