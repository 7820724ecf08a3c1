"use strict";

// Pointing at a chart shows the nearest row of the table behind it; nothing here is needed to read the page.
const tip = document.getElementById("tip");

function hide() {
  tip.hidden = true;
  document.querySelectorAll(".cursor.on").forEach((line) => line.classList.remove("on"));
}

function show(event, rows, heads, places, drawing) {
  const box = drawing.getBoundingClientRect();
  const x = ((event.clientX - box.left) / box.width) * drawing.viewBox.baseVal.width;
  let nearest = 0;
  places.forEach((place, index) => {
    if (Math.abs(place - x) < Math.abs(places[nearest] - x)) nearest = index;
  });
  const cells = rows[nearest].cells;
  const lines = Array.from(cells, (cell, index) => `${heads[index].textContent}: ${cell.textContent}`);
  tip.textContent = lines.slice(0, 14).join("\n") + (lines.length > 14 ? "\n…" : "");
  tip.hidden = false;
  const left = Math.min(event.clientX + 16, window.innerWidth - tip.offsetWidth - 8);
  const top = Math.min(event.clientY + 16, window.innerHeight - tip.offsetHeight - 8);
  tip.style.left = `${Math.max(8, left)}px`;
  tip.style.top = `${Math.max(8, top)}px`;
  const cursor = drawing.querySelector(".cursor");
  cursor.setAttribute("x1", places[nearest]);
  cursor.setAttribute("x2", places[nearest]);
  cursor.classList.add("on");
}

document.querySelectorAll("figure.chart").forEach((figure) => {
  const drawing = figure.querySelector(".drawing svg[data-x]");
  if (drawing) {
    const rows = figure.querySelectorAll("tbody tr");
    const heads = figure.querySelectorAll("thead th");
    const places = drawing.dataset.x.split(" ").map(Number);
    drawing.addEventListener("pointermove", (event) => show(event, rows, heads, places, drawing));
    drawing.addEventListener("pointerleave", hide);
  }
  const lines = figure.querySelectorAll(".drawing [data-series]");
  figure.querySelectorAll(".legend [data-series]").forEach((entry) => {
    const dim = (only) => lines.forEach((line) => line.classList.toggle("dim", only !== null && line.dataset.series !== only));
    entry.addEventListener("pointerenter", () => dim(entry.dataset.series));
    entry.addEventListener("pointerleave", () => dim(null));
  });
});

// The navigation marks the section being read.
const links = new Map(Array.from(document.querySelectorAll("nav a"), (link) => [link.hash.slice(1), link]));
const reading = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    links.forEach((link) => link.removeAttribute("aria-current"));
    links.get(entry.target.id)?.setAttribute("aria-current", "true");
  }
}, { rootMargin: "-20% 0px -70% 0px" });
document.querySelectorAll("main > section").forEach((part) => reading.observe(part));
