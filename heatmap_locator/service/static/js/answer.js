// The answer for the piece that is selected: where, how sure, how to turn it, where else.

import { $, h, icon } from "./dom.js";
import { remarks, why } from "./explain.js";
import { t } from "./lang.js";
import { isNoPiece, letter } from "./places.js";
import { said } from "./said.js";
import { givenTile, photoTile, placeTile, uprightTile } from "./tiles.js";
import { choiceSureness, errorWords, placeName, region, sureness, turn, turnWords } from "./words.js";

export class Answer {
  /** on: {choose(rank)}, and {remove(), retry(), placed(), wrong(), findAll()} about the selected piece. */
  constructor(on) {
    this.on = on;
    this.element = $("answer");
    this.key = null;
  }

  clear() {
    this.key = null;
    this.element.dataset.kind = "empty";
    this.element.replaceChildren();
  }

  /** entries, current: as of Collection; picture: the loaded <img> of the puzzle; lost: no connection. */
  show({ entries, current, rank, puzzle, picture, lost }) {
    if (current?.item?.state === "failed") this.#fault(current, current.item.error, lost);
    else if (current?.item) this.#upload(current.item, puzzle);
    else if (current?.choice) this.#place({ ...current, rank, puzzle, picture, named: (id) => entries.find(({ key }) => key === id)?.name || "" });
    else if (current?.piece.state === "waiting") this.#waiting(current);
    else if (current?.piece.state === "located") this.#nowhere(current);
    else if (current) this.#fault(current, { status: 422, type: "", detail: current.piece.error });
    else if (entries.length) this.#words(t("answer.pick"), t("answer.pick.text"));
    else if (puzzle.state === "failed") this.#words(t("answer.unusable"), said(puzzle.error));
    else if (puzzle.state === "encoding") this.#words(t("answer.encoding"), t("answer.encoding.text"));
    else this.#words(t("answer.first"), t("answer.first.text"));
  }

  #words(title, text) {
    this.#fill("empty", [title, text], () => [h("div", { class: "answer-text" }, heading(title), h("p", { class: "hint" }, text))]);
  }

  /** A photo on its way. */
  #upload(item, puzzle) {
    const { state, wait } = item;
    const [title, text] =
      state === "held"
        ? [t("answer.full"), t("answer.full.text", { n: wait })]
        : state === "sending"
          ? [t("answer.sending"), ""]
          : [t("answer.turn"), t("answer.turn.text")];
    this.#fill("busy", [item.key, state], () => [
      givenTile({ item }),
      told(
        title,
        item.name,
        h("p", { class: "hint", id: "answer-wait" }),
        state === "sending" ? h("progress", { class: "sent", id: "answer-sent", max: 1, "aria-label": t("answer.sending") }) : null,
        this.#button(t("remove"), "trash", "remove"),
      ),
    ]);
    // The seconds count down, and the bar moves, in place.
    $("answer-wait").textContent = text;
    if (state === "sending") $("answer-sent").value = item.part;
  }

  /** A photo that the server has kept. */
  #waiting({ key, name, file, piece }) {
    this.#fill("busy", [key, "kept"], () => [
      givenTile({ piece }),
      told(
        t(piece.many ? "answer.looking.many" : "answer.looking"),
        `${name}, ${file}`,
        h("p", { class: "hint", id: "answer-wait" }),
        this.#button(t("remove"), "trash", "remove"),
      ),
    ]);
    $("answer-wait").textContent = piece.progress ? t("answer.found.part", piece.progress) : t("answer.kept");
  }

  /** All its places were said to be wrong. */
  #nowhere({ key, name, file, piece }) {
    this.#fill("fault", [key, "nowhere"], () => [
      givenTile({ piece }),
      told(t("answer.nowhere"), `${name}, ${file}`, h("p", {}, t("answer.nowhere.hint")), this.#button(t("remove"), "trash", "remove")),
    ]);
  }

  #fault({ key, name, file, piece, item }, error, lost) {
    const none = isNoPiece(error);
    const refused = error.status === 415 || error.status === 422;
    let { title, detail } = errorWords(error);
    // Its name stands above already.
    if (none || refused) detail = said(unnamed(error.detail || "", file));
    if (refused) title = t("answer.refused");
    if (none) title = t("answer.none");
    if (item && error.status === 0) {
      title = t("answer.unsent");
      detail = t(lost ? "answer.unsent.lost" : "answer.unsent.broke");
    }
    // What is wrong with the photo itself stays wrong.
    const again = item && !none && !refused && error.status !== 413;
    this.#fill("fault", [key, title, detail], () => [
      givenTile({ piece, item }),
      told(
        title,
        piece ? `${name}, ${file}` : name,
        detail ? h("p", {}, detail) : null,
        h("div", { class: "row" }, again ? this.#button(t("again"), "turn-cw", "retry") : null, this.#button(t("remove"), "trash", "remove")),
      ),
    ]);
  }

  #button(text, symbol, act) {
    return h("button", { type: "button", class: "button small", "data-part": act, onclick: () => this.on[act]() }, icon(symbol), text);
  }

  /** list: the piece's choices; rank: the one shown. */
  #place({ piece, name, file, twin, puzzle, picture, list, rank, named }) {
    const choice = list[rank];
    const { placement } = choice;
    const drawn = picture.complete && picture.naturalWidth ? picture.src : "";
    const fits = list.map(({ fitted, sure, problem }) => [fitted, sure, problem?.kind]);
    this.#fill("place", [piece.id, piece.said, name, rank, fits, drawn, twin?.name], () => {
      const way = turn(placement.rotation);
      const tiles = [photoTile(piece), uprightTile(piece, placement), placeTile(piece, placement, picture)];
      const where = placement.cell ? ` · ${t(`where.${region(placement, puzzle)}`)}` : "";
      const text = told(
        placeName(placement, puzzle),
        `${name}, ${file}${where}`,
        meter(choice),
        h("p", { class: "turn" }, icon(way.clockwise ? "turn-cw" : "turn-ccw"), h("span", {}, turnWords(placement.rotation))),
        ...remarks({ piece, choice, twin, named, findAll: this.#button(t("others.find"), "piece", "findAll") }),
        h(
          "div",
          { class: "row verdict" },
          h("button", { type: "button", class: "button small", "data-part": "placed", "aria-pressed": String(piece.placed), onclick: () => this.on.placed() }, icon("check"), t("placed")),
          this.#button(t("wrong"), "close", "wrong"),
        ),
        h("button", { type: "button", class: "round remove", "data-part": "remove", title: t("remove.piece"), "aria-label": t("remove.piece"), onclick: () => this.on.remove() }, icon("trash")),
      );
      const others = h(
        "div",
        { class: "answer-others" },
        list.length > 1 ? h("h3", {}, t("answer.places")) : null,
        list.length > 1 ? h("ol", { class: "ranks" }, ...list.map((other, index) => this.#rank(other, index, rank, puzzle))) : null,
      );
      return [h("div", { class: "answer-media" }, h("div", { class: "tiles" }, ...tiles), why(choice)), text, others];
    });
  }

  #rank({ placement }, index, rank, puzzle) {
    const { words, percent } = sureness(placement.score);
    const button = h(
      "button",
      { type: "button", class: "rank", "aria-pressed": String(index === rank), onclick: () => this.on.choose(index), "data-part": `rank-${index}` },
      h("span", { class: "rank-number" }, letter(index)),
      h("span", { class: "rank-place" }, placeName(placement, puzzle)),
      h("span", { class: "rank-score" }, h("span", { class: "visually-hidden" }, `${words}, `), percent),
    );
    return h("li", {}, button);
  }

  /** Draws anew what build() makes, unless what key stands for is shown already. */
  #fill(kind, key, build) {
    const said = JSON.stringify([kind, key]);
    if (said === this.key) return;
    this.key = said;
    // Keyboard focus on a runner-up stays there when the list is drawn anew.
    const focused = this.element.contains(document.activeElement) ? document.activeElement.dataset.part : null;
    this.element.dataset.kind = kind;
    this.element.replaceChildren(...build());
    if (focused) this.element.querySelector(`[data-part="${focused}"]`)?.focus({ preventScroll: true });
  }
}

const unnamed = (text, name) => (text.startsWith(`${name}: `) ? text.slice(name.length + 2) : text);
const heading = (text) => h("h2", { id: "answer-title" }, text);
const told = (title, file, ...rest) => h("div", { class: "answer-text" }, heading(title), h("p", { class: "answer-file" }, file), ...rest);

function meter(choice) {
  const { level, words, percent } = choiceSureness(choice);
  const bar = h("span", { class: "meter-bar", "aria-hidden": "true" }, h("span", {}));
  bar.firstChild.style.width = `${100 * choice.placement.score}%`;
  return h("p", { class: "meter", "data-level": level }, h("span", {}, h("strong", {}, words), percent ? ` · ${percent}` : ""), bar);
}
