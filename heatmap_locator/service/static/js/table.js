// A photo of many pieces with their numbered outlines: a tap on one selects it.

import { loadImage, shown } from "./api.js";
import { $, s } from "./dom.js";
import { t } from "./lang.js";
import { stateOf } from "./states.js";
import { outlined } from "./tiles.js";

const FEWEST = 2; // pieces in a photo for it to be shown

export class TablePhoto {
  /** select(key): the piece that was tapped. */
  constructor(select) {
    this.select = select;
    this.svg = $("table-image");
    this.clear();
  }

  clear() {
    Object.assign(this, { photo: null, said: null });
    $("table-photo").hidden = true;
    this.svg.replaceChildren();
  }

  /** Shows the photo that the selected piece is in, where it shows several. */
  show(entries, current, puzzle) {
    const photo = current?.piece?.photo_id;
    const here = photo ? entries.filter(({ piece }) => piece?.photo_id === photo && piece.outline) : [];
    if (here.length < FEWEST) return this.clear();
    const said = JSON.stringify(here.map((entry) => [entry.key, entry.number, entry.piece.placed, stateOf(entry, puzzle), entry === current]));
    if (this.photo === photo && this.said === said) return;
    this.said = said;
    $("table-photo").hidden = false;
    $("table-title").textContent = t("table.title", { n: here.length, file: current.file });
    if (this.photo !== photo) this.#load(photo, current.piece.links.photo);
    this.#draw(here, current, puzzle);
  }

  async #load(photo, link) {
    this.photo = photo;
    this.svg.replaceChildren(s("g", { class: "pieces-here" }));
    try {
      const image = await loadImage(shown(link));
      if (this.photo !== photo) return;
      const [width, height] = [image.naturalWidth, image.naturalHeight];
      this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.svg.style.setProperty("--ratio", width / height);
      this.svg.prepend(s("image", { href: image.src, width, height }));
    } catch {
      // The outlines alone still tell the pieces apart.
    }
  }

  #draw(here, current, puzzle) {
    const focused = this.svg.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    const group = this.svg.querySelector(".pieces-here");
    const size = Math.max(...here.map(({ piece: { box_in_photo: [x1, , x2] } }) => x2 - x1));
    group.replaceChildren(...here.map((entry) => this.#piece(entry, entry === current, puzzle, size)));
    if (focused) group.querySelector(`[data-key="${focused}"]`)?.focus({ preventScroll: true });
  }

  #piece(entry, chosen, puzzle, size) {
    const { key, name, number, piece } = entry;
    const [x1, y1, x2, y2] = piece.box_in_photo;
    const { level, words, percent } = stateOf(entry, puzzle);
    const text = s("text", { x: (x1 + x2) / 2, y: (y1 + y2) / 2, "font-size": size / 3, "text-anchor": "middle", "dominant-baseline": "central" });
    text.textContent = String(number);
    const node = s(
      "g",
      { class: "table-piece", role: "button", tabindex: 0, "data-key": key, "data-level": level, "aria-pressed": String(chosen), "aria-label": `${name}: ${words} ${percent}` },
      ...outlined(piece),
      text,
    );
    node.addEventListener("click", () => this.select(key));
    node.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      this.select(key);
    });
    return node;
  }
}
