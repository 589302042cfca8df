import type { LedgerEvent } from '../domain/events.js';
import { formatPosition } from '../domain/positions.js';
import type { DomainError } from '../domain/refusals.js';
import type { PartitionAddress } from '../log/commit.js';
import type { Done } from './answer.js';

interface Entry {
  done: Done;
  refusal: DomainError | undefined;
  from: number;
  count: number;
  duplicate: boolean;
}

/**
 * The commands that go into one commit, and those that only wait for it: a refusal and a change that changes nothing are
 * answers about the state too, so they are given only when the state they were made on is in the log and the owner is
 * still the owner.
 */
export class Batch {
  /** The commit it becomes; 0 while it holds no events. */
  commit = 0;
  /** Bytes of the body. */
  size = 0;
  readonly lines: string[] = [];
  readonly events: LedgerEvent[] = [];
  private readonly entries: Entry[] = [];

  add(line: string, bytes: number, event: LedgerEvent): void {
    this.size += bytes + 1;
    this.lines.push(line);
    this.events.push(event);
  }

  /** Answers with `count` events of this batch from `from` on, once it is committed. */
  answer(done: Done, from: number, count: number, duplicate = false): void {
    this.entries.push({ done, refusal: undefined, from, count, duplicate });
  }

  refuse(done: Done, refusal: DomainError): void {
    this.entries.push({ done, refusal, from: 0, count: 0, duplicate: false });
  }

  /** @param head the last acknowledged commit, which is where a change of nothing stands */
  settle(address: PartitionAddress, head: number): void {
    for (const { done, refusal, from, count, duplicate } of this.entries) {
      if (refusal) {
        done(refusal, undefined);
        continue;
      }
      const index = count === 0 ? 0 : from + count - 1;
      done(undefined, {
        position: formatPosition({ ...address, commit: count === 0 ? head : this.commit, index }),
        lines: this.lines.slice(from, from + count),
        events: this.events.slice(from, from + count),
        duplicate,
      });
    }
  }

  fail(refusal: DomainError): void {
    for (const { done } of this.entries) done(refusal, undefined);
  }
}
