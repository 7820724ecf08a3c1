// Merkle trees of RFC 6962, as `merkle.py` has them.

import { same, sha256 } from "./bytes.js";

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);

/** @param {Uint8Array[]} leaves @returns {Promise<Uint8Array>} */
export async function root(leaves) {
  let level = await Promise.all(leaves.map((leaf) => sha256(LEAF, leaf)));
  if (!level.length) return sha256();
  while (level.length > 1) {
    const parents = [];
    for (let at = 0; at + 1 < level.length; at += 2) parents.push(sha256(NODE, level[at], level[at + 1]));
    if (level.length & 1) parents.push(level[level.length - 1]);
    level = await Promise.all(parents);
  }
  return level[0];
}

/**
 * Whether a leaf is number `index` of the `size` leaves under a root (RFC 9162, section 2.1.3.2).
 * @param {Uint8Array} leaf @param {number} index @param {number} size @param {Uint8Array[]} path @param {Uint8Array} top
 */
export async function verify(leaf, index, size, path, top) {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  let node = await sha256(LEAF, leaf);
  let at = 0;
  for (let last = size - 1; last > 0; last = Math.floor(last / 2), index = Math.floor(index / 2)) {
    const isRight = index % 2 === 1;
    if (!isRight && index === last) continue; // no sibling: it moves up
    const sibling = path[at];
    at += 1;
    if (sibling?.length !== 32) return false;
    node = isRight ? await sha256(NODE, sibling, node) : await sha256(NODE, node, sibling);
  }
  return at === path.length && same(node, top);
}
