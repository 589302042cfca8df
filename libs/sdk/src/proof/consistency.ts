import { nodeHash } from './merkle.js';

/** A tree, by its size and root. */
export interface TreeHead {
  readonly size: bigint;
  readonly root: Uint8Array;
}

/**
 * Whether `proof` shows that the tree of `second` has the whole tree of `first` at its beginning (RFC 9162 section 2.1.4.2,
 * the algorithm for the proofs of RFC 6962 section 2.1.2).
 */
export function extendsTree(first: TreeHead, second: TreeHead, proof: readonly Uint8Array[]): boolean {
  if (first.size > second.size) return false;
  if (first.size === 0n) return proof.length === 0; // of an empty log everything is a continuation
  if (first.size === second.size) return proof.length === 0 && same(first.root, second.root);
  // Where the first tree is complete its root stands for itself.
  const [start, ...rest] = isPowerOfTwo(first.size) ? [first.root, ...proof] : proof;
  if (start === undefined) return false;
  let [position, last] = [first.size - 1n, second.size - 1n];
  while ((position & 1n) === 1n) [position, last] = [position >> 1n, last >> 1n];
  let [older, newer] = [start, start];
  for (const sibling of rest) {
    if (last === 0n) return false;
    if ((position & 1n) === 1n || position === last) {
      [older, newer] = [nodeHash(sibling, older), nodeHash(sibling, newer)];
      while ((position & 1n) === 0n && position !== 0n) [position, last] = [position >> 1n, last >> 1n];
    } else {
      newer = nodeHash(newer, sibling);
    }
    [position, last] = [position >> 1n, last >> 1n];
  }
  return last === 0n && same(older, first.root) && same(newer, second.root);
}

const isPowerOfTwo = (size: bigint): boolean => (size & (size - 1n)) === 0n;
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.from(a).equals(b);
