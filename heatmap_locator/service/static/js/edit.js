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

let shown = null;

/** Tells the size that was found, with a way to take or correct it. */
export function drawSize(entries, model) {
  const { puzzle } = model;
  const size = puzzle.state === "ready" ? estimate(entries) : null;
  const key = `${puzzle.id} ${size} ${puzzle.pieces}`;
  if (key === shown) return;
  shown = key;
  const note = $("size-note");
  note.hidden = !size;
  if (!size) return note.replaceChildren();
  const words = puzzle.pieces ? t("size.other", { n: puzzle.pieces, size }) : t("size.found", { size });
  note.replaceChildren(
    h("span", {}, words),
    h(
      "span",
      { class: "row" },
      h("button", { type: "button", class: "button small", onclick: () => change(model, { pieces: size }) }, t("size.use", { size })),
      h("button", { type: "button", class: "button quiet small", onclick: () => editPuzzle(model) }, t("size.edit")),
    ),
  );
}
