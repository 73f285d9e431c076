// All pieces fitted together: one consistent answer, no two in one place.

import { solve } from "./api.js";
import { $ } from "./dom.js";
import { t } from "./lang.js";
import { announce, showError } from "./notices.js";

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
      announce(`${t("solve.done", { n: sure })} ${unsure.length ? t("solve.unsure", { n: unsure.length }) : t("solve.all.sure")}`);
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
    button.textContent = t(this.working ? "solve.working" : this.on ? "solve.again" : "solve");
    if (!puzzle.grid) hint.textContent = t("solve.gridless");
    else if (!this.on) hint.textContent = t("solve.hint");
    else {
      const all = [...this.assignments.values()];
      const sure = all.filter((one) => one.sure).length;
      const unsure = all.length - sure;
      const parts = [t("solve.sure.of", { n: sure, of: all.length })];
      if (unsure) parts.push(t("solve.to.check", { n: unsure }));
      if (fresh || waiting) parts.push(t("solve.new"));
      hint.textContent = `${parts.join(", ")}.`;
    }
  }
}
