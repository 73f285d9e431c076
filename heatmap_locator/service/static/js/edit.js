// Name and number of pieces of a puzzle that is there already, and the number that its pieces tell.

import { CountField } from "./count.js";
import { $, h } from "./dom.js";
import { t } from "./lang.js";
import { announce, showError } from "./notices.js";

/** Opens a dialog; the pieces are looked up again where their number changes. */
export function editPuzzle(model) {
  const { puzzle } = model;
  const name = h("input", { id: "edit-name", type: "text", maxlength: 200, autocomplete: "off" });
  const fieldset = h("fieldset", { class: "field" });
  const count = new CountField(fieldset, "edit");
  name.value = puzzle.name;
  count.set({ ...puzzle, known: puzzle.pieces ? "pieces" : "unknown" });
  const save = async (event) => {
    event.preventDefault();
    const fields = count.read();
    if (!fields) return;
    const changes = { ...(name.value.trim() && name.value !== puzzle.name ? { name: name.value.trim() } : {}) };
    if ("grid" in fields || fields.pieces !== puzzle.pieces) Object.assign(changes, fields);
    dialog.close();
    await change(model, changes);
  };
  const dialog = h(
    "dialog",
    { "aria-labelledby": "edit-title" },
    h(
      "form",
      { class: "stack", novalidate: true, onsubmit: save },
      h("h2", { id: "edit-title" }, t("edit.title")),
      h("div", { class: "field" }, h("label", { for: "edit-name" }, t("name")), name),
      fieldset,
      h("p", { class: "hint" }, t("edit.hint")),
      h(
        "div",
        { class: "row end" },
        h("button", { type: "button", class: "button quiet", onclick: () => dialog.close() }, t("cancel")),
        h("button", { type: "submit", class: "button primary" }, t("save")),
      ),
    ),
  );
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

async function change(model, changes) {
  if (!Object.keys(changes).length) return;
  try {
    await model.change(changes);
    announce(t("edit.saved"));
  } catch (error) {
    showError(error);
  }
}

/** About how many pieces the puzzle has by those that were located, where that is news. */
function estimate(entries) {
  const told = entries.filter(({ piece, choice }) => choice && piece.size_estimate).map(({ piece }) => piece.size_estimate);
  return told.sort((a, b) => a - b)[Math.floor(told.length / 2)] || null;
}

/** [rows, columns] that pieces have shown, as the last of them has it. */
function rowsAndColumns(entries) {
  const told = entries.filter(({ piece, choice }) => choice && piece.grid_estimate).map(({ piece }) => piece);
  return told.sort((a, b) => a.number - b.number).at(-1)?.grid_estimate || null;
}

/** What was found of the cut: said how, taken by which button, as which change; or null. */
function found(entries, { pieces }) {
  const grid = rowsAndColumns(entries);
  if (grid && !pieces) {
    const [rows, columns] = grid;
    const use = t("size.grid.use", { rows, columns });
    return { words: t("size.grid.found", { rows, columns }), use, changes: { grid: `${rows}x${columns}` } };
  }
  const size = estimate(entries);
  if (!size) return null;
  const words = pieces ? t("size.other", { n: pieces, size }) : t("size.found", { size });
  return { words, use: t("size.use", { size }), changes: { pieces: size } };
}

let shown = null;

/** Tells the size that was found, with a way to take or correct it. */
export function drawSize(entries, model) {
  const { puzzle } = model;
  const news = puzzle.state === "ready" ? found(entries, puzzle) : null;
  const key = `${puzzle.id} ${JSON.stringify(news)}`;
  if (key === shown) return;
  shown = key;
  const note = $("size-note");
  note.hidden = !news;
  if (!news) return note.replaceChildren();
  note.replaceChildren(
    h("span", {}, news.words),
    h(
      "span",
      { class: "row" },
      h("button", { type: "button", class: "button small", onclick: () => change(model, news.changes) }, news.use),
      h("button", { type: "button", class: "button quiet small", onclick: () => editPuzzle(model) }, t("size.edit")),
    ),
  );
}
