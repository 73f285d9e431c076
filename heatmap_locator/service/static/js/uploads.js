// Photos on their way: sent one after the other, in order, and again when the server is busy.

import { sendPhoto } from "./api.js";
import { t } from "./lang.js";
import { patiently } from "./patience.js";
import { reduced } from "./reduce.js";

const RESENT = 5; // times a photo is sent again by itself after the connection broke

const NOBODY = { change() {}, sent() {}, failed() {}, idle() {}, known: () => null };

let count = 0;
const kept = new Map();

/**
 * The photos on their way to a puzzle, which go on while other views are shown.
 * on: {change(), sent(pieces, item), failed(item), idle(), known()}; known: ids of all pieces.
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
     * {key, file, name, many, part, error, known, wait, state}.  state: "waiting" for its
     * turn, "sending" with part (0..1) of it gone, "held" for wait seconds by a full server,
     * "failed".
     */
    this.items = [];
    this.paused = false;
  }

  add(files, many) {
    const items = files.map((file) => {
      count += 1;
      const given = { key: `photo-${count}`, file, name: file.name || t("tile.given"), many };
      return { ...given, state: "waiting", wait: 0, part: 0, resent: 0, error: null, gone: new AbortController() };
    });
    this.items.push(...items);
    this.#next();
    return items;
  }

  /** Whether photos must not be sent: the picture could not be used. */
  setPaused(paused) {
    this.paused = paused;
    if (!paused) this.#next();
  }

  retry(item) {
    Object.assign(item, { state: "waiting", error: null, part: 0 });
    this.#next();
  }

  /** Photos that a broken connection cut off. */
  get cutOff() {
    return this.items.filter(({ state, error }) => state === "failed" && error.status === 0);
  }

  /** The connection is back: photos that were cut off are sent again. */
  resume() {
    for (const item of this.cutOff) {
      if (item.resent >= RESENT) continue;
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
    // One after the other, so that they are numbered in the order they were given in.
    if (this.items.some(({ state }) => state === "sending" || state === "held")) return;
    const next = this.items.find(({ state }) => state === "waiting");
    if (next) this.#send(next);
  }

  async #send(item) {
    item.state = "sending";
    this.on.change();
    const { signal } = item.gone;
    const progress = (part) => {
      item.part = part;
      this.on.change();
    };
    const waiting = (seconds) => {
      Object.assign(item, { state: seconds ? "held" : "sending", wait: seconds });
      this.on.change();
    };
    try {
      const file = await reduced(item.file, item.many);
      const send = () => sendPhoto(this.puzzle, file, { many: item.many, progress, signal });
      const pieces = await patiently(send, { signal, waiting });
      this.items = this.items.filter((other) => other !== item);
      this.on.sent(pieces, item);
    } catch (error) {
      Object.assign(item, { state: "failed", error, known: this.on.known() });
      if (this.items.includes(item)) this.on.failed(item);
    }
    this.#next();
    if (!this.busy.length) this.on.idle();
  }
}
