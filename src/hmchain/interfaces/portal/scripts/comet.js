// Headers and votes of CometBFT v0.38: the protobuf that is hashed and signed (`engines/cometbft/wire.py`, `light.py`).

import { concat, unbase64, unhex, utf8 } from "./bytes.js";
import { root } from "./merkle.js";

const PRECOMMIT = 2;
const DIGESTS = [
  "last_commit_hash", "data_hash", "validators_hash", "next_validators_hash", "consensus_hash", "app_hash",
  "last_results_hash", "evidence_hash", "proposer_address",
];

function varint(value) {
  const out = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  while (rest > 0x7fn) {
    out.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  return Uint8Array.of(...out, Number(rest));
}

const none = new Uint8Array();
const number = (field, value) => (BigInt(value) ? concat(varint(field << 3), varint(value)) : none);
const message = (field, content) => concat(varint((field << 3) | 2), varint(content.length), content);
const octets = (field, content) => (content.length ? message(field, content) : none);

function fixed(field, value) {
  if (!value) return none;
  const content = new DataView(new ArrayBuffer(8));
  content.setBigInt64(0, BigInt(value), true);
  return concat(varint((field << 3) | 1), new Uint8Array(content.buffer));
}

function blockId(block) {
  const parts = concat(number(1, block.parts.total), octets(2, unhex(block.parts.hash)));
  return concat(octets(1, unhex(block.hash)), message(2, parts));
}

/** Seconds since 1970 and nanoseconds of a time as CometBFT writes it. */
export function parsed(text) {
  const found = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z$/.exec(text);
  const milliseconds = found ? Date.parse(`${found[1]}Z`) : NaN;
  if (Number.isNaN(milliseconds)) throw new Error("no time");
  return [milliseconds / 1000, Number((found[2] ?? "").padEnd(9, "0"))];
}

function timestamp(text) {
  const [seconds, nanos] = parsed(text);
  return concat(number(1, seconds), number(2, nanos));
}

/** The block's name: the root over the encoded fields of its header. @returns {Promise<Uint8Array>} */
export async function headerHash(header) {
  return root([
    concat(number(1, header.version.block), number(2, header.version.app)),
    octets(1, utf8(header.chain_id)),
    number(1, header.height),
    timestamp(header.time),
    blockId(header.last_block_id),
    ...DIGESTS.map((name) => octets(1, unhex(header[name]))),
  ]);
}

/** The bytes that a validator signed; the chain comes from whoever verifies. */
export function voteBytes(chain, commit, vote) {
  const body = concat(
    number(1, PRECOMMIT),
    fixed(2, commit.height),
    fixed(3, commit.round),
    message(4, blockId(commit.block_id)),
    message(5, timestamp(vote.timestamp)),
    octets(6, utf8(chain)),
  );
  return concat(varint(body.length), body);
}

/** A leaf under `last_results_hash`: the result of a transaction, which is its receipt. */
export const resultLeaf = (code, receipt) => concat(number(1, code === "ok" ? 0 : 1), octets(2, receipt));

/** A vote's signature. */
export const signatureOf = (vote) => unbase64(vote.signature ?? "");
