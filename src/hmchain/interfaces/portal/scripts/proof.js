// The panel in which an auditor has this browser check an inclusion proof: the page's own, or a file.

import { element, facts, onSent, say } from "./dom.js";
import { check } from "./verify.js";

const REMEMBERED = "hmchain anchor";

/** @param {HTMLElement} panel with `data-proof` (the path of a proof, or nothing) and `data-forms` */
export async function start(panel) {
  const anchor = panel.querySelector("#anchor");
  const place = panel.querySelector("#checked");
  anchor.value ||= localStorage.getItem(REMEMBERED) ?? "";
  onSent(panel.querySelector("#check"), async () => {
    const file = panel.querySelector("#proof-file").files[0];
    const text = file ? await file.text() : await (await fetch(panel.dataset.proof)).text();
    await show(place, text, anchor.value.trim().toLowerCase(), await (await fetch(panel.dataset.forms)).json());
    return "";
  });
}

async function show(place, text, anchor, forms) {
  const steps = [];
  const list = element("ol", { class: "checked" });
  place.replaceChildren(list);
  const passed = (step, values) => {
    steps.push(step);
    list.append(element("li", { class: "good" }, `✓ ${say(`proof.${step}`, values)}`));
  };
  try {
    const found = await check(text, anchor, forms, passed);
    localStorage.setItem(REMEMBERED, anchor);
    place.prepend(element("p", { class: "verdict" }, element("span", { class: "badge good" }, `✓ ${say("proof.holds")}`)));
    place.append(facts([
      [say("proof.transaction"), found.transaction], [say("proof.kind"), found.kind], [say("proof.code"), found.code],
      [say("proof.block"), String(found.height)], [say("proof.time"), new Date(found.time).toISOString()],
      [say("sender"), found.sender],
    ]));
  } catch (error) {
    list.append(element("li", { class: "bad" }, `✕ ${say(`proof.${error.message}`, error.values)}`));
    place.prepend(element("p", { class: "verdict" }, element("span", { class: "badge bad" }, `✕ ${say("proof.fails")}`)));
  }
}
