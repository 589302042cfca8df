import { AsyncLocalStorage } from 'node:async_hooks';
import { WritError } from '../errors/errors.js';

/** Where bytes lie that are kept beside the record. */
export interface StoredAt {
  /** `sha256:…`; also of the line that binds them to their tenant, so it is not the hash of the bytes alone. */
  readonly hash: string;
  readonly sizeBytes: number;
}

/**
 * Bytes that a step gave as a stream. It is a small value like any other: kept in the state of a loop, given to another step, to a child, returned. What
 * it stands for is read by iterating it, in a step, or outside by who has the result of a run.
 */
export interface Stored extends StoredAt, AsyncIterable<Uint8Array> {}

export type ReadStored = (at: StoredAt) => AsyncIterable<Uint8Array>;

const readers = new AsyncLocalStorage<ReadStored>();

/** What this code iterates is read so. */
export function readingWith<T>(read: ReadStored, code: () => T): T {
  return readers.run(read, code);
}

/** The handle of stored bytes. */
export class StoredBytes implements Stored {
  readonly hash: string;
  readonly sizeBytes: number;
  readonly #read: ReadStored | undefined;

  constructor({ hash, sizeBytes }: StoredAt, read?: ReadStored) {
    this.hash = hash;
    this.sizeBytes = sizeBytes;
    this.#read = read;
    Object.freeze(this);
  }

  /** @throws WritError `run.nested` in the function of a workflow, where a replay would read again */
  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const read = this.#read ?? readers.getStore();
    if (!read)
      throw new WritError('stored bytes are read inside a step', {
        code: 'run.nested',
        hint: 'give them to a step as they are, and iterate them there',
      });
    return read({ hash: this.hash, sizeBytes: this.sizeBytes })[Symbol.asyncIterator]();
  }
}

/** Whether this is to be stored and not recorded. */
export function isByteStream(value: unknown): value is AsyncIterable<Uint8Array> {
  if (typeof value !== 'object' || value === null || value instanceof StoredBytes) return false;
  return typeof (value as Partial<AsyncIterable<unknown>>)[Symbol.asyncIterator] === 'function';
}
