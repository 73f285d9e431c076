// In few words what became of a piece or a photo.

import { t } from "./lang.js";
import { isNoPiece } from "./places.js";
import { choiceSureness, placeName } from "./words.js";

const FAULTS = { 0: "Not sent", 413: "Too large", 500: "The server failed", 503: "Not sent" };

/** {level, symbol, words, percent} of a piece or a photo. */
export function stateOf({ piece, item, choice }, puzzle) {
  if (item) {
    if (item.state === "waiting") return said("quiet", "clock", t("state.waiting"));
    if (item.state === "sending") {
      const percent = Math.round(100 * item.part);
      return said("quiet", "spinner", percent ? t("state.sending.part", { percent }) : t("state.sending"));
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
    return choice.sure ? said("high", "check", `${place}, fits`, percent) : said("low", "question", `${place}, check it`, percent);
  const doubtful = level === "low" || level === "guess";
  return said(level, doubtful ? "question" : "check", doubtful ? `${place}, perhaps` : place, percent);
}

function fault(error) {
  if (isNoPiece(error)) return said("none", "empty", "No piece found");
  return said("failed", "alert", FAULTS[error?.status] || "Could not be used");
}

const said = (level, symbol, words, percent = "") => ({ level, symbol, words, percent });
