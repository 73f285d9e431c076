// Everything the page says that depends on numbers or errors.

/** Score from which a place is sure. */
export const SURE = 0.8;

const LEVELS = [
  [SURE, "high", "Very sure"],
  [0.55, "fair", "Fairly sure"],
  [0.3, "low", "Not sure"],
  [0, "guess", "Just a guess"],
];

/** How sure a score in 0..1 is: {level, words, percent}. */
export function sureness(score) {
  const [, level, words] = LEVELS.find(([least]) => score >= least) || LEVELS.at(-1);
  // Neither impossible nor certain, however it rounds.
  const percent = score < 0.005 ? "<1%" : score >= 0.995 ? ">99%" : `${Math.round(score * 100)}%`;
  return { level, words, percent };
}

/**
 * The same for a place among others.  Fitting says another thing than the score alone: where the two
 * differ no number stands beside the words.
 */
export function choiceSureness({ placement, fitted, sure }) {
  const alone = sureness(placement.score);
  if (!fitted) return alone;
  if (sure) return { ...alone, level: "high", words: "Fits with the others" };
  return { ...alone, level: "low", words: "Fits, but check it", percent: "" };
}

/** "Row 4, column 6", counted from 1; without a grid, the part of the picture. */
export function placeName(placement, puzzle) {
  if (placement.cell) return `Row ${placement.cell[0] + 1}, column ${placement.cell[1] + 1}`;
  const words = region(placement, puzzle);
  return words[0].toUpperCase() + words.slice(1);
}

/** "top left", "middle", ... */
export function region({ box }, { width, height }) {
  const across = (box[0] + box[2]) / 2 / width;
  const down = (box[1] + box[3]) / 2 / height;
  const side = across < 1 / 3 ? "left" : across > 2 / 3 ? "right" : "";
  const level = down < 1 / 3 ? "top" : down > 2 / 3 ? "bottom" : "";
  if (!side && !level) return "the middle";
  if (!level) return `${side} of the middle`;
  return side ? `${level} ${side}` : `${level} middle`;
}

/** The shorter way to turn a piece from how it lies in its photo: {degrees, clockwise}. */
export function turn(rotation) {
  const back = ((rotation % 360) + 360) % 360;
  return back > 180
    ? { degrees: Math.round(360 - back), clockwise: true }
    : { degrees: Math.round(back), clockwise: false };
}

export function turnWords(rotation) {
  const { degrees, clockwise } = turn(rotation);
  if (degrees < 3) return "It already lies the right way up in your photo.";
  if (degrees > 177) return "Turn it upside down from your photo.";
  return `Turn it ${degrees}° ${clockwise ? "clockwise" : "anticlockwise"} from your photo.`;
}

export const plural = (n, one, many = `${one}s`) => `${n.toLocaleString("en")} ${n === 1 ? one : many}`;

/** A file's name without its ending, as a first name for a puzzle. */
export function nameFromFile(name) {
  const bare = name.replace(/\.[^.]{1,5}$/, "").replace(/[_-]+/g, " ").trim();
  // Cameras call every picture IMG_1234: no name at all is better.
  return /^(img|dsc|pxl|image|photo|picture|scan|pasted)?[\s\d.]*$/i.test(bare) ? "" : bare.slice(0, 80);
}

export function puzzleName(puzzle) {
  return puzzle.name || "Puzzle without a name";
}

export function puzzleSize(puzzle) {
  if (puzzle.grid) return `${plural(puzzle.grid.rows * puzzle.grid.cols, "piece")}, ${puzzle.grid.rows} × ${puzzle.grid.cols}`;
  return puzzle.pieces ? plural(puzzle.pieces, "piece") : "number of pieces unknown";
}

const TITLES = {
  0: "The server does not answer",
  401: "This server asks for a token",
  403: "The server does not allow that",
  404: "That is no longer there",
  408: "Sending took too long",
  409: "Not just yet",
  413: "That file is too large",
  415: "That is not a picture this can read",
  422: "That did not work",
  429: "Too much at once",
  503: "The server is full",
  507: "The server has no room left",
};

/** An error in plain words: {title, detail}. */
export function errorWords(error) {
  const status = error.status;
  if (status === undefined)
    return { title: "Something went wrong on this page", detail: "Reload it and try again." };
  if (status === 0)
    return { title: TITLES[0], detail: "Is this device online, and is the server running? Nothing that was answered is lost." };
  const title = TITLES[status] || (status >= 500 ? "The server could not do that" : "That did not work");
  return { title, detail: sentence(error.detail || error.title) };
}

/** The server's one-line reasons start small and end bare; on the page they are sentences. */
export function sentence(text) {
  const trimmed = String(text || "").trim();
  if (!trimmed) return "";
  // A file's name stays as it is.
  const named = /^\S+\.\w{1,5}\b/.test(trimmed);
  const first = named ? trimmed : trimmed[0].toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}
