// What is told to the user outside the flow: notices one sees, a status that is read out.

import { $, h, icon } from "./dom.js";
import { errorWords } from "./words.js";

/** Read out by screen readers when they are done with what they are at. */
export function announce(text) {
  const region = $("status");
  // The same text twice would not be read twice.
  region.textContent = region.textContent === text ? `${text}\u00a0` : text;
}

/** A message at the top until it is closed. */
export function notice(title, detail = "", { kind = "error", action = null } = {}) {
  const close = h("button", { type: "button", class: "round small", "aria-label": "Close message" }, icon("close"));
  const box = h(
    "div",
    { class: `notice notice-${kind}` },
    icon(kind === "error" ? "alert" : "question"),
    h("div", { class: "notice-text" }, h("strong", {}, title), detail ? h("p", {}, detail) : null),
    action ? h("button", { type: "button", class: "button small", onclick: () => (box.remove(), action.run()) }, action.label) : null,
    close,
  );
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
