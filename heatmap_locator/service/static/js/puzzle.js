// One puzzle: its picture, its pieces, and what is known of each.

import * as api from "./api.js";
import * as actions from "./actions.js";
import { Answer } from "./answer.js";
import { Board } from "./board.js";
import { forgetCutouts } from "./cutouts.js";
import { HalfDone } from "./done.js";
import { $, perFrame, reducedMotion } from "./dom.js";
import { fileButton, setDropTarget } from "./drop.js";
import { drawSize, editPuzzle } from "./edit.js";
import { coverage } from "./geometry.js";
import { t } from "./lang.js";
import { PuzzleModel } from "./model.js";
import { announce, notice, showError } from "./notices.js";
import { PieceList } from "./pieces.js";
import { drawProgress } from "./progress.js";
import { sheetButtons } from "./sheet.js";
import { stateOf } from "./states.js";
import { TablePhoto } from "./table.js";
import { Together } from "./together.js";
import { hidden } from "./undo.js";
import { anyUnsent } from "./uploads.js";
import { Wishes } from "./wishes.js";
import { puzzleName, puzzleSize } from "./words.js";

const NARROW = matchMedia("(max-width: 979px)");

export class PuzzleView {
  constructor(go) {
    this.go = go;
    this.refresh = perFrame(() => this.#draw());
    this.board = new Board({ change: this.refresh, select: (key) => this.#select(key), choose: (rank) => this.#choose(rank) });
    this.together = new Together(this.refresh);
    this.halfDone = new HalfDone(() => this.model, this.refresh);
    this.wishes = new Wishes(this.refresh);
    this.list = new PieceList({ select: (key) => this.#pick(key), remove: (key) => this.#remove(key) });
    this.table = new TablePhoto((key) => this.#select(key));
    this.answer = new Answer({
      choose: (rank) => this.#choose(rank),
      remove: () => this.#remove(this.selected),
      retry: () => this.model.uploads.retry(this.#current().item),
      placed: () => actions.setPlaced(this.model, this.#current(), this.rank),
      wrong: () => this.#wrong(),
      findAll: () => actions.findAll(this.model, this.#current()),
    });
    this.#listen();
  }

  // Coming and going ------------------------------------------------------------------------

  async enter(id, part, detail) {
    const model = new PuzzleModel(id, {
      change: this.refresh,
      puzzle: (before) => this.#showPuzzle(before),
      sent: (piece, item) => this.#sent(piece, item),
      found: (piece) => this.#found(piece),
      failed: (item) => this.#photoFailed(item),
      renewed: (piece) => this.board.forgetHeat(piece),
      lost: () => this.#connection(t("connection.lost")),
      back: () => this.#connection(t("connection.back")),
      removed: () => this.#removed(),
      solving: (data) => this.together.progress(data),
    });
    Object.assign(this, { model, selected: null, rank: 0, chosen: false });
    this.together.reset(id);
    this.list.clear();
    this.answer.clear();
    this.table.clear();
    this.board.reset();
    setDropTarget({ text: t("pieces.drop.veil"), take: (files) => this.#add(files) });
    await model.load();
    if (model.signal.aborted) return;
    this.wishes.sort(model.pieces.some((piece) => piece.many) ? "sure" : "number");
    if (part === "piece" && model.pieces.has(detail)) this.#select(detail);
    else if (part === "together") this.#solve();
    else this.#selectLast();
    model.follow();
    if (sessionStorage.getItem("heatmap-locator-new") === id) this.#checkCorners();
  }

  leave() {
    this.model?.leave();
    this.board.reset();
    forgetCutouts();
    api.forgetImages();
  }

  /** A photo of a lid shows a table around it: the corners are offered once, at the start. */
  async #checkCorners() {
    const { id, puzzle, signal } = this.model;
    sessionStorage.removeItem("heatmap-locator-new");
    try {
      const corners = await api.suggestedCorners(id, signal);
      if (signal.aborted || !corners) return;
      const { width, height } = puzzle.original;
      if (coverage(corners, width, height) < 0.97) this.go(`#/puzzle/${id}/corners`);
    } catch (error) {
      if (!signal.aborted) showError(error);
    }
  }

  // What the server says --------------------------------------------------------------------

  #showPuzzle(before) {
    const { puzzle, signal } = this.model;
    document.title = $("bar-name").textContent = $("puzzle-title").textContent = puzzleName(puzzle);
    $("bar-size").textContent = puzzleSize(puzzle);
    this.board.showPicture(puzzle, signal);
    if (before && before.state !== puzzle.state) {
      if (puzzle.state === "ready") announce(t("puzzle.ready"));
      if (puzzle.state === "failed") announce(t("puzzle.failed"));
    }
    this.refresh();
  }

  #connection(words) {
    announce(words);
    this.refresh();
  }

  #removed() {
    this.go("#/");
    notice(t("puzzle.deleted"), t("puzzle.deleted.text"));
  }

  /** A photo's row gives way to its piece's. */
  #sent(piece, item) {
    if (this.selected === item.key) this.#select(piece.id, { focus: this.#hasFocus(item.key), chosen: this.chosen });
    else this.refresh();
  }

  #found(piece) {
    const entry = this.#entries().find(({ key }) => key === piece.id);
    if (!entry) return;
    const { words, percent } = stateOf(entry, this.model.puzzle);
    announce(t("said.state", { name: entry.name, file: entry.file, state: percent ? `${words}, ${percent}` : words }));
    // The first answer of a batch is shown; the rest must not pull the picture away, and what
    // failed never stands in an answer's place.
    if (!this.chosen && entry.choice) this.#select(piece.id);
    else if (this.selected === piece.id) this.#select(piece.id, { chosen: this.chosen });
    else this.refresh();
  }

  #photoFailed(item) {
    announce(`${item.name}: ${stateOf({ item }).words}`);
    if (!this.selected) this.#select(item.key, { chosen: false });
    else this.refresh();
  }

  // What the user does ----------------------------------------------------------------------

  #listen() {
    const add = (files) => this.#add(files);
    fileButton($("choose-pieces"), $("pieces-file"), add);
    fileButton($("shoot-pieces"), $("pieces-camera"), add);
    $("solve").addEventListener("click", () => this.#solve());
    sheetButtons(() => ({ puzzle: this.model.puzzle, entries: this.#entries() }));
    $("edit-puzzle").addEventListener("click", () => editPuzzle(this.model));
    $("adjust-corners").addEventListener("click", () => this.go(`#/puzzle/${this.model.id}/corners`));
    $("delete-puzzle").addEventListener("click", () => actions.removePuzzle(this.model, this.go));
    addEventListener("beforeunload", (event) => {
      if (anyUnsent()) event.preventDefault();
    });
  }

  #add(files) {
    const items = this.model.uploads.add(files, this.wishes.many);
    this.wishes.given();
    announce(t("pieces.added", { n: items.length }));
    this.#select(items[0].key, { chosen: false });
  }

  /** A choice in the list: on a phone the answer stands above it, out of sight. */
  #pick(key) {
    this.#select(key);
    if (NARROW.matches) scrollTo({ top: 0, behavior: reducedMotion() ? "auto" : "smooth" });
  }

  /** chosen: by hand, or as the first answer; else it gives way to the first answer. */
  #select(key, { focus = false, chosen = true } = {}) {
    this.selected = key;
    this.rank = 0;
    this.chosen = chosen;
    if (this.model.pieces.has(key) && !this.together.on)
      history.replaceState(null, "", `#/puzzle/${this.model.id}/piece/${encodeURIComponent(key)}`);
    this.#draw();
    // On a phone the list is part of the page, which must not move by itself.
    if (!NARROW.matches) this.list.reveal(key);
    if (focus) this.list.focus(key);
    if (this.board.zoomed) this.board.zoomToPlace();
  }

  #selectLast() {
    const entries = this.#entries();
    const last = entries.findLast(({ choice }) => choice) || entries.at(-1);
    if (last) this.#select(last.key);
    this.refresh();
  }

  #choose(rank) {
    this.rank = rank;
    this.#draw();
    const entry = this.#current();
    if (entry?.list[rank]) announce(t("said.shown", { state: stateOf({ piece: entry.piece, choice: entry.list[rank] }, this.model.puzzle).words }));
    if (this.board.zoomed) this.board.zoomToPlace();
  }

  #hasFocus(key) {
    return document.activeElement?.dataset?.key === key;
  }

  async #wrong() {
    await actions.setWrong(this.model, this.#current(), this.rank);
    this.together.forget(this.selected);
    this.rank = 0;
    this.refresh();
  }

  #remove(key) {
    const entries = this.#arranged();
    const at = entries.findIndex((entry) => entry.key === key);
    if (at < 0) return;
    const next = entries[at + 1] || entries[at - 1];
    const fromList = this.#hasFocus(key);
    actions.remove(this.model, entries[at], (back) => (back && this.model.pieces.has(back) ? this.#select(back) : this.refresh()));
    if (this.selected !== key) return this.refresh();
    if (next) return this.#select(next.key, { focus: true });
    this.selected = null;
    history.replaceState(null, "", `#/puzzle/${this.model.id}`);
    this.#draw();
    if (fromList || document.activeElement === document.body) $("choose-pieces").focus();
  }

  async #solve() {
    if (!(await this.together.solve())) return;
    history.replaceState(null, "", `#/puzzle/${this.model.id}/together`);
    this.rank = 0;
    this.board.fit();
    if (!this.selected) this.#selectLast();
    this.refresh();
  }

  // Showing it ------------------------------------------------------------------------------

  #entries() {
    const { pieces, uploads } = this.model;
    return pieces.entries(uploads.items, (id) => this.together.of(id), hidden);
  }

  /** Those that the list shows, in its order. */
  #arranged(entries = this.#entries()) {
    return this.wishes.arranged(entries, this.model.puzzle);
  }

  #current() {
    return this.#entries().find(({ key }) => key === this.selected);
  }

  #draw() {
    if (!this.model?.puzzle) return;
    const { puzzle, uploads, lost } = this.model;
    const entries = this.#entries();
    // A photo's row gives way to its pieces: the selection goes on to the last of them.
    if (this.selected && !entries.some(({ key }) => key === this.selected)) this.selected = entries.at(-1)?.key || null;
    const current = entries.find(({ key }) => key === this.selected);
    if (current && this.rank >= current.list.length) this.rank = 0;
    this.list.show(this.#arranged(entries), this.selected, puzzle);
    this.table.show(entries, current, puzzle);
    this.answer.show({ entries, current, rank: this.rank, puzzle, picture: this.board.picture, lost });
    this.board.show(entries, current, this.rank, puzzle);
    drawProgress({ entries, puzzle, uploads, lost });
    drawSize(entries, this.model);
    this.halfDone.draw(puzzle);
    const located = entries.filter(({ choice }) => choice).map(({ key }) => key);
    this.together.draw({ puzzle, waiting: uploads.busy.length, ids: located });
    $("view-puzzle").dataset.pieces = entries.length ? "some" : "none";
    $("piece-tools").hidden = entries.length < 2;
    $("sheet-buttons").hidden = !located.length;
  }
}
