// The first view: give a puzzle's picture, or come back to one.

import { createPuzzle, imageUrl, listPuzzles } from "./api.js";
import { $, h } from "./dom.js";
import { fileButton, setDropTarget } from "./drop.js";
import { announce, showError } from "./notices.js";
import { nameFromFile, plural, puzzleName, puzzleSize } from "./words.js";

export class HomeView {
  constructor(go) {
    this.go = go;
    /** The file that was chosen, until it has been sent. */
    this.picture = null;
    const take = (files) => this.#take(files[0]);
    fileButton($("choose-picture"), $("picture-file"), take);
    fileButton($("shoot-picture"), $("picture-camera"), take);
    $("setup-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    $("setup-form").addEventListener("change", () => this.#showCount());
    $("setup-image").addEventListener("error", () => $("setup-image").closest(".setup-picture").classList.add("unseen"));
  }

  async enter(part) {
    this.abort = new AbortController();
    setDropTarget({ text: "Drop the puzzle’s picture", take: (files) => this.#take(files[0]) });
    if (part === "setup") return;
    this.picture = null;
    this.#showPuzzles(await listPuzzles());
  }

  leave() {
    this.abort?.abort();
  }

  #take(file) {
    this.picture = file;
    const image = $("setup-image");
    image.closest(".setup-picture").classList.remove("unseen");
    if (image.src.startsWith("blob:")) URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(file);
    $("setup-form").reset();
    $("setup-name").value = nameFromFile(file.name);
    this.#fail("");
    this.#showCount();
    announce("Picture chosen. A few words about it next.");
    this.go("#/new");
  }

  get #count() {
    return $("setup-form").elements.count.value;
  }

  #showCount() {
    $("count-pieces").hidden = this.#count !== "pieces";
    $("count-grid").hidden = this.#count !== "grid";
  }

  #fail(text, ...inputs) {
    $("count-error").textContent = text;
    for (const id of ["setup-pieces", "setup-rows", "setup-columns"])
      $(id).setAttribute("aria-invalid", String(inputs.includes(id)));
    if (inputs.length) $(inputs[0]).focus();
    return null;
  }

  /** The fields of the request, or null after saying what is wrong. */
  #fields() {
    const fields = { name: $("setup-name").value.trim() };
    const whole = (id, least) => {
      const { value, validity } = $(id);
      if (value === "" && !validity.badInput) return 0;
      const number = Number(value);
      return Number.isInteger(number) && number >= least && !validity.badInput ? number : -1;
    };
    if (this.#count === "pieces") {
      const pieces = whole("setup-pieces", 2);
      if (pieces < 0) return this.#fail("Give a whole number from 2, or leave it empty.", "setup-pieces");
      if (pieces) fields.pieces = pieces;
    } else if (this.#count === "grid") {
      const [rows, columns] = [whole("setup-rows", 1), whole("setup-columns", 1)];
      if (rows <= 0) return this.#fail("Give the number of rows, a whole number.", "setup-rows");
      if (columns <= 0) return this.#fail("Give the number of columns, a whole number.", "setup-columns");
      fields.grid = `${rows}x${columns}`;
    }
    this.#fail("");
    return fields;
  }

  async #send() {
    const fields = this.#fields();
    if (!fields || !this.picture) return;
    const button = $("setup-go");
    if (button.ariaBusy === "true") return;
    button.ariaBusy = "true";
    announce("Sending the picture.");
    const { signal } = this.abort;
    try {
      const puzzle = await createPuzzle(this.picture, fields, signal);
      if (signal.aborted) return;
      this.picture = null;
      sessionStorage.setItem("heatmap-locator-new", puzzle.id);
      this.go(`#/puzzle/${puzzle.id}`, { replace: true });
    } catch (error) {
      if (!signal.aborted) showError(error);
    } finally {
      button.ariaBusy = "false";
    }
  }

  #showPuzzles(puzzles) {
    $("shelf").hidden = !puzzles.length;
    $("home-title").textContent = puzzles.length ? "Your puzzles" : "Where does this piece\u00a0go?";
    $("steps").hidden = puzzles.length > 0;
    $("view-home").classList.toggle("has-puzzles", puzzles.length > 0);
    $("picture-title").textContent = puzzles.length ? "Start another puzzle" : "Start with the puzzle’s picture";
    $("puzzle-cards").replaceChildren(...puzzles.map((puzzle) => card(puzzle)));
  }
}

function card(puzzle) {
  const image = h("img", { alt: "", loading: "lazy", decoding: "async" });
  imageUrl(puzzle.links.thumbnail).then((url) => (image.src = url), () => {});
  const state = { encoding: "getting ready", failed: "could not be read" }[puzzle.state];
  const found = puzzle.piece_count ? `${plural(puzzle.piece_count, "piece")} photographed` : "no pieces yet";
  return h(
    "li",
    {},
    h(
      "a",
      { class: "card", href: `#/puzzle/${encodeURIComponent(puzzle.id)}` },
      h("span", { class: "card-picture" }, image),
      h(
        "span",
        { class: "card-text" },
        h("span", { class: "card-name" }, puzzleName(puzzle)),
        h("span", { class: "card-detail" }, puzzleSize(puzzle)),
        h("span", { class: "card-detail" }, state || found),
      ),
    ),
  );
}
