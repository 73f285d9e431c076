// The picture with everything on it, and the controls that stand on it.

import * as api from "./api.js";
import { $ } from "./dom.js";
import { colourHeat } from "./heat.js";
import { t } from "./lang.js";
import { Layers } from "./layers.js";
import { notice } from "./notices.js";
import { letter, oneOf } from "./places.js";
import { Viewer } from "./viewer.js";
import { SURE } from "./words.js";

const LEAST = 0.01; // score of a place that is marked beside one that is sure

export class Board {
  /** on: {change(), select(key), choose(rank)}. */
  constructor(on) {
    this.on = on;
    this.viewer = new Viewer($("stage"), $("world"));
    this.layers = new Layers(this.viewer);
    this.shown = { heat: true, piece: true, others: true, placed: false, open: true };
    this.reset();
    this.#listen();
  }

  reset() {
    Object.assign(this, { version: null, heatOf: null, place: null });
    this.layers.setHeat(null);
    this.layers.setPlaced([]);
    this.layers.setOpen(null);
    this.layers.setBoxes([]);
    this.layers.picture.removeAttribute("src");
    $("board").dataset.state = "loading";
  }

  /** The loaded <img> of the puzzle. */
  get picture() {
    return this.layers.picture;
  }

  /** Whether a part of the picture is shown, not all of it. */
  get zoomed() {
    return !this.viewer.fitted;
  }

  fit() {
    this.viewer.fit(true);
  }

  zoomToPlace() {
    if (this.place) this.viewer.zoomTo(this.place.box);
  }

  /** Loads the puzzle's picture where it is another than the one shown. */
  async showPicture({ width, height, corners, links }, signal) {
    const version = `${width}x${height} ${JSON.stringify(corners)}`;
    if (version === this.version) return;
    const first = this.version === null;
    this.version = version;
    // The same address shows another picture once the corners change.
    const link = first && !corners ? links.picture : `${links.picture}?of=${encodeURIComponent(version)}`;
    try {
      await this.layers.setPicture(await api.imageUrl(link), width, height);
    } catch {
      if (this.version === version && !signal.aborted) notice(t("puzzle.unloaded"), t("puzzle.unloaded.text"));
      return;
    }
    this.heatOf = null;
    this.on.change();
  }

  /** The heatmap of a piece is another now. */
  forgetHeat(id) {
    if (this.heatOf === id) this.heatOf = null;
  }

  /** entries: as of Collection; current: the selected one of them; rank: of its places. */
  show(entries, current, rank, puzzle) {
    const placed = [];
    const boxes = [];
    if (this.shown.others)
      for (const { key, number, piece, choice } of entries) {
        if (!choice || key === current?.key || (this.shown.placed && !piece.placed)) continue;
        placed.push({ piece, choice, main: false });
        const unsure = choice.fitted && !choice.sure;
        const kind = piece.placed ? "laid placed" : unsure ? "laid unsure" : "laid";
        boxes.push({ box: choice.placement.box, kind, label: String(number), take: () => this.on.select(key) });
      }
    this.place = current?.choice ? current.list[rank].placement : null;
    if (this.place) {
      const few = oneOf(current.piece, current.choice);
      const sure = current.choice.placement.score >= SURE;
      current.list.forEach(({ placement }, index) => {
        // Beside a place that is sure those next to impossible only crowd the picture.
        if (sure && placement.score < LEAST) return;
        const kind = index < few ? "other few" : "other";
        if (index !== rank) boxes.push({ box: placement.box, kind, label: letter(index), take: () => this.on.choose(index) });
      });
      if (this.shown.piece) placed.push({ piece: current.piece, choice: current.list[rank], main: true });
      boxes.push({ box: this.place.box, kind: "main", label: String(current.number) });
    }
    this.layers.setPlaced(placed);
    this.layers.setOpen(this.shown.open && puzzle.open ? puzzle : null);
    this.layers.setBoxes(boxes);
    $("layer-open").hidden = !puzzle.open;
    // Where pieces lie the picture is filled in; the rest of it fades.
    $("board").classList.toggle("progress", this.shown.placed);
    $("zoom-place").disabled = !this.place;
    $("board").dataset.state = puzzle.state;
    this.#showHeat(current, puzzle);
  }

  async #showHeat(current, puzzle) {
    const piece = current?.piece;
    const wanted = this.shown.heat && current?.choice && piece.links.heatmap ? piece.id : null;
    if (this.heatOf === wanted) return;
    this.heatOf = wanted;
    if (!wanted) return this.layers.setHeat(null);
    const [left, , right] = current.choice.placement.box;
    const width = right - left;
    try {
      const image = await api.loadImage(piece.links.heatmap);
      if (this.heatOf === wanted) this.layers.setHeat(colourHeat(image, width / puzzle.width));
    } catch {
      if (this.heatOf === wanted) this.layers.setHeat(null);
    }
  }

  #listen() {
    const { viewer } = this;
    $("zoom-in").addEventListener("click", () => viewer.zoomBy(1.6, undefined, undefined, true));
    $("zoom-out").addEventListener("click", () => viewer.zoomBy(1 / 1.6, undefined, undefined, true));
    $("zoom-fit").addEventListener("click", () => viewer.fit(true));
    $("zoom-place").addEventListener("click", () => this.zoomToPlace());
    for (const layer of Object.keys(this.shown))
      $(`layer-${layer}`).addEventListener("click", () => this.#toggle(layer));
    $("stage").addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "z" || event.key === "Z") this.zoomToPlace();
      if (event.key === "h" || event.key === "H") this.#toggle("heat");
    });
    viewer.addEventListener("tap", (event) => this.layers.boxAt(event.detail)?.take());
  }

  #toggle(layer) {
    this.shown[layer] = !this.shown[layer];
    $(`layer-${layer}`).setAttribute("aria-pressed", String(this.shown[layer]));
    this.on.change();
  }
}
