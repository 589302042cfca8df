import { EMPTY_ROOT, HASH_BYTES, nodeHash } from './hashing.js';
import { tilePath, type TileStore } from './tile-store.js';

const WIDTH = 256;
const HEIGHT = 8;
const CACHED_TILES = 512;

/**
 * An RFC 6962 Merkle tree kept as C2SP tiles: level `l` holds the hashes of subtrees of 256^l leaves, 256 to a tile.
 * Appending keeps only the right edge in memory; proofs read at most a few tiles a level. One writer.
 */
export class TileTree {
  private readonly edge: Uint8Array[][] = [];
  private readonly cache = new Map<string, Uint8Array>();
  private readonly partial = new Map<number, string>();
  private readonly stale: string[] = [];
  private leaves = 0;

  private constructor(private readonly store: TileStore) {}

  /** Opens a tree of `size` leaves whose tiles are in the store; throws where one is missing. */
  static async open(store: TileStore, size = 0): Promise<TileTree> {
    const tree = new TileTree(store);
    tree.leaves = size;
    for (let level = 0, count = size; level === 0 || count > 0; level++, count = Math.floor(count / WIDTH)) {
      const width = count % WIDTH;
      tree.edge[level] = [];
      if (width === 0) continue;
      const name = tilePath(level, Math.floor(count / WIDTH), width);
      const bytes = await store.read(name);
      if (bytes?.length !== width * HASH_BYTES)
        throw new Error(`the tile ${name} of a tree of ${size} leaves is missing or cut`);
      for (let at = 0; at < width; at++) tree.edge[level]?.push(slice(bytes, at));
      tree.partial.set(level, name);
    }
    return tree;
  }

  /** Number of leaves. */
  get size(): number {
    return this.leaves;
  }

  /** Appends leaf hashes (not leaves) in order. Full tiles are written at once; call `flush` before publishing the root. */
  async append(hashes: Iterable<Uint8Array>): Promise<void> {
    for (const hash of hashes) {
      this.leaves++;
      for (const [name, bytes] of this.push(0, hash)) {
        await this.store.write(name, bytes);
        this.cache.delete(name); // from here on what counts is what lies there
      }
    }
  }

  /**
   * Writes the partial tiles of the right edge. The narrower ones that they replace stay until `prune`, so that the tree can
   * still be opened at its size before, when the size after was never recorded.
   */
  async flush(): Promise<void> {
    for (let level = 0, count = this.leaves; count > 0; level++, count = Math.floor(count / WIDTH)) {
      const edge = this.edge[level] ?? [];
      const name = edge.length === 0 ? undefined : tilePath(level, Math.floor(count / WIDTH), edge.length);
      const before = this.partial.get(level);
      if (name === before) continue;
      if (name !== undefined) await this.store.write(name, Buffer.concat(edge));
      if (before !== undefined) this.stale.push(before);
      if (name === undefined) this.partial.delete(level);
      else this.partial.set(level, name);
    }
  }

  /** Removes the partial tiles that newer ones replaced. */
  async prune(): Promise<void> {
    for (const name of this.stale.splice(0)) await this.store.remove(name);
  }

  /** Root over the first `size` leaves. */
  async root(size = this.leaves): Promise<Uint8Array> {
    this.check(size);
    return size === 0 ? EMPTY_ROOT : this.range(0, size);
  }

  /** Hash of the leaf at `index`. */
  async leaf(index: number): Promise<Uint8Array> {
    return this.node(0, index);
  }

  /** Whether the leaves around `index` are those whose hash stands one level above, that is, whether their tile is intact. */
  async vouches(index: number): Promise<boolean> {
    const tile = Math.floor(index / WIDTH);
    if (tile >= Math.floor(this.leaves / WIDTH)) return true; // the right edge is in memory, and its root was compared
    return Buffer.from(fold(await this.hashes(0, tile))).equals(await this.node(HEIGHT, tile));
  }

  /** Audit path, RFC 6962 section 2.1.1. */
  async inclusion(index: number, size = this.leaves): Promise<Uint8Array[]> {
    this.check(size);
    if (index < 0 || index >= size) throw new RangeError(`leaf ${index} is not in a tree of ${size} leaves`);
    return this.path(index, 0, size);
  }

  /** Consistency proof between two sizes, RFC 6962 section 2.1.2. */
  async consistency(from: number, to = this.leaves): Promise<Uint8Array[]> {
    this.check(to);
    if (from < 0 || from > to) throw new RangeError(`a tree of ${to} leaves does not extend one of ${from}`);
    return from === 0 || from === to ? [] : this.subproof(from, 0, to, true);
  }

  private check(size: number): void {
    if (!Number.isSafeInteger(size) || size < 0 || size > this.leaves)
      throw new RangeError(`the tree has ${this.leaves} leaves, not ${size}`);
  }

  /** At once, so that whoever reads meanwhile sees a tree. @returns tiles that are full now; they are read before they are written */
  private push(level: number, hash: Uint8Array): [name: string, bytes: Uint8Array][] {
    const edge = (this.edge[level] ??= []);
    edge.push(hash);
    if (edge.length < WIDTH) return [];
    const name = tilePath(level, Math.floor(this.leaves / WIDTH ** (level + 1)) - 1);
    const bytes = Buffer.concat(edge);
    this.keep(name, bytes);
    this.edge[level] = [];
    return [[name, bytes], ...this.push(level + 1, fold(edge))];
  }

  private async path(index: number, low: number, high: number): Promise<Uint8Array[]> {
    if (high - low === 1) return [];
    const middle = low + split(high - low);
    return index < middle
      ? [...(await this.path(index, low, middle)), await this.range(middle, high)]
      : [...(await this.path(index, middle, high)), await this.range(low, middle)];
  }

  private async subproof(from: number, low: number, high: number, whole: boolean): Promise<Uint8Array[]> {
    if (from === high) return whole ? [] : [await this.range(low, high)];
    const middle = low + split(high - low);
    return from <= middle
      ? [...(await this.subproof(from, low, middle, whole)), await this.range(middle, high)]
      : [...(await this.subproof(from, middle, high, false)), await this.range(low, middle)];
  }

  /** Hash over the leaves [low, high), where low is a multiple of the subtree that holds them. */
  private async range(low: number, high: number): Promise<Uint8Array> {
    const count = high - low;
    const level = Math.log2(count);
    if (Number.isInteger(level)) return this.node(level, low / count);
    const middle = low + split(count);
    return nodeHash(await this.range(low, middle), await this.range(middle, high));
  }

  /** Hash of the complete subtree of 2^level leaves that is number `index` of its level. */
  private async node(level: number, index: number): Promise<Uint8Array> {
    const tileLevel = Math.floor(level / HEIGHT);
    const below = 2 ** (level % HEIGHT);
    const first = index * below;
    const tile = Math.floor(first / WIDTH);
    const hashes = await this.hashes(tileLevel, tile);
    return fold(hashes.slice(first % WIDTH, (first % WIDTH) + below));
  }

  private async hashes(level: number, tile: number): Promise<Uint8Array[]> {
    const count = Math.floor(this.leaves / WIDTH ** level);
    if (tile === Math.floor(count / WIDTH)) return this.edge[level] ?? [];
    const name = tilePath(level, tile);
    const bytes = this.cache.get(name) ?? (await this.store.read(name));
    if (bytes?.length !== WIDTH * HASH_BYTES) throw new Error(`the tile ${name} is missing or cut`);
    this.keep(name, bytes);
    return Array.from({ length: WIDTH }, (_, at) => slice(bytes, at));
  }

  private keep(name: string, bytes: Uint8Array): void {
    this.cache.set(name, bytes);
    if (this.cache.size > CACHED_TILES) this.cache.delete(this.cache.keys().next().value as string);
  }
}

/** The largest power of two below `count`. */
function split(count: number): number {
  return 2 ** Math.ceil(Math.log2(count) - 1);
}

function slice(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES);
}

/** Root of a complete subtree; the number of hashes is a power of two. */
function fold(hashes: readonly Uint8Array[]): Uint8Array {
  let level = hashes;
  while (level.length > 1) {
    const next: Uint8Array[] = [];
    for (let at = 0; at < level.length; at += 2)
      next.push(nodeHash(level[at] as Uint8Array, level[at + 1] as Uint8Array));
    level = next;
  }
  return level[0] as Uint8Array;
}
