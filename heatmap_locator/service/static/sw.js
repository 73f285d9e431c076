// The page itself, kept for when the server cannot be reached.  Nothing under v1 is kept: photos and
// answers are the server's.

const CACHE = "heatmap-locator-shell";
const root = new URL(self.registration.scope).pathname;
const isShell = ({ origin, pathname }) => origin === self.location.origin && (pathname === root || pathname.startsWith(`${root}static/`));

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// What a page was made of before this worker was there.
self.addEventListener("message", ({ data, ports }) => {
  const kept = caches.open(CACHE).then((cache) => cache.addAll(data.keep));
  kept.then(() => ports[0]?.postMessage("kept"), () => {});
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method === "GET" && isShell(new URL(request.url))) event.respondWith(newest(request));
});

/** The server's, so that a new version is seen at once; the kept one where it does not answer. */
async function newest(request) {
  const cache = await caches.open(CACHE);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put(request, response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    throw error;
  }
}
