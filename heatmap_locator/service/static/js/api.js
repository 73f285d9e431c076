// The HTTP API: requests with the token, problem documents as errors.

import { patiently } from "./patience.js";
import { sendForm } from "./send.js";
import { askForToken, token } from "./token.js";

/** An answer that is not a success, or no answer at all (status 0). */
export class Problem extends Error {
  constructor(status, body = {}, retryAfter = null) {
    super(body.detail || body.title || `status ${status}`);
    this.status = status;
    this.type = body.type || "";
    this.title = body.title || "";
    this.detail = body.detail || "";
    this.errors = body.errors || [];
    this.retryAfter = retryAfter;
  }
}

let onBusy = () => {};

/** What is told while requests wait for a full server: f(request, seconds), 0 once it is over. */
export const whenBusy = (f) => (onBusy = f);

/** patient: whether a full server is asked again. */
function send(path, { patient = true, ...options } = {}) {
  const once = () => sendOnce(path, options);
  return patient ? untilFree(once, options.signal) : once();
}

function untilFree(run, signal) {
  const request = {};
  return patiently(run, { signal, waiting: (seconds) => onBusy(request, seconds) });
}

/** What run(headers) answers with the token, which is asked for where the server wants another. */
async function withToken(run) {
  for (let asked = 0; ; asked += 1) {
    const given = token();
    const answer = await run(given ? { Authorization: `Bearer ${given}` } : {});
    if (answer.status !== 401 || asked >= 5 || !(await askForToken(given))) return answer;
  }
}

async function sendOnce(path, { accept = "application/json", headers = {}, ...options } = {}) {
  const response = await withToken(async (own) => {
    try {
      return await fetch(path, { ...options, headers: { ...headers, Accept: accept, ...own } });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0);
    }
  });
  if (!response.ok) throw await problemOf(response);
  return response;
}

async function problemOf(response) {
  let body = {};
  try {
    body = await response.json();
  } catch {
    // A proxy in between may answer in HTML: the status has to do.
  }
  const wait = Number(response.headers.get("Retry-After"));
  return new Problem(response.status, body, Number.isFinite(wait) && wait > 0 ? wait : null);
}

async function json(path, options) {
  return (await send(path, options)).json();
}

const puzzlePath = (id) => `v1/puzzles/${encodeURIComponent(id)}`;

export const listPuzzles = async () => (await json("v1/puzzles")).puzzles;
export const getPuzzle = (id, signal) => json(puzzlePath(id), { signal });
export const deletePuzzle = (id) => send(puzzlePath(id), { method: "DELETE", keepalive: true });

export const listPieces = async (id, signal) =>
  (await json(`${puzzlePath(id)}/pieces`, { signal })).pieces;

const piecePath = (id, piece) => `${puzzlePath(id)}/pieces/${encodeURIComponent(piece)}`;

// Removals may be sent while the page goes.
export const deletePiece = (id, piece) => send(piecePath(id, piece), { method: "DELETE", keepalive: true });

const change = (method, path, body) =>
  json(path, { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

/** said: {placed, chosen, rejected}, or {many: true} to search its photo for all pieces. */
export const changePiece = (id, piece, said) => change("PATCH", piecePath(id, piece), said);

/** fields: {name, pieces, grid}; what is left out stays. */
export const changePuzzle = (id, fields) => change("PATCH", puzzlePath(id), fields);

/** fields: name, pieces or grid; empty ones are left out. */
export function createPuzzle(picture, fields, { signal, progress }) {
  const body = new FormData();
  body.append("picture", picture, picture.name || "photo.jpg");
  for (const [key, value] of Object.entries(fields)) if (value) body.append(key, value);
  return untilFree(() => post("v1/puzzles", body, { signal, progress }), signal);
}

export const suggestedCorners = async (id, signal) =>
  (await json(`${puzzlePath(id)}/suggested-corners`, { signal })).corners;

export const setCorners = (id, corners) => change("PUT", `${puzzlePath(id)}/corners`, { corners });

const donePath = (id) => `${puzzlePath(id)}/done`;

/** A photo of the half-done puzzle: pieces are looked for in what it shows open. */
export function giveDone(id, photo, { signal } = {}) {
  const form = new FormData();
  form.append("photo", photo, photo.name || "photo.jpg");
  return untilFree(() => post(donePath(id), form, { method: "PUT", signal }), signal);
}

export const forgetDone = (id) => json(donePath(id), { method: "DELETE" });

export const solve = (id) => json(`${puzzlePath(id)}/solve`, { method: "POST" });

const PLACES = 6; // of a piece that are shown: as many as it may be one of

/**
 * Sends one photo, which the server keeps before it answers; resolves to its pieces, which wait to
 * be looked for.  Asks a full server once.
 */
export async function sendPhoto(id, photo, { many, progress, signal }) {
  const form = new FormData();
  form.append("photos", photo, photo.name || "photo.jpg");
  form.append("top", String(PLACES));
  if (many) form.append("many", "true");
  return (await post(`${puzzlePath(id)}/locate`, form, { headers: { Prefer: "respond-async" }, progress, signal })).pieces;
}

/** A form sent with the token; its parsed answer. */
async function post(path, form, { headers = {}, ...options }) {
  const { status, body, retryAfter } = await withToken((own) => sendForm(path, form, { headers: { ...headers, ...own }, ...options }));
  if (status >= 200 && status < 300) return body;
  throw new Problem(status, body, retryAfter);
}

/** The open stream of what happens to a puzzle. */
export const puzzleEvents = (id, signal) =>
  send(`${puzzlePath(id)}/events`, { accept: "text/event-stream", patient: false, signal });

const pictures = new Map();

/**
 * An address an <img> can show.  It cannot send a token: with one, the bytes are fetched and
 * kept under a blob address.
 */
export function imageUrl(link) {
  if (!token()) return Promise.resolve(link);
  if (!pictures.has(link)) {
    const made = send(link, { accept: "image/*" })
      .then((response) => response.blob())
      .then((blob) => URL.createObjectURL(blob));
    made.catch(() => pictures.delete(link));
    pictures.set(link, made);
  }
  return pictures.get(link);
}

/** Gives back the memory of everything imageUrl made. */
export function forgetImages() {
  for (const made of pictures.values()) made.then(URL.revokeObjectURL, () => {});
  pictures.clear();
}

/** The address of a photo as it was sent, or as a JPEG where browsers do not show its format. */
export const shown = (link) => link && `${link}?shown=true`;

/** A loaded, decoded image. */
export async function loadImage(link) {
  const image = new Image();
  image.src = await imageUrl(link);
  await image.decode();
  return image;
}
