// All pieces fitted together: one consistent answer, no two in one place.

import { solve } from "./api.js";
import { $ } from "./dom.js";
import { announce, showError } from "./notices.js";
import { plural } from "./words.js";

export class Together {
  constructor(change) {
    this.change = change;
    this.reset(null);
  }

  reset(puzzle) {
    Object.assign(this, { puzzle, assignments: null, working: false });
  }

  /** Whether pieces are shown as they were fitted. */
  get on() {
    return this.assignments !== null;
  }

  /** The assignment of a piece, or undefined. */
  of(id) {
    return this.assignments?.get(id);
  }

  forget(id) {
    this.assignments?.delete(id);
  }

  progress({ state }) {
    this.busyElsewhere = state === "started";
    this.change();
  }

  /** Resolves to whether there is a new answer. */
  async solve() {
    if (this.working || $("solve").getAttribute("aria-disabled") === "true") return false;
    this.working = true;
    this.change();
    const asked = this.puzzle;
    try {
      const { assignments, unsure } = await solve(asked);
      if (this.puzzle !== asked) return false;
      this.assignments = new Map(assignments.map((one) => [one.piece, one]));
      const sure = assignments.length - unsure.length;
      announce(`${plural(sure, "piece")} fitted together. ${unsure.length ? `${unsure.length} to be checked.` : "All of them sure."}`);
      return true;
    } catch (error) {
      showError(error);
      return false;
    } finally {
      this.working = false;
      this.change();
    }
  }

  draw({ puzzle, waiting, ids }) {
    const hint = $("solve-hint");
    const button = $("solve");
    $("solve-area").hidden = ids.length < 2;
    const fresh = this.on ? ids.filter((id) => !this.assignments.has(id)).length : 0;
    const possible = Boolean(puzzle.grid) && puzzle.state === "ready";
    // aria-disabled keeps the button in the tab order, so that the reason below it is found.
    button.setAttribute("aria-disabled", String(!possible || this.working));
    button.setAttribute("aria-describedby", "solve-hint");
    button.ariaBusy = String(this.working);
    button.textContent = this.working ? "Fitting…" : this.on ? "Fit them again" : "Fit all pieces together";
    if (!puzzle.grid) hint.textContent = "This needs the number of pieces, which was not given.";
    else if (!this.on) hint.textContent = "Sorts out pieces that want the same place.";
    else {
      const all = [...this.assignments.values()];
      const sure = all.filter((one) => one.sure).length;
      const unsure = all.length - sure;
      const parts = [`${sure} of ${all.length} fitted for sure`];
      if (unsure) parts.push(`${unsure} to be checked`);
      if (fresh || waiting) parts.push("new pieces since then");
      hint.textContent = `${parts.join(", ")}.`;
    }
  }
}
