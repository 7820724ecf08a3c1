"use strict";

// Keys, selection, windowing and rectangles. Every page works without: links, forms and buttons do the same.
const root = document.body.dataset.root;
const one = (selector) => document.querySelector(selector);
const all = (selector) => Array.from(document.querySelectorAll(selector));
const picture = one("#picture");
const cards = all(".card");
const help = one("#help");
const words = JSON.parse(document.body.dataset.words);
const texts = JSON.parse(document.body.dataset.texts);
let current = -1;

async function ask(path, fields) {
  const body = fields && new URLSearchParams(fields);
  const answer = await fetch(root + path, { method: body ? "POST" : "GET", body, headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

/** A text of the page's, with values in its places. */
function say(name, values = {}) {
  return texts[name].replace(/\{(\w+)\}/g, (_, place) => values[place]);
}

function showMarks(found) {
  one("#marks").textContent = found.marks;
  one("#apply").disabled = one("#undo").disabled = !found.total;
}

// What a key did to nothing is said: it can only be rejected, say.
function showUnmarked(found, state, meant) {
  const left = state ? meant - found.changed : 0;
  one("#progress").textContent = left > 0 ? say("unmarked", { count: left }) : "";
}

function showState(element, state) {
  for (const known of Object.keys(words).filter(Boolean)) element.classList.toggle(known, known === state);
}

function shown(card) {
  return card.dataset.number;
}

// --- marking ---

// One after the other, in the order of the keys: what was pressed last counts.
let marking = Promise.resolve();

function mark(state) {
  const todo = one("#mark") ? markItem : markCards;
  const meant = todo === markCards ? chosenCards() : null;
  marking = marking.then(() => todo(state, meant)).catch((error) => {
    one("#progress").textContent = error.message;
  });
}

function chosenCards() {
  const chosen = cards.filter((card) => card.querySelector("input").checked);
  const meant = chosen.length ? chosen : cards.filter((_, index) => index === current);
  for (const card of chosen) card.querySelector("input").checked = false;
  if (!chosen.length) move(1);
  return meant;
}

async function markItem(state) {
  const form = one("#mark");
  const fields = new URLSearchParams(new FormData(form));
  if (picture) fields.set("regions", written(rectangles));
  fields.set("state", state);
  const scope = one("#scope");
  const label = scope.selectedOptions[0].textContent;
  if (scope.value !== "item" && state && !window.confirm(say("mark", { words: words[state] || state, what: label }))) return;
  const isUnused = state === "released" && rectangles.length;
  if (isUnused && !window.confirm(say("whole"))) return;
  const found = await ask("mark", fields);
  showMarks(found);
  showUnmarked(found, state, scope.value === "item" ? 1 : 0);
  const number = form.elements.number.value;
  const now = found.states[number] || "";
  const badge = one("#state");
  badge.textContent = words[now] || say("none");
  showState(badge, now);
  if (state && now && scope.value === "item") one("#after")?.click();
}

async function markCards(state, meant) {
  const whole = one("#whole");
  const isWhole = whole?.checked;
  if (isWhole) {
    whole.checked = false;
    if (!window.confirm(say("mark", { words: words[state] || state || say("none"), what: say("filter") }))) return;
    meant = cards.slice(0, 1);
  }
  if (!meant.length) return;
  const fields = new URLSearchParams(isWhole ? { state, scope: "filter", filter: whole.value } : { state });
  for (const card of meant) fields.append("number", shown(card));
  for (const card of cards) fields.append("shown", shown(card));
  const found = await ask("mark", fields);
  showMarks(found);
  showUnmarked(found, state, isWhole ? 0 : meant.length);
  for (const card of cards) {
    const now = found.states[shown(card)] || "";
    showState(card, now);
    card.querySelector(".mark").textContent = words[now];
  }
}

// --- applying ---

one("#tray").addEventListener("submit", async (event) => {
  event.preventDefault();
  const isUndo = event.submitter?.id === "undo";
  await marking;
  showMarks(await ask("state")); // another tab may have marked more
  const meant = one("#marks").textContent;
  if (one("#apply").disabled) return;
  if (!window.confirm(say(isUndo ? "undo" : "decide", { meant }))) return;
  await follow(await ask(isUndo ? "undo" : "apply", {}));
});

async function follow(found) {
  while (found.running) {
    one("#progress").textContent = say("running", found);
    await new Promise((resolve) => setTimeout(resolve, 300));
    found = await ask("state");
  }
  showMarks(found);
  window.sessionStorage.setItem("said", found.said.join(" "));
  window.location.assign(gallery());
}

if (one("#tray").dataset.running) ask("state").then(follow);
window.addEventListener("pageshow", (event) => event.persisted && window.location.reload());

const said = window.sessionStorage.getItem("said");
if (said) {
  one("#progress").textContent = said;
  window.sessionStorage.removeItem("said");
}

// --- the gallery ---

// Where in it the reviewer was: from an item, or a decision, back to there.
function gallery() {
  const kept = window.sessionStorage.getItem("gallery");
  return kept?.startsWith(root) ? kept : root;
}

function selectAll() {
  const boxes = cards.map((card) => card.querySelector("input"));
  const isAll = boxes.every((box) => box.checked);
  for (const box of boxes) box.checked = !isAll;
}

function move(by) {
  if (!cards.length) return;
  current = Math.min(Math.max(current + by, 0), cards.length - 1);
  cards.forEach((card, index) => card.classList.toggle("current", index === current));
  cards[current].querySelector("a").focus();
}

if (cards.length || one("#filter")) {
  window.sessionStorage.setItem("gallery", window.location.pathname + window.location.search);
  const last = window.sessionStorage.getItem("item");
  const at = cards.findIndex((card) => shown(card) === last);
  if (at >= 0) move(at + 1);
} else if (one("#mark")) {
  window.sessionStorage.setItem("item", one("#mark").elements.number.value);
}
if (one("#back")) one("#back").href = gallery();

// --- the picture: frames, window, rectangles ---

let rectangles = [];
let view = null;

function read(text) {
  return text.split(" ").filter(Boolean).map((part) => part.split(",").map(Number));
}

function written(list) {
  return list.map((each) => each.map(Math.round).join(",")).join(" ");
}

function fit() {
  const aspect = Number(picture.dataset.columns) / Number(picture.dataset.rows);
  const room = Math.min(picture.parentElement.clientWidth, window.innerHeight * 0.68 * aspect);
  picture.style.width = `${Math.max(room, 120)}px`;
  draw();
}

function draw(extra) {
  const canvas = one("#drawing");
  const image = one("#frame");
  canvas.width = image.clientWidth;
  canvas.height = image.clientHeight;
  const scale = image.clientWidth / Number(picture.dataset.columns);
  const pen = canvas.getContext("2d");
  pen.lineWidth = 2;
  for (const [left, top, width, height] of read(picture.dataset.found)) {
    pen.strokeStyle = "#e69f00";
    pen.setLineDash([6, 4]);
    pen.strokeRect(left * scale, top * scale, width * scale, height * scale);
  }
  pen.setLineDash([]);
  for (const [left, top, width, height] of extra ? [...rectangles, extra] : rectangles) {
    pen.fillStyle = "#000c";
    pen.strokeStyle = "#d55e00";
    pen.fillRect(left * scale, top * scale, width * scale, height * scale);
    pen.strokeRect(left * scale, top * scale, width * scale, height * scale);
  }
}

let waiting = false;
let wanted = false;

function show() {
  if (waiting) {
    wanted = true;
    return;
  }
  waiting = true;
  const index = Number(one("#index")?.value || 0);
  const window_ = picture.dataset.grey ? `?centre=${view.centre}&width=${view.width}` : "";
  const output = one("#shown");
  if (output) output.textContent = say("frame", { number: index + 1, of: picture.dataset.frames });
  one("#frame").src = `../frame/${picture.dataset.number}/${index}${window_}`;
  const other = one("#other");
  if (other) other.src = `../other/${picture.dataset.number}/${index}${window_}`;
}

function loaded() {
  waiting = false;
  draw();
  if (wanted) {
    wanted = false;
    show();
  }
}

function rewindow(centre, width) {
  view = { centre, width: Math.max(width, 1) };
  show();
}

function at(event) {
  const box = one("#frame").getBoundingClientRect();
  const scale = Number(picture.dataset.columns) / box.width;
  const inside = (value, most) => Math.min(Math.max(Math.round(value * scale), 0), most);
  return [
    inside(event.clientX - box.left, Number(picture.dataset.columns)),
    inside(event.clientY - box.top, Number(picture.dataset.rows)),
  ];
}

function between([x, y], [u, v]) {
  return [Math.min(x, u), Math.min(y, v), Math.abs(x - u), Math.abs(y - v)];
}

if (picture) {
  const start = () => ({ centre: Number(picture.dataset.centre), width: Number(picture.dataset.width) });
  view = start();
  rectangles = read(picture.dataset.regions);
  const image = one("#frame");
  image.addEventListener("load", loaded);
  image.addEventListener("error", loaded);
  fit();
  window.addEventListener("resize", fit);
  one("#index")?.addEventListener("input", show);
  one("#forget").addEventListener("click", () => {
    rectangles = [];
    draw();
  });
  one("#take-found")?.addEventListener("click", takeFound);
  let from = null;
  let before = null;
  picture.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    picture.setPointerCapture(event.pointerId);
    from = event.shiftKey ? [event.clientX, event.clientY] : at(event);
    before = event.shiftKey ? { ...view } : null;
  });
  picture.addEventListener("pointermove", (event) => {
    if (!from) return;
    if (before) {
      const step = Number(picture.dataset.width) / 300;
      rewindow(before.centre + (event.clientY - from[1]) * step, before.width + (event.clientX - from[0]) * step);
    } else draw(between(from, at(event)));
  });
  picture.addEventListener("pointerup", (event) => {
    if (from && !before) {
      const made = between(from, at(event));
      if (made[2] > 2 && made[3] > 2) rectangles.push(made);
      draw();
    }
    from = before = null;
  });
  window.keys = { reset: () => rewindow(start().centre, start().width) };
}

function takeFound() {
  rectangles = [...rectangles, ...read(picture.dataset.found)];
  draw();
}

function step(by) {
  const index = one("#index");
  if (!index) return;
  index.value = Number(index.value) + by;
  show();
}

one("#mark")?.addEventListener("submit", (event) => {
  event.preventDefault();
  mark(event.submitter?.value ?? "");
});

one("#cards-mark")?.addEventListener("submit", (event) => {
  event.preventDefault();
  mark(event.submitter?.value ?? "");
});
one("#select")?.addEventListener("click", selectAll);

// --- keys ---

const keys = {
  j: () => (cards.length ? move(1) : one("#after")?.click()),
  k: () => (cards.length ? move(-1) : one("#before")?.click()),
  r: () => mark("released"),
  t: () => mark("taken"),
  x: () => mark("rejected"),
  u: () => mark(""),
  b: () => !picture ? cards.length && mark("found") : (rectangles.length ? mark("blanked") : (one("#progress").textContent = "Draw a rectangle first.")),
  f: () => picture && takeFound(),
  "[": () => step(-1),
  "]": () => step(1),
  w: () => picture && rewindow(view.centre, view.width * 1.25),
  W: () => picture && rewindow(view.centre, view.width / 1.25),
  c: () => picture && rewindow(view.centre + view.width / 10, view.width),
  C: () => picture && rewindow(view.centre - view.width / 10, view.width),
  0: () => picture && window.keys.reset(),
  "/": () => one("#filter select")?.focus(),
  n: () => one("#more")?.click(),
  A: () => one("#apply").click(),
  "?": () => (help.open ? help.close() : help.showModal()),
  Escape: () => !help.open && one("#back")?.click(),
  Enter: () => cards[Math.max(current, 0)]?.querySelector("a").click(),
  a: selectAll,
  " ": () => {
    const box = cards[current]?.querySelector("input");
    if (box) box.checked = !box.checked;
  },
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("select, input:not([type=checkbox])")) return;
  if (event.key === " " && (event.target.matches("button, input, pre") || !cards.length)) return;
  if (event.key === "Enter" && event.target !== document.body) return; // it does what is in focus
  const todo = keys[event.key];
  if (!todo) return;
  event.preventDefault();
  todo();
});

one("#close-help").addEventListener("click", () => help.close());
document.body.dataset.ready = "1";
for (const select of all("#filter select")) select.addEventListener("change", () => one("#filter").requestSubmit());
