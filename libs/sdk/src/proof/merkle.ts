import { createHash } from 'node:crypto';

/** SHA-256(0x00 || data): the hash of a leaf (RFC 6962 section 2.1). */
export function leafHash(data: Uint8Array): Uint8Array {
  return createHash('sha256').update(Uint8Array.of(0)).update(data).digest();
}

/** SHA-256(0x01 || left || right): the hash of a node. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return createHash('sha256').update(Uint8Array.of(1)).update(left).update(right).digest();
}

/**
 * The root that a leaf at `index` of a tree of `size` leaves has with this inclusion proof (RFC 9162 section 2.1.3.2, the algorithm for the
 * proofs of RFC 6962 section 2.1.1), or `undefined` where the proof cannot be one of this place: too long, too short, index outside.
 */
export function rootOf(
  leaf: Uint8Array,
  index: bigint,
  size: bigint,
  proof: readonly Uint8Array[],
): Uint8Array | undefined {
  if (index < 0n || index >= size) return undefined;
  let position = index;
  let last = size - 1n;
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0n) return undefined;
    if ((position & 1n) === 1n || position === last) {
      hash = nodeHash(sibling, hash);
      // A last node without a right neighbour is carried up unhashed, as many levels as it stays alone.
      while ((position & 1n) === 0n && position !== 0n) [position, last] = [position >> 1n, last >> 1n];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [position, last] = [position >> 1n, last >> 1n];
  }
  return last === 0n ? hash : undefined;
}
