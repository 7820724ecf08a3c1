// Signing in the page: the transaction is read from its bytes, held against what the server says of it, shown, signed
// with the key of this browser, and sent. Nothing is signed that cannot be read, or that the page says otherwise.

import { api, complain, element, facts, Refused, say } from "./dom.js";
import { hex, unhex } from "./bytes.js";
import { find, sign } from "./keyring.js";
import { read } from "./transaction.js";

// The forms of transactions: named here, since a page that named them could have fields called what they are not.
const FORMS = new URL("./bodies.json", import.meta.url);

/** @param {HTMLElement} panel with `data-sign`: a list of {message, fields, chain_id, sender, expires_ms} */
export async function start(panel) {
  const all = JSON.parse(panel.dataset.sign);
  const place = panel.querySelector("#read");
  const known = await (await fetch(FORMS)).json();
  const read = [];
  for (const told of all) {
    const found = readable(told, known, place);
    if (!found) return;
    read.push(found);
  }
  place.replaceChildren(element("h2", {}, say("readHere")), ...read.map(shown));
  const elsewhere = panel.querySelector("#send-signature");
  elsewhere.disabled = false;
  onceAtATime(elsewhere, () => send(panel, all, panel.querySelector("#signature").value.trim().toLowerCase().split(/\s+/)));
  await offer(panel, all, place);
}

/** Offer to sign if the key is here. */
async function offer(panel, all, place) {
  const button = panel.querySelector("#sign");
  const keys = await Promise.all(all.map((told) => find(told.sender)));
  if (!keys.every(Boolean)) {
    place.append(element("p", {}, say("noKey"), " ", element("a", { href: "/keys" }, say("yourKeys"))));
    return;
  }
  button.hidden = false;
  onceAtATime(button, async () => {
    const signatures = await Promise.all(all.map((told, at) => sign(keys[at], unhex(told.message))));
    await send(panel, all, signatures.map(hex));
  });
}

function onceAtATime(button, act) {
  button.addEventListener("click", async () => {
    button.disabled = true;
    await act().finally(() => {
      button.disabled = false;
    });
  });
}

/** What a transaction asks for, if it can be read and is what the page says; else null, and it is said why. */
function readable(told, known, place) {
  let found = null;
  try {
    found = read(unhex(told.message), known);
  } catch (error) {
    complain(place, say("unreadable"), `${say("signNothing")} (${error.message})`);
    return null;
  }
  const differs = differences(found, told);
  if (!differs.length) return found;
  complain(place, say("differs", { names: differs.join(", ") }), say("signNothing"));
  return null;
}

/** What the page says otherwise than the bytes. @returns {string[]} */
function differences(found, told) {
  const differs = [];
  if (found.chain !== told.chain_id) differs.push(say("network"));
  if (found.sender !== told.sender) differs.push(say("sender"));
  if (found.expires !== told.expires_ms) differs.push(say("until"));
  found.fields.forEach(([name, value], at) => {
    if (told.fields[at]?.[0] !== name || told.fields[at]?.[1] !== value) differs.push(name);
  });
  if (told.fields.length > found.fields.length) differs.push(say("more"));
  return differs;
}

function shown(found) {
  const until = new Date(found.expires).toISOString().replace("T", " ").slice(0, 16);
  return facts([
    ...found.fields.map(([name, value]) => [name.replaceAll("_", " "), value]),
    [say("network"), found.chain],
    [say("sender"), found.sender],
    [say("until"), `${until} UTC`],
  ]);
}

/** Send all, one after the other; what is sent already counts, and is not sent again. */
async function send(panel, all, signatures) {
  const place = panel.querySelector("#signed");
  if (signatures.length !== all.length || !signatures.every((each) => /^[0-9a-f]{128}$/.test(each))) {
    complain(place, say("badSignature"));
    return;
  }
  place.replaceChildren(say("sending"));
  try {
    for (const [at, told] of all.entries()) {
      if (told.sent) continue;
      told.sent = await api("POST", panel.dataset.send, { message: told.message, signature: signatures[at] });
    }
  } catch (error) {
    complain(place, error instanceof Refused ? error.message : say("unreachable"), error.hint);
    return;
  }
  place.replaceChildren(say("sent", { digest: all.map((told) => told.sent.digest.slice(0, 16)).join(", ") }));
  panel.querySelector("#sign").hidden = true;
  panel.dispatchEvent(new CustomEvent("signed", { bubbles: true }));
  if (panel.dataset.after !== "/") location.assign(panel.dataset.after);
}
