import { actionAggregate } from '@writ/enforcement';
import {
  aggregates,
  type Command,
  type CommitPoint,
  type Json,
  type LedgerEvent,
  type PartitionModel,
} from '@writ/ledger/domain';
import { recordAggregate, type Record } from './record.js';

const states = aggregates([recordAggregate, actionAggregate]);

/** The audit partition: its aggregates, and the one record in plain sight for the sequencer. */
export class RecordModel implements PartitionModel {
  private readonly inner = states();
  record: Record = recordAggregate.initial;

  get version(): number {
    return this.inner.version;
  }

  decide(command: Command) {
    return this.inner.decide(command);
  }

  evolve(event: LedgerEvent, at: CommitPoint): void {
    this.inner.evolve(event, at);
    if (event.type === 'record.sealed.v1')
      this.record = recordAggregate.evolve(
        this.record,
        event as unknown as Parameters<typeof recordAggregate.evolve>[1],
      );
  }

  snapshot(): Json {
    return { inner: this.inner.snapshot(), record: this.record as unknown as Json };
  }

  restore(snapshot: Json): void {
    const { inner, record } = snapshot as { inner: Json; record: Json };
    this.inner.restore(inner);
    this.record = record as unknown as Record;
  }
}
