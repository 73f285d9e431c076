// What is told to the user outside the flow: notices one sees, a status that is read out.

import { $, h, icon } from "./dom.js";
import { t } from "./lang.js";
import { errorWords } from "./words.js";

const TOGETHER = 150; // milliseconds
let spoken = [];

/**
 * Read out by screen readers when they are done with what they are at.  What comes at about the
 * same time is read as one: the region keeps no queue, and the last would drown the others.
 */
export function announce(text) {
  spoken.push(text.replace(/[.!?…]?$/, (end) => end || "."));
  if (spoken.length > 1) return;
  setTimeout(() => {
    const region = $("status");
    const all = spoken.join(" ");
    spoken = [];
    // The same text twice would not be read twice.
    region.textContent = region.textContent === all ? `${all}\u00a0` : all;
  }, TOGETHER);
}

/** A message at the top until it is closed. */
export function notice(title, detail = "", { kind = "error", action = null } = {}) {
  const close = h("button", { type: "button", class: "round small", "aria-label": t("close.message") }, icon("close"));
  const act = action && h("button", { type: "button", class: "button small", onclick: () => (box.remove(), action.run()) }, action.label);
  const text = h("div", { class: "notice-text" }, h("strong", {}, title), detail ? h("p", {}, detail) : null, act);
  const box = h("div", { class: `notice notice-${kind}` }, icon(kind === "error" ? "alert" : "clock"), text, close);
  close.addEventListener("click", () => box.remove());
  for (const old of $("notices").querySelectorAll("strong"))
    if (old.textContent === title) old.closest(".notice").remove();
  $("notices").append(box);
  while ($("notices").children.length > 3) $("notices").firstChild.remove();
  return box;
}

export function showError(error, options = {}) {
  if (error.name === "AbortError") return;
  if (error.status === undefined) console.error(error);
  const { title, detail } = errorWords(error);
  notice(title, detail, options);
}

export const clearNotices = () => $("notices").replaceChildren();

const waits = new Map();
let busy = null;

/** Tells, second by second, that a request waits for a full server; seconds 0: no longer. */
export function showBusy(request, seconds) {
  if (seconds) waits.set(request, seconds);
  else waits.delete(request);
  if (!waits.size) {
    busy?.remove();
    busy = null;
    return;
  }
  if (!busy?.isConnected) busy = notice(t("error.503"), t("busy.text"), { kind: "wait" });
  let count = busy.querySelector(".countdown");
  if (!count) {
    // Seen, not read out: once a second would be too much to listen to.
    count = h("span", { class: "countdown", "aria-hidden": "true" });
    busy.querySelector("p").append(" ", count);
  }
  count.textContent = t("busy.next", { n: Math.min(...waits.values()) });
}

/** Resolves to whether the user said yes. */
export function confirm(title, text, yes) {
  const dialog = $("confirm-dialog");
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  $("confirm-yes").textContent = yes;
  return new Promise((resolve) => {
    let answer = false;
    $("confirm-yes").onclick = () => ((answer = true), dialog.close());
    $("confirm-no").onclick = () => dialog.close();
    dialog.onclose = () => resolve(answer);
    dialog.showModal();
    $("confirm-no").focus();
  });
}
