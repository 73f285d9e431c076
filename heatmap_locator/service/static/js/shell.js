// Keeps the page for when the server cannot be reached, where the browser allows it (https).

export async function keepShell() {
  if (!("serviceWorker" in navigator)) return;
  try {
    await navigator.serviceWorker.register("sw.js");
    const { active } = await navigator.serviceWorker.ready;
    const loaded = performance.getEntriesByType("resource").map(({ name }) => name);
    const keep = [location.pathname, ...loaded.filter((name) => new URL(name).pathname.includes("/static/"))];
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => (document.documentElement.dataset.kept = "true");
    active.postMessage({ keep: [...new Set(keep)] }, [port2]);
  } catch {
    // Without it the page needs the server, as before.
  }
}
