// What is wished of the list and of photos to come: which pieces, in what order, one or many a photo.

import { $ } from "./dom.js";
import { t } from "./lang.js";
import { arrange } from "./order.js";

const FIRST = { show: "all", where: "anywhere", sort: "number" };

export class Wishes {
  /** change(): another wish. */
  constructor(change) {
    this.wish = { ...FIRST };
    for (const key of Object.keys(FIRST))
      $(`pieces-${key}`).addEventListener("change", ({ target }) => {
        this.wish[key] = target.value;
        change();
      });
    $("many").addEventListener("change", () => this.#hint());
  }

  /** Whether photos to come show several pieces each. */
  get many() {
    return $("many").checked;
  }

  /** Photos were given: of many pieces the sure ones are wanted first, where no order was chosen. */
  given() {
    if (this.many && this.wish.sort === FIRST.sort) this.sort("sure");
  }

  sort(order) {
    this.wish.sort = $("pieces-sort").value = order;
  }

  /** Entries, as of Collection, that are shown, in their order. */
  arranged(entries, puzzle) {
    return arrange(entries, this.wish, puzzle);
  }

  #hint() {
    $("pieces-hint").textContent = t(this.many ? "pieces.hint.many" : "pieces.hint");
  }
}
