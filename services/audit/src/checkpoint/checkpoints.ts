import type { TileTree } from '../tree/tile-tree.js';
import type { TileStore } from '../tree/tile-store.js';
import { signCheckpoint, type NoteKey } from './note.js';

/** A signed tree head and the tree below it. */
export interface Checkpoint {
  /** The signed note. */
  readonly note: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** Signs tree heads and keeps the newest one, in memory and beside the tiles (`checkpoint`, C2SP tlog-tiles). */
export class Checkpoints {
  private current: Checkpoint | undefined;
  private tree: TileTree | undefined;
  private failure: unknown;

  constructor(
    readonly key: NoteKey,
    private readonly files: TileStore,
  ) {}

  async publish(tree: TileTree): Promise<void> {
    const { size } = tree;
    const root = await tree.root(size);
    const note = signCheckpoint(this.key, size, root);
    await this.files.write('checkpoint', Buffer.from(note));
    this.current = { note, size, root };
    this.tree = tree;
    this.failure = undefined;
  }

  failed(error: unknown): void {
    this.failure = error;
  }

  /** The newest checkpoint with its tree; undefined before the first one, and where sealing has failed. */
  latest(): { checkpoint: Checkpoint; tree: TileTree } | undefined {
    if (!this.current || !this.tree || this.failure !== undefined) return undefined;
    return { checkpoint: this.current, tree: this.tree };
  }
}
