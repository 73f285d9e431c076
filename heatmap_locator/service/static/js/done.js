// A photo of the half-done puzzle: pieces are looked for in the places that it shows open.

import { $ } from "./dom.js";
import { fileButton } from "./drop.js";
import { t } from "./lang.js";
import { announce, showError } from "./notices.js";
import { reduced } from "./reduce.js";

/** model(): of the puzzle that is shown; change(): something to be drawn is another now. */
export class HalfDone {
  constructor(model, change) {
    this.model = model;
    this.change = change;
    this.busy = null;
    fileButton($("give-done"), $("done-file"), ([file]) => this.#set(file));
    $("forget-done").addEventListener("click", () => this.#set(null));
  }

  /** file: the photo, or null to let go of it. */
  async #set(file) {
    const model = this.model();
    if (this.busy === model.id) return;
    this.busy = model.id;
    this.change();
    if (file) announce(t("done.reading"));
    try {
      await model.setDone(file && (await reduced(file, true)));
      if (model.signal.aborted) return;
      const { open } = model.puzzle;
      announce(open ? t("done.open", { n: open.length }) : t("done.forgotten"));
      if (!file) $("give-done").focus();
    } catch (error) {
      if (!model.signal.aborted) showError(error);
    } finally {
      if (this.busy === model.id) this.busy = null;
      this.change();
    }
  }

  draw({ id, grid, open }) {
    const busy = this.busy === id;
    $("done-area").hidden = !grid;
    $("give-done").ariaBusy = String(busy);
    $("give-done").textContent = t(busy ? "done.reading" : open ? "done.another" : "done.give");
    $("forget-done").hidden = !open || busy;
    $("done-open").textContent = open ? t("done.open", { n: open.length }) : "";
  }
}
