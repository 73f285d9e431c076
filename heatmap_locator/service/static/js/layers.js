// What lies on the picture: heatmap, pieces in their places, boxes with their numbers.

import { cutout } from "./cutouts.js";
import { $, h, s } from "./dom.js";
import { uprightMatrix } from "./geometry.js";

export class Layers {
  constructor(viewer) {
    this.viewer = viewer;
    this.picture = h("img", { class: "picture", alt: "", draggable: "false" });
    this.heat = h("div", { class: "heat" });
    this.pieces = h("div", { class: "placed" });
    viewer.world.append(this.picture, this.heat, this.pieces);
    this.placed = new Map();
    this.boxes = [];
    this.open = null;
    viewer.addEventListener("view", () => this.#drawMarks());
  }

  async setPicture(url, width, height) {
    this.viewer.setSize(width, height);
    this.picture.src = url;
    this.picture.width = width;
    this.picture.height = height;
    await this.picture.decode();
  }

  setHeat(canvas) {
    this.heat.replaceChildren(...(canvas ? [canvas] : []));
    this.viewer.stage.classList.toggle("has-heat", Boolean(canvas));
  }

  /** entries: [{piece, choice, main}]: the cut-outs to lay on the picture. */
  setPlaced(entries) {
    const wanted = new Set(entries.map(({ piece }) => piece.id));
    for (const [id, image] of this.placed) {
      if (wanted.has(id)) continue;
      image.remove();
      this.placed.delete(id);
    }
    for (const entry of entries) this.#place(entry);
    this.viewer.stage.classList.toggle("has-placed", entries.some(({ main }) => main));
  }

  async #place({ piece, choice, main }) {
    let image = this.placed.get(piece.id);
    if (!image) {
      image = h("img", { alt: "", draggable: "false", class: "cutout" });
      this.placed.set(piece.id, image);
    }
    image.classList.toggle("main", main);
    const { placement, transform } = choice;
    const wanted = JSON.stringify([placement.box, placement.rotation]);
    image.dataset.at = wanted;
    let cut;
    try {
      cut = await cutout(piece);
    } catch {
      return;
    }
    // Another place may have been asked for meanwhile.
    if (this.placed.get(piece.id) !== image || image.dataset.at !== wanted) return;
    const [a, b, x, c, d, y] = transform || [];
    const m = transform ? [a, c, b, d, x, y] : uprightMatrix(cut.points, placement.rotation, placement.box);
    image.src = cut.image.src;
    image.style.width = `${cut.image.naturalWidth}px`;
    image.style.transform = `matrix(${m.join(",")})`;
    if (!image.isConnected) this.pieces.append(image);
    if (main) this.pieces.append(image);
  }

  /** puzzle: {grid, open}, whose open cells are marked, or null. */
  setOpen(puzzle) {
    this.open = puzzle;
  }

  /** boxes: [{box, kind: "main" | "other" | "other few" | "laid" | "laid unsure", label, take}], drawn in order. */
  setBoxes(boxes) {
    this.boxes = boxes;
    this.#drawMarks();
  }

  /** The topmost box under a point of the picture that does something when tapped. */
  boxAt([x, y]) {
    const slack = 8 / this.viewer.view.k;
    return this.boxes.findLast(
      ({ box, take }) => take && x > box[0] - slack && x < box[2] + slack && y > box[1] - slack && y < box[3] + slack,
    );
  }

  /** What is done lies under a veil, open cells have an edge. */
  #openCells() {
    if (!this.open) return [];
    const { x, y, k } = this.viewer.view;
    const { rows, cols } = this.open.grid;
    const [width, height] = this.viewer.size.map((length) => k * length);
    const [w, h] = [width / cols, height / rows];
    const cells = this.open.open.map(([row, col]) => `M${x + col * w} ${y + row * h}h${w}v${h}h${-w}z`).join("");
    const veil = `M${x} ${y}h${width}v${height}h${-width}z${cells}`;
    return [s("path", { class: "done-veil", "fill-rule": "evenodd", d: veil }), s("path", { class: "open-cells", d: cells })];
  }

  #drawMarks() {
    const svg = $("marks");
    const { x, y, k } = this.viewer.view;
    const nodes = this.#openCells();
    for (const { box, kind, label } of this.boxes) {
      const [x1, y1, x2, y2] = [x + k * box[0], y + k * box[1], x + k * box[2], y + k * box[3]];
      if (kind === "main") {
        // Small boxes in large pictures are found by following the lines from the edges.
        const [cx, cy] = [(x1 + x2) / 2, (y1 + y2) / 2];
        const [right, bottom] = [x + k * this.viewer.size[0], y + k * this.viewer.size[1]];
        const lines = `M${cx} ${y}V${y1 - 6}M${cx} ${y2 + 6}V${bottom}M${x} ${cy}H${x1 - 6}M${x2 + 6} ${cy}H${right}`;
        nodes.push(s("path", { class: "guide-case", d: lines }), s("path", { class: "guide", d: lines }));
      }
      const frame = { x: x1, y: y1, width: x2 - x1, height: y2 - y1, rx: 2 };
      nodes.push(s("rect", { class: `case ${kind}`, ...frame }), s("rect", { class: `box ${kind}`, ...frame }));
      if (label) nodes.push(tag(label, x1, y1, kind));
    }
    svg.replaceChildren(...nodes);
  }
}

function tag(label, x, y, kind) {
  const text = s("text", { x: 11, y: 15.5, "text-anchor": "middle" });
  text.textContent = label;
  const at = `translate(${x - 1} ${Math.max(y - 24, 2)})`;
  return s("g", { class: `tag ${kind}`, transform: at }, s("rect", { width: 22, height: 22, rx: 4 }), text);
}
