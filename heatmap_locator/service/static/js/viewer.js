// A stage that is panned and zoomed by pointer, wheel, pinch and keyboard.

import { perFrame, reducedMotion } from "./dom.js";

const TAP = 6; // pixels a pointer may wander and still have tapped
const LARGEST = 10; // screen pixels a picture's pixel may get
const GLIDE = 380; // milliseconds

export class Viewer extends EventTarget {
  /** stage: the element that clips; world: the element in it that holds the picture. */
  constructor(stage, world) {
    super();
    this.stage = stage;
    this.world = world;
    this.size = [1, 1];
    this.view = { x: 0, y: 0, k: 1 };
    this.aim = this.view; // where a glide ends
    this.fitted = true;
    this.glide = 0;
    this.pointers = new Map();
    this.draw = perFrame(() => this.#apply());
    new ResizeObserver(() => (this.fitted ? this.fit() : this.#go(this.view, false))).observe(stage);
    this.#listen();
  }

  /** Width and height of the picture, in its pixels. */
  setSize(width, height) {
    this.size = [width, height];
    Object.assign(this.world.style, { width: `${width}px`, height: `${height}px` });
    this.fit();
  }

  get #fitScale() {
    const { clientWidth, clientHeight } = this.stage;
    return Math.min(clientWidth / this.size[0], clientHeight / this.size[1]) || 1;
  }

  fit(glide = false) {
    const k = this.#fitScale;
    this.#go({ x: (this.stage.clientWidth - k * this.size[0]) / 2, y: (this.stage.clientHeight - k * this.size[1]) / 2, k }, glide);
    this.fitted = true;
  }

  /** Zooms so that a box takes about a quarter of the stage. */
  zoomTo([x1, y1, x2, y2], glide = true) {
    const { clientWidth: w, clientHeight: h } = this.stage;
    const k = this.#limit(Math.min(w / (x2 - x1), h / (y2 - y1)) / 3.6);
    this.#go({ x: w / 2 - (k * (x1 + x2)) / 2, y: h / 2 - (k * (y1 + y2)) / 2, k }, glide);
  }

  zoomBy(factor, x = this.stage.clientWidth / 2, y = this.stage.clientHeight / 2, glide = false) {
    // A step taken during a glide goes on from the glide's end: none is lost to quick presses.
    const from = glide ? this.aim : this.view;
    const k = this.#limit(from.k * factor);
    const f = k / from.k;
    this.#go({ x: x - f * (x - from.x), y: y - f * (y - from.y), k }, glide);
  }

  panBy(dx, dy, glide = false) {
    const from = glide ? this.aim : this.view;
    this.#go({ ...from, x: from.x + dx, y: from.y + dy }, glide);
  }

  /** Pixels of the picture under a point of the stage. */
  toPicture(x, y) {
    return [(x - this.view.x) / this.view.k, (y - this.view.y) / this.view.k];
  }

  #limit(k) {
    const fit = this.#fitScale;
    return Math.min(Math.max(k, fit), Math.max(LARGEST, fit));
  }

  #go(to, glide) {
    cancelAnimationFrame(this.glide);
    to = this.#clamped(to);
    this.aim = to;
    this.fitted = to.k <= this.#fitScale * 1.001;
    if (!glide || reducedMotion()) {
      this.#set(to);
      return;
    }
    const from = { ...this.view };
    const start = performance.now();
    const step = (now) => {
      const t = Math.min((now - start) / GLIDE, 1);
      const e = 1 - (1 - t) ** 3;
      // Scales are mixed by ratio, so that the zoom is even.
      const k = from.k * (to.k / from.k) ** e;
      const part = Math.abs(to.k - from.k) < 1e-9 ? e : (k - from.k) / (to.k - from.k);
      this.#set({ x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part, k });
      if (t < 1) this.glide = requestAnimationFrame(step);
    };
    this.glide = requestAnimationFrame(step);
  }

  /** Keeps the picture in sight: centred where it is smaller than the stage, else covering it. */
  #clamped({ x, y, k }) {
    const hold = (at, stage, length) =>
      length <= stage ? (stage - length) / 2 : Math.min(Math.max(at, stage - length), 0);
    return {
      x: hold(x, this.stage.clientWidth, k * this.size[0]),
      y: hold(y, this.stage.clientHeight, k * this.size[1]),
      k,
    };
  }

  #set(view) {
    this.view = view;
    this.draw();
  }

  #apply() {
    const { x, y, k } = this.view;
    this.world.style.transform = `translate(${x}px, ${y}px) scale(${k})`;
    this.stage.dataset.zoomed = String(!this.fitted);
    this.dispatchEvent(new Event("view"));
  }

  #listen() {
    const { stage } = this;
    stage.addEventListener("pointerdown", (event) => this.#down(event));
    stage.addEventListener("pointermove", (event) => this.#move(event));
    stage.addEventListener("pointerup", (event) => this.#up(event, true));
    stage.addEventListener("pointercancel", (event) => this.#up(event, false));
    stage.addEventListener("dblclick", (event) => {
      const [x, y] = this.#at(event);
      if (this.fitted) this.zoomBy(2.5, x, y, true);
      else this.fit(true);
    });
    stage.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const unit = event.deltaMode === 1 ? 16 : 1;
        // A pinch on a trackpad comes as a wheel with the control key, in smaller steps.
        const rate = event.ctrlKey ? 0.01 : 0.0018;
        this.zoomBy(Math.exp(-event.deltaY * unit * rate), ...this.#at(event));
      },
      { passive: false },
    );
    // Browsers differ in whether two fingers scroll a page that one may scroll: here they never do.
    stage.addEventListener("touchmove", (event) => event.touches.length > 1 && event.cancelable && event.preventDefault(), {
      passive: false,
    });
    stage.addEventListener("keydown", (event) => this.#key(event));
  }

  #at(event) {
    const frame = this.stage.getBoundingClientRect();
    return [event.clientX - frame.left, event.clientY - frame.top];
  }

  #down(event) {
    if (event.button !== 0 || event.target.closest("button")) return;
    this.stage.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.#at(event));
    this.wandered = this.pointers.size > 1 ? Infinity : 0;
  }

  #move(event) {
    const before = this.pointers.get(event.pointerId);
    if (!before) return;
    const now = this.#at(event);
    this.pointers.set(event.pointerId, now);
    const [dx, dy] = [now[0] - before[0], now[1] - before[1]];
    this.wandered += Math.hypot(dx, dy);
    if (this.pointers.size === 1) {
      if (this.wandered > TAP) this.panBy(dx, dy);
      return;
    }
    const other = [...this.pointers].find(([id]) => id !== event.pointerId)[1];
    const spread = (point) => Math.hypot(point[0] - other[0], point[1] - other[1]);
    this.panBy(dx / 2, dy / 2);
    this.zoomBy(spread(now) / Math.max(spread(before), 1), (now[0] + other[0]) / 2, (now[1] + other[1]) / 2);
  }

  #up(event, ended) {
    if (!this.pointers.delete(event.pointerId)) return;
    if (ended && this.pointers.size === 0 && this.wandered <= TAP)
      this.dispatchEvent(new CustomEvent("tap", { detail: this.toPicture(...this.#at(event)) }));
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = event.shiftKey ? 200 : 60;
    const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] };
    if (moves[event.key]) this.panBy(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.zoomBy(1.4, undefined, undefined, true);
    else if (event.key === "-") this.zoomBy(1 / 1.4, undefined, undefined, true);
    else if (event.key === "0" || event.key === "Home") this.fit(true);
    else return;
    event.preventDefault();
  }
}
