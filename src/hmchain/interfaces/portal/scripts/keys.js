// The page of the keys in this browser: make one, take one from a file, save its file, hand it to an officer, forget it.

import { base64, digest, unhex, utf8 } from "./bytes.js";
import { element, onSent, save, say } from "./dom.js";
import { all, forget, KeyError, make, sign, take } from "./keyring.js";

const PASSPHRASE_LETTERS_MIN = 12;
const FILE_BYTES_MAX = 4096;

/** @param {HTMLElement} page with `data-keys`: {chain_id, organisation} */
export async function start(page) {
  const here = JSON.parse(page.dataset.keys);
  const field = (id) => page.querySelector(`#${id}`);
  onSent(field("make"), async () => {
    const passphrase = field("passphrase").value;
    if (passphrase.length < PASSPHRASE_LETTERS_MIN) throw new KeyError("shortPassphrase");
    if (passphrase !== field("again").value) throw new KeyError("unlikePassphrases");
    return added(page, here, await make(field("name").value.trim(), passphrase));
  });
  onSent(field("take"), async () => {
    const [file] = field("key-file").files;
    if (file.size > FILE_BYTES_MAX) throw new KeyError("noKeyFile");
    return added(page, here, await take(field("take-name").value.trim(), await file.text(), field("take-passphrase").value));
  });
  await list(page, here);
}

async function added(page, here, kept) {
  page.querySelectorAll("form").forEach((form) => form.reset());
  await list(page, here);
  return say("kept", { name: kept.name });
}

async function list(page, here) {
  const place = page.querySelector("#kept");
  const keys = await all();
  if (!keys.length) {
    place.replaceChildren(element("p", { class: "empty" }, say("noKeys")));
    return;
  }
  place.replaceChildren(...keys.sort((one, other) => one.made - other.made).map((key) => card(page, here, key)));
}

function card(page, here, key) {
  const file = button("saveFile", () => save(`${key.name}.key`, `${key.file}\n`));
  const officer = button("saveCard", async () => save(`${key.name}.json`, await officersFile(here, key)));
  const made = element("div", { class: "panel key", "data-public": key.public },
    element("h3", {}, key.name),
    element("p", {}, element("code", {}, key.public)),
    element("p", { class: "quiet" }, say("made", { day: new Date(key.made).toISOString().slice(0, 10) })),
    element("p", {}, file, " ", here.chain_id ? officer : ""),
    here.chain_id ? element("p", {}, element("a", { href: `/accept/${key.name}/${key.public}` }, say("accept"))) : "",
  );
  const sure = element("details", { class: "confirm" }, element("summary", {}, say("forget")));
  sure.append(element("div", {}, element("p", {}, say("forgetSure")), button("forgetYes", async () => {
    await forget(key.public);
    await list(page, here);
    page.querySelector("#kept").focus();
  })));
  made.append(sure);
  return made;
}

function button(words, act) {
  const made = element("button", { type: "button" }, say(words));
  made.addEventListener("click", act);
  return made;
}

/** What an officer needs of a key: it, and the proof that somebody holds it (`application/site/exchanged.py`). */
async function officersFile(here, key) {
  const { chain_id, organisation } = here;
  const proof = await sign(key, await digest("hmchain person key", utf8(chain_id), utf8(organisation), utf8(key.name), unhex(key.public)));
  const card = { chain_id, organisation, person: key.name, key: base64(unhex(key.public)), proof: base64(proof) };
  return `${JSON.stringify(card, null, 1)}\n`;
}
