import type { Json, LedgerEvent } from '../domain/events.js';
import { commandOf } from '../domain/events.js';
import { Fifo } from '../domain/fifo.js';

/** A command that was answered with events: where they are. */
export interface Seen {
  commit: number;
  /** Index of its first event in the commit. */
  index: number;
  count: number;
  timeMs: number;
}

/** How long a command id is remembered. */
export const rememberMs = 15 * 60_000;
/** And how many at most, so that a flood cannot fill the memory: 15 minutes of 145 commands a second, or 13 s of 10,000. */
export const rememberMost = 131_072;

type Row = [key: string, commit: number, index: number, count: number, timeMs: number];

/**
 * The command ids of the last 15 minutes by event time, oldest first. It is a function of the log alone, so an owner that
 * rebuilds it knows the same ids.
 */
export class SeenCommands {
  private readonly seen = new Map<string, Seen>();
  /** Its keys, oldest first. Not the map's own order: looking for its first key passes over every key deleted before it. */
  private readonly order = new Fifo<string>();

  get size(): number {
    return this.seen.size;
  }

  find(tenant: string, id: string): Seen | undefined {
    return this.seen.get(keyOf(tenant, id));
  }

  /** Takes in the next event of the log. */
  evolve(event: LedgerEvent, commit: number, index: number): void {
    const timeMs = Date.parse(event.time);
    const key = keyOf(event.tenant, commandOf(event));
    const known = this.seen.get(key);
    // The events of one command stand next to each other in one commit.
    if (known && known.commit === commit && known.index + known.count === index) known.count++;
    else if (!known) this.add(key, { commit, index, count: 1, timeMs });
    this.forget(timeMs - rememberMs);
  }

  private add(key: string, seen: Seen): void {
    this.seen.set(key, seen);
    this.order.push(key);
  }

  private forget(before: number): void {
    for (let key = this.order.first; key !== undefined; key = this.order.first) {
      const { timeMs } = this.seen.get(key) as Seen;
      if (timeMs >= before && this.seen.size <= rememberMost) return;
      this.seen.delete(key);
      this.order.shift();
    }
  }

  snapshot(): Json[] {
    return Array.from(this.seen, ([key, s]): Row => [key, s.commit, s.index, s.count, s.timeMs]);
  }

  restore(rows: readonly Json[]): void {
    for (const [key, commit, index, count, timeMs] of rows as Row[]) this.add(key, { commit, index, count, timeMs });
  }
}

function keyOf(tenant: string, id: string): string {
  return `${tenant} ${id}`;
}
