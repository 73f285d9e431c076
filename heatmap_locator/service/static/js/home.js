// The first view: give a puzzle's picture, or come back to one.

import { createPuzzle, imageUrl, listPuzzles } from "./api.js";
import { CountField } from "./count.js";
import { $, h } from "./dom.js";
import { fileButton, setDropTarget } from "./drop.js";
import { t } from "./lang.js";
import { announce, showError } from "./notices.js";
import { reduced } from "./reduce.js";
import { readable } from "./readable.js";
import { hidden } from "./undo.js";
import { nameFromFile, puzzleName, puzzleSize } from "./words.js";

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
    this.count = new CountField($("setup-count"), "setup");
    $("setup-image").addEventListener("error", () => $("setup-image").closest(".setup-picture").classList.add("unseen"));
  }

  async enter(part) {
    this.abort = new AbortController();
    setDropTarget({ text: t("home.drop"), take: (files) => this.#take(files[0]) });
    if (part === "setup") return;
    this.picture = null;
    this.#showPuzzles((await listPuzzles()).filter(({ id }) => !hidden.has(id)));
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
    $("setup-error").textContent = "";
    $("setup-go").disabled = false;
    $("setup-form").reset();
    $("setup-name").value = nameFromFile(file.name);
    this.count.set({});
    announce(t("setup.chosen"));
    this.go("#/new");
    this.#check(file);
  }

  /** What cannot be read is told at once, and not sent. */
  async #check(file) {
    const found = await readable(file);
    if (this.picture !== file) return;
    const wrong = found !== "ok";
    $("setup-error").textContent = wrong ? t(`file.${found}`, { name: file.name }) : "";
    $("setup-go").disabled = wrong;
  }

  async #send() {
    const count = this.count.read();
    if (!count || !this.picture) return;
    const fields = { name: $("setup-name").value.trim(), ...count };
    const button = $("setup-go");
    if (button.ariaBusy === "true") return;
    button.ariaBusy = "true";
    announce(t("setup.sending"));
    $("setup-sent").hidden = false;
    const { signal } = this.abort;
    try {
      const puzzle = await createPuzzle(await reduced(this.picture, true), fields, {
        signal,
        progress: (part) => ($("setup-sent").value = part),
      });
      if (signal.aborted) return;
      this.picture = null;
      sessionStorage.setItem("heatmap-locator-new", puzzle.id);
      this.go(`#/puzzle/${puzzle.id}`, { replace: true });
    } catch (error) {
      if (!signal.aborted) showError(error);
    } finally {
      button.ariaBusy = "false";
      $("setup-sent").hidden = true;
    }
  }

  #showPuzzles(puzzles) {
    $("shelf").hidden = !puzzles.length;
    $("home-title").textContent = t(puzzles.length ? "home.title" : "app.title");
    $("steps").hidden = puzzles.length > 0;
    $("view-home").classList.toggle("has-puzzles", puzzles.length > 0);
    $("picture-title").textContent = t(puzzles.length ? "home.another" : "home.first");
    $("puzzle-cards").replaceChildren(...puzzles.map((puzzle) => card(puzzle)));
  }
}

function card(puzzle) {
  const image = h("img", { alt: "", loading: "lazy", decoding: "async" });
  imageUrl(puzzle.links.thumbnail).then((url) => (image.src = url), () => {});
  const found = puzzle.piece_count ? t("card.pieces", { n: puzzle.piece_count }) : t("card.none");
  const detail = puzzle.state === "ready" ? found : t(`card.${puzzle.state}`);
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
        h("span", { class: "card-detail" }, detail),
      ),
    ),
  );
}
