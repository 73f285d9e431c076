// The answer for the piece that is selected: where, how sure, how to turn it, where else.

import { imageUrl, loadImage, shown } from "./api.js";
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
    this.key = null;
  }

  clear() {
    this.key = null;
    this.element.dataset.kind = "empty";
    this.element.replaceChildren();
  }

  /** entries, current: as of Collection; picture: the loaded <img> of the puzzle; lost: no connection. */
  show({ entries, current, rank, puzzle, picture, lost }) {
    if (current?.item?.state === "failed") this.#fault(current, current.item.error, lost);
    else if (current?.item) this.#upload(current.item, puzzle);
    else if (current?.choice) this.#place({ ...current, rank, puzzle, picture });
    else if (current?.piece.state === "waiting")
      this.#words("Being looked for again", `The picture’s corners changed, so ${current.name} is placed anew.`);
    else if (current) this.#fault(current, { status: 422, type: "", detail: current.piece.error });
    else if (entries.length) this.#words("Pick a piece", "Choose one in the list or on the picture to see where it goes.");
    else if (puzzle.state === "failed") this.#words("This picture could not be used", sentence(puzzle.error));
    else if (puzzle.state === "encoding")
      this.#words("Getting the picture ready", "This takes a moment. Photos of pieces that you give now wait for it.");
    else this.#words("Now the pieces", "Photograph one or many, and each is shown here upright in its place.");
  }

  #words(title, text) {
    this.#fill("empty", [title, text], () => [h("div", { class: "answer-text" }, heading(title), h("p", { class: "hint" }, text))]);
  }

  /** A photo on its way. */
  #upload(item, puzzle) {
    const { state, found, wait } = item;
    const [title, text] =
      state === "held"
        ? ["The server is full", `It has all it can take. This photo is sent again by itself in ${plural(wait, "second")}.`]
        : state === "looking"
          ? [item.many ? "Looking for the pieces…" : "Looking for its place…", found ? `${plural(found, "piece")} found so far.` : ""]
          : ["Waiting its turn", puzzle.state === "encoding" ? "The picture is being made ready first." : "The photos before it come first."];
    this.#fill("busy", [item.key, state], () => [
      this.#givenTile({ item }),
      h(
        "div",
        { class: "answer-text" },
        heading(title),
        h("p", { class: "answer-file" }, item.name),
        h("p", { class: "hint", id: "answer-wait" }),
        state === "looking" ? null : this.#button("Remove", "trash", "remove"),
      ),
    ]);
    // The seconds count down in place.
    $("answer-wait").textContent = text;
  }

  #fault({ key, name, piece, item }, error, lost) {
    const none = isNoPiece(error);
    const refused = error.status === 415 || error.status === 422;
    let { title, detail } = errorWords(error);
    // Its name stands above already.
    if (none || refused) detail = sentence(unnamed(error.detail || "", name));
    if (refused) title = "This photo could not be used";
    if (none) {
      title = "No piece found in this photo";
      detail = "Lay one whole piece, picture side up, on a plain surface of another colour, and photograph it from above.";
    }
    if (item && error.status === 0 && !item.found) {
      title = "Not sent yet";
      detail = lost ? "There is no connection to the server. The photo is sent by itself once it is back." : "The connection broke.";
    }
    // What is wrong with the photo itself stays wrong.
    const again = item && !none && !refused && error.status !== 413;
    this.#fill("fault", [key, title, detail], () => [
      this.#givenTile({ piece, item }),
      h(
        "div",
        { class: "answer-text" },
        heading(title),
        h("p", { class: "answer-file" }, name),
        detail ? h("p", {}, detail) : null,
        h("div", { class: "row" }, again ? this.#button("Try again", "turn-cw", "retry") : null, this.#button("Remove", "trash", "remove")),
      ),
    ]);
  }

  #button(text, symbol, act) {
    return h("button", { type: "button", class: "button small", "data-part": act, onclick: () => this.on[act]() }, icon(symbol), text);
  }

  /** list: the piece's choices; rank: the one shown. */
  #place({ piece, name, puzzle, picture, list, rank }) {
    const choice = list[rank];
    const { placement } = choice;
    const drawn = picture.complete && picture.naturalWidth ? picture.src : "";
    const fits = list.map(({ fitted, sure }) => [fitted, sure]);
    this.#fill("place", [piece.id, piece.said, name, rank, fits, drawn], () => {
      const way = turn(placement.rotation);
      const tiles = [this.#photoTile(piece), this.#uprightTile(piece, placement), this.#placeTile(piece, placement, picture)];
      const text = h(
        "div",
        { class: "answer-text" },
        heading(placeName(placement, puzzle)),
        h("p", { class: "answer-file" }, name, placement.cell ? `, ${region(placement, puzzle)}` : ""),
        meter(choice),
        h("p", { class: "turn" }, icon(way.clockwise ? "turn-cw" : "turn-ccw"), h("span", {}, turnWords(placement.rotation))),
        ...remarks(piece, choice).map((remark) => h("p", { class: "remark" }, icon("question"), h("span", {}, remark))),
        h("button", { type: "button", class: "round remove", "data-part": "remove", title: "Remove this piece", "aria-label": "Remove this piece", onclick: () => this.on.remove() }, icon("trash")),
      );
      const others = h(
        "div",
        { class: "answer-others" },
        list.length > 1 ? h("h3", {}, "Places, best first") : null,
        list.length > 1 ? h("ol", { class: "ranks" }, ...list.map((other, index) => this.#rank(other, index, rank, puzzle))) : null,
      );
      return [h("div", { class: "tiles" }, ...tiles), text, others];
    });
  }

  #rank({ placement }, index, rank, puzzle) {
    const { words, percent } = sureness(placement.score);
    const button = h(
      "button",
      { type: "button", class: "rank", "aria-pressed": String(index === rank), onclick: () => this.on.choose(index), "data-part": `rank-${index}` },
      h("span", { class: "rank-number" }, String(index + 1)),
      h("span", { class: "rank-place" }, placeName(placement, puzzle)),
      h("span", { class: "rank-score" }, h("span", { class: "visually-hidden" }, `${words}, `), percent),
    );
    return h("li", {}, button);
  }

  /** Draws anew what build() makes, unless what key stands for is shown already. */
  #fill(kind, key, build) {
    const said = JSON.stringify([kind, key]);
    if (said === this.key) return;
    this.key = said;
    // Keyboard focus on a runner-up stays there when the list is drawn anew.
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    this.element.dataset.kind = kind;
    this.element.replaceChildren(...build());
    if (focused) this.element.querySelector(`[data-part="${focused}"]`)?.focus({ preventScroll: true });
  }

  /** The photo as it was given, where it can be shown. */
  #givenTile({ piece, item }) {
    const image = h("img", { class: "tile-image given", alt: "Your photo", decoding: "async" });
    const tiles = h("div", { class: "tiles" }, tile(image, "Your photo", "photo"));
    image.addEventListener("error", () => tiles.remove());
    if (item) {
      image.src = URL.createObjectURL(item.file);
      image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
    } else if (piece.links.photo) imageUrl(shown(piece.links.photo)).then((url) => (image.src = url), () => tiles.remove());
    else return "";
    return tiles;
  }

  #photoTile(piece) {
    const svg = s("svg", { class: "tile-image", role: "img", "aria-label": "Your photo with the piece outlined" });
    if (piece.links.photo) loadImage(shown(piece.links.photo)).then((image) => drawPhoto(svg, image, piece), () => {});
    return tile(svg, "In your photo", "photo");
  }

  #uprightTile(piece, placement) {
    const canvas = h("canvas", { class: "tile-image", width: TILE, height: TILE, role: "img", "aria-label": "The piece turned upright" });
    cutout(piece).then((cut) => drawUpright(canvas, cut, placement.rotation), () => {});
    return tile(canvas, "Turned upright", "upright");
  }

  #placeTile(piece, placement, picture) {
    const canvas = h("canvas", { class: "tile-image", width: TILE, height: TILE, role: "img", "aria-label": "Its place in the picture" });
    if (picture.complete && picture.naturalWidth) drawPlace(canvas, picture, placement);
    return tile(canvas, "Its place", "place");
  }
}

const unnamed = (text, name) => (text.startsWith(`${name}: `) ? text.slice(name.length + 2) : text);
const heading = (text) => h("h2", { id: "answer-title" }, text);
const tile = (image, caption, kind) => h("figure", { class: `tile ${kind}` }, image, h("figcaption", {}, caption));

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
