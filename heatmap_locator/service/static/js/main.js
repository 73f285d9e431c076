// Starts the page and shows the view that the address names.

import { Problem, whenBusy } from "./api.js";
import { CornersView } from "./corners.js";
import { $ } from "./dom.js";
import { setDropTarget, watchDrops } from "./drop.js";
import { HomeView } from "./home.js";
import { t } from "./lang.js";
import { clearNotices, notice, showBusy, showError } from "./notices.js";
import { PuzzleView } from "./puzzle.js";
import { keepShell } from "./shell.js";
import { translatePage } from "./translate.js";

translatePage();
const home = new HomeView(go);
const puzzle = new PuzzleView(go);
const corners = new CornersView(go);
let current = null;

/** #/  #/new  #/puzzle/ID  #/puzzle/ID/piece/PIECE  #/puzzle/ID/together  #/puzzle/ID/corners */
function route() {
  const [first, id, part, detail] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  if (first === "puzzle" && id)
    return part === "corners" ? [corners, "view-corners", id] : [puzzle, "view-puzzle", id, part, detail];
  return first === "new" && home.picture ? [home, "view-setup", "setup"] : [home, "view-home", "home"];
}

function go(hash, { replace = false } = {}) {
  if (replace) {
    history.replaceState(null, "", hash);
    show();
  } else if (location.hash === hash) show();
  else location.hash = hash;
}

async function show() {
  const [view, section, ...where] = route();
  const key = `${section}/${where[0]}`;
  if (current?.key === key) return;
  const first = current === null;
  current?.view.leave();
  current = { view, key };
  clearNotices();
  setDropTarget(null);
  for (const element of document.querySelectorAll(".view")) element.hidden = element.id !== section;
  $("bar-puzzle").hidden = $("bar-actions").hidden = section !== "view-puzzle";
  document.body.dataset.view = section;
  document.title = t("app.title");
  if (!first) {
    scrollTo(0, 0);
    // Whoever reads the page by ear learns that it changed.
    $(section).querySelector("h1")?.focus({ preventScroll: true });
  }
  try {
    await view.enter(...where);
  } catch (error) {
    if (error.name === "AbortError" || current.key !== key) return;
    if (error.status === 0 || error.status >= 500) return failed(error, key);
    showError(error);
    if (error instanceof Problem && (error.status === 404 || error.status === 422) && view !== home) {
      current = null;
      history.replaceState(null, "", "#/");
      await show();
      notice(t("puzzle.gone"), t("puzzle.gone.text"));
    }
  }
}

/** The view could not be loaded: it is tried again on request, and when the device is online again. */
function failed(error, key) {
  const again = () => {
    removeEventListener("online", again);
    if (current?.key !== key) return;
    current.view.leave();
    current = null;
    show();
  };
  addEventListener("online", again);
  showError(error, { action: { label: t("again"), run: again } });
}

whenBusy(showBusy);
addEventListener("hashchange", show);
addEventListener("unhandledrejection", (event) => showError(event.reason));
keepShell();
watchDrops((how) => notice(t("error.picture"), t(`error.picture.${how}`)));
show();
