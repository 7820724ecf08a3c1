// Parts of a page that follow the ledger: one stream of events, which goes on where it was cut; each part is fetched anew
// by htmx when an event concerns it, and not while somebody writes in it. A page that nobody looks at holds no stream:
// browsers have few connections to one address.

const PAUSE_MS = 400;
const AGAIN_MS = 3000;
const parts = new Set();
const changed = new Set();
let waiting = 0;
let last = "";
let stream = null;

/** @param {HTMLElement} part with `data-kinds`: kinds of events, by their beginnings; none means all */
export function start(part) {
  parts.add(part);
  follow();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) stream?.abort();
  else follow();
});
addEventListener("pagehide", () => stream?.abort());

async function follow() {
  if (stream || document.hidden) return;
  stream = new AbortController();
  const { signal } = stream;
  try {
    const headers = { Accept: "text/event-stream", ...(last ? { "Last-Event-ID": last } : {}) };
    const answer = await fetch("/v1/events", { headers, signal });
    if (answer.status >= 400 && answer.status < 500) return; // nobody is let in any more: the next look leads to the door
    for await (const { id, kind } of events(answer.body)) {
      last = id || last;
      if (kind) note(kind);
    }
  } catch {
    // Cut off, or left: it goes on below.
  }
  stream = null;
  if (!document.hidden) setTimeout(follow, AGAIN_MS);
}

/** The events of a stream, as the standard has them (HTML, 9.2): blocks of lines, each with a name before a colon. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const line = (name) => block.split("\n").find((each) => each.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
      yield { id: line("id"), kind: line("event") };
    }
  }
}

function note(kind) {
  for (const part of parts) {
    if (!part.isConnected) parts.delete(part);
    else if (concerns(part, kind)) changed.add(part);
  }
  waiting ||= setTimeout(refresh, PAUSE_MS);
}

function concerns(part, kind) {
  const kinds = part.dataset.kinds.split(" ").filter(Boolean);
  return !kinds.length || kinds.some((each) => kind.startsWith(each));
}

function refresh() {
  waiting = 0;
  for (const part of changed) {
    const isBusy = part.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
    if (!isBusy && part.isConnected) window.htmx.trigger(part, "ledger");
    if (!isBusy) changed.delete(part);
  }
  if (changed.size) waiting = setTimeout(refresh, AGAIN_MS);
}
