// One puzzle: its picture, its pieces, and what is known of each.

import * as api from "./api.js";
import { Answer } from "./answer.js";
import { Collection } from "./collection.js";
import { forgetCutouts } from "./cutouts.js";
import { $, perFrame, reducedMotion } from "./dom.js";
import { fileButton, setDropTarget } from "./drop.js";
import { coverage } from "./geometry.js";
import { colourHeat } from "./heat.js";
import { Layers } from "./layers.js";
import { announce, confirm, notice, showError } from "./notices.js";
import { PieceList, stateOf } from "./pieces.js";
import { Together } from "./together.js";
import { Uploads } from "./uploads.js";
import { Viewer } from "./viewer.js";
import { plural, puzzleName } from "./words.js";

const NARROW = matchMedia("(max-width: 979px)");

export class PuzzleView {
  constructor(go) {
    this.go = go;
    this.viewer = new Viewer($("stage"), $("world"));
    this.layers = new Layers(this.viewer);
    this.together = new Together(() => this.refresh());
    this.list = new PieceList({ select: (key) => this.#pick(key), remove: (key) => this.#remove(key) });
    this.answer = new Answer({
      choose: (rank) => this.#choose(rank),
      remove: () => this.#remove(this.selected),
      retry: () => this.uploads.retry(this.#item(this.selected)),
    });
    this.refresh = perFrame(() => this.#draw());
    this.shown = { heat: true, piece: true, others: true };
    this.#listen();
  }

  // Coming and going ------------------------------------------------------------------------

  async enter(id, part, detail) {
    this.abort = new AbortController();
    const { signal } = this.abort;
    Object.assign(this, { id, puzzle: null, version: null, pieces: new Collection() });
    Object.assign(this, { selected: null, rank: 0, chosen: false, early: [], heatOf: null });
    this.together.reset(id);
    this.list.clear();
    this.answer.clear("", "");
    this.layers.setHeat(null);
    this.layers.setPlaced([]);
    this.layers.setBoxes([]);
    this.layers.picture.removeAttribute("src");
    $("board").dataset.state = "loading";
    this.uploads = new Uploads(id, {
      change: () => this.refresh(),
      piece: (piece, item) => this.#found(piece, item),
      failed: (item, error) => this.#photoFailed(item, error),
      idle: () => this.#flush(),
    });
    setDropTarget({ text: "Drop photos of pieces", take: (files) => this.#add(files) });
    await this.#load(signal);
    if (part === "piece" && this.pieces.has(detail)) this.#select(detail);
    else if (part === "together") this.#solve();
    else this.#selectLast();
    api.listen(id, {
      signal,
      onEvent: (kind, data) => this.#on(kind, data),
      onReconnect: () => this.#load(signal),
    });
    if (sessionStorage.getItem("heatmap-locator-new") === id) this.#checkCorners(signal);
  }

  leave() {
    this.abort?.abort();
    this.uploads?.stop();
    this.heatOf = null;
    forgetCutouts();
    api.forgetImages();
  }

  async #load(signal) {
    const [puzzle, pieces] = await Promise.all([api.getPuzzle(this.id, signal), api.listPieces(this.id, signal)]);
    if (signal.aborted) return;
    this.pieces.retain(pieces.map((piece) => piece.id));
    for (const piece of pieces) this.#keep(piece);
    this.#setPuzzle(puzzle);
  }

  /** A photo of a lid shows a table around it: the corners are offered once, at the start. */
  async #checkCorners(signal) {
    sessionStorage.removeItem("heatmap-locator-new");
    try {
      const corners = await api.suggestedCorners(this.id, signal);
      if (signal.aborted || !corners) return;
      const { width, height } = this.puzzle.original;
      if (coverage(corners, width, height) < 0.97) this.go(`#/puzzle/${this.id}/corners`);
    } catch (error) {
      showError(error);
    }
  }

  // What the server says --------------------------------------------------------------------

  #setPuzzle(puzzle) {
    const before = this.puzzle;
    this.puzzle = puzzle;
    const name = puzzleName(puzzle);
    $("bar-name").textContent = name;
    $("puzzle-title").textContent = name;
    document.title = name;
    this.uploads.setPaused(puzzle.state !== "ready");
    const version = `${puzzle.width}x${puzzle.height} ${JSON.stringify(puzzle.corners)}`;
    if (version !== this.version) this.#showPicture(version);
    if (before && before.state !== puzzle.state) {
      if (puzzle.state === "ready") announce("The picture is ready. Pieces can be looked for.");
      if (puzzle.state === "failed") announce("The picture could not be prepared.");
    }
    this.refresh();
  }

  async #showPicture(version) {
    const first = this.version === null;
    this.version = version;
    const { width, height, links } = this.puzzle;
    // The same address shows another picture once the corners change.
    const link = first && !this.puzzle.corners ? links.picture : `${links.picture}?of=${encodeURIComponent(version)}`;
    try {
      await this.layers.setPicture(await api.imageUrl(link), width, height);
    } catch (error) {
      if (this.version === version && !this.abort.signal.aborted) notice("The picture did not load", "Reload the page to try again.");
      return;
    }
    this.heatOf = null;
    this.refresh();
  }

  #on(kind, data) {
    if (kind === "puzzle") this.#setPuzzle(data);
    else if (kind === "piece") this.#heard(data);
    else if (kind === "removed" && data.id === this.id) {
      this.go("#/");
      notice("That puzzle was deleted", "Another window deleted it, or the server made room.");
    } else if (kind === "solve") this.together.progress(data);
  }

  /**
   * A piece that may be from another window, or one of ours whose own answer is still to come:
   * those wait, so that a photo and its piece are never both in the list.
   */
  #heard(piece) {
    const ours = !this.pieces.has(piece.id) && this.uploads.items.some((item) => item.state === "looking" && item.name === piece.photo);
    if (ours) this.early.push(piece);
    else this.#keep(piece);
    this.refresh();
  }

  #flush() {
    for (const piece of this.early.splice(0)) if (!this.pieces.has(piece.id)) this.#keep(piece);
    this.refresh();
  }

  #keep(piece) {
    if (this.pieces.keep(piece) && this.heatOf === piece.id) this.heatOf = null;
  }

  #found(piece, item) {
    this.early = this.early.filter((other) => other.id !== piece.id);
    this.#keep(piece);
    const entry = this.#entries().find(({ key }) => key === piece.id);
    const { words, percent } = stateOf(entry, this.puzzle);
    announce(`${entry.name}: ${words}${percent ? `, ${percent}` : ""}`);
    // The first answer of a batch is shown; the rest must not pull the picture away.
    if (!this.chosen || this.selected === item.key) {
      this.chosen = true;
      this.#select(piece.id, { focus: this.#hasFocus(item.key) });
    } else this.refresh();
  }

  #photoFailed(item, error) {
    const { words } = stateOf({ item });
    announce(`${item.name}: ${words}`);
    if (error.status === 0 || error.status === 404 || error.status >= 500) showError(error);
    if (!this.chosen || !this.selected) this.#select(item.key);
  }

  // What the user does ----------------------------------------------------------------------

  #listen() {
    const add = (files) => this.#add(files);
    fileButton($("choose-pieces"), $("pieces-file"), add);
    fileButton($("shoot-pieces"), $("pieces-camera"), add);
    $("many").addEventListener("change", () => this.#hint());
    $("zoom-in").addEventListener("click", () => this.viewer.zoomBy(1.6, undefined, undefined, true));
    $("zoom-out").addEventListener("click", () => this.viewer.zoomBy(1 / 1.6, undefined, undefined, true));
    $("zoom-fit").addEventListener("click", () => this.viewer.fit(true));
    $("zoom-place").addEventListener("click", () => this.#zoomToPlace());
    for (const layer of ["heat", "piece", "others"])
      $(`layer-${layer}`).addEventListener("click", () => this.#toggle(layer));
    $("stage").addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "z" || event.key === "Z") this.#zoomToPlace();
      if (event.key === "h" || event.key === "H") this.#toggle("heat");
    });
    this.viewer.addEventListener("tap", (event) => this.layers.boxAt(event.detail)?.take());
    $("solve").addEventListener("click", () => this.#solve());
    $("adjust-corners").addEventListener("click", () => this.go(`#/puzzle/${this.id}/corners`));
    $("delete-puzzle").addEventListener("click", () => this.#deletePuzzle());
    addEventListener("beforeunload", (event) => {
      // Photos that were not sent yet are known to this page alone.
      if (this.uploads?.busy.length && !this.uploads.stopped) event.preventDefault();
    });
  }

  #hint() {
    $("pieces-hint").textContent = $("many").checked
      ? "Pieces apart from each other, picture side up, on one plain surface of another colour."
      : "Whole pieces, picture side up, on a plain surface of another colour.";
  }

  #add(files) {
    this.chosen = false;
    const items = this.uploads.add(files, $("many").checked);
    announce(`${plural(items.length, "photo")} added.`);
    this.#select(items[0].key);
    this.chosen = false;
  }

  #toggle(layer) {
    this.shown[layer] = !this.shown[layer];
    $(`layer-${layer}`).setAttribute("aria-pressed", String(this.shown[layer]));
    this.refresh();
  }

  /** A choice in the list: on a phone the answer stands above it, out of sight. */
  #pick(key) {
    this.#select(key);
    if (NARROW.matches) scrollTo({ top: 0, behavior: reducedMotion() ? "auto" : "smooth" });
  }

  #select(key, { focus = false } = {}) {
    this.selected = key;
    this.rank = 0;
    this.chosen = true;
    if (this.pieces.has(key) && !this.together.on)
      history.replaceState(null, "", `#/puzzle/${this.id}/piece/${encodeURIComponent(key)}`);
    this.#draw();
    // On a phone the list is part of the page, which must not move by itself.
    if (!NARROW.matches) this.list.reveal(key);
    if (focus) this.list.focus(key);
    if (!this.viewer.fitted) this.#zoomToPlace();
  }

  #selectLast() {
    const last = this.#entries().findLast(({ choice }) => choice);
    if (last) this.#select(last.key);
    this.refresh();
  }

  #choose(rank) {
    this.rank = rank;
    this.#draw();
    const entry = this.#current();
    if (entry?.list[rank]) announce(`Shown: ${stateOf({ piece: entry.piece, choice: entry.list[rank] }, this.puzzle).words}`);
    if (!this.viewer.fitted) this.#zoomToPlace();
  }

  #zoomToPlace() {
    const choice = this.#current()?.list[this.rank];
    if (choice) this.viewer.zoomTo(choice.placement.box);
  }

  #hasFocus(key) {
    return document.activeElement?.dataset?.key === key;
  }

  async #remove(key) {
    const entries = this.#entries();
    const at = entries.findIndex((entry) => entry.key === key);
    if (at < 0) return;
    const { piece, item, name } = entries[at];
    // Photos that are being looked at right now would come back as pieces.
    if (item?.state === "looking") return;
    const next = entries[at + 1] || entries[at - 1];
    const fromList = this.#hasFocus(key);
    if (item) this.uploads.remove(item);
    else {
      try {
        await api.deletePiece(this.id, piece.id);
      } catch (error) {
        if (error.status !== 404) return showError(error);
      }
      this.pieces.delete(piece.id);
      this.together.forget(piece.id);
    }
    announce(`${name} removed.`);
    if (this.selected !== key) return this.refresh();
    if (next) return this.#select(next.key, { focus: true });
    this.selected = null;
    history.replaceState(null, "", `#/puzzle/${this.id}`);
    this.#draw();
    if (fromList || document.activeElement === document.body) $("choose-pieces").focus();
  }

  async #deletePuzzle() {
    const text = `“${puzzleName(this.puzzle)}” and ${plural(this.pieces.size, "piece")} will be gone for good.`;
    if (!(await confirm("Delete this puzzle?", text, "Delete it"))) return;
    try {
      // Its own stream would tell of the deletion as if another window had done it.
      this.abort.abort();
      this.uploads.stop();
      await api.deletePuzzle(this.id);
      this.go("#/");
      announce("Puzzle deleted.");
    } catch (error) {
      showError(error);
    }
  }

  async #solve() {
    if (!(await this.together.solve())) return;
    history.replaceState(null, "", `#/puzzle/${this.id}/together`);
    this.rank = 0;
    this.viewer.fit(true);
    if (!this.selected) this.#selectLast();
    this.refresh();
  }

  // Showing it ------------------------------------------------------------------------------

  #item(key) {
    return this.uploads.items.find((item) => item.key === key);
  }

  /** Pieces, then photos on their way: as of Collection, with an item in place of a piece. */
  #entries() {
    const photos = this.uploads.items.map((item) => ({ key: item.key, name: item.name, item, list: [], choice: null }));
    return [...this.pieces.entries((id) => this.together.of(id)), ...photos];
  }

  #current() {
    return this.#entries().find(({ key }) => key === this.selected);
  }

  #draw() {
    if (!this.puzzle) return;
    const entries = this.#entries();
    // A photo's row gives way to its pieces: the selection goes on to the first of them.
    if (this.selected && !entries.some(({ key }) => key === this.selected)) this.selected = entries.at(-1)?.key || null;
    const current = entries.find(({ key }) => key === this.selected);
    if (current && this.rank >= current.list.length) this.rank = 0;
    this.list.show(entries, this.selected, this.puzzle);
    this.#drawAnswer(entries, current);
    this.#drawLayers(entries, current);
    this.#drawHeat(current);
    this.#drawCounts(entries);
    $("view-puzzle").dataset.pieces = entries.length ? "some" : "none";
  }

  #drawAnswer(entries, current) {
    const { puzzle } = this;
    if (current?.item) this.answer.showUpload(current.item);
    else if (current?.choice) {
      const { piece, name, list } = current;
      this.answer.showPlace({ piece, name, puzzle, picture: this.layers.picture, list, rank: this.rank });
    } else if (current?.piece.state === "waiting") this.answer.showWaiting(current.piece);
    else if (current) this.answer.showFailed(current.piece);
    else if (entries.length) this.answer.clear("Pick a piece", "Choose one in the list or on the picture to see where it goes.");
    else if (puzzle.state === "failed") this.answer.clear("This picture could not be used", puzzle.error || "");
    else this.answer.clear("Now the pieces", "Photograph one or many, and each is shown here upright in its place.");
  }

  #drawLayers(entries, current) {
    const located = entries.filter(({ choice }) => choice);
    const placed = [];
    const boxes = [];
    if (this.shown.others)
      for (const entry of located) {
        if (entry === current) continue;
        placed.push({ piece: entry.piece, choice: entry.choice, main: false });
        const unsure = entry.choice.fitted && !entry.choice.sure;
        boxes.push({ box: entry.choice.placement.box, kind: unsure ? "laid unsure" : "laid", take: () => this.#select(entry.key) });
      }
    if (current?.choice) {
      current.list.forEach(({ placement }, index) => {
        if (index !== this.rank) boxes.push({ box: placement.box, kind: "other", label: String(index + 1), take: () => this.#choose(index) });
      });
      const choice = current.list[this.rank];
      if (this.shown.piece) placed.push({ piece: current.piece, choice, main: true });
      boxes.push({ box: choice.placement.box, kind: "main", label: String(this.rank + 1) });
    }
    this.layers.setPlaced(placed);
    this.layers.setBoxes(boxes);
    $("zoom-place").disabled = !current?.choice;
  }

  async #drawHeat(current) {
    const piece = current?.piece;
    const wanted = this.shown.heat && current?.choice && piece.links.heatmap ? piece.id : null;
    if (this.heatOf === wanted) return;
    this.heatOf = wanted;
    if (!wanted) return this.layers.setHeat(null);
    const [left, , right] = current.choice.placement.box;
    const width = right - left;
    try {
      const image = await api.loadImage(piece.links.heatmap);
      if (this.heatOf === wanted) this.layers.setHeat(colourHeat(image, width / this.puzzle.width));
    } catch {
      if (this.heatOf === wanted) this.layers.setHeat(null);
    }
  }

  #drawCounts(entries) {
    const { puzzle } = this;
    const waiting = this.uploads.busy.length;
    const located = entries.filter(({ choice }) => choice).length;
    const of = puzzle.grid ? ` of ${(puzzle.grid.rows * puzzle.grid.cols).toLocaleString("en")}` : "";
    $("pieces-count").textContent = waiting ? `${plural(waiting, "photo")} to go` : located ? `${located}${of} found` : "";
    $("stage-busy").hidden = puzzle.state !== "encoding" && !waiting;
    $("stage-busy-text").textContent = puzzle.state === "encoding" ? "Studying the picture…" : `Looking, ${plural(waiting, "photo")} to go`;
    $("board").dataset.state = puzzle.state;
    this.together.draw({ puzzle, located, waiting, ids: entries.filter(({ choice }) => choice).map(({ key }) => key) });
  }
}
