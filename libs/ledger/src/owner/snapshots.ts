import { BlobCorrupt, type Blobs } from '@writ/blobs';
import type { KV } from '@nats-io/kv';
import { TimeoutError } from '@nats-io/nats-core';
import type { PartitionAddress } from '../log/commit.js';
import { stateKey } from '../host/keys.js';
import { encodeSnapshot, restoreSnapshot, type Captured } from './snapshot-format.js';
import type { PartitionState } from './state.js';

const mostAttempts = 4;

/** Where the newest snapshot of a partition is. */
interface Pointer {
  commit: number;
  modelVersion: number;
  blob: string;
  bytes: number;
}

/** Snapshots are a cache: one a partition, in the object store, named by the hash of its content and verified by it. */
export class Snapshots {
  private readonly kv: KV;
  private readonly blobs: Blobs;

  constructor(kv: KV, blobs: Blobs) {
    this.kv = kv;
    this.blobs = blobs;
  }

  /** Keeps this snapshot instead of the one before. @returns its size in bytes */
  async save(address: PartitionAddress, captured: Captured): Promise<number> {
    const key = stateKey('snapshot', address);
    const before = await this.pointer(address);
    const { hash: blob, size } = await this.blobs.put(ReadableStream.from(encodeSnapshot(captured)));
    const { commit, modelVersion } = captured.header;
    await this.kv.put(key, JSON.stringify({ commit, modelVersion, blob, bytes: size } satisfies Pointer));
    if (before && before.blob !== blob) await this.blobs.delete(before.blob);
    return size;
  }

  /**
   * Fills an empty state from the newest snapshot.
   * @returns why there was none to use, or nothing when it is restored. After a reason other than `none` the state may be
   * half filled: take a new one.
   */
  async load(address: PartitionAddress, state: PartitionState): Promise<string | undefined> {
    const pointer = await insisting(() => this.pointer(address));
    if (!pointer) return 'none';
    if (pointer.modelVersion !== state.model.version) return 'none of this version';
    try {
      await restoreSnapshot(await insisting(() => this.blobs.get(pointer.blob)), state);
      return undefined;
    } catch (error) {
      return String(error);
    }
  }

  private async pointer(address: PartitionAddress): Promise<Pointer | undefined> {
    const entry = await this.kv.get(stateKey('snapshot', address));
    return entry && entry.operation === 'PUT' ? entry.json<Pointer>() : undefined;
  }
}

/**
 * In a cluster a question may go to a server that was just lost; the next one goes to another. What lacks a part may have been
 * under way when the connection broke.
 */
async function insisting<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++)
    try {
      return await ask();
    } catch (error) {
      if (attempt === mostAttempts || !(error instanceof TimeoutError || error instanceof BlobCorrupt)) throw error;
    }
}
