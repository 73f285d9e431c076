// The photo of a box lid taken at an angle: four handles, and what it looks like squared up.

import { getPuzzle, loadImage, setCorners, shown, suggestedCorners } from "./api.js";
import { $, h, perFrame } from "./dom.js";
import { drawSquared, isConvex } from "./geometry.js";
import { t } from "./lang.js";
import { announce, showError } from "./notices.js";
import { puzzleName } from "./words.js";

const NAMES = [1, 2, 3, 4].map((corner) => t(`corner.${corner}`));
const LOUPE = 3; // how much larger the loupe shows the photo than the stage does

export class CornersView {
  constructor(go) {
    this.go = go;
    this.handles = NAMES.map((name, index) => this.#handle(name, index));
    $("corners-stage").append(...this.handles);
    this.refresh = perFrame(() => this.#draw());
    new ResizeObserver(this.refresh).observe($("corners-stage"));
    $("corners-use").addEventListener("click", () => this.#save(this.corners));
    $("corners-whole").addEventListener("click", () => this.#save(null));
    $("corners-suggest").addEventListener("click", () => this.#suggest());
    $("corners-cancel").addEventListener("click", () => this.go(`#/puzzle/${this.id}`));
  }

  async enter(id) {
    this.id = id;
    this.image = null;
    this.abort = new AbortController();
    const { signal } = this.abort;
    $("corners-hint").textContent = t("corners.looking");
    $("view-corners").dataset.loading = "true";
    const puzzle = await getPuzzle(id, signal);
    const [image, suggestion] = await Promise.all([
      loadImage(shown(puzzle.links.original)),
      puzzle.corners ? null : suggestedCorners(id, signal),
    ]);
    if (signal.aborted) return;
    document.title = t("corners.of", { name: puzzleName(puzzle) });
    this.original = puzzle.original;
    this.#setImage(image);
    this.#place(puzzle.corners || suggestion, Boolean(puzzle.corners));
    $("view-corners").dataset.loading = "false";
  }

  leave() {
    this.abort?.abort();
  }

  #setImage(image) {
    this.image = image;
    $("corners-image").src = image.src;
    const { width, height } = this.original;
    $("corners-stage").style.setProperty("--ratio", width / height);
    // The preview reads a copy no larger than it needs.
    const factor = Math.min(1, 900 / Math.max(width, height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(Math.round(width * factor), 1);
    canvas.height = Math.max(Math.round(height * factor), 1);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    this.source = context.getImageData(0, 0, canvas.width, canvas.height);
    this.factor = factor;
  }

  #place(corners, kept) {
    const { width, height } = this.original;
    const inset = 0.06;
    const frame = [[inset, inset], [1 - inset, inset], [1 - inset, 1 - inset], [inset, 1 - inset]];
    this.corners = corners
      ? corners.map(([x, y]) => [x, y])
      : frame.map(([x, y]) => [x * width, y * height]);
    $("corners-title").textContent = t(corners ? "corners.title" : "corners.title.none");
    const how = t(matchMedia("(pointer: coarse)").matches ? "corners.how.touch" : "corners.how");
    $("corners-hint").textContent = kept ? how : `${t(corners ? "corners.found" : "corners.none")} ${how}`;
    this.refresh();
  }

  async #suggest() {
    try {
      const corners = await suggestedCorners(this.id, this.abort.signal);
      this.#place(corners, false);
      announce(t(corners ? "corners.set" : "corners.none"));
    } catch (error) {
      showError(error);
    }
  }

  #handle(name, index) {
    const button = h("button", { type: "button", class: "handle", "aria-label": name });
    let grip = null;
    button.addEventListener("pointerdown", (event) => {
      if (!this.image) return;
      event.preventDefault();
      button.focus();
      button.setPointerCapture(event.pointerId);
      const [x, y] = this.#shown(index);
      grip = [event.clientX - x, event.clientY - y];
      this.dragged = index;
      this.refresh();
    });
    button.addEventListener("pointermove", (event) => {
      if (!grip) return;
      const k = this.#scale;
      this.#move(index, (event.clientX - grip[0]) / k, (event.clientY - grip[1]) / k);
    });
    const release = () => {
      grip = null;
      this.dragged = null;
      this.refresh();
    };
    button.addEventListener("pointerup", release);
    button.addEventListener("pointercancel", release);
    button.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      const move = moves[event.key];
      if (!move || !this.image) return;
      event.preventDefault();
      const step = (event.shiftKey ? 12 : 1) / this.#scale;
      const [x, y] = this.corners[index];
      this.#move(index, x + move[0] * step, y + move[1] * step);
      this.#tell(index);
    });
    return button;
  }

  /** Screen pixels of the stage a pixel of the original takes. */
  get #scale() {
    return $("corners-image").clientWidth / this.original.width || 1;
  }

  #shown(index) {
    return this.corners[index].map((value) => value * this.#scale);
  }

  #move(index, x, y) {
    const { width, height } = this.original;
    this.corners[index] = [Math.min(Math.max(x, 0), width), Math.min(Math.max(y, 0), height)];
    this.refresh();
  }

  #where(index) {
    const { width, height } = this.original;
    const [x, y] = this.corners[index];
    const [across, down] = [Math.round((100 * x) / width), Math.round((100 * y) / height)];
    return t("corner.at", { corner: NAMES[index], across, down });
  }

  #tell(index) {
    clearTimeout(this.telling);
    this.telling = setTimeout(() => announce(this.#where(index)), 350);
  }

  #draw() {
    if (!this.image || !this.corners) return;
    const { clientWidth: w, clientHeight: tall } = $("corners-image");
    const points = this.corners.map((_, index) => this.#shown(index));
    this.handles.forEach((handle, index) => {
      const [x, y] = points[index];
      handle.style.transform = `translate(${x}px, ${y}px)`;
      handle.setAttribute("aria-label", this.#where(index));
    });
    const svg = $("corners-shape");
    svg.setAttribute("viewBox", `0 0 ${w || 1} ${tall || 1}`);
    const path = points.map((point) => point.join(" ")).join(" L");
    svg.querySelector(".corners-veil").setAttribute("d", `M0 0H${w}V${tall}H0Z M${path}Z`);
    svg.querySelector(".corners-edge").setAttribute("points", points.join(" "));
    const good = isConvex(this.corners, this.original.width * this.original.height * 0.01);
    $("corners-use").disabled = !good;
    $("corners-error").textContent = good ? "" : t("corners.crossed");
    if (good)
      drawSquared($("corners-preview"), this.source, this.corners.map(([x, y]) => [x * this.factor, y * this.factor]));
    this.#drawLoupe();
  }

  /** A finger hides the very corner it drags; the loupe shows it beside. */
  #drawLoupe() {
    const loupe = $("corners-loupe");
    loupe.hidden = this.dragged === null || this.dragged === undefined;
    if (loupe.hidden) return;
    const [x, y] = this.corners[this.dragged];
    const [sx, sy] = this.#shown(this.dragged);
    const k = this.image.naturalWidth / this.original.width;
    const side = (loupe.clientWidth || 120) / (LOUPE * this.#scale);
    const context = loupe.getContext("2d");
    context.fillStyle = "#000";
    context.fillRect(0, 0, loupe.width, loupe.height);
    context.drawImage(this.image, (x - side / 2) * k, (y - side / 2) * k, side * k, side * k, 0, 0, loupe.width, loupe.height);
    const middle = loupe.width / 2;
    context.lineWidth = 2;
    for (const [colour, shift] of [["rgb(0 0 0 / 0.6)", 1.5], ["#ffc53d", 0]]) {
      context.strokeStyle = colour;
      context.beginPath();
      context.moveTo(middle + shift, middle - 40);
      context.lineTo(middle + shift, middle + 40);
      context.moveTo(middle - 40, middle + shift);
      context.lineTo(middle + 40, middle + shift);
      context.stroke();
    }
    const stage = $("corners-image");
    const away = sx > stage.clientWidth / 2 ? -1 : 1;
    const left = sx + away * 96 - 60;
    const top = Math.min(Math.max(sy - 60, 0), Math.max(stage.clientHeight - 120, 0));
    loupe.style.transform = `translate(${left}px, ${top}px)`;
  }

  async #save(corners) {
    const button = corners ? $("corners-use") : $("corners-whole");
    if (button.ariaBusy === "true") return;
    button.ariaBusy = "true";
    try {
      const rounded = corners?.map((point) => point.map((value) => Math.round(value * 10) / 10));
      await setCorners(this.id, rounded || null);
      announce(t(corners ? "corners.done" : "corners.done.whole"));
      this.go(`#/puzzle/${this.id}`);
    } catch (error) {
      showError(error);
    } finally {
      button.ariaBusy = "false";
    }
  }
}
