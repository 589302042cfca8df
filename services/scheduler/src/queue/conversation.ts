import type { Admitted } from '../run/run.commands.js';
import type { Blocked, Row } from './allocator.js';
import type { Limits } from './queue.events.js';

/**
 * What the owner of a partition and the owner of a queue's home say to each other about slots. The partition asks, one request at a time; the
 * home answers, and what it admits is in its answers alone. So the partition's last word is the truth: what it did not hear was not admitted.
 * When it has nothing to ask and there is something for it, it is poked.
 */
export interface SlotsRequest {
  type: 'slots';
  /** The epoch of the home's owner that this is for: another one does not answer it. 0: whoever it is. */
  to: number;
  from: number;
  /** Of who asks. */
  epoch: number;
  /** One more than the request before. */
  n: number;
  /** This is all that the partition has in queues of this home. Else it is what has changed. */
  full: boolean;
  /** Not all of it: the rest follows. */
  more: boolean;
  queues: QueueRows[];
}

export interface QueueRows {
  tenant: string;
  queue: string;
  rows: Row[];
  /** With `full`: until when runs of this partition take up the rates; of the queue under an empty key. */
  spent?: [key: string, untilMs: number][];
}

export interface SlotsAnswer {
  /** Of the home's owner. */
  epoch: number;
  /** It needs to hear everything, under this epoch. */
  again: boolean;
  admissions: { tenant: string; queue: string; runs: Admitted[] }[];
}

/** `all`: the home has a new owner, which has to hear everything. */
export interface Poke {
  type: 'poke';
  home: number;
  epoch: number;
  all: boolean;
}

/** What the home knows of a queue, and of one of its runs. */
export interface QueueQuestion {
  type: 'queue';
  tenant: string;
  queue: string;
  run?: string;
}

export interface QueueFacts {
  revision: number;
  limits: Limits;
  holding: number;
  waiting: number;
  /** Why the run does not go on. `counting`: the home has a new owner, which does not know yet what all partitions have. */
  blocked?: Blocked & { counting?: boolean };
}
