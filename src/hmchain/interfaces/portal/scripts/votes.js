// Signing what somebody says of items in quarantine: the bytes are made here of what the page shows (`Vote.message`).

import { digest, hex, unhex, utf8 } from "./bytes.js";
import { complain, say } from "./dom.js";
import { find, sign } from "./keyring.js";

/** @param {HTMLFormElement} form with `data-votes`, `data-sender`, a field `signatures` */
export async function start(form) {
  const told = form.querySelector("[data-told]");
  const key = await find(form.dataset.sender);
  if (!key) {
    complain(told, say("noKey"));
    return;
  }
  const button = form.querySelector("button");
  button.disabled = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const votes = JSON.parse(form.dataset.votes);
    const signatures = [];
    for (const vote of votes) signatures.push(hex(await sign(key, await message(vote))));
    form.elements.signatures.value = signatures.join(" ");
    form.submit(); // asks no listener again: what Chromium is asked to request in here it does not send
  });
}

/** The bytes that somebody signs of an item. @returns {Promise<Uint8Array>} */
function message({ item, dataset, version, reason, state, reviewer, at, regions }) {
  const parts = [dataset, version, reason, state, reviewer, at, regions].map(utf8);
  return digest("hmchain review", unhex(item), ...parts);
}
