// In few words what became of a piece or a photo.

import { t } from "./lang.js";
import { isNoPiece, oneOf } from "./places.js";
import { isForeign } from "./said.js";
import { choiceSureness, placeName } from "./words.js";

const FAULTS = { 0: "state.unsent", 413: "state.large", 500: "state.broken", 503: "state.unsent" };

/** {level, symbol, words, percent} of a piece or a photo. */
export function stateOf({ piece, item, choice }, puzzle) {
  if (item) {
    if (item.state === "waiting") return said("quiet", "clock", t("state.waiting"));
    if (item.state === "sending") {
      const n = Math.round(100 * item.part);
      return said("quiet", "spinner", n ? t("state.sending.part", { percent: t("percent", { n }) }) : t("state.sending"));
    }
    if (item.state === "held") return said("quiet", "clock", t("pill.held", { n: item.wait }));
    return fault(item.error);
  }
  if (piece.state === "waiting")
    return said("quiet", "spinner", piece.progress ? t("state.looking.part", piece.progress) : t("state.looking"));
  if (piece.state === "located" && !choice) return said("none", "empty", t("state.nowhere"));
  if (piece.state === "failed" || !choice) return fault(piece.error);
  const { level, percent } = choiceSureness(choice);
  const place = placeName(choice.placement, puzzle);
  if (piece.placed) return said("placed", "check", t("state.placed", { place }));
  if (choice.fitted)
    return choice.sure ? said("high", "check", t("state.fits", { place }), percent) : said("low", "question", t("state.check", { place }), percent);
  if (isForeign(piece)) return said("none", "question", t("state.foreign"));
  const few = oneOf(piece, choice);
  if (few) return said(level, "question", t("state.one.of", { n: few }), percent);
  const doubtful = level === "low" || level === "guess";
  return said(level, doubtful ? "question" : "check", doubtful ? t("state.perhaps", { place }) : place, percent);
}

function fault(error) {
  if (isNoPiece(error)) return said("none", "empty", t("state.none"));
  return said("failed", "alert", t(FAULTS[error?.status] || "state.refused"));
}

const said = (level, symbol, words, percent = "") => ({ level, symbol, words, percent });
