import { RecordBroken } from '../record/record-broken.js';
import type { Record } from '../record/record.js';
import type { TileTree } from '../tree/tile-tree.js';
import type { TileStore } from '../tree/tile-store.js';
import { openCheckpoint, signCheckpoint, type NoteKey } from './note.js';

/** A signed tree head and the tree below it. */
export interface Checkpoint {
  /** The signed note. */
  readonly note: string;
  readonly size: number;
  readonly root: Uint8Array;
}

/** How far each partition had gone into the record when a checkpoint was signed (`scheduler/07` to commit). */
export type Heads = Record['heads'];

/**
 * Signs tree heads and keeps the newest one, in memory and beside the tiles: `checkpoint` (C2SP tlog-tiles) and `heads`. What
 * was signed binds: a tree that does not extend it is not signed.
 */
export class Checkpoints {
  private current: Checkpoint | undefined;
  private tree: TileTree | undefined;
  private failure: unknown;

  constructor(
    readonly key: NoteKey,
    private readonly files: TileStore,
  ) {}

  /**
   * What was signed last, by an earlier process too.
   * @throws RecordBroken `forked` where the file is not one that this key has signed
   */
  async kept(): Promise<{ size: number; root: Uint8Array; heads: Heads } | undefined> {
    const note = await this.files.read('checkpoint');
    if (note === undefined) return undefined;
    const signed = openCheckpoint(Buffer.from(note).toString(), this.key.verifier);
    if (!signed) throw new RecordBroken('forked', `the checkpoint on disk was not signed by ${this.key.verifier}`);
    const heads = await this.files.read('heads');
    return { ...signed, heads: heads === undefined ? {} : (JSON.parse(Buffer.from(heads).toString()) as Heads) };
  }

  /** @throws RecordBroken where the ledger's record is shorter than what was signed */
  async mayExtend({ size }: Pick<Record, 'size'>): Promise<void> {
    const kept = await this.kept();
    if (kept && kept.size > size)
      throw new RecordBroken(
        'rolled_back',
        `a checkpoint of ${kept.size} leaves was signed, and the ledger's record ends at leaf ${size}: the ledger was set back`,
      );
  }

  /** Signs the tree. @throws RecordBroken where it does not extend what was signed before */
  async publish(tree: TileTree, heads: Heads): Promise<void> {
    const { size } = tree;
    const root = await tree.root(size);
    const before = this.current ?? (await this.kept());
    if (before && (before.size > size || !Buffer.from(await tree.root(before.size)).equals(before.root)))
      throw new RecordBroken(
        'forked',
        `a checkpoint of ${before.size} leaves was signed, and the ledger's record of ${size} leaves does not extend it`,
      );
    const note = signCheckpoint(this.key, size, root);
    await this.files.write('heads', Buffer.from(JSON.stringify(heads)));
    await this.files.write('checkpoint', Buffer.from(note));
    this.current = { note, size, root };
    this.tree = tree;
    this.failure = undefined;
  }

  failed(error: unknown): void {
    this.failure = error;
  }

  /** Why nothing is signed any more. */
  get broken(): RecordBroken | undefined {
    return this.failure instanceof RecordBroken ? this.failure : undefined;
  }

  /** The newest checkpoint with its tree; undefined before the first one, and where sealing has failed. */
  latest(): { checkpoint: Checkpoint; tree: TileTree } | undefined {
    if (!this.current || !this.tree || this.failure !== undefined) return undefined;
    return { checkpoint: this.current, tree: this.tree };
  }
}
