// Removals that can be taken back for ten seconds.

import { $, h, icon } from "./dom.js";
import { t } from "./lang.js";
import { announce } from "./notices.js";

const SECONDS = 10;
const open = new Set();

const KEY = "heatmap-locator-removed";

/** What is removed on this page and may still come back, or is on its way out. */
export const hidden = new Set(JSON.parse(sessionStorage.getItem(KEY) || "[]"));

/**
 * Tells of a removal with a button that takes it back.
 * commit(): makes it final, after ten seconds or when the page goes; restore(): takes it back.
 * key: of what is hidden meanwhile, where something is.
 */
export function undoable(words, { key = null, commit = () => {}, restore = () => {} }) {
  const entry = { key, timer: 0, box: null, commit };
  const close = () => {
    clearTimeout(entry.timer);
    open.delete(entry);
    const focused = entry.box.contains(document.activeElement);
    entry.box.remove();
    if (focused) $("main").focus({ preventScroll: true });
  };
  const button = h("button", { type: "button", class: "button small", onclick: () => {
    close();
    hidden.delete(key);
    announce(t("undo.done"));
    restore();
  } }, icon("turn-ccw"), t("undo"));
  entry.box = h("div", { class: "toast" }, h("span", {}, words), button);
  entry.end = async () => {
    close();
    await commit();
    hidden.delete(key);
  };
  entry.timer = setTimeout(entry.end, SECONDS * 1000);
  if (key) hidden.add(key);
  open.add(entry);
  $("toasts").append(entry.box);
  announce(words);
}

// A page that goes takes nothing back any more.
addEventListener("pagehide", () => {
  sessionStorage.setItem(KEY, JSON.stringify([...hidden]));
  open.forEach(({ commit }) => commit());
});
