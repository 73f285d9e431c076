// Everything the page says that depends on numbers or errors.

import { count, percent, t } from "./lang.js";
import { said } from "./said.js";

/** Score from which a place is sure. */
export const SURE = 0.8;

const LEVELS = [
  [SURE, "high"],
  [0.55, "fair"],
  [0.3, "low"],
  [0, "guess"],
];

/** How sure a score in 0..1 is: {level, words, percent}. */
export function sureness(score) {
  const [, level] = LEVELS.find(([least]) => score >= least) || LEVELS.at(-1);
  return { level, words: t(`sure.${level}`), percent: percent(score) };
}

/**
 * The same for a place among others.  Fitting says another thing than the score alone: where the two
 * differ no number stands beside the words.
 */
export function choiceSureness({ placement, fitted, sure }) {
  const alone = sureness(placement.score);
  if (!fitted) return alone;
  if (sure) return { ...alone, level: "high", words: t("sure.fits") };
  return { ...alone, level: "low", words: t("sure.check"), percent: "" };
}

/** "Row 4, column 6", counted from 1; without a grid, the part of the picture. */
export function placeName({ cell, box }, puzzle) {
  return cell ? cellName(cell) : t(`where.${region({ box }, puzzle)}`);
}

/** A cell as people count: from 1. */
export const cellName = ([row, column]) => t("place.cell", { row: row + 1, column: column + 1 });

/** The part of the picture that a place is in: "top-left", "top", ... "middle"; named by where.PART. */
export function region({ box }, { width, height }) {
  const across = (box[0] + box[2]) / 2 / width;
  const down = (box[1] + box[3]) / 2 / height;
  const side = across < 1 / 3 ? "left" : across > 2 / 3 ? "right" : "";
  const level = down < 1 / 3 ? "top" : down > 2 / 3 ? "bottom" : "";
  return [level, side].filter(Boolean).join("-") || "middle";
}

/** The shorter way to turn a piece from how it lies in its photo: {degrees, clockwise}. */
export function turn(rotation) {
  const back = ((rotation % 360) + 360) % 360;
  return back > 180
    ? { degrees: Math.round(360 - back), clockwise: true }
    : { degrees: Math.round(back), clockwise: false };
}

export function turnWords(rotation) {
  const { degrees, clockwise } = turn(rotation);
  if (degrees < 3) return t("turn.none");
  if (degrees > 177) return t("turn.over");
  return t(clockwise ? "turn.clockwise" : "turn.anticlockwise", { degrees });
}

const MOST = 1e6; // odds that are told in numbers

/** Odds out of their natural logarithm, in words: "24 to 1 for it". */
export function oddsWords(logarithm) {
  const odds = Math.exp(Math.min(Math.abs(logarithm), 99));
  if (odds < 1.5) return t("why.nothing");
  const n = odds >= MOST ? `> ${count(MOST)}` : odds < 9.5 ? Math.round(odds) : Number(odds.toPrecision(2));
  return t(logarithm > 0 ? "why.for" : "why.against", { n });
}

/** A file's name without its ending, as a first name for a puzzle. */
export function nameFromFile(name) {
  const bare = name.replace(/\.[^.]{1,5}$/, "").replace(/[_-]+/g, " ").trim();
  // Cameras call every picture IMG_1234: no name at all is better.
  return /^(img|dsc|pxl|image|photo|picture|bild|foto|scan|pasted|eingefügt)?[\s\d.]*$/i.test(bare) ? "" : bare.slice(0, 80);
}

export const puzzleName = ({ name }) => name || t("puzzle.nameless");

export function puzzleSize({ grid, pieces }) {
  const known = grid ? grid.rows * grid.cols : pieces;
  if (!known) return t("puzzle.pieces.unknown");
  const words = t("puzzle.pieces", { n: known });
  return grid ? t("puzzle.grid", { pieces: words, rows: grid.rows, cols: grid.cols }) : words;
}

const TITLED = [401, 403, 404, 408, 409, 413, 415, 422, 429, 503, 507];

/** An error in plain words: {title, detail}. */
export function errorWords({ status, detail, title }) {
  if (status === undefined) return { title: t("error.page"), detail: t("error.page.text") };
  if (status === 0) return { title: t("error.0"), detail: t("error.0.text") };
  const known = TITLED.includes(status) ? `error.${status}` : status >= 500 ? "error.server" : "error.422";
  return { title: t(known), detail: said(detail || title) };
}
