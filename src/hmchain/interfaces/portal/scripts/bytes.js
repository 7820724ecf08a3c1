// Bytes as texts, hashes with labels. All work on Uint8Array.

const LETTERS = "0123456789abcdef";

/** @param {Uint8Array} bytes @returns {string} */
export function hex(bytes) {
  let text = "";
  for (const byte of bytes) text += LETTERS[byte >> 4] + LETTERS[byte & 15];
  return text;
}

/** @param {string} text @returns {Uint8Array} @throws if it is no text of whole bytes */
export function unhex(text) {
  if (!/^([0-9a-f]{2})*$/i.test(text)) throw new Error("not hexadecimal");
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => parseInt(text.slice(2 * at, 2 * at + 2), 16));
}

/** @param {Uint8Array} bytes @returns {string} */
export function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** @param {string} text @returns {Uint8Array} @throws if it is no base64 */
export function unbase64(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** The same of the alphabet for addresses, without padding. */
export const unbase64url = (text) => unbase64(text.replaceAll("-", "+").replaceAll("_", "/"));

/** @param {string} text @returns {Uint8Array} */
export const utf8 = (text) => new TextEncoder().encode(text);

/** @param {...Uint8Array} parts @returns {Uint8Array} */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** @param {Uint8Array} one @param {Uint8Array} other */
export const same = (one, other) => one.length === other.length && one.every((byte, at) => byte === other[at]);

/** A number in so many bytes, the highest first. @param {number|bigint} value @param {number} count */
export function big(value, count) {
  const bytes = new Uint8Array(count);
  let rest = BigInt(value);
  for (let at = count - 1; at >= 0; at -= 1) {
    bytes[at] = Number(rest & 255n);
    rest >>= 8n;
  }
  return bytes;
}

/** SHA-256 of parts one after the other. @param {...Uint8Array} parts @returns {Promise<Uint8Array>} */
export async function sha256(...parts) {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", concat(...parts)));
}

/** As `canonical.digest`: SHA-256 over a label and parts, each with its length before it. */
export async function digest(label, ...parts) {
  const name = utf8(label);
  return sha256(big(name.length, 2), name, ...parts.flatMap((part) => [big(part.length, 8), part]));
}
