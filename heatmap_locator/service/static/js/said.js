// What the server says of files, pieces and photos, which it says in English, in the reader's words.

import { language, percent, t } from "./lang.js";

// A line of the server without its file's name, the key of the words for it, what they name of it.
const LINES = [
  [/^looks mirrored: /, "doubt.mirrored"],
  [/^probably not of this picture$/, "doubt.foreign"],
  [/^perhaps not of this picture: too plain/, "doubt.plain"],
  [/^perhaps not of this picture$/, "doubt.perhaps"],
  [/^its outline runs off the photo$/, "doubt.edge"],
  [/^(\d+)% of it shows no print$/, "doubt.hidden", "n"],
  [/^a shadow's edge lies across it$/, "doubt.shadow"],
  [/^cut short, its last/, "doubt.short"],
  [/no finished part of the picture found/, "said.undone"],
  [/^no piece found: this is the whole picture/, "said.whole"],
  [/^no piece found: this is ([\d.]+) by ([\d.]+) pieces large/, "said.many", "across", "down"],
  [/^no piece found/, "said.no-piece"],
  [/not an image that can be read|cannot be read as an image/, "said.other"],
  [/^the file is empty/, "said.empty"],
  [/^the (image data|header of this [\w ]+ file) is damaged/, "said.damaged"],
  [/is over the limit of \d+ million pixels/, "said.pixels"],
  [/pixels is too small; at least (\d+) on each side/, "said.small", "n"],
  [/^the piece is fully transparent/, "said.clear"],
  [/^larger than the limit of ([\d.]+) MB/, "said.bytes", "n"],
  [/^a \d+x\d+ grid leaves ([\d.]+) pixels a piece/, "said.grid", "n"],
  [/^(\d+) pieces (?:are over this server's|is over the) limit/, "said.limit", "n"],
  [/^no such (puzzle|piece)|^the puzzle (has been|was) deleted/, "said.gone"],
  [/^the storage is full/, "said.storage"],
];

// What is known of a doubt besides its words.
const FOREIGN = /^probably not of this picture$/;

/** A line as a sentence: the server's own where the table has no other. */
export function said(line) {
  const text = String(line || "").trim();
  if (!text) return "";
  // A file's name stands before the reason, and beside it on the page.
  const reason = text.replace(/^.*?\.\w{1,5}: /, "");
  for (const [pattern, key, ...names] of LINES) {
    const found = pattern.exec(reason);
    if (found) return t(key, Object.fromEntries(names.map((name, index) => [name, Number(found[index + 1])])));
  }
  return language === "en" ? sentence(text) : t("said.server", { text: sentence(text) });
}

/** What is odd about a piece's photo, as sentences; what is probably of another puzzle comes first. */
export function doubts({ doubts: lines, foreign }) {
  return lines.map((line) => (FOREIGN.test(line) && foreign !== null ? t("foreign", { percent: percent(foreign) }) : said(line)));
}

/** Whether a piece is probably of another puzzle, or no piece of any. */
export const isForeign = ({ doubts: lines }) => lines.some((line) => FOREIGN.test(line));

/** The server's one-line reasons start small and end bare; on the page they are sentences. */
function sentence(text) {
  // A file's name stays as it is.
  const named = /^\S+\.\w{1,5}\b/.test(text);
  const first = named ? text : text[0].toUpperCase() + text.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
