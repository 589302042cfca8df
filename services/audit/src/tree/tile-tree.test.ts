import { describe, expect, test } from '@jest/globals';
import { leafHash, nodeHash, EMPTY_ROOT } from './hashing.js';
import { MemoryTileStore, tilePath } from './tile-store.js';
import { TileTree } from './tile-tree.js';

const leaf = (index: number) => leafHash(Buffer.from(`event ${index}`));
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

/** The definition of RFC 6962 section 2.1, without any of the tree's shortcuts. */
function mth(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return leaves[0] as Uint8Array;
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return nodeHash(mth(leaves.slice(0, k)), mth(leaves.slice(k)));
}

/** RFC 9162 section 2.1.3.2. */
function rootFromInclusion(index: number, size: number, hash: Uint8Array, proof: readonly Uint8Array[]): Uint8Array {
  let [fn, sn, r] = [index, size - 1, hash];
  for (const p of proof) {
    if (sn === 0) throw new Error('the proof is too long');
    if (fn % 2 === 1 || fn === sn) {
      r = nodeHash(p, r);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else r = nodeHash(r, p);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  if (sn !== 0) throw new Error('the proof is too short');
  return r;
}

/** RFC 9162 section 2.1.4.2. */
function consistent(
  first: number,
  second: number,
  one: Uint8Array,
  two: Uint8Array,
  path: readonly Uint8Array[],
): boolean {
  if (first === second) return path.length === 0 && hex(one) === hex(two);
  const proof = Number.isInteger(Math.log2(first)) ? [one, ...path] : [...path];
  let [fn, sn] = [first - 1, second - 1];
  while (fn % 2 === 1) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  let fr = proof[0] as Uint8Array;
  let sr = fr;
  for (const c of proof.slice(1)) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      [fr, sr] = [nodeHash(c, fr), nodeHash(c, sr)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
    } else sr = nodeHash(sr, c);
    [fn, sn] = [Math.floor(fn / 2), Math.floor(sn / 2)];
  }
  return sn === 0 && hex(fr) === hex(one) && hex(sr) === hex(two);
}

describe('the tree of tiles', () => {
  test('has the root that the RFC defines, at every size up to 600', async () => {
    const tree = await TileTree.open(new MemoryTileStore());
    const leaves: Uint8Array[] = [];
    for (let size = 0; size <= 600; size++) {
      if (size % 37 === 0 || (size > 250 && size < 262) || (size > 510 && size < 515))
        expect(hex(await tree.root())).toBe(hex(mth(leaves)));
      leaves.push(leaf(size));
      await tree.append([leaf(size)]);
    }
  });

  test('proves the inclusion of every leaf', async () => {
    const tree = await TileTree.open(new MemoryTileStore());
    await tree.append(Array.from({ length: 523 }, (_, index) => leaf(index)));
    for (const size of [1, 2, 255, 256, 257, 511, 523]) {
      const root = hex(await tree.root(size));
      for (let index = 0; index < size; index += 7)
        expect(hex(rootFromInclusion(index, size, leaf(index), await tree.inclusion(index, size)))).toBe(root);
    }
  });

  test('proves that every size extends every smaller one', async () => {
    const tree = await TileTree.open(new MemoryTileStore());
    await tree.append(Array.from({ length: 300 }, (_, index) => leaf(index)));
    for (const to of [2, 13, 256, 257, 300])
      for (let from = 1; from <= to; from += 5)
        expect(consistent(from, to, await tree.root(from), await tree.root(to), await tree.consistency(from, to))).toBe(
          true,
        );
  });

  test('is the same after it was closed and opened at any size', async () => {
    const store = new MemoryTileStore();
    const leaves = Array.from({ length: 66_000 }, (_, index) => leaf(index));
    let tree = await TileTree.open(store);
    let at = 0;
    for (const size of [1, 255, 256, 300, 65_535, 65_536, 65_537, 66_000]) {
      await tree.append(leaves.slice(at, size));
      await tree.flush();
      const root = hex(await tree.root());
      tree = await TileTree.open(store, size);
      expect(hex(await tree.root())).toBe(root);
      at = size;
    }
    expect(hex(await tree.root())).toBe(hex(mth(leaves)));
  });

  test('opens at its size before, as long as the size after was not made final', async () => {
    const store = new MemoryTileStore();
    const tree = await TileTree.open(store);
    await tree.append([leaf(0), leaf(1), leaf(2)]);
    await tree.flush();
    await tree.append(Array.from({ length: 600 }, (_, index) => leaf(index + 3)));
    await tree.flush();
    const before = await TileTree.open(store, 3);
    expect(hex(await before.root())).toBe(hex(mth([leaf(0), leaf(1), leaf(2)])));
    await tree.prune();
    await expect(TileTree.open(store, 3)).rejects.toThrow('tile/0/000.p/3');
    expect(hex(await (await TileTree.open(store, 603)).root())).toBe(hex(await tree.root()));
  });

  test('is read while it grows, at every size', async () => {
    const leaves = Array.from({ length: 520 }, (_, index) => leaf(index));
    class SlowStore extends MemoryTileStore {
      override async write(name: string, bytes: Uint8Array): Promise<void> {
        expect(hex(await tree.root())).toBe(hex(mth(leaves.slice(0, tree.size))));
        await super.write(name, bytes);
      }
    }
    const tree = await TileTree.open(new SlowStore());
    await tree.append(leaves);
    expect(hex(await tree.root())).toBe(hex(mth(leaves)));
  });

  test('refuses to open where a tile is missing', async () => {
    const store = new MemoryTileStore();
    const tree = await TileTree.open(store);
    await tree.append([leaf(0), leaf(1)]);
    await tree.flush();
    await store.remove('tile/0/000.p/2');
    await expect(TileTree.open(store, 2)).rejects.toThrow('tile/0/000.p/2');
  });

  test('names tiles as C2SP does', () => {
    expect(tilePath(0, 1234067)).toBe('tile/0/x001/x234/067');
    expect(tilePath(1, 0, 8)).toBe('tile/1/000.p/8');
  });
});
