import { createHash } from 'node:crypto';

/** SHA-256 of a leaf, RFC 6962 section 2.1: `0x00 || line`. */
export function leafHash(line: Uint8Array): Uint8Array {
  return createHash('sha256').update(LEAF).update(line).digest();
}

/** SHA-256 of an inner node, RFC 6962 section 2.1: `0x01 || left || right`. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return createHash('sha256').update(NODE).update(left).update(right).digest();
}

/** Root of the tree without leaves: the hash of the empty string. */
export const EMPTY_ROOT: Uint8Array = createHash('sha256').digest();

/** Bytes of one hash. */
export const HASH_BYTES = 32;

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
