import { hash } from 'node:crypto';

/** Bytes of one hash. */
export const HASH_BYTES = 32;

const LEAF = 0;
const NODE = 1;
const lineFeed = 10;

/** SHA-256 of a leaf, RFC 6962 section 2.1: `0x00 || line`. */
export function leafHash(line: Uint8Array): Uint8Array {
  return sha256(Buffer.concat([Uint8Array.of(LEAF), line]));
}

/** The leaf of each line of a commit. Its line feeds become the bytes that a leaf begins with, so nothing is put together for each. */
export function leafHashes(body: Uint8Array): Uint8Array[] {
  const leaves = Buffer.allocUnsafe(body.length + 1);
  leaves[0] = lineFeed;
  leaves.set(body, 1);
  const hashes: Uint8Array[] = [];
  for (let start = 0; start !== -1;) {
    leaves[start] = LEAF;
    const end = leaves.indexOf(lineFeed, start);
    hashes.push(sha256(leaves.subarray(start, end === -1 ? leaves.length : end)));
    start = end;
  }
  return hashes;
}

const pair = Buffer.alloc(1 + 2 * HASH_BYTES);
pair[0] = NODE;

/** SHA-256 of an inner node, RFC 6962 section 2.1: `0x01 || left || right`. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return sha256(pair);
}

/** Root of the tree without leaves: the hash of the empty string. */
export const EMPTY_ROOT: Uint8Array = sha256(new Uint8Array(0));

/** In one call into native code: a hash object costs more than hashing a line does. */
function sha256(bytes: Uint8Array): Uint8Array {
  return hash('sha256', bytes, 'buffer');
}
