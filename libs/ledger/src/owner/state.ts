import type { PartitionModel } from '../domain/aggregates.js';
import type { LedgerEvent } from '../domain/events.js';
import { chainStart } from '../log/chain.js';
import type { Commit } from '../log/commit.js';
import { SeenCommands } from './dedup.js';

/** Everything that an owner holds in memory, and all of it a function of the log. */
export class PartitionState {
  readonly model: PartitionModel;
  readonly seen = new SeenCommands();
  /** The last commit that was taken in from the log, with its hash and the epoch it was written under. */
  commit = 0;
  hash = chainStart;
  epoch = 0;
  /** Time of the latest event: the clock of a partition never goes back. */
  timeMs = 0;
  /** Events taken in since the start of the log. */
  events = 0;

  constructor(model: PartitionModel) {
    this.model = model;
  }

  /** One event of the log, or one that is about to be written as this commit. */
  evolve(event: LedgerEvent, commit: number, index: number): void {
    this.seen.evolve(event, commit, index);
    this.model.evolve(event, { commit, index });
    this.events++;
  }

  /** One commit of the log. */
  replay(commit: Commit): void {
    const { events } = commit;
    for (let index = 0; index < events.length; index++) this.evolve(events[index] as LedgerEvent, commit.commit, index);
    this.commit = commit.commit;
    this.hash = commit.hash;
    this.epoch = commit.epoch;
    const last = events.at(-1);
    if (last) this.timeMs = Math.max(this.timeMs, Date.parse(last.time));
  }
}
