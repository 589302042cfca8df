import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Where tiles lie. Paths are those of C2SP tlog-tiles, relative: `tile/0/x001/067` or `tile/1/000.p/8`. */
export interface TileStore {
  read(name: string): Promise<Uint8Array | undefined>;
  write(name: string, bytes: Uint8Array): Promise<void>;
  remove(name: string): Promise<void>;
  /** An empty store beside this one, for a tree that is built again and has to be looked at first. */
  beside(): Promise<TileStore>;
  /** Takes the tiles of one that `beside` gave, in place of its own. */
  adopt(other: TileStore): Promise<void>;
}

/** Tiles as files, in the layout that any static web server can serve. A file appears whole or not at all. */
export class DiskTileStore implements TileStore {
  constructor(private readonly folder: string) {}

  async read(name: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(path.join(this.folder, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    const file = path.join(this.folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(`${file}.new`, bytes);
    await rename(`${file}.new`, file);
  }

  async remove(name: string): Promise<void> {
    await rm(path.join(this.folder, name), { force: true, recursive: true });
  }

  async beside(): Promise<TileStore> {
    await this.remove('rebuilt');
    return new DiskTileStore(path.join(this.folder, 'rebuilt'));
  }

  async adopt(other: TileStore): Promise<void> {
    if (!(other instanceof DiskTileStore)) throw new TypeError('only tiles of the same kind can be adopted');
    await this.remove('tile');
    await mkdir(path.join(other.folder, 'tile'), { recursive: true }); // of a tree without leaves
    await rename(path.join(other.folder, 'tile'), path.join(this.folder, 'tile'));
    await this.remove('rebuilt');
  }
}

/** Tiles in memory: the fake for tests of what stands above. */
export class MemoryTileStore implements TileStore {
  private readonly tiles = new Map<string, Uint8Array>();

  async read(name: string): Promise<Uint8Array | undefined> {
    return this.tiles.get(name);
  }

  async write(name: string, bytes: Uint8Array): Promise<void> {
    this.tiles.set(name, Uint8Array.from(bytes));
  }

  async remove(name: string): Promise<void> {
    for (const key of this.tiles.keys()) if (key === name || key.startsWith(`${name}/`)) this.tiles.delete(key);
  }

  async beside(): Promise<TileStore> {
    return new MemoryTileStore();
  }

  async adopt(other: TileStore): Promise<void> {
    if (!(other instanceof MemoryTileStore)) throw new TypeError('only tiles of the same kind can be adopted');
    await this.remove('tile');
    for (const [name, bytes] of other.tiles) this.tiles.set(name, bytes);
  }
}

/** Path of a tile (C2SP tlog-tiles): groups of three digits, all but the last with an `x`. `width` only where it is partial. */
export function tilePath(level: number, index: number, width = 256): string {
  const groups = [String(index % 1000).padStart(3, '0')];
  for (let rest = Math.floor(index / 1000); rest > 0; rest = Math.floor(rest / 1000))
    groups.unshift(`x${String(rest % 1000).padStart(3, '0')}`);
  return `tile/${level}/${groups.join('/')}${width === 256 ? '' : `.p/${width}`}`;
}
