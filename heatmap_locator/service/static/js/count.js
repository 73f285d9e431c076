// How many pieces a puzzle has: a number, rows and columns, or an explicit "I don't know".

import { h } from "./dom.js";
import { t } from "./lang.js";

const WAYS = ["pieces", "grid", "unknown"];

export class CountField {
  /** fieldset: where it is built; id: before the ids of its parts. */
  constructor(fieldset, id) {
    this.id = id;
    this.inputs = {};
    this.parts = {
      pieces: h("div", { class: "count-fields" }, ...this.#number("pieces", 2, 1000), h("span", { class: "suffix" }, t("count.pieces"))),
      grid: h(
        "div",
        { class: "count-fields" },
        ...this.#number("rows", 1, 25),
        h("span", { class: "suffix" }, t("count.rows.of")),
        ...this.#number("columns", 1, 40),
        h("span", { class: "suffix" }, t("count.pieces")),
      ),
      unknown: h("p", { class: "hint" }, t("count.unknown.cost")),
    };
    this.radios = Object.fromEntries(WAYS.map((way) => [way, h("input", { type: "radio", name: `${id}-count`, value: way })]));
    this.error = h("p", { class: "field-error", id: `${id}-count-error`, role: "alert" });
    const segments = WAYS.map((way) => h("label", {}, this.radios[way], h("span", {}, t(`count.by.${way}`))));
    fieldset.replaceChildren(
      h("legend", {}, t("count.question")),
      h("div", { class: "segments" }, ...segments),
      ...Object.values(this.parts),
      this.error,
    );
    fieldset.addEventListener("change", () => this.#show());
    this.set({});
  }

  #number(name, least, example) {
    const id = `${this.id}-${name}`;
    const input = h("input", { id, type: "number", inputmode: "numeric", enterkeyhint: "go", min: least, step: 1, placeholder: example, "aria-describedby": `${this.id}-count-error` });
    this.inputs[name] = input;
    return [h("label", { for: id, class: "visually-hidden" }, t(`count.label.${name}`)), input];
  }

  /** Shows what is known: {pieces, grid: {rows, cols}, known: "pieces" | "grid" | "unknown"}. */
  set({ pieces = null, grid = null, known = "pieces" }) {
    this.inputs.pieces.value = pieces ?? "";
    this.inputs.rows.value = grid?.rows ?? "";
    this.inputs.columns.value = grid?.cols ?? "";
    this.radios[known].checked = true;
    this.#show();
    this.#fail("");
  }

  get #way() {
    return WAYS.find((way) => this.radios[way].checked);
  }

  #show() {
    for (const way of WAYS) this.parts[way].hidden = way !== this.#way;
  }

  #fail(text, ...inputs) {
    this.error.textContent = text;
    for (const input of Object.values(this.inputs)) input.setAttribute("aria-invalid", String(inputs.includes(input)));
    inputs[0]?.focus();
    return null;
  }

  /** A whole number from some least on, or null. */
  #whole(name) {
    const { value, validity, min } = this.inputs[name];
    const number = Number(value);
    return value !== "" && !validity.badInput && Number.isInteger(number) && number >= Number(min) ? number : null;
  }

  /** {pieces}, {grid}, or {pieces: null} where it is not known; null after saying what is wrong. */
  read() {
    const way = this.#way;
    if (way === "pieces") {
      const pieces = this.#whole("pieces");
      if (pieces === null) return this.#fail(t("count.error.pieces"), this.inputs.pieces);
      this.#fail("");
      return { pieces };
    }
    if (way === "grid") {
      const [rows, columns] = [this.#whole("rows"), this.#whole("columns")];
      if (rows === null) return this.#fail(t("count.error.rows"), this.inputs.rows);
      if (columns === null) return this.#fail(t("count.error.columns"), this.inputs.columns);
      this.#fail("");
      return { grid: `${rows}x${columns}` };
    }
    this.#fail("");
    return { pieces: null };
  }
}
