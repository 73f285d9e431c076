// Files by dropping, choosing, photographing or pasting.

import { $ } from "./dom.js";
import { t } from "./lang.js";

// As the file inputs accept them; all that the server reads.
const ENDINGS = /\.(jpg|jpeg|jpe|jfif|mpo|png|apng|webp|heic|heif|hif|avif|avifs|tif|tiff|gif|bmp|jp2|j2k|j2c|jpc|jpf|jpx|ppm|pgm|pbm|pnm|pfm|tga)$/i;

const pictures = (list) =>
  [...(list || [])].filter((file) => file.type.startsWith("image/") || ENDINGS.test(file.name));

/** A button that opens a file input, whose files go to take(files). */
export function fileButton(button, input, take) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const files = pictures(input.files);
    // Choosing the same file again should count as a change.
    input.value = "";
    if (files.length) take(files);
  });
}

let target = null;

/** Where files go that are dropped or pasted anywhere on the page: {text, take} or null. */
export function setDropTarget(next) {
  target = next;
  hideVeil();
}

let depth = 0;

function hideVeil() {
  depth = 0;
  $("drop-veil").hidden = true;
}

const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");

/** onNothing("dropped" | "pasted"): what came so holds no picture. */
export function watchDrops(onNothing) {
  addEventListener("dragenter", (event) => {
    if (!target || !hasFiles(event)) return;
    depth += 1;
    $("drop-veil-text").textContent = target.text;
    $("drop-veil").hidden = false;
  });
  addEventListener("dragleave", () => {
    depth -= 1;
    if (depth <= 0) hideVeil();
  });
  addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    // Without this the browser would leave the page to show the file.
    event.preventDefault();
    hideVeil();
    const files = pictures(event.dataTransfer.files);
    if (target && files.length) target.take(files);
    else if (target) onNothing("dropped");
  });
  addEventListener("paste", (event) => {
    // Text pasted into a field is the field's; a picture is always meant for the page.
    const files = pictures(event.clipboardData?.files).map(named);
    if (!target || document.querySelector("dialog[open]")) return;
    if (files.length) {
      event.preventDefault();
      target.take(files);
    } else if (!event.target.closest?.("input, textarea")) onNothing("pasted");
  });
}

/** Browsers call every picture of the clipboard "image.png". */
function named(file, index) {
  if (!/^image\.\w+$/i.test(file.name || "image.png")) return file;
  const time = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
  const ending = file.type.split("/")[1] || "png";
  return new File([file], `${t("file.pasted", { time })}${index ? ` (${index + 1})` : ""}.${ending}`, { type: file.type });
}
