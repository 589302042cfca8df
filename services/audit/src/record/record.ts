import { partitionLabel, refuse, type Aggregate } from '@writ/ledger/domain';
import type { Batch, Sealed } from './record.events.js';

/** What the tree holds: how many leaves, their root, and how far each partition went in (`scheduler/07` to commit). */
export interface Record {
  readonly size: number;
  /** Base64. */
  readonly root: string;
  readonly heads: Readonly<{ [partition: string]: number }>;
}

export type RecordCommand = { type: 'seal'; from: number; size: number; root: string; batches: Batch[] };

export const partitionKey = (service: string, partition: number): string => `${service}/${partitionLabel(partition)}`;

export const recordAggregate: Aggregate<Record, RecordCommand, Sealed> = {
  name: 'record',
  initial: { size: 0, root: '', heads: {} },
  events: ['record.sealed.v1'],
  decide({ from, size, root, batches }, record) {
    if (from !== record.size) throw refuse('audit.out_of_order', `the record has ${record.size} leaves, not ${from}`);
    const heads = new Map(Object.entries(record.heads));
    for (const batch of batches) {
      const key = partitionKey(batch.service, batch.partition);
      const next = (heads.get(key) ?? 0) + 1;
      if (batch.from !== next)
        throw refuse('audit.out_of_order', `commit ${next} of ${key} is next, not ${batch.from}`);
      heads.set(key, batch.to);
    }
    return [{ type: 'record.sealed.v1', data: { from, size, root, batches: [...batches] } }];
  },
  evolve(record, { data }) {
    const heads = { ...record.heads };
    for (const batch of data.batches) heads[partitionKey(batch.service, batch.partition)] = batch.to;
    return { size: data.size, root: data.root, heads };
  },
};

/** Where the record itself stands. */
export const RECORD_PLACE = { service: 'audit', partition: 0 } as const;

/** The one subject of the one record of an installation. */
export const RECORD = 'record';
