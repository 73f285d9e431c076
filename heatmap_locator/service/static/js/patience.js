// A server that is full (503) says when to ask again; this asks again then.

const DEFAULT_WAIT = 2; // seconds, where the server names none
const LONGEST_WAIT = 30;
const TRIES = 20;

/** Resolves after some seconds, or as soon as the signal aborts. */
export function pause(seconds, signal) {
  return new Promise((resolve) => {
    if (signal?.aborted) return resolve();
    const timer = setTimeout(resolve, seconds * 1000);
    signal?.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}

/**
 * Runs a request, and again while the server is full.
 * waiting(seconds): how long is left until it is asked again, told every second; 0 when it is.
 */
export async function patiently(run, { signal, waiting = () => {}, tries = TRIES } = {}) {
  for (let asked = 1; ; asked += 1) {
    try {
      return await run();
    } catch (error) {
      if (error.status !== 503 || asked >= tries || signal?.aborted) throw error;
      const wait = Math.ceil(Math.min(error.retryAfter || DEFAULT_WAIT, LONGEST_WAIT));
      for (let left = wait; left > 0 && !signal?.aborted; left -= 1) {
        waiting(left);
        await pause(1, signal);
      }
      waiting(0);
      if (signal?.aborted) throw error;
      // Those that were refused together should not all come back in the same instant.
      await pause(Math.random() * 0.5, signal);
    }
  }
}
