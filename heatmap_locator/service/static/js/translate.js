// The words of index.html and of the manifest, which name keys of the table.

import { $, h } from "./dom.js";
import { language, languages, speak, t } from "./lang.js";

// Attributes that hold words, by the name in data- that holds their key.
const ATTRIBUTES = { tLabel: "aria-label", tTitle: "title", tAlt: "alt", tContent: "content" };

/** Fills the page in, in the reader's language. */
export function translatePage() {
  document.documentElement.lang = language;
  document.title = t("app.title");
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  for (const [name, attribute] of Object.entries(ATTRIBUTES)) {
    const selector = `[data-${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}]`;
    for (const element of document.querySelectorAll(selector)) element.setAttribute(attribute, t(element.dataset[name]));
  }
  offerLanguages($("language"));
  // The file itself is in English.
  if (language !== "en") translateManifest();
}

function offerLanguages(select) {
  const options = languages.map(({ code, name }) => h("option", { value: code, lang: code, selected: code === language }, name));
  select.replaceChildren(...options);
  select.addEventListener("change", () => speak(select.value));
}

/** The app is installed under its name in the reader's language. */
async function translateManifest() {
  const link = document.querySelector("link[rel=manifest]");
  try {
    const manifest = await (await fetch(link.href)).json();
    const absolute = (path) => new URL(path, link.href).href;
    for (const key of ["start_url", "scope"]) manifest[key] = absolute(manifest[key]);
    for (const icon of manifest.icons) icon.src = absolute(icon.src);
    Object.assign(manifest, { lang: language, name: t("app.title"), short_name: t("app.short"), description: t("app.about") });
    link.href = `data:application/manifest+json,${encodeURIComponent(JSON.stringify(manifest))}`;
  } catch {
    // Without the server it is installed under its English name.
  }
}
