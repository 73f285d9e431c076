// Photos on their way: sent a few at a time, in order, and again when the server is busy.

import { locate } from "./api.js";
import { patiently } from "./patience.js";

const AT_ONCE = 3;
const RESENT = 5; // times a photo is sent again by itself after the connection broke

const NOBODY = { change() {}, piece() {}, failed() {}, idle() {}, known: () => null };

let count = 0;
const kept = new Map();

/**
 * The photos on their way to a puzzle, which go on while other views are shown.
 * on: {change(), piece(piece, item), failed(item), idle(), known()}; known: ids of all pieces.
 */
export function uploadsOf(puzzle, on) {
  const uploads = kept.get(puzzle) || new Uploads(puzzle);
  kept.set(puzzle, uploads);
  uploads.on = on;
  return uploads;
}

/** Whether there are photos that this page alone knows of. */
export const anyUnsent = () => [...kept.values()].some((uploads) => uploads.busy.length);

class Uploads {
  constructor(puzzle) {
    this.puzzle = puzzle;
    this.on = NOBODY;
    /**
     * {key, turn, file, name, many, found, error, known, wait, state}.  state: "waiting" for its
     * turn or the picture, "looking", "held" for wait seconds by a full server, "failed".
     */
    this.items = [];
    this.paused = true;
  }

  add(files, many) {
    const items = files.map((file) => {
      count += 1;
      const given = { key: `photo-${count}`, turn: count, file, name: file.name || "Photo", many };
      return { ...given, state: "waiting", wait: 0, found: 0, resent: 0, error: null, gone: new AbortController() };
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

  /** Photos that a broken connection cut off. */
  get cutOff() {
    return this.items.filter(({ state, error }) => state === "failed" && error.status === 0);
  }

  /** The connection is back: photos that were cut off before any answer are sent again. */
  resume() {
    for (const item of this.cutOff) {
      if (item.found || item.resent >= RESENT) continue;
      item.resent += 1;
      this.retry(item);
    }
  }

  remove(item) {
    item.gone.abort();
    this.items = this.items.filter((other) => other !== item);
    this.on.change();
  }

  /** Goes on without telling anyone. */
  leave() {
    this.on = NOBODY;
  }

  /** Sends nothing more: the puzzle is gone. */
  stop() {
    this.leave();
    kept.delete(this.puzzle);
    for (const item of this.items) item.gone.abort();
    this.items = [];
  }

  get busy() {
    return this.items.filter((item) => item.state !== "failed");
  }

  #next() {
    this.on.change();
    if (this.paused) return;
    const sent = this.items.filter(({ state }) => state === "looking" || state === "held").length;
    const waiting = this.items.filter(({ state }) => state === "waiting");
    for (const item of waiting.slice(0, Math.max(AT_ONCE - sent, 0))) this.#send(item);
  }

  async #send(item) {
    item.state = "looking";
    this.on.change();
    const onPiece = (piece) => {
      item.found += 1;
      this.on.piece(piece, item);
    };
    const waiting = (seconds) => {
      Object.assign(item, { state: seconds ? "held" : "looking", wait: seconds });
      this.on.change();
    };
    try {
      await patiently(() => locate(this.puzzle, item.file, { many: item.many, onPiece }), {
        signal: item.gone.signal,
        waiting,
        // Pieces that were already answered must not be located twice.
        may: () => item.found === 0,
      });
      this.items = this.items.filter((other) => other !== item);
    } catch (error) {
      Object.assign(item, { state: "failed", error, known: this.on.known() });
      if (this.items.includes(item)) this.on.failed(item);
    }
    this.#next();
    if (!this.busy.length) this.on.idle();
  }
}
