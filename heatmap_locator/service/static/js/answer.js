// The answer for the piece that is selected: where, how sure, how to turn it, where else.

import { loadImage } from "./api.js";
import { cutout, drawUpright } from "./cutouts.js";
import { $, h, icon, s } from "./dom.js";
import { isNoPiece } from "./places.js";
import { choiceSureness, errorWords, placeName, plural, region, sentence, sureness, turn, turnWords } from "./words.js";

const TILE = 320; // canvas pixels; CSS shows it at half or less

export class Answer {
  /** on: {choose(rank), remove(), retry()}; remove and retry are about the selected piece. */
  constructor(on) {
    this.on = on;
    this.element = $("answer");
    this.shown = null;
  }

  clear(title, text) {
    this.#fill("empty", h("div", { class: "answer-text" }, heading(title), h("p", { class: "hint" }, text)));
  }

  /** A photo on its way. */
  showUpload(item) {
    if (item.state === "failed") {
      this.#showFault(item.name, item.error, this.#button("Try again", "turn-cw", () => this.on.retry()));
      return;
    }
    const title = item.state === "looking" ? "Looking for its place…" : "Waiting its turn";
    const text = item.state === "looking" && item.found ? `${plural(item.found, "piece")} found so far.` : item.name;
    this.#fill("busy", h("div", { class: "answer-text" }, heading(title), h("p", { class: "hint" }, text)));
  }

  showFailed(piece) {
    this.#showFault(piece.photo, { status: 422, type: "", detail: piece.error });
  }

  showWaiting(piece) {
    this.clear("Being looked for again", `The picture’s corners changed, so ${piece.photo} is placed anew.`);
  }

  #showFault(name, error, ...buttons) {
    const none = isNoPiece(error);
    let { title, detail } = errorWords(error);
    if (none || error.status === 415 || error.status === 422) {
      title = none ? "No piece found in this photo" : "This photo could not be used";
      // Its name stands above already.
      const reason = error.detail || "";
      detail = sentence(reason.startsWith(`${name}: `) ? reason.slice(name.length + 2) : reason);
    }
    const advice = none ? "Lay one whole piece, picture side up, on a plain surface of another colour, and photograph it from above." : "";
    this.#fill(
      "fault",
      h(
        "div",
        { class: "answer-text" },
        heading(title),
        h("p", { class: "answer-file" }, name),
        detail ? h("p", {}, detail) : null,
        advice ? h("p", { class: "hint" }, advice) : null,
        h("div", { class: "row" }, ...buttons, this.#button("Remove", "trash", () => this.on.remove())),
      ),
    );
  }

  #button(text, name, run) {
    return h("button", { type: "button", class: "button small", onclick: run }, icon(name), text);
  }

  /** picture: the loaded <img> of the puzzle; list: the piece's choices; rank: the one shown. */
  showPlace({ piece, name, puzzle, picture, list, rank }) {
    const choice = list[rank];
    const { placement } = choice;
    const tiles = h(
      "div",
      { class: "tiles" },
      this.#photoTile(piece),
      this.#uprightTile(piece, placement),
      this.#placeTile(piece, placement, picture),
    );
    const way = turn(placement.rotation);
    const text = h(
      "div",
      { class: "answer-text" },
      heading(placeName(placement, puzzle)),
      h("p", { class: "answer-file" }, name, placement.cell ? `, ${region(placement, puzzle)}` : ""),
      meter(choice),
      h("p", { class: "turn" }, icon(way.clockwise ? "turn-cw" : "turn-ccw"), h("span", {}, turnWords(placement.rotation))),
      ...remarks(piece, choice).map((remark) => h("p", { class: "remark" }, icon("question"), h("span", {}, remark))),
      h("button", { type: "button", class: "button quiet small remove", onclick: () => this.on.remove() }, icon("trash"), "Remove this piece"),
    );
    const others = h(
      "div",
      { class: "answer-others" },
      list.length > 1 ? h("h3", {}, "Places, best first") : null,
      list.length > 1 ? h("ol", { class: "ranks" }, ...list.map((other, index) => this.#rank(other, index, rank, puzzle))) : null,
    );
    this.#fill("place", tiles, text, others);
  }

  #rank({ placement }, index, rank, puzzle) {
    const { words, percent } = sureness(placement.score);
    const button = h(
      "button",
      { type: "button", class: "rank", "aria-pressed": String(index === rank), onclick: () => this.on.choose(index), "data-rank": index },
      h("span", { class: "rank-number" }, String(index + 1)),
      h("span", { class: "rank-place" }, placeName(placement, puzzle)),
      h("span", { class: "rank-score" }, h("span", { class: "visually-hidden" }, `${words}, `), percent),
    );
    return h("li", {}, button);
  }

  #fill(kind, ...children) {
    // Keyboard focus on a runner-up stays there when the list is drawn anew.
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.rank : null;
    this.element.dataset.kind = kind;
    this.element.replaceChildren(...children);
    if (focused) this.element.querySelector(`[data-rank="${focused}"]`)?.focus({ preventScroll: true });
  }

  #photoTile(piece) {
    const svg = s("svg", { class: "tile-image", role: "img", "aria-label": "Your photo with the piece outlined" });
    if (piece.links.photo) loadImage(piece.links.photo).then((image) => drawPhoto(svg, image, piece), () => {});
    return tile(svg, "In your photo");
  }

  #uprightTile(piece, placement) {
    const canvas = h("canvas", { class: "tile-image", width: TILE, height: TILE, role: "img", "aria-label": "The piece turned upright" });
    cutout(piece).then((cut) => drawUpright(canvas, cut, placement.rotation), () => {});
    return tile(canvas, "Turned upright");
  }

  #placeTile(piece, placement, picture) {
    const canvas = h("canvas", { class: "tile-image", width: TILE, height: TILE, role: "img", "aria-label": "Its place in the picture" });
    if (picture.complete && picture.naturalWidth) drawPlace(canvas, picture, placement);
    return tile(canvas, "Its place");
  }
}

const heading = (text) => h("h2", { id: "answer-title" }, text);
const tile = (image, caption) => h("figure", { class: "tile" }, image, h("figcaption", {}, caption));

function meter(choice) {
  const { level, words, percent } = choiceSureness(choice);
  const bar = h("span", { class: "meter-bar", "aria-hidden": "true" }, h("span", {}));
  bar.firstChild.style.width = `${100 * choice.placement.score}%`;
  return h("p", { class: "meter", "data-level": level }, h("span", {}, h("strong", {}, words), ` · ${percent}`), bar);
}

function remarks(piece, choice) {
  const found = [];
  if (choice.fitted && !choice.sure) found.push("Fitted among the others, but not for certain: check it by hand.");
  if (piece.touching) found.push("It touched another piece in the photo, so its outline may be off.");
  return found;
}

/** The photo, close to the piece where it is one of many, with the outline on it. */
function drawPhoto(svg, image, piece) {
  const [w, t] = [image.naturalWidth, image.naturalHeight];
  const [x1, y1, x2, y2] = piece.box_in_photo || [0, 0, w, t];
  // Some of what is around is needed to find the piece on the table.
  const side = Math.min(Math.max(3.2 * Math.max(x2 - x1, y2 - y1), 0.3 * Math.max(w, t)), Math.max(w, t));
  const left = side >= w ? (w - side) / 2 : Math.min(Math.max((x1 + x2 - side) / 2, 0), w - side);
  const top = side >= t ? (t - side) / 2 : Math.min(Math.max((y1 + y2 - side) / 2, 0), t - side);
  svg.setAttribute("viewBox", `${left} ${top} ${side} ${side}`);
  svg.replaceChildren(s("image", { href: image.src, width: w, height: t }));
  if (!piece.outline) return;
  const points = piece.outline.join(" ");
  svg.append(s("polygon", { class: "outline-case", points }), s("polygon", { class: "outline", points }));
}

function drawPlace(canvas, picture, { box: [x1, y1, x2, y2] }) {
  const scale = picture.naturalWidth / (picture.width || picture.naturalWidth);
  const side = 2 * Math.max(x2 - x1, y2 - y1);
  const [left, top] = [(x1 + x2 - side) / 2, (y1 + y2 - side) / 2];
  const k = canvas.width / side;
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, left * scale, top * scale, side * scale, side * scale, 0, 0, canvas.width, canvas.height);
  const frame = [(x1 - left) * k, (y1 - top) * k, (x2 - x1) * k, (y2 - y1) * k];
  for (const [width, colour] of [[7, "rgb(0 0 0 / 0.65)"], [4, "#ffc53d"]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.strokeRect(...frame);
  }
}
