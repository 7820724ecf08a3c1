// Inclusion proofs, checked by this browser: the same steps as `ledger/readers/proofs.py` and `cometbft/light.py`.
// A proof is the file that `hmchain ledger proof` writes. Its anchor is brought by whoever checks: the genesis digest,
// or the hash of a header that is trusted already.

import { big, digest, hex, same, sha256, unbase64, unhex, utf8 } from "./bytes.js";
import { headerHash, parsed, resultLeaf, signatureOf, voteBytes } from "./comet.js";
import * as merkle from "./merkle.js";
import { decode, encode } from "./msgpack.js";

const COMMIT = 2;
const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";
const EMBEDDED = "hmchain inclusion proof 1";
const COMET = "hmchain cometbft proof 1";

/** A step that does not hold. */
export class ProofError extends Error {
  /** @param {string} step the name of its words @param {Record<string, string>} [values] */
  constructor(step, values = {}) {
    super(step);
    this.values = values;
  }
}

function require(holds, step, values) {
  if (!holds) throw new ProofError(step, values);
}

/**
 * @param {string} text the file @param {string} anchor in hexadecimal @param {any} forms of what proofs hold
 * @param {(step: string, values?: Record<string, string>) => void} passed is told of each step that holds
 * @returns {Promise<{transaction: string, kind: string, code: string, height: number, time: number, sender: string, message: Uint8Array}>}
 * `message` are the bytes that were signed; none of a transaction that is malformed
 * @throws {ProofError}
 */
export async function check(text, anchor, forms, passed) {
  const file = parse(text);
  require(/^[0-9a-f]{64}$/.test(anchor), "badAnchor");
  try {
    const genesis = new Founding(value(file.genesis, { record: forms.kinds.Genesis }, forms), forms);
    const way = file.type === EMBEDDED ? embedded : comet;
    return await way(file.proof, genesis, unhex(anchor), forms, passed);
  } catch (error) {
    throw error instanceof ProofError ? error : new ProofError("malformed");
  }
}

function parse(text) {
  let file = null;
  try {
    file = JSON.parse(text);
  } catch {
    throw new ProofError("noProof");
  }
  require([EMBEDDED, COMET].includes(file?.type) && Array.isArray(file.genesis) && file.proof, "noProof");
  return file;
}

/** What stands in JSON as records have it: bytes from base64 where the form says bytes. */
function value(given, form, forms) {
  if (form === "bytes") return unbase64(given);
  if (form.list) return given.map((each) => value(each, form.list, forms));
  if (form.record) {
    const { tag, fields } = forms.records[form.record];
    const values = tag === null ? given : given.slice(1);
    if (!Array.isArray(given) || values.length !== fields.length) throw new Error("a record of another form");
    const read = fields.map(([, each], at) => value(values[at], each, forms));
    return tag === null ? read : [tag, ...read];
  }
  if (form.any) {
    if (given === null) return null;
    const isRecord = Array.isArray(given);
    const chosen = form.any.find((each) => (isRecord ? each.record || each.list : each === "bytes"));
    return value(given, chosen ?? "value", forms);
  }
  if (typeof given === "number" && !Number.isSafeInteger(given)) throw new Error("a number beyond what JSON carries");
  return given;
}

/** A field of a record by its name. */
function part(record, name, field, forms) {
  const { tag, fields } = forms.records[name];
  return record[fields.findIndex(([each]) => each === field) + (tag === null ? 0 : 1)];
}

class Founding {
  constructor(genesis, forms) {
    const name = forms.kinds.Genesis;
    const at = (field) => forms.records[name].fields.findIndex(([each]) => each === field);
    this.name = genesis[at("name")];
    const { record } = forms.records[name].fields[at("members")][1].list;
    this.members = genesis[at("members")].map((member) => ({
      organisation: part(member, record, "organisation", forms), key: part(member, record, "validator", forms),
    }));
    const origin = genesis[at("origin")];
    this.bare = [...genesis];
    if (Array.isArray(origin)) this.bare[at("origin")] = [...origin.slice(0, -1), []]; // but who agreed
  }

  async digest() {
    return digest("hmchain genesis", encode(this.bare));
  }

  async chain() {
    return `${this.name}-${base32((await this.digest()).slice(0, 10))}`;
  }
}

function base32(bytes) {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.match(/.{5}/g).map((five) => LETTERS[parseInt(five, 2)]).join("");
}

async function signed(key, signature, message) {
  try {
    const known = await crypto.subtle.importKey("raw", key, "Ed25519", false, ["verify"]);
    return await crypto.subtle.verify("Ed25519", known, signature, message);
  } catch {
    return false;
  }
}

/** See that an anchor is the genesis and enough founders signed, or that it is the header itself. */
async function anchored(anchor, genesis, hash, signers, passed) {
  if (same(anchor, hash)) {
    passed("trustedHeader");
    return;
  }
  const own = await genesis.digest();
  require(same(anchor, own), "otherGenesis", { genesis: hex(own) });
  passed("genesis", { chain: await genesis.chain() });
  const names = await signers();
  const values = { count: String(names.size), of: String(genesis.members.length) };
  require(3 * names.size > 2 * genesis.members.length, "fewFounders", values);
  passed("founders", { ...values, names: [...names].sort().join(", ") });
}

async function embedded(given, genesis, anchor, forms, passed) {
  const name = forms.kinds.InclusionProof;
  const proof = value(given, { record: name }, forms);
  const [header, commit, wire, position, count, path, receipt, receiptPath] = [
    "header", "commit", "wire", "position", "count", "path", "receipt", "receipt_path",
  ].map((field) => part(proof, name, field, forms));
  const of = (field) => part(header, "blocks.Header", field, forms);
  const hash = await digest("hmchain block", encode(header));
  await anchored(anchor, genesis, hash, async () => {
    const chain = await genesis.chain();
    require(of("chain_id") === chain, "otherChain");
    const [, , blockHash, votes, signatures] = commit;
    require(same(blockHash, hash), "otherBlock");
    require(votes.length === signatures.length, "malformed");
    const message = await digest("hmchain vote", utf8(chain), big(of("height"), 8), big(of("round"), 4), hash);
    return genuine(votes.map(([organisation, flag], at) => ({ organisation, flag, signature: signatures[at], message })), genesis);
  }, passed);
  require(await merkle.verify(wire, position, count, path, of("transactions_root")), "transactionNotUnder");
  passed("transactionUnder", { height: String(of("height")) });
  require(await merkle.verify(encode(receipt), position, count + 1, receiptPath, of("receipts_root")), "receiptNotUnder");
  return outcome(wire, receipt, Number(of("height")), Number(of("time_ms")), passed);
}

async function genuine(votes, genesis) {
  const names = new Set();
  for (const vote of votes) {
    const member = genesis.members.find((each) => each.organisation === vote.organisation);
    if (member && vote.flag === COMMIT && (await signed(member.key, vote.signature, vote.message))) names.add(vote.organisation);
  }
  return names;
}

async function comet(proof, genesis, anchor, forms, passed) {
  const { decided, following } = proof;
  const { header } = decided.signed_header;
  const wire = unbase64(decided.tx);
  const receipt = value(proof.receipt, { record: forms.kinds.Receipt }, forms);
  const followingHash = await headerHash(following.header);
  await anchored(anchor, genesis, followingHash, async () => {
    const chain = await genesis.chain();
    require(same(unhex(following.commit.block_id.hash), followingHash), "otherBlock");
    require(following.header.height === following.commit.height, "otherBlock");
    require(following.header.chain_id === chain, "otherChain");
    return genuine(await byName(following.commit, chain, genesis), genesis);
  }, passed);
  require(same(unhex(following.header.last_block_id.hash), await headerHash(header)), "otherFollows");
  const { index, total, aunts } = decided.path;
  require(await merkle.verify(await sha256(wire), index, total, aunts.map(unbase64), unhex(header.data_hash)), "transactionNotUnder");
  passed("transactionUnder", { height: String(header.height) });
  const leaf = resultLeaf(receipt[1], encode(receipt));
  require(await merkle.verify(leaf, index, total, proof.path.map(unbase64), unhex(following.header.last_results_hash)), "receiptNotUnder");
  const [seconds, nanos] = parsed(header.time);
  return outcome(wire, receipt, header.height, seconds * 1000 + Math.floor(nanos / 1e6), passed);
}

/** A commit's votes by the names of the founders whose addresses they have. */
async function byName(commit, chain, genesis) {
  const names = new Map();
  for (const { organisation, key } of genesis.members) names.set(hex((await sha256(key)).slice(0, 20)), organisation);
  return commit.signatures.map((vote) => ({
    organisation: names.get(vote.validator_address.toLowerCase()), flag: vote.block_id_flag,
    signature: signatureOf(vote), message: vote.block_id_flag === COMMIT ? voteBytes(chain, commit, vote) : new Uint8Array(),
  }));
}

/** What became of the transaction, and who sent it. */
async function outcome(wire, receipt, height, time, passed) {
  const [transaction, code] = receipt;
  require(same(transaction, await sha256(wire)), "otherReceipt");
  passed("receiptUnder", { code });
  const found = { transaction: hex(transaction), kind: "", code, height, time, sender: "", message: new Uint8Array() };
  const parts = transactionOf(wire);
  if (parts === null) {
    require(["malformed", "oversized"].includes(code), "malformedTransaction");
    return found;
  }
  const [fields, signature] = parts;
  const message = encode(fields);
  const holds = fields[1] === "ed25519" && (await signed(fields[2], signature, message));
  require(holds || code !== "ok", "unsigned");
  if (holds) passed("signature", { sender: hex(fields[2]) });
  return { ...found, kind: kindOf(fields[5]), sender: hex(fields[2]), message };
}

/** A signed transaction's fields and signature; null of bytes that are none. */
function transactionOf(wire) {
  try {
    const [fields, signature, ...more] = decode(wire);
    const [chain, algorithm, sender, nonce, expires, body, ...others] = fields;
    const isForm = [chain, algorithm].every((each) => typeof each === "string") && Number.isFinite(Number(expires));
    const isBytes = [signature, sender, nonce, body].every((each) => each instanceof Uint8Array);
    return isForm && isBytes && !more.length && !others.length ? [fields, signature] : null;
  } catch {
    return null;
  }
}

function kindOf(body) {
  try {
    return String(decode(body)[0]);
  } catch {
    return "";
  }
}
