import { ChainBroken, type Commit, type Follower, type Ledger, type Logger, type PartitionHandle } from '@writ/ledger';
import { partitionsOf, type Actor } from '@writ/ledger/domain';
import type { Checkpoints } from '../checkpoint/checkpoints.js';
import { leafHashes } from '../tree/hashing.js';
import { TileTree } from '../tree/tile-tree.js';
import type { TileStore } from '../tree/tile-store.js';
import { BatchReader } from './batch-reader.js';
import type { Batch, Sealed } from './record.events.js';
import { RecordBroken } from './record-broken.js';
import type { RecordModel } from './record-model.js';
import { RECORD, partitionKey, type Record, type RecordCommand } from './record.js';
import type { SealedCommits } from './sealed-commits.js';

/** At least from one seal to the next. */
const SEAL_EVERY_MS = 1_000;
/** Commits are fetched so often at most, from all partitions at the same moment; it takes this long until all are here. */
const GATHER_MS = 200;
const SETTLE_MS = 30;
/** Leaves that wait before reading stops until they are sealed. */
const MAX_WAITING = 50_000;
const ACTOR: Actor = { principal: 'audit', kind: 'service' };

/** The record's only writer: reads every partition in order and turns commits into leaves, checkpoint after checkpoint. */
export class Sequencer {
  private readonly waiting: Commit[] = [];
  private waitingLeaves = 0;
  private readonly followers: Follower[] = [];
  private due: NodeJS.Timeout | undefined;
  private sealedMs = -SEAL_EVERY_MS;
  private sealing: Promise<void> = Promise.resolve();
  private tree: TileTree | undefined;
  private started = false;
  private stopped = false;

  constructor(
    private readonly parts: {
      ledger: Ledger;
      handle: PartitionHandle;
      tiles: TileStore;
      checkpoints: Checkpoints;
      sealed: SealedCommits;
      log: Logger;
      /** What was appended but not recorded must not stay: a new sequencer begins at the record. */
      onFailure(error: unknown): void;
    },
  ) {}

  /** Opens the tree where the record says that it ends, and reads on from there. @param record state of the aggregate */
  async start(record: Record): Promise<void> {
    const { checkpoints } = this.parts;
    await checkpoints.mayExtend(record);
    this.tree = await this.openTree(record);
    await checkpoints.publish(this.tree, record.heads);
    const partitions = Object.entries(partitionsOf).flatMap(([service, count]) =>
      Array.from({ length: count }, (_, partition) => ({ service, partition })),
    );
    await Promise.all(
      partitions.map(({ service, partition }) =>
        this.follow(service, partition, record.heads[partitionKey(service, partition)] ?? 0),
      ),
    );
    this.started = true;
    this.sealSoon();
  }

  /** When the oldest commit was made that is not in the tree yet; undefined where none waits. */
  get oldestWaitingMs(): number | undefined {
    return this.waiting.find((commit) => !isOwnSeal(commit))?.time.getTime();
  }

  /** The tree as it was sealed last; undefined until it is open. */
  get sealed(): TileTree | undefined {
    return this.tree;
  }

  /** Seals what waits, now. */
  seal(): Promise<void> {
    clearTimeout(this.due);
    this.due = undefined;
    this.sealedMs = performance.now();
    this.sealing = this.sealing.then(() => this.sealWaiting()).catch((error: unknown) => this.fail(error));
    return this.sealing;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.due);
    await Promise.all(this.followers.map((follower) => follower.stop()));
    await this.sealing;
  }

  /** One partition that cannot be read on must not stop the record of the others. */
  private async follow(service: string, partition: number, from: number): Promise<void> {
    const unread = (error: unknown) =>
      this.parts.log.error({ err: error, service, partition }, 'a partition is not read on');
    const onCommit = (commit: Commit) => this.take(commit);
    const follower = await this.parts.ledger
      .follow({ service, partition, from, gatherMs: GATHER_MS, onCommit })
      .catch((error: unknown) => {
        if (!(error instanceof ChainBroken)) throw error;
        unread(error);
      });
    if (!follower) return;
    this.followers.push(follower);
    if (this.stopped) return follower.stop();
    follower.closed.catch(unread);
  }

  private async take(commit: Commit): Promise<void> {
    this.waiting.push(commit);
    this.waitingLeaves += commit.lines.length;
    if (this.waitingLeaves > MAX_WAITING) await this.seal();
    else this.sealSoon();
  }

  /** After a while without commits almost at once: who looks for what has just happened is not kept waiting. */
  private sealSoon(): void {
    if (this.due || !this.started || this.stopped || this.waiting.every(isOwnSeal)) return;
    const restMs = this.sealedMs + SEAL_EVERY_MS - performance.now();
    this.due = setTimeout(() => void this.seal(), Math.max(SETTLE_MS, restMs));
    this.due.unref();
  }

  private async sealWaiting(): Promise<void> {
    const { tree } = this;
    if (!tree || this.stopped || this.waiting.every(isOwnSeal)) return;
    const commits = this.waiting.splice(0);
    this.waitingLeaves = 0;
    const from = tree.size;
    await tree.append(commits.flatMap((commit) => leafHashes(commit.bytes)));
    await tree.flush();
    const root = Buffer.from(await tree.root()).toString('base64');
    const command: RecordCommand = { type: 'seal', from, size: tree.size, root, batches: batchesOf(commits) };
    this.parts.sealed.keep(commits);
    await this.parts.handle.execute({ tenant: 'system', aggregate: 'record', subject: RECORD, command, actor: ACTOR });
    await tree.prune();
    await this.parts.checkpoints.publish(tree, (this.parts.handle.model as RecordModel).record.heads);
  }

  private fail(error: unknown): void {
    if (this.stopped) return;
    void this.stop();
    this.parts.checkpoints.failed(error);
    this.parts.onFailure(error);
  }

  private async openTree(record: Record): Promise<TileTree> {
    const { tiles, log } = this.parts;
    const tree = await TileTree.open(tiles, record.size).catch((error: unknown) => {
      log.warn(
        { err: error, size: record.size },
        'the tiles are not all there; the tree is built again from the ledger',
      );
      return undefined;
    });
    if (tree && (await this.isOf(tree, record))) return tree;
    const beside = await tiles.beside();
    const rebuilt = await this.rebuild(beside);
    if (!(await this.isOf(rebuilt, record)))
      throw new RecordBroken(
        'forked',
        `the ledger's lines no longer give the tree of ${record.size} leaves that its record names`,
      );
    await tiles.adopt(beside);
    return TileTree.open(tiles, record.size);
  }

  private async isOf(tree: TileTree, { size, root }: Record): Promise<boolean> {
    return tree.size === size && (size === 0 || Buffer.from(await tree.root()).toString('base64') === root);
  }

  /** The tree that the ledger gives now, in the order of the record. */
  private async rebuild(store: TileStore): Promise<TileTree> {
    const { ledger } = this.parts;
    const tree = await TileTree.open(store, 0);
    await using sources = new BatchReader(ledger);
    for await (const commit of ledger.read('audit', 0))
      for (const event of commit.events) {
        if (event.type !== 'record.sealed.v1') continue;
        for (const batch of (event.data as unknown as Sealed['data']).batches)
          for await (const source of sources.read(batch)) await tree.append(leafHashes(source.bytes));
      }
    await tree.flush();
    return tree;
  }
}

/** The audit service's own seals go in with the next batch; alone they are no reason for another seal. */
function isOwnSeal(commit: Commit): boolean {
  return commit.service === 'audit' && commit.events.every((event) => event.type === 'record.sealed.v1');
}

function batchesOf(commits: readonly Commit[]): Batch[] {
  const batches: { service: string; partition: number; from: number; to: number }[] = [];
  for (const { service, partition, commit } of commits) {
    const last = batches.at(-1);
    if (last?.service === service && last.partition === partition) last.to = commit;
    else batches.push({ service, partition, from: commit, to: commit });
  }
  return batches;
}
