import {
  fnv1a32,
  refuse,
  type Command,
  type EventDraft,
  type Json,
  type LedgerEvent,
  type PartitionModel,
} from '@writ/ledger/domain';
import { decide, evolve, type Batch, type BatchCommand } from './batch.js';

/** Raise it when the shape of a batch's state, or what `evolve` makes of events, changes. */
const version = 1;
/** Of one tenant in one partition. */
const mostOpen = 100;

/** A batch and whose it is. */
export interface HeldBatch {
  readonly tenant: string;
  readonly id: string;
  readonly batch: Batch;
}

/** The batches of one partition that have not ended; the view has the others. What is not about batches goes to the model behind it. */
export class BatchModel implements PartitionModel {
  readonly version: number;
  /** Keys of batches that were created since somebody looked last. */
  readonly created = new Set<string>();
  private readonly held = new Map<string, HeldBatch>();

  constructor(private readonly others: PartitionModel) {
    this.version = fnv1a32(`${version} ${others.version}`);
  }

  get(key: string): HeldBatch | undefined {
    return this.held.get(key);
  }

  decide(command: Command): readonly EventDraft[] {
    if (command.aggregate !== 'batch') return this.others.decide(command);
    const { tenant, subject } = command;
    const what = command.command as BatchCommand;
    const batch = this.held.get(`${tenant}/${subject}`)?.batch;
    if (what.type === 'create' && !batch && this.openOf(tenant) >= mostOpen)
      throw refuse('batch.too_many', `${mostOpen} batches of ${tenant} are under way`, { most: mostOpen });
    return decide(what, subject, batch);
  }

  evolve(event: LedgerEvent, at: { commit: number; index: number }): void {
    if (!event.type.startsWith('batch.')) return this.others.evolve(event, at);
    const { tenant, subject: id, type, data, time } = event;
    const key = `${tenant}/${id}`;
    const batch = evolve(this.held.get(key)?.batch, { type, data, timeMs: Date.parse(time) });
    if (!batch || batch.ended) return void this.held.delete(key);
    this.held.set(key, { tenant, id, batch });
    if (type === 'batch.created.v1') this.created.add(key);
  }

  snapshot(): Json {
    return { batches: [...this.held.values()] as unknown as Json, others: this.others.snapshot() };
  }

  restore(snapshot: Json): void {
    const { batches, others } = snapshot as { batches: Json; others: Json };
    for (const each of batches as unknown as HeldBatch[]) {
      this.held.set(`${each.tenant}/${each.id}`, each);
      this.created.add(`${each.tenant}/${each.id}`);
    }
    this.others.restore(others);
  }

  private openOf(tenant: string): number {
    let open = 0;
    for (const each of this.held.values()) if (each.tenant === tenant) open++;
    return open;
  }
}
