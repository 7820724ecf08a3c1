// scrypt (RFC 7914), which browsers lack, on their PBKDF2: what a passphrase gives takes time and memory to guess.

/**
 * @param {Uint8Array} passphrase @param {Uint8Array} salt
 * @param {{n: number, r: number, p: number, bytes: number}} cost
 * @returns {Promise<Uint8Array>}
 */
export async function scrypt(passphrase, salt, { n, r, p, bytes }) {
  const blocks = await pbkdf2(passphrase, salt, p * 128 * r);
  const view = new DataView(blocks.buffer);
  for (let part = 0; part < p; part += 1) {
    const words = Uint32Array.from({ length: 32 * r }, (_, at) => view.getUint32(4 * (part * 32 * r + at), true));
    mix(words, n, r).forEach((word, at) => view.setUint32(4 * (part * 32 * r + at), word, true));
  }
  return pbkdf2(passphrase, blocks, bytes);
}

async function pbkdf2(passphrase, salt, bytes) {
  const key = await crypto.subtle.importKey("raw", passphrase, "PBKDF2", false, ["deriveBits"]);
  return new Uint8Array(await crypto.subtle.deriveBits({ name: "PBKDF2", hash: "SHA-256", salt, iterations: 1 }, key, 8 * bytes));
}

/** scryptROMix, section 5. */
function mix(start, n, r) {
  const size = 32 * r;
  const kept = new Uint32Array(n * size);
  let x = start;
  let y = new Uint32Array(size);
  for (let step = 0; step < n; step += 1) {
    kept.set(x, step * size);
    blockMix(x, y, r);
    [x, y] = [y, x];
  }
  for (let step = 0; step < n; step += 1) {
    const from = (x[size - 16] & (n - 1)) * size;
    for (let at = 0; at < size; at += 1) x[at] ^= kept[from + at];
    blockMix(x, y, r);
    [x, y] = [y, x];
  }
  return x;
}

/** scryptBlockMix, section 4: from `x` into `y`. */
function blockMix(x, y, r) {
  const block = x.slice(32 * r - 16);
  for (let part = 0; part < 2 * r; part += 1) {
    for (let at = 0; at < 16; at += 1) block[at] ^= x[16 * part + at];
    salsa(block);
    y.set(block, 16 * ((part >> 1) + (part & 1) * r));
  }
}

/** Salsa20/8, section 3. */
function salsa(block) {
  const x = block.slice();
  const turn = (to, one, other, by) => {
    const sum = (x[one] + x[other]) | 0;
    x[to] ^= (sum << by) | (sum >>> (32 - by));
  };
  const quarter = (a, b, c, d) => {
    turn(b, a, d, 7);
    turn(c, b, a, 9);
    turn(d, c, b, 13);
    turn(a, d, c, 18);
  };
  for (let round = 0; round < 8; round += 2) {
    quarter(0, 4, 8, 12); quarter(5, 9, 13, 1); quarter(10, 14, 2, 6); quarter(15, 3, 7, 11);
    quarter(0, 1, 2, 3); quarter(5, 6, 7, 4); quarter(10, 11, 8, 9); quarter(15, 12, 13, 14);
  }
  for (let at = 0; at < 16; at += 1) block[at] += x[at];
}
