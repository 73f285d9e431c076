// What happens to a puzzle, as the server tells it; connected anew whenever that breaks.

import { puzzleEvents } from "./api.js";
import { pause } from "./patience.js";
import { readEvents } from "./sse.js";

const SILENCE = 45; // seconds; a server that is there says something every 15
const LONGEST_WAIT = 15; // seconds between two tries

/**
 * Listens until the signal aborts.  EventSource cannot carry the token, so this reads the
 * stream itself.
 * on: {event(kind, data), lost(), back()}.  lost: the server cannot be reached, told once;
 * back: it can again, and what it said meanwhile was missed.
 */
export async function listen(id, { on, signal }) {
  let wait = 1;
  let broken = 0;
  while (!signal.aborted) {
    const attempt = watched(signal);
    try {
      const response = await puzzleEvents(id, attempt.signal);
      attempt.heard();
      if (broken) await on.back();
      [wait, broken] = [1, 0];
      for await (const { kind, data } of readEvents(response.body, attempt.heard)) on.event(kind, data);
    } catch (error) {
      if (signal.aborted || error.status === 404) return;
    } finally {
      attempt.end();
    }
    if (signal.aborted) return;
    broken += 1;
    // A server that restarts closes the stream and is back at once: not worth a word.
    if (broken === 2 || (broken === 1 && !navigator.onLine)) on.lost();
    await pause(wait, untilOnline(signal));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
}

/** An attempt that is given up when the device goes offline or nothing was heard for long. */
function watched(outer) {
  const controller = new AbortController();
  const giveUp = () => controller.abort();
  let timer = 0;
  const heard = () => {
    clearTimeout(timer);
    timer = setTimeout(giveUp, SILENCE * 1000);
  };
  outer.addEventListener("abort", giveUp);
  addEventListener("offline", giveUp);
  heard();
  const end = () => {
    clearTimeout(timer);
    outer.removeEventListener("abort", giveUp);
    removeEventListener("offline", giveUp);
    giveUp();
  };
  return { signal: controller.signal, heard, end };
}

/** A signal that ends a pause: the device is online again, or the outer signal aborted. */
function untilOnline(outer) {
  const controller = new AbortController();
  const end = () => controller.abort();
  addEventListener("online", end, { once: true, signal: outer });
  outer.addEventListener("abort", end, { once: true });
  return controller.signal;
}
