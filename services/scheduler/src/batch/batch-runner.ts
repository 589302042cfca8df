import { principalOf } from '@writ/enforcement';
import type { Logger, PartitionHandle } from '@writ/ledger';
import { DomainError, type PartitionModel } from '@writ/ledger/domain';
import { schedulerActor } from '../partition/partition-owner.js';
import type { BatchPolicy } from '../outside/batch-policy.js';
import type { RunModel } from '../run/run-model.js';
import { readFilter, workflowOf } from '../view/run-filter.js';
import { BatchModel, type HeldBatch } from './batch-model.js';
import type { BatchCommand } from './batch.js';
import type { BatchPages } from './batch-pages.js';

/** Pages that one process is at together, of whichever batches. */
const pagesAtOnce = 4;
const againMs = [100, 500, 2_000, 5_000];

export interface BatchRunnerParts {
  pages: BatchPages;
  policy: BatchPolicy;
  log: Logger;
  /** Resolves with why, where the authority of who created a batch was taken away since; an abort ends the watch. */
  lostAuthority(batch: HeldBatch, signal: AbortSignal): Promise<string | undefined>;
}

/** Carries out the batches of the partitions that this process owns. What is recorded of a batch is all that it goes on from. */
export class BatchRunners {
  private readonly owned = new Map<number, { handle: PartitionHandle; stop: AbortController }>();
  private readonly waiting: (() => void)[] = [];
  private pages = 0;
  private started = false;

  constructor(private readonly parts: BatchRunnerParts) {}

  /** Policies and revocations can be asked from now on. */
  start(): void {
    this.started = true;
    for (const partition of this.owned.keys()) this.look(partition);
  }

  take(handle: PartitionHandle): void {
    this.owned.set(handle.partition, { handle, stop: new AbortController() });
    // Not before the ledger takes commands.
    setImmediate(() => this.look(handle.partition));
  }

  drop(partition: number): void {
    this.owned.get(partition)?.stop.abort();
    this.owned.delete(partition);
  }

  /** Called after each commit; cheap when no batch was created. */
  look(partition: number): void {
    const owned = this.owned.get(partition);
    if (!owned || !this.started) return;
    const { created } = batchesOf(owned.handle);
    if (created.size === 0) return;
    for (const key of created) void this.run(owned.handle, key, owned.stop.signal);
    created.clear();
  }

  /** Page after page, until it has ended or the partition is gone. */
  private async run(handle: PartitionHandle, key: string, gone: AbortSignal): Promise<void> {
    const model = batchesOf(handle);
    const held = model.get(key);
    if (!held) return;
    const over = new AbortController();
    const signal = AbortSignal.any([gone, over.signal]);
    let lost: string | undefined;
    void this.parts
      .lostAuthority(held, signal)
      .then((why) => (lost = why))
      .catch((err: unknown) => this.parts.log.warn({ err, batch: held.id }, 'revocations are not known to a batch'));
    for (let failures = 0; !gone.aborted;) {
      const now = model.get(key);
      if (!now) break;
      try {
        await this.step(handle, now, lost);
        failures = 0;
      } catch (err) {
        if (gone.aborted) break;
        this.parts.log.warn({ err, batch: now.id }, 'a page of a batch failed; it is repeated');
        await paused(againMs[Math.min(failures++, againMs.length - 1)] as number, signal);
      }
    }
    over.abort();
  }

  private async step(handle: PartitionHandle, held: HeldBatch, lost: string | undefined): Promise<void> {
    const { tenant, id: subject, batch } = held;
    const say = (command: BatchCommand) =>
      handle.execute({ tenant, aggregate: 'batch', subject, command, actor: schedulerActor });
    const refused = lost === undefined ? this.refused(held) : { code: 'auth.revoked', message: lost };
    if (refused) return void (await say({ type: 'fail', error: refused }));
    await this.room();
    try {
      const { pages } = this.parts;
      const { page } = batch;
      if (!page) return void (await say({ type: 'take', page: await pages.next(held) }));
      await say({ type: 'progress', first: page.runs[0] ?? '', became: await pages.carryOut(held, page) });
    } finally {
      this.pages--;
      this.waiting.shift()?.();
    }
  }

  /** Policies may have changed since the page before. */
  private refused({ tenant, batch }: HeldBatch): { code: string; message: string } | undefined {
    const { by, filter, action } = batch.definition;
    if (by.kind === 'service') return undefined; // what the tenant's own rules ask for
    const principal = principalOf({ ...by, tenant, actor: by, grant: [], tokenId: '', rawToken: '' });
    const workflow = workflowOf(readFilter(filter)) ?? '*';
    try {
      this.parts.policy.permit({ tenant, principal, action: action.type, filter, workflow });
      return undefined;
    } catch (error) {
      if (!(error instanceof DomainError) || error.code === 'policy.unavailable') throw error;
      return { code: error.code, message: error.message };
    }
  }

  private async room(): Promise<void> {
    while (this.pages >= pagesAtOnce) await new Promise<void>((resolve) => this.waiting.push(resolve));
    this.pages++;
  }
}

/** The batches of an owned partition. */
function batchesOf({ model }: Pick<PartitionHandle, 'model'>): BatchModel {
  for (let each: PartitionModel | undefined = model; each; each = (each as Partial<RunModel>).others)
    if (each instanceof BatchModel) return each;
  throw new Error('the partition has no batches');
}

function paused(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => (clearTimeout(timer), resolve()), { once: true });
  });
}
