import { steadyNow, type Logger, type PartitionHandle } from '@writ/ledger';
import { refuse, type Actor } from '@writ/ledger/domain';
import type { Note } from '../run/run-index.js';
import type { RunModel } from '../run/run-model.js';
import type { RunRecord } from '../run/run-record.js';
import { Allocation } from './allocation.js';
import type { Poke, QueueFacts, QueueQuestion, SlotsAnswer, SlotsRequest } from './conversation.js';
import { queueKey } from './queues.js';
import { SlotRequests } from './slot-requests.js';

const actor: Actor = { principal: 'scheduler', kind: 'service' };

export interface SlotsParts {
  /** @throws DomainError `ledger.unavailable` when nobody answers */
  ask(partition: number, request: SlotsRequest): Promise<SlotsAnswer>;
  poke(partition: number, poke: Poke): Promise<unknown>;
  log: Logger;
  now?: (() => number) | undefined;
}

/** The part of an owner that has to do with queues: it asks for slots for the runs of its partition, and allocates those of the queues at home in it. */
export class Slots {
  private readonly queues: RunModel['index']['queues'];
  private readonly requests: SlotRequests;
  readonly allocation: Allocation;

  constructor(handle: PartitionHandle, { ask, poke, log, now = steadyNow }: SlotsParts) {
    const { partition, epoch } = handle;
    const { index } = handle.model as RunModel;
    this.queues = index.queues;
    this.requests = new SlotRequests({
      partition, epoch, index, ask, log,
      follow: async (home, to) => {
        const queues = index.queues.at(home);
        if (queues.length === 0) throw refuse('ledger.unavailable', 'no queue of this home is known here yet');
        const command = { type: 'follow' as const, epoch: to };
        await Promise.all(
          queues.map(({ tenant, name }) =>
            handle.execute({ tenant, aggregate: 'queue', subject: name, command, actor }),
          ),
        );
      },
      admit: (tenant, runs) => {
        const subject = runs[0]?.run as string;
        const command = { type: 'admit' as const, runs };
        return handle.execute({ tenant, aggregate: 'run', subject, command, actor });
      },
    }); // prettier-ignore
    this.allocation = new Allocation({ partition, epoch, queues: index.queues, poke, now });
  }

  start(): void {
    this.queues.changed.clear();
    this.allocation.defined();
    this.requests.start();
  }

  stop(): void {
    this.requests.stop();
    this.allocation.stop();
  }

  /** After each commit; cheap when no queue was defined. */
  committed(): void {
    if (this.queues.changed.size > 0) this.start();
  }

  /** Whether a run that could go on may; if not, it stands in the line of its queue now. */
  lets(run: RunRecord): boolean {
    const holding = this.queues.of(run);
    if (!holding || holding.slot) return true;
    if (run.cancel) this.requests.bypass(run, holding);
    else this.requests.want(run);
    return run.cancel !== undefined;
  }

  gives({ run, standing }: Extract<Note, { type: 'gives' }>): void {
    this.requests.gives(run, standing);
  }

  hear(request: SlotsRequest): SlotsAnswer | undefined {
    return this.allocation.hear(request);
  }

  facts({ tenant, queue, run }: QueueQuestion): QueueFacts {
    const { revision = 0, limits = {} } = this.queues.known.get(queueKey(tenant, queue)) ?? {};
    const blocked = run === undefined ? undefined : this.allocation.why(tenant, queue, run);
    return { revision, limits, ...this.allocation.count(tenant, queue), ...(blocked && { blocked }) };
  }

  poke(poke: Poke): void {
    this.requests.poke(poke);
  }
}
