import { createHash } from 'node:crypto';
import { jetstream, jetstreamManager, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { headers, type NatsConnection } from '@nats-io/nats-core';
import { Objm, StorageType, type ObjectStore } from '@nats-io/obj';
import { chunkSubject, readChunks, writeChunks, type Stored } from './chunks.js';

/** What a blob is called: `sha256:` and 64 hex digits of its content. */
export type BlobHash = `sha256:${string}`;

export interface BlobRef {
  hash: BlobHash;
  /** Bytes. */
  size: number;
}

export interface BlobsOptions {
  /** Default `blobs`. */
  bucket?: string;
  /** Copies in a cluster. Default 1. */
  replicas?: number;
  /** How long an answer of the broker is waited for; default 5 s. */
  patienceMs?: number;
}

/** There is no blob of this hash. */
export class BlobNotFound extends Error {
  override readonly name = 'BlobNotFound';
  readonly hash: string;

  constructor(hash: string) {
    super(`there is no blob ${hash}`);
    this.hash = hash;
  }
}

/** What the store gave back is not what was put. */
export class BlobCorrupt extends Error {
  override readonly name = 'BlobCorrupt';
  readonly hash: string;

  constructor(hash: string, found: string) {
    super(`blob ${hash} came back as ${found}: the store changed it or lost a part of it`);
    this.hash = hash;
  }
}

/** A bucket is made at the start of everything, together with all streams, and that goes to the disk. */
const makeTimeoutMs = 20_000;

/** Content-addressed storage on the JetStream object store. A hash is all the address and all the proof that a blob has. */
export class Blobs {
  private readonly js: JetStreamClient;
  private readonly jsm: JetStreamManager;
  private readonly store: ObjectStore;
  private readonly bucket: string;

  private constructor(js: JetStreamClient, jsm: JetStreamManager, store: ObjectStore, bucket: string) {
    this.js = js;
    this.jsm = jsm;
    this.store = store;
    this.bucket = bucket;
  }

  /** Opens the bucket and makes it where it is missing. The connection stays the caller's. */
  static async open(nc: NatsConnection, options: BlobsOptions = {}): Promise<Blobs> {
    const { bucket = 'blobs', replicas = 1, patienceMs } = options;
    const use = { checkAPI: false, ...(patienceMs !== undefined && { timeout: patienceMs }) };
    const [patient, js] = [jetstream(nc, { timeout: makeTimeoutMs, checkAPI: false }), jetstream(nc, use)];
    await new Objm(patient).create(bucket, { storage: StorageType.File, replicas });
    const jsm = await jetstreamManager(nc, use);
    return new Blobs(js, jsm, await new Objm(js).open(bucket, false), bucket);
  }

  /** Stores what is not there yet; the same content twice is one blob. A stream is read once and never held in memory. */
  async put(content: Uint8Array | ReadableStream<Uint8Array>): Promise<BlobRef> {
    if (content instanceof Uint8Array) {
      const hash = hashOf(content);
      if (await this.has(hash)) return { hash, size: content.length };
      return this.write(ReadableStream.from([content]));
    }
    return this.write(content);
  }

  /** @throws BlobNotFound @throws BlobCorrupt */
  async get(hash: string): Promise<Uint8Array> {
    const info = await this.find(hash);
    const content = new Uint8Array(info.size);
    let at = 0;
    for await (const chunk of this.verified(hash, info)) {
      content.set(chunk, at);
      at += chunk.length;
    }
    return content;
  }

  /**
   * The content, as fast as it is read. It is verified at its end: a corrupt blob errors the stream with
   * {@link BlobCorrupt} after its last chunk, so act on a streamed blob only once the stream has closed.
   * @throws BlobNotFound
   */
  async stream(hash: string): Promise<ReadableStream<Uint8Array>> {
    return ReadableStream.from(this.verified(hash, await this.find(hash))) as ReadableStream<Uint8Array>;
  }

  async has(hash: string): Promise<boolean> {
    const info = await this.store.info(nameOf(hash));
    return info !== null && !info.deleted;
  }

  /** Size in bytes. @throws BlobNotFound */
  async size(hash: string): Promise<number> {
    return (await this.find(hash)).size;
  }

  /** Forgets a blob; nothing happens when it is not there. Only for who knows that no one else refers to it. */
  async delete(hash: string): Promise<void> {
    if (await this.has(hash)) await this.store.delete(nameOf(hash));
  }

  /** The name is the hash, which is known at the end: what was written is named then, or purged where that content has come before. */
  private async write(content: ReadableStream<Uint8Array>): Promise<BlobRef> {
    const { sha256, ...stored } = await writeChunks(this.js, this.jsm, this.bucket, content);
    const hash: BlobHash = `sha256:${sha256}`;
    if (!(await this.name(sha256, stored)))
      await this.jsm.streams.purge(`OBJ_${this.bucket}`, { filter: chunkSubject(this.bucket, stored.nuid) });
    return { hash, size: stored.size };
  }

  /** As the object store names what it stores. @returns false where there is an object of this name */
  private async name(name: string, { nuid, chunks, size }: Stored): Promise<boolean> {
    const there = await this.store.info(name);
    if (there !== null && !there.deleted) return false;
    const digest = `SHA-256=${base64Url(Buffer.from(name, 'hex'))}`;
    const info = {
      name,
      bucket: this.bucket,
      nuid,
      chunks,
      size,
      digest,
      mtime: new Date().toISOString(),
      deleted: false,
    };
    const first = headers();
    first.set('Nats-Rollup', 'sub');
    first.set('Nats-Expected-Last-Subject-Sequence', `${there?.revision ?? 0}`);
    try {
      await this.js.publish(`$O.${this.bucket}.M.${base64Url(Buffer.from(name))}`, JSON.stringify(info), {
        headers: first,
      });
      return true;
    } catch (error) {
      if (await this.has(`sha256:${name}`)) return false; // somebody was first, with the same
      throw error;
    }
  }

  private async find(hash: string): Promise<Stored> {
    const info = await this.store.info(nameOf(hash));
    if (info === null || info.deleted) throw new BlobNotFound(hash);
    return info;
  }

  private async *verified(hash: string, info: Stored): AsyncGenerator<Uint8Array> {
    const digest = createHash('sha256');
    for await (const chunk of readChunks(this.js, this.jsm, this.bucket, info)) {
      digest.update(chunk);
      yield chunk;
    }
    const found = digest.digest('hex');
    if (found !== nameOf(hash)) throw new BlobCorrupt(hash, `sha256:${found}`);
  }
}

/** The hash that content is stored under. */
export function hashOf(content: Uint8Array): BlobHash {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

function nameOf(hash: string): string {
  if (!/^sha256:[0-9a-f]{64}$/.test(hash)) throw new TypeError(`'${hash.slice(0, 80)}' is not a blob's hash`);
  return hash.slice(7);
}

/** With padding, as the object store has it. */
function base64Url(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
