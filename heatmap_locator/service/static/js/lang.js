// The page's words in the reader's language: one table each, in words/.

import en from "./words/en.js";

const TABLES = { en };
const wanted = (navigator.languages || ["en"]).map((tag) => tag.slice(0, 2).toLowerCase());

/** The language that the page speaks. */
export const language = wanted.find((code) => code in TABLES) || "en";

const table = TABLES[language];
const plurals = new Intl.PluralRules(language);
const numbers = new Intl.NumberFormat(language);

/** A number as it is written there. */
export const count = (n) => numbers.format(n);

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
