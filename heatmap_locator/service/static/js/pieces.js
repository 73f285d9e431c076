// The list of pieces and of photos on their way, each with its state.

import { imageUrl, shown } from "./api.js";
import { $, h, icon } from "./dom.js";
import { stateOf } from "./states.js";

export class PieceList {
  /** select(key): a piece's id or an upload's key.  remove(key). */
  constructor({ select, remove }) {
    this.list = $("pieces");
    this.rows = new Map();
    this.list.addEventListener("click", (event) => {
      const row = event.target.closest("[data-key]");
      if (row) select(row.dataset.key);
    });
    this.list.addEventListener("keydown", (event) => {
      const row = event.target.closest("[data-key]");
      if (!row) return;
      if (event.key === "Delete") remove(row.dataset.key);
      const rows = [...this.list.querySelectorAll("[data-key]")];
      const at = rows.indexOf(row);
      const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: rows.length - 1 }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      rows[to]?.focus();
    });
  }

  clear() {
    this.rows.clear();
    this.list.replaceChildren();
  }

  /** entries: [{key, name, piece | item, choice, solved}]; selected: a key. */
  show(entries, selected, puzzle) {
    const wanted = new Set(entries.map(({ key }) => key));
    const focused = document.activeElement?.closest?.("#pieces [data-key]")?.dataset.key;
    for (const [key, row] of this.rows) {
      if (wanted.has(key)) continue;
      row.element.remove();
      this.rows.delete(key);
    }
    entries.forEach((entry, index) => {
      const row = this.#row(entry);
      if (this.list.children[index] !== row.element)
        this.list.insertBefore(row.element, this.list.children[index] || null);
      update(row, entry, entry.key === selected, puzzle);
    });
    // The row that had the focus is gone: its neighbour takes it.
    if (focused && !wanted.has(focused)) this.list.querySelector("[data-key]")?.focus();
  }

  reveal(key) {
    this.rows.get(key)?.element.scrollIntoView({ block: "nearest" });
  }

  focus(key) {
    this.rows.get(key)?.button.focus({ preventScroll: true });
  }

  #row({ key }) {
    let row = this.rows.get(key);
    if (!row) {
      const picture = h("span", { class: "thumb" });
      const name = h("span", { class: "piece-name" });
      const file = h("span", { class: "piece-file" });
      const state = h("span", { class: "piece-state" });
      const button = h(
        "button",
        { type: "button", class: "piece", "data-key": key },
        picture,
        h("span", { class: "piece-text" }, h("span", { class: "piece-head" }, name, file), state),
      );
      row = { element: h("li", {}, button), button, picture, name, file, state, source: null };
      this.rows.set(key, row);
    }
    return row;
  }
}

function update(row, entry, selected, puzzle) {
  const { level, symbol, words, percent } = stateOf(entry, puzzle);
  row.button.setAttribute("aria-current", String(selected));
  row.button.dataset.level = level;
  row.name.textContent = entry.name;
  row.file.textContent = entry.piece ? entry.file : "";
  const key = `${level} ${symbol} ${words} ${percent}`;
  if (row.said !== key) {
    row.said = key;
    const mark = symbol === "spinner" ? h("span", { class: "spinner small", "aria-hidden": "true" }) : icon(symbol);
    row.state.replaceChildren(mark, h("span", {}, words), percent ? h("span", { class: "piece-score" }, percent) : "");
  }
  showThumb(row, entry);
}

function showThumb(row, { piece, item, choice }) {
  const source = piece ? piece.links.image || shown(piece.links.photo) : item.key;
  if (source !== row.source) {
    row.source = source;
    const image = h("img", { alt: "", decoding: "async", draggable: "false" });
    image.addEventListener("error", () => image.remove());
    row.picture.replaceChildren(...(source ? [image] : []));
    if (piece && source) imageUrl(source).then((url) => (image.src = url), () => image.remove());
    else if (item) {
      image.src = URL.createObjectURL(item.file);
      image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    }
  }
  row.picture.classList.toggle("is-photo", !piece?.links.image);
  const image = row.picture.firstChild;
  if (image) image.style.transform = piece?.links.image && choice ? `rotate(${-choice.placement.rotation}deg) scale(0.86)` : "";
}
