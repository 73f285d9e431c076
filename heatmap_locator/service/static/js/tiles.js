// The small pictures of an answer: the photo, the piece upright, its place.

import { imageUrl, loadImage, shown } from "./api.js";
import { cutout, drawUpright } from "./cutouts.js";
import { h, s } from "./dom.js";
import { t } from "./lang.js";

const TILE = 320; // canvas pixels; CSS shows it at half or less

const tile = (image, caption, kind) => h("figure", { class: `tile ${kind}` }, image, h("figcaption", {}, caption));

/** The photo as it was given, where it can be shown. */
export function givenTile({ piece, item }) {
  const image = h("img", { class: "tile-image given", alt: t("tile.given"), decoding: "async" });
  const tiles = h("div", { class: "tiles" }, tile(image, t("tile.given"), "photo"));
  image.addEventListener("error", () => tiles.remove());
  if (item) {
    image.src = URL.createObjectURL(item.file);
    image.addEventListener("load", () => URL.revokeObjectURL(image.src), { once: true });
  } else if (piece.links.photo) imageUrl(shown(piece.links.photo)).then((url) => (image.src = url), () => tiles.remove());
  else return "";
  return tiles;
}

export function photoTile(piece) {
  const svg = s("svg", { class: "tile-image", role: "img", "aria-label": t("tile.photo.about") });
  if (piece.links.photo) loadImage(shown(piece.links.photo)).then((image) => drawPhoto(svg, image, piece), () => {});
  return tile(svg, t("tile.photo"), "photo");
}

export function uprightTile(piece, placement) {
  const canvas = h("canvas", { class: "tile-image", width: TILE, height: TILE, role: "img", "aria-label": t("tile.upright.about") });
  cutout(piece).then((cut) => drawUpright(canvas, cut, placement.rotation), () => {});
  return tile(canvas, t("tile.upright"), "upright");
}

export function placeTile(piece, placement, picture) {
  const canvas = h("canvas", { class: "tile-image", width: TILE, height: TILE, role: "img", "aria-label": t("tile.place.about") });
  if (picture.complete && picture.naturalWidth) drawPlace(canvas, picture, placement);
  return tile(canvas, t("tile.place"), "place");
}

/** The outline of a piece in its photo, light on dark. */
export function outlined({ outline }) {
  const points = outline.join(" ");
  return ["outline-case", "outline"].map((name) => s("polygon", { class: name, points }));
}

/** The photo, close to the piece where it is one of many, with the outline on it. */
function drawPhoto(svg, image, piece) {
  const [w, tall] = [image.naturalWidth, image.naturalHeight];
  const [x1, y1, x2, y2] = piece.box_in_photo || [0, 0, w, tall];
  // Some of what is around is needed to find the piece on the table.
  const side = Math.min(Math.max(3.2 * Math.max(x2 - x1, y2 - y1), 0.3 * Math.max(w, tall)), Math.max(w, tall));
  const left = side >= w ? (w - side) / 2 : Math.min(Math.max((x1 + x2 - side) / 2, 0), w - side);
  const top = side >= tall ? (tall - side) / 2 : Math.min(Math.max((y1 + y2 - side) / 2, 0), tall - side);
  svg.setAttribute("viewBox", `${left} ${top} ${side} ${side}`);
  svg.replaceChildren(s("image", { href: image.src, width: w, height: tall }));
  if (!piece.outline) return;
  svg.append(...outlined(piece));
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
