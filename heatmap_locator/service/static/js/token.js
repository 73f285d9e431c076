// The bearer token, asked for when the server answers 401 and kept for this tab alone.

import { $ } from "./dom.js";
import { t } from "./lang.js";

const KEY = "heatmap-locator-token";
let kept = null;
let asking = null;

// A link with the token, such as a QR code's: it is kept on this device, and leaves the address bar.
const linked = /^#token=([^&/]+)/.exec(location.hash);
if (linked) {
  keep(decodeURIComponent(linked[1]), localStorage);
  history.replaceState(null, "", "#/");
}

export function token() {
  if (kept === null) {
    try {
      kept = sessionStorage.getItem(KEY) || localStorage.getItem(KEY) || "";
    } catch {
      kept = "";
    }
  }
  return kept;
}

function keep(value, storage = sessionStorage) {
  kept = value;
  try {
    sessionStorage.removeItem(KEY);
    storage.setItem(KEY, value);
  } catch {
    // Storage may be switched off: the token then lasts until the next reload.
  }
}

/**
 * Asks for a token.  Requests that fail together share one dialog.
 * Resolves to whether it is worth trying again.
 */
export function askForToken(refused) {
  if (token() && token() !== refused) return Promise.resolve(true);
  asking ||= openDialog(Boolean(refused)).finally(() => (asking = null));
  return asking;
}

function openDialog(wasRefused) {
  const dialog = $("token-dialog");
  const input = $("token-input");
  $("token-hint").textContent = t(wasRefused ? "token.refused" : "token.hint");
  input.value = "";
  return new Promise((resolve) => {
    let given = "";
    $("token-form").onsubmit = () => (given = input.value.trim());
    $("token-cancel").onclick = () => dialog.close();
    dialog.onclose = () => {
      if (given) keep(given);
      resolve(Boolean(given));
    };
    dialog.showModal();
    input.focus();
  });
}
