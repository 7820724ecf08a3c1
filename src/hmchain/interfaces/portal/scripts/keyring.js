// The keys of this browser. A key is kept so that scripts can sign with it and not read it; beside it lies the key file,
// sealed with its passphrase, which is all that ever leaves the browser. Key files are those of `hmchain/keys.py`.

import { base64, concat, hex, unbase64, unbase64url, unhex, utf8 } from "./bytes.js";
import { scrypt } from "./scrypt.js";

const KIND = "ed25519";
const SEALED = "scrypt-aes256gcm";
const COST = { n: 32768, r: 8, p: 1, bytes: 32 };
const PKCS8 = unhex("302e020100300506032b657004220420");
const STORE = "keys";

/** What went wrong, by the name of the words that say it. */
export class KeyError extends Error {}

/**
 * @typedef {{public: string, name: string, made: number, privateKey: CryptoKey, file: string}} Kept
 * `public` in hexadecimal; `file` is the sealed key file.
 */

/** @returns {Promise<Kept[]>} */
export const all = () => transact("readonly", (store) => store.getAll());

/** @param {string} publicKey in hexadecimal @returns {Promise<Kept|undefined>} */
export const find = (publicKey) => transact("readonly", (store) => store.get(publicKey));

/** @param {string} publicKey */
export const forget = (publicKey) => transact("readwrite", (store) => store.delete(publicKey));

/** Make a key, sealed with a passphrase. @returns {Promise<Kept>} */
export async function make(name, passphrase) {
  const pair = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const seed = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey)).slice(PKCS8.length);
  return keep(name, seed, await seal(seed, passphrase));
}

/** Take a key from a key file. A file that no passphrase seals is sealed with this one. @returns {Promise<Kept>} */
export async function take(name, text, passphrase) {
  const file = parse(text);
  const seed = await open(file, passphrase);
  return keep(name, seed, file.protection === SEALED ? text : await seal(seed, passphrase));
}

/** @param {Kept} kept @param {Uint8Array} message @returns {Promise<Uint8Array>} 64 bytes */
export async function sign(kept, message) {
  return new Uint8Array(await crypto.subtle.sign("Ed25519", kept.privateKey, message));
}

/** Seal a key's seed as a key file. @param {Uint8Array} seed @param {string} passphrase @returns {Promise<string>} */
async function seal(seed, passphrase) {
  const salt = crypto.getRandomValues(new Uint8Array(16));
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const key = await passphraseKey(passphrase, salt, "encrypt");
  const body = new Uint8Array(await crypto.subtle.encrypt(cipher(iv), key, seed));
  return JSON.stringify({ kind: KIND, protection: SEALED, salt: base64(salt), nonce: base64(iv), body: base64(body) });
}

async function open(file, passphrase) {
  if (file.protection === "none") return checked(unbase64(file.body));
  try {
    const key = await passphraseKey(passphrase, unbase64(file.salt), "decrypt");
    return checked(new Uint8Array(await crypto.subtle.decrypt(cipher(unbase64(file.nonce)), key, unbase64(file.body))));
  } catch (error) {
    throw error instanceof KeyError ? error : new KeyError("wrongPassphrase");
  }
}

function checked(seed) {
  if (seed.length !== 32) throw new KeyError("noKeyFile");
  return seed;
}

function parse(text) {
  let file = null;
  try {
    file = JSON.parse(text);
  } catch {
    throw new KeyError("noKeyFile");
  }
  const texts = ["kind", "protection", "salt", "nonce", "body"];
  if (!file || !texts.every((name) => typeof file[name] === "string")) throw new KeyError("noKeyFile");
  if (file.kind !== KIND || ![SEALED, "none"].includes(file.protection)) throw new KeyError("noKeyFile");
  return file;
}

const cipher = (iv) => ({ name: "AES-GCM", iv, additionalData: utf8(KIND) });

async function passphraseKey(passphrase, salt, use) {
  return crypto.subtle.importKey("raw", await scrypt(utf8(passphrase), salt, COST), "AES-GCM", false, [use]);
}

/** Keep a key: from here on no script can read it. The seed is overwritten. */
async function keep(name, seed, file) {
  const pkcs8 = concat(PKCS8, seed);
  const readable = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", true, ["sign"]);
  const { x } = await crypto.subtle.exportKey("jwk", readable);
  const privateKey = await crypto.subtle.importKey("pkcs8", pkcs8, "Ed25519", false, ["sign"]);
  seed.fill(0);
  pkcs8.fill(0);
  const kept = { public: hex(unbase64url(x)), name, made: Date.now(), privateKey, file };
  await transact("readwrite", (store) => store.put(kept));
  return kept;
}

function transact(mode, act) {
  return new Promise((resolve, reject) => {
    const opening = indexedDB.open("hmchain", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore(STORE, { keyPath: "public" });
    opening.onerror = () => reject(new KeyError("noStore"));
    opening.onsuccess = () => {
      const database = opening.result;
      const transaction = database.transaction(STORE, mode);
      const asked = act(transaction.objectStore(STORE));
      transaction.oncomplete = () => {
        database.close();
        resolve(asked.result);
      };
      transaction.onerror = transaction.onabort = () => reject(new KeyError("noStore"));
    };
  });
}
