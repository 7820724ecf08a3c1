// Parts of a page that follow the ledger: one stream of events, which resumes where it was cut; each part is fetched anew
// by htmx when an event concerns it, and not while somebody writes in it.

const parts = new Set();
const PAUSE_MS = 400;
let stream = null;
let waiting = 0;
const changed = new Set();

/** @param {HTMLElement} part with `data-kinds`: kinds of events, by their beginnings; none means all */
export function start(part) {
  parts.add(part);
  stream ??= listen();
}

function listen() {
  const opened = new EventSource("/v1/events");
  opened.addEventListener("ledger", (event) => {
    const { kind = "" } = JSON.parse(event.data);
    for (const part of parts) {
      if (!part.isConnected) parts.delete(part);
      else if (concerns(part, kind)) changed.add(part);
    }
    waiting ||= setTimeout(refresh, PAUSE_MS);
  });
  addEventListener("pagehide", () => opened.close());
  return opened;
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
}
