// Cut-out pieces: loaded once each, with the outline that setting them upright needs.

import { loadImage } from "./api.js";
import { outlinePoints, turnedExtent } from "./geometry.js";

const kept = new Map();

/** {image, points} of a located piece. */
export function cutout(piece) {
  if (!kept.has(piece.id)) {
    const made = loadImage(piece.links.image).then((image) => ({ image, points: outlinePoints(image) }));
    made.catch(() => kept.delete(piece.id));
    kept.set(piece.id, made);
  }
  return kept.get(piece.id);
}

export const forgetCutout = (id) => kept.delete(id);
export const forgetCutouts = () => kept.clear();

/** Draws a cut-out upright, as large as the canvas holds it. */
export function drawUpright(canvas, { image, points }, rotation, margin = 0.08) {
  const [x1, y1, x2, y2] = turnedExtent(points, rotation);
  const side = Math.min(canvas.width, canvas.height);
  const scale = (side * (1 - 2 * margin)) / Math.max(x2 - x1, y2 - y1);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.save();
  context.imageSmoothingQuality = "high";
  context.translate(canvas.width / 2 - (scale * (x1 + x2)) / 2, canvas.height / 2 - (scale * (y1 + y2)) / 2);
  context.scale(scale, scale);
  context.rotate((-rotation * Math.PI) / 180);
  context.drawImage(image, 0, 0);
  context.restore();
}
