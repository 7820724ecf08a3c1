// The panel in which an auditor has this browser check an inclusion proof: the page's own, or a file.

import { element, facts, onSent, say } from "./dom.js";
import { read } from "./transaction.js";
import { check, ProofError } from "./verify.js";

const REMEMBERED = "hmchain anchor";
const FORMS = [new URL("./proofs.json", import.meta.url), new URL("./bodies.json", import.meta.url)];

/** @param {HTMLElement} panel with `data-proof`: the path of the proof of `data-transaction`, or nothing */
export async function start(panel) {
  const anchor = panel.querySelector("#anchor");
  const place = panel.querySelector("#checked");
  anchor.value ||= localStorage.getItem(REMEMBERED) ?? "";
  onSent(panel.querySelector("#check"), async () => {
    const file = panel.querySelector("#proof-file").files[0];
    const text = file ? await file.text() : await (await fetch(panel.dataset.proof)).text();
    await show(place, text, anchor.value.trim().toLowerCase(), file ? "" : panel.dataset.transaction);
    return "";
  });
}

/** Check a proof, of this transaction where one is meant; and say what was signed, from the bytes that it proves. */
async function show(place, text, anchor, meant) {
  const [forms, bodies] = await Promise.all(FORMS.map(async (each) => (await fetch(each)).json()));
  const list = element("ol", { class: "checked" });
  place.replaceChildren(list);
  const passed = (step, values) => list.append(element("li", { class: "good" }, `✓ ${say(`proof.${step}`, values)}`));
  try {
    const found = await check(text, anchor, forms, passed);
    if (meant && found.transaction !== meant) throw new ProofError("otherTransaction", { digest: found.transaction });
    const told = facts([
      [say("proof.transaction"), found.transaction], [say("proof.kind"), found.kind], [say("proof.code"), found.code],
      [say("proof.block"), String(found.height)], [say("proof.time"), new Date(found.time).toISOString()],
      [say("sender"), found.sender], ...signed(found.message, bodies),
    ]);
    localStorage.setItem(REMEMBERED, anchor);
    place.prepend(element("p", { class: "verdict" }, element("span", { class: "badge good" }, `✓ ${say("proof.holds")}`)));
    place.append(told);
  } catch (error) {
    const step = error instanceof ProofError ? error.message : "malformed";
    list.append(element("li", { class: "bad" }, `✕ ${say(`proof.${step}`, error.values)}`));
    place.prepend(element("p", { class: "verdict" }, element("span", { class: "badge bad" }, `✕ ${say("proof.fails")}`)));
  }
}

/** Every field of what was signed; nothing of what nobody can read, which the ledger refused. */
function signed(message, bodies) {
  try {
    return read(message, bodies).fields.slice(1).map(([name, value]) => [name.replaceAll("_", " "), value]);
  } catch {
    return [];
  }
}
