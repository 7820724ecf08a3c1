// Signing in: with a key of this browser, with a passkey, or with a key elsewhere whose owner copies a line and back.

import { digest, hex, unhex } from "./bytes.js";
import { api, complain, element, onSent, Refused, say } from "./dom.js";
import { all, find, KeyError, sign } from "./keyring.js";
import { encode } from "./msgpack.js";

/** @param {HTMLElement} page with `data-sign-in`: {next} */
export async function start(page) {
  const { next } = JSON.parse(page.dataset.signIn);
  const field = (id) => page.querySelector(`#${id}`);
  const done = () => {
    location.assign(next);
    return say("working");
  };
  await offerKeys(field);
  onSent(field("by-key"), async () => {
    const key = await find(field("key").value);
    if (!key) throw new KeyError("noKeys");
    const asked = await challenge(field("organisation").value.trim(), field("person").value.trim());
    return finish(asked, hex(await sign(key, await messageOf(asked))), done);
  });
  onSent(field("by-passkey"), async () => {
    const options = PublicKeyCredential.parseRequestOptionsFromJSON(await api("POST", "/v1/sign-in/passkey/options"));
    const answer = await navigator.credentials.get({ publicKey: options }).catch(() => null);
    if (!answer) throw new KeyError("noPasskey");
    await api("POST", "/v1/sign-in/passkey", { answer: answer.toJSON() });
    return done();
  });
  signElsewhere(field, done);
  await offerOthers(field);
}

async function offerKeys(field) {
  const keys = await all();
  field("key").replaceChildren(...keys.map((key) => element("option", { value: key.public }, `${key.name} · ${key.public.slice(0, 8)}`)));
  field("key").disabled = !keys.length;
  field("no-key").hidden = keys.length > 0;
  const fill = () => {
    const chosen = keys.find((key) => key.public === field("key").value);
    if (chosen) field("person").value = chosen.name;
  };
  field("key").addEventListener("change", fill);
  fill();
}

async function challenge(organisation, person) {
  const asked = await api("POST", "/v1/sign-in/challenge", { organisation, person });
  // Another page may have asked for it, to have this browser sign in there.
  if (asked.origin !== location.origin) throw new KeyError("otherOrigin");
  return asked;
}

/** The bytes that are signed, made here of what they mean (`application/access/challenges.py`). */
async function messageOf(asked) {
  const { origin, chain_id, organisation, person, challenge: random, expires_ms } = asked;
  return digest("hmchain sign-in", encode([origin, chain_id, organisation, person, unhex(random), expires_ms]));
}

async function finish(asked, signature, done) {
  const { organisation, person, challenge: random } = asked;
  await api("POST", "/v1/sign-in/key", { organisation, person, challenge: random, signature });
  return done();
}

function signElsewhere(field, done) {
  let asked = null;
  onSent(field("elsewhere"), async () => {
    if (!asked) {
      asked = await challenge(field("organisation").value.trim(), field("person-elsewhere").value.trim());
      field("line").textContent = asked.text;
      field("line-part").hidden = false;
      field("sign-in-signature").focus();
      return "";
    }
    const signature = field("sign-in-signature").value.trim().toLowerCase();
    if (!/^[0-9a-f]{128}$/.test(signature)) throw new KeyError("badSignature");
    const known = asked;
    asked = null; // it is good once
    field("line-part").hidden = true;
    return finish(known, signature, done);
  });
}

async function offerOthers(field) {
  try {
    const { ways } = await api("GET", "/v1/sign-in");
    field("by-oidc").hidden = !ways.includes("oidc");
    field("by-passkey").hidden = !ways.includes("passkey") || !window.PublicKeyCredential;
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    complain(field("ways"), error.message, error.hint);
  }
}
