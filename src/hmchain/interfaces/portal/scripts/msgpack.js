// The one encoding of records (`canonical.py`): MessagePack of arrays, texts, bytes, whole numbers, yes and no, nothing.

import { big, concat, same, utf8 } from "./bytes.js";

const DEPTH_MAX = 32;

/** @param {unknown} value @returns {Uint8Array} */
export function encode(value) {
  if (value === null) return Uint8Array.of(0xc0);
  if (value === false) return Uint8Array.of(0xc2);
  if (value === true) return Uint8Array.of(0xc3);
  if (typeof value === "number" || typeof value === "bigint") return number(BigInt(value));
  if (value instanceof Uint8Array) return concat(head(value.length, [0, 0, 0xc4, 0xc5, 0xc6]), value);
  if (typeof value === "string") {
    const text = utf8(value);
    return concat(head(text.length, [0xa0, 31, 0xd9, 0xda, 0xdb]), text);
  }
  if (Array.isArray(value)) return concat(head(value.length, [0x90, 15, 0, 0xdc, 0xdd]), ...value.map(encode));
  throw new Error("a value that no record has");
}

/** The size of something: [short form, its most, in 1 byte, in 2, in 4]; a form of 0 there is none of. */
function head(size, [short, most, one, two, four]) {
  if (short && size <= most) return Uint8Array.of(short | size);
  if (one && size < 0x100) return Uint8Array.of(one, size);
  return size < 0x10000 ? concat([two], big(size, 2)) : concat([four], big(size, 4));
}

function number(value) {
  if (value >= 0n) {
    if (value < 0x80n) return big(value, 1);
    for (const [code, count] of [[0xcc, 1], [0xcd, 2], [0xce, 4], [0xcf, 8]]) {
      if (value < 1n << BigInt(8 * count)) return concat([code], big(value, count));
    }
  } else {
    if (value >= -32n) return big(BigInt.asUintN(8, value), 1);
    for (const [code, count] of [[0xd0, 1], [0xd1, 2], [0xd2, 4], [0xd3, 8]]) {
      if (value >= -(1n << BigInt(8 * count - 1))) return concat([code], big(BigInt.asUintN(8 * count, value), count));
    }
  }
  throw new Error("a number that no record has");
}

/**
 * A value of bytes that are its one encoding: others, which would mean the same, are refused.
 * @param {Uint8Array} bytes @returns {unknown}
 */
export function decode(bytes) {
  const reader = new Reader(bytes);
  const value = reader.value(0);
  if (!same(encode(value), bytes)) throw new Error("not the one encoding of anything");
  return value;
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
    this.texts = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  }

  take(count) {
    if (this.at + count > this.bytes.length) throw new Error("cut short");
    this.at += count;
    return this.bytes.slice(this.at - count, this.at);
  }

  size(count) {
    return Number(this.whole(count));
  }

  whole(count) {
    return this.take(count).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
  }

  text(size) {
    return this.texts.decode(this.take(size));
  }

  list(size, depth) {
    if (size > this.bytes.length) throw new Error("cut short");
    return Array.from({ length: size }, () => this.value(depth + 1));
  }

  value(depth) {
    if (depth > DEPTH_MAX) throw new Error("too deep");
    const [code] = this.take(1);
    if (code < 0x80) return code;
    if (code >= 0xe0) return code - 0x100;
    if (code >= 0x90 && code < 0xa0) return this.list(code & 15, depth);
    if (code >= 0xa0 && code < 0xc0) return this.text(code & 31);
    if (code >= 0xc4 && code <= 0xc6) return this.take(this.size(1 << (code - 0xc4)));
    if (code >= 0xcc && code <= 0xcf) return small(this.whole(1 << (code - 0xcc)));
    if (code >= 0xd0 && code <= 0xd3) {
      const count = 1 << (code - 0xd0);
      return small(BigInt.asIntN(8 * count, this.whole(count)));
    }
    if (code >= 0xd9 && code <= 0xdb) return this.text(this.size(1 << (code - 0xd9)));
    if (code === 0xdc || code === 0xdd) return this.list(this.size(code === 0xdc ? 2 : 4), depth);
    if (code === 0xc0) return null;
    if (code === 0xc2 || code === 0xc3) return code === 0xc3;
    throw new Error("a value that no record has");
  }
}

/** A number, as a bigint only where it must be. */
function small(value) {
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
}
