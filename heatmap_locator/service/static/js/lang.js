// The page's words in the reader's language: a table each, in words/.

import de from "./words/de.js";
import en from "./words/en.js";

// Another language is its table in words/, and its name here.
const TABLES = { en, de };
const KEY = "heatmap-locator-language";

/** The languages that there are: {code, name}, each named in its own. */
export const languages = Object.entries(TABLES).map(([code, { language: name }]) => ({ code, name }));

/** What somebody chose on this device before. */
function chosen() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

const wanted = [chosen(), ...(navigator.languages || []).map((tag) => tag.slice(0, 2).toLowerCase())];

/** The language that the page speaks: the one chosen here, or the browser's first that there is. */
export const language = wanted.find((code) => code && code in TABLES) || "en";

/** Has the page speak another language from now on, also when it is opened again. */
export function speak(code) {
  try {
    localStorage.setItem(KEY, code);
  } catch {
    // Storage may be switched off: the browser's language stays then.
  }
  location.reload();
}

const table = TABLES[language];
// The English here is Britain's.
const locale = language === "en" ? "en-GB" : language;
const plurals = new Intl.PluralRules(locale);
const numbers = new Intl.NumberFormat(locale);
const lists = new Intl.ListFormat(locale, { type: "disjunction" });

/** A number as it is written there. */
export const count = (n) => numbers.format(n);

/** "A, B or C". */
export const listed = (items) => lists.format(items);

/**
 * The words for a key.  {name} stands for a value; an entry with "one" and "other" goes by n.
 */
export function t(key, values = {}) {
  let text = table[key] ?? en[key];
  if (text === undefined) throw new Error(`no words for ${key}`);
  if (typeof text !== "string") text = text[plurals.select(values.n)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => {
    const value = values[name];
    return value === undefined ? whole : typeof value === "number" ? count(value) : value;
  });
}

/** A part of 1 in per cent: neither impossible nor certain, however it rounds. */
export function percent(part) {
  if (part < 0.005) return t("percent.least");
  return part >= 0.995 ? t("percent.most") : t("percent", { n: Math.round(part * 100) });
}
