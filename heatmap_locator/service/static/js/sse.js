// Server-sent events out of a fetch body.

/** Yields {kind, data} for each event; data is parsed JSON.  heard(): called for every byte. */
export async function* readEvents(body, heard = () => {}) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      heard();
      rest += value.replaceAll("\r", "");
      for (let end = rest.indexOf("\n\n"); end >= 0; end = rest.indexOf("\n\n")) {
        const event = parseEvent(rest.slice(0, end));
        rest = rest.slice(end + 2);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parseEvent(block) {
  let kind = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) kind = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  // A block of comments alone is a heartbeat.
  if (!data.length && kind === "message") return null;
  try {
    return { kind, data: data.length ? JSON.parse(data.join("\n")) : null };
  } catch {
    return { kind, data: data.join("\n") };
  }
}
