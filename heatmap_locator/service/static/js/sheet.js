// A sheet for the table: the picture with numbers and turns on paper, as a PNG, and the list as CSV.

import { loadImage } from "./api.js";
import { cutout } from "./cutouts.js";
import { $, h } from "./dom.js";
import { t } from "./lang.js";
import { showError } from "./notices.js";
import { placeName, puzzleName, sureness, turn } from "./words.js";

const LONGEST = 3000; // pixels of the saved picture

/** Pieces that have a place, in the order of their numbers. */
const placedOnes = (entries) => entries.filter(({ choice }) => choice);

/** "↻ 90°": how a piece is turned from its photo. */
function turnSign({ rotation }) {
  const { degrees, clockwise } = turn(rotation);
  return degrees < 3 ? "↑" : `${clockwise ? "↻" : "↺"} ${degrees}°`;
}

/** A canvas of the picture with every piece's box, number and turn; what is placed is laid on it. */
async function drawn(puzzle, entries) {
  const picture = await loadImage(puzzle.links.picture);
  const k = Math.min(1, LONGEST / Math.max(puzzle.width, puzzle.height)) * Math.max(1, 1600 / Math.max(puzzle.width, puzzle.height));
  const canvas = h("canvas", { width: Math.round(puzzle.width * k), height: Math.round(puzzle.height * k) });
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  for (const { piece, choice } of entries.filter((entry) => entry.piece.placed && entry.choice.transform)) {
    const { image } = await cutout(piece);
    const [a, b, x, c, d, y] = choice.transform;
    context.setTransform(k * a, k * c, k * b, k * d, k * x, k * y);
    context.drawImage(image, 0, 0);
  }
  context.setTransform(1, 0, 0, 1, 0, 0);
  for (const { number, choice } of entries) drawBox(context, choice.placement, number, k);
  return canvas;
}

function drawBox(context, placement, number, k) {
  const [x1, y1, x2, y2] = placement.box.map((value) => value * k);
  const size = Math.max(Math.min(x2 - x1, y2 - y1) / 3, 11);
  for (const [width, colour] of [[size / 5, "rgb(0 0 0 / 0.7)"], [size / 10, "#ffc53d"]]) {
    context.lineWidth = width;
    context.strokeStyle = colour;
    context.strokeRect(x1, y1, x2 - x1, y2 - y1);
  }
  context.textAlign = "center";
  context.lineJoin = "round";
  context.lineWidth = size / 4;
  context.strokeStyle = "rgb(0 0 0 / 0.85)";
  context.fillStyle = "#fff";
  for (const [text, part, at] of [[String(number), 1, 0.5], [turnSign(placement), 0.6, 0.85]]) {
    context.font = `700 ${size * part}px sans-serif`;
    const [x, y] = [(x1 + x2) / 2, y1 + (y2 - y1) * at];
    context.strokeText(text, x, y);
    context.fillText(text, x, y);
  }
}

/** The list as rows of text; rows and columns from 1, as people count. */
function listOf(entries) {
  const head = ["number", "file", "row", "column", "turn", "sure", "placed"].map((key) => t(`sheet.${key}`));
  const rows = placedOnes(entries).map(({ number, file, piece, choice: { placement } }) => [
    number,
    file,
    placement.cell ? placement.cell[0] + 1 : "",
    placement.cell ? placement.cell[1] + 1 : "",
    turnSign(placement),
    sureness(placement.score).percent,
    piece.placed ? t("yes") : "",
  ]);
  return [head, ...rows];
}

// What a spreadsheet would take for a formula is text.
const quoted = (value) => `"${String(value).replace(/^[=+\-@]/, "'$&").replaceAll('"', '""')}"`;

function save(blob, name) {
  const link = h("a", { href: URL.createObjectURL(blob), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const fileName = (puzzle, ending) => `${puzzleName(puzzle).replace(/[^\p{L}\p{N} _-]/gu, "").trim() || "puzzle"}.${ending}`;

async function savePicture(puzzle, entries) {
  const canvas = await drawn(puzzle, placedOnes(entries));
  canvas.toBlob((blob) => save(blob, fileName(puzzle, "png")), "image/png");
}

function saveList(puzzle, entries) {
  const text = listOf(entries).map((row) => row.map(quoted).join(",")).join("\r\n");
  save(new Blob(["\ufeff", text, "\r\n"], { type: "text/csv;charset=utf-8" }), fileName(puzzle, "csv"));
}

/** Fills the sheet that a print shows, and prints it. */
async function print(puzzle, entries) {
  const canvas = await drawn(puzzle, placedOnes(entries));
  const [head, ...rows] = listOf(entries);
  const cells = (row, tag) => h("tr", {}, ...row.map((value) => h(tag, {}, String(value))));
  const found = placedOnes(entries);
  const sheet = h(
    "section",
    { class: "sheet", id: "sheet" },
    h("h1", {}, puzzleName(puzzle)),
    h("p", {}, t("sheet.about", { n: found.length })),
    h("img", { src: canvas.toDataURL("image/jpeg", 0.9), alt: found.map(({ name, choice }) => `${name}: ${placeName(choice.placement, puzzle)}`).join(", ") }),
    h("table", {}, h("thead", {}, cells(head, "th")), h("tbody", {}, ...rows.map((row) => cells(row, "td")))),
  );
  $("sheet")?.remove();
  document.body.append(sheet);
  await sheet.querySelector("img").decode();
  addEventListener("afterprint", () => sheet.remove(), { once: true });
  window.print();
}

/** The three buttons; now(): {puzzle, entries} as they are. */
export function sheetButtons(now) {
  const ways = { print, picture: savePicture, list: saveList };
  for (const [name, run] of Object.entries(ways))
    $(`sheet-${name}`).addEventListener("click", async () => {
      const { puzzle, entries } = now();
      try {
        await run(puzzle, entries);
      } catch (error) {
        showError(error);
      }
    });
}
