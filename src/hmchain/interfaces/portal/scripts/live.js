// Parts of a page that follow the ledger: one stream of events, which goes on where it was cut; each part is fetched anew
// by htmx when an event concerns it, and not while somebody is at work in it. A page that nobody looks at holds no stream:
// browsers have few connections to one address.

const PAUSE_MS = 400;
const SPREAD_MS = 600;
const AGAIN_MS = 3000;
const FIELDS = "input, select, textarea";
const ASKED_ALONE = { "X-Background": "true", "HX-Request": "true" };
const parts = new Set();
const changed = new Set();
let waiting = 0;
let last = document.body.dataset.since ?? "";
let stream = null;
const kept = new Map();

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
    if ([401, 403].includes(answer.status)) return; // nobody is let in any more: the next look leads to the door
    for await (const { id, kind } of answer.ok ? events(answer.body) : []) {
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
  // Not all who look ask at the same moment.
  if (changed.size) waiting ||= setTimeout(refresh, PAUSE_MS + SPREAD_MS * Math.random());
}

function concerns(part, kind) {
  const kinds = part.dataset.kinds.split(" ").filter(Boolean);
  return !kinds.length || kinds.some((each) => kind.startsWith(each));
}

function refresh() {
  waiting = 0;
  const ready = [...changed].filter((part) => part.isConnected && !isInUse(part));
  const fetched = ready.filter((part) => part.hasAttribute("hx-get"));
  for (const part of fetched) window.htmx.trigger(part, "ledger");
  if (ready.length && !fetched.length) recount(); // else the page that comes has the counts
  for (const part of changed) if (!part.isConnected || ready.includes(part)) changed.delete(part);
  if (changed.size) waiting = setTimeout(refresh, AGAIN_MS);
}

/** Whether somebody is at work in a part: writes in it, or has begun to. */
function isInUse(part) {
  const at = document.activeElement;
  return (part.contains(at) && at.matches(FIELDS)) || [...part.querySelectorAll(FIELDS)].some(isBegun);
}

function isBegun(field) {
  if (field.options) return field.selectedIndex !== Math.max(0, [...field.options].findIndex((each) => each.defaultSelected));
  return field.value !== field.defaultValue || field.checked !== field.defaultChecked;
}

// --- what stays as it was, and what comes along ---

document.addEventListener("htmx:beforeSwap", (event) => {
  const { target } = event.detail;
  if (!parts.has(target)) return;
  if (isInUse(target)) {
    event.detail.shouldSwap = false;
    changed.add(target);
    waiting ||= setTimeout(refresh, AGAIN_MS);
    return;
  }
  const at = target.contains(document.activeElement) ? nameOf(document.activeElement) : "";
  kept.set(target.id, { at, open: [...target.querySelectorAll("details[open] > summary")].map(nameOf) });
  takeOver(event.detail.xhr.responseText, "[data-count], main > .lead, footer > .vouching");
});

document.addEventListener("htmx:afterSettle", () => {
  for (const [id, { at, open }] of kept) {
    const known = [...document.getElementById(id)?.querySelectorAll("a, button, summary") ?? []];
    for (const each of known) if (open.includes(nameOf(each))) each.parentElement.open = true;
    if (at) known.find((each) => nameOf(each) === at)?.focus({ preventScroll: true });
  }
  kept.clear();
});

/** By which a link, a button or what unfolds is known again in a part that was fetched anew. */
function nameOf(element) {
  return `${element.localName} ${element.getAttribute("href") ?? ""} ${element.closest("form")?.action ?? ""} ${element.textContent}`;
}

async function recount() {
  const answer = await fetch("/notifications", { headers: ASKED_ALONE });
  if (answer.ok) takeOver(await answer.text(), "[data-count]");
}

/** Have what stands around the parts say what a page says that was just fetched. */
function takeOver(text, selector) {
  const fetched = [...new DOMParser().parseFromString(text, "text/html").querySelectorAll(selector)];
  for (const place of document.querySelectorAll(selector)) {
    const same = fetched.find((each) => each.dataset.count === place.dataset.count && each.className === place.className);
    if (same && same.innerHTML !== place.innerHTML) place.replaceChildren(...same.childNodes);
  }
}
