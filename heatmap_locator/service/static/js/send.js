// Sends a form and tells how far it is, which fetch cannot.

/**
 * Resolves to {status, body (parsed JSON or {}), retryAfter (seconds or null)}; status 0 where the
 * connection broke.  progress(part): 0..1 of the body has left.
 */
export function sendForm(path, form, { method = "POST", headers = {}, progress = () => {}, signal } = {}) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const stop = () => request.abort();
    request.open(method, path);
    request.responseType = "text";
    for (const [key, value] of Object.entries(headers)) request.setRequestHeader(key, value);
    request.upload.addEventListener("progress", ({ loaded, total }) => total && progress(loaded / total));
    request.addEventListener("abort", () => reject(new DOMException("aborted", "AbortError")));
    request.addEventListener("loadend", () => {
      signal?.removeEventListener("abort", stop);
      const wait = Number(request.getResponseHeader("Retry-After"));
      resolve({ status: request.status, body: parsed(request.responseText), retryAfter: wait > 0 ? wait : null });
    });
    if (signal?.aborted) return stop();
    signal?.addEventListener("abort", stop, { once: true });
    request.send(form);
  });
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    // A proxy in between may answer in HTML: the status has to do.
    return {};
  }
}
