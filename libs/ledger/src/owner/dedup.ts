import { hash } from 'node:crypto';
import { commandOf, type LedgerEvent } from '../domain/events.js';

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

/** Entries for which there is room at first. */
const few = 1_024;
/**
 * An entry is so many 32-bit words: three of the SHA-256 of its tenant and id, so that nobody can make an id that is taken for
 * another's; index and count; commit and time, two words each.
 */
const width = 9;
const [indexAt, countAt, commitAt, timeAt] = [3, 4, 5, 7] as const;
const word = 2 ** 32;
/** Bytes of an entry of a snapshot. */
export const entryBytes = width * 4;

/**
 * The command ids of the last 15 minutes by event time, oldest first. It is a function of the log alone, so an owner that
 * rebuilds it knows the same ids. A busy partition has 100,000 of them: they lie in two arrays of numbers, which cost a fifth of a map
 * of strings, and the collector of garbage nothing.
 */
export class SeenCommands {
  /** A ring; its length is a power of two. */
  private entries = new Uint32Array(few * width);
  private first = 0;
  private used = 0;
  /** Where an entry is by its hash, plus one: open addressing, at most half full. */
  private slots = new Uint32Array(few * 2);
  private readonly key: [number, number, number] = [0, 0, 0];
  /** Of the youngest entry: events of one command stand next to each other. */
  private youngest: { tenant: string; id: string } | undefined;
  private lastTime = { text: '', ms: 0 };

  get size(): number {
    return this.used;
  }

  find(tenant: string, id: string): Seen | undefined {
    const at = this.locate(tenant, id);
    return at < 0 ? undefined : this.seen(at);
  }

  /** Takes in the next event of the log. */
  evolve(event: LedgerEvent, commit: number, index: number): void {
    const timeMs = this.timeOf(event);
    const id = commandOf(event);
    const { tenant } = event;
    const isYoungest = this.used > 0 && this.youngest?.id === id && this.youngest.tenant === tenant;
    const at = isYoungest ? this.place(this.used - 1) : this.locate(tenant, id);
    if (at < 0) {
      this.add([...this.key, index, 1, ...halves(commit), ...halves(timeMs)]);
      this.youngest = { tenant, id };
    } else {
      const known = this.seen(at);
      if (known.commit === commit && known.index + known.count === index)
        (this.entries[at * width + countAt] as number)++;
    }
    this.forget(timeMs - rememberMs);
  }

  /** A copy, oldest first, `entryBytes` each. */
  snapshot(): Uint8Array {
    const { entries, first, used } = this;
    const copy = new Uint32Array(used * width);
    const whole = entries.subarray(first * width, (first + used) * width);
    copy.set(whole);
    copy.set(entries.subarray(0, copy.length - whole.length), whole.length); // the ring goes on at its start
    return new Uint8Array(copy.buffer);
  }

  /** Entries of a snapshot, behind those that are here. */
  restore(bytes: Uint8Array): void {
    const rows = new Uint32Array(new Uint8Array(bytes).buffer); // a copy: a Buffer is a part of a larger one
    for (let from = 0; from < rows.length; from += width) this.add(rows.subarray(from, from + width));
  }

  private timeOf({ time }: LedgerEvent): number {
    if (time !== this.lastTime.text) this.lastTime = { text: time, ms: Date.parse(time) };
    return this.lastTime.ms;
  }

  /** Where the `i`th oldest is. */
  private place(i: number): number {
    return (this.first + i) & (this.slots.length / 2 - 1);
  }

  private seen(at: number): Seen {
    const from = at * width;
    const [index, count] = [this.entries[from + indexAt] as number, this.entries[from + countAt] as number];
    return { commit: this.whole(from + commitAt), index, count, timeMs: this.whole(from + timeAt) };
  }

  private whole(from: number): number {
    return (this.entries[from] as number) * word + (this.entries[from + 1] as number);
  }

  /** Where an entry is, or -1; leaves its key in `key`. */
  private locate(tenant: string, id: string): number {
    const digest = hash('sha256', `${tenant} ${id}`, 'binary');
    const byte = (i: number) => digest.charCodeAt(i);
    for (let i = 0; i < 3; i++)
      this.key[i] = ((byte(4 * i) << 24) | (byte(4 * i + 1) << 16) | (byte(4 * i + 2) << 8) | byte(4 * i + 3)) >>> 0;
    const mask = this.slots.length - 1;
    const [a, b, c] = this.key;
    for (let slot = a & mask; this.slots[slot] !== 0; slot = (slot + 1) & mask) {
      const at = (this.slots[slot] as number) - 1;
      const from = at * width;
      const { entries } = this;
      if (entries[from] === a && entries[from + 1] === b && entries[from + 2] === c) return at;
    }
    return -1;
  }

  private add(entry: ArrayLike<number>): void {
    if (this.used * width === this.entries.length) this.grow();
    const at = this.place(this.used++);
    this.entries.set(entry, at * width);
    this.file(at);
  }

  private file(at: number): void {
    const mask = this.slots.length - 1;
    let slot = (this.entries[at * width] as number) & mask;
    while (this.slots[slot] !== 0) slot = (slot + 1) & mask;
    this.slots[slot] = at + 1;
  }

  private grow(): void {
    const entries = new Uint32Array(this.entries.length * 2);
    entries.set(this.entries.subarray(this.first * width));
    entries.set(this.entries.subarray(0, this.first * width), this.entries.length - this.first * width);
    this.entries = entries;
    this.first = 0;
    this.slots = new Uint32Array(this.slots.length * 2);
    for (let at = 0; at < this.used; at++) this.file(at);
  }

  private forget(before: number): void {
    while (this.used > 0 && (this.used > rememberMost || this.whole(this.first * width + timeAt) < before)) {
      this.unfile(this.first);
      this.first = this.place(1);
      this.used--;
    }
  }

  /** Empties its slot, and closes the gap: whatever was pushed on by it moves back. */
  private unfile(at: number): void {
    const mask = this.slots.length - 1;
    const home = (slot: number) => (this.entries[((this.slots[slot] as number) - 1) * width] as number) & mask;
    let gap = (this.entries[at * width] as number) & mask;
    while (this.slots[gap] !== at + 1) gap = (gap + 1) & mask;
    for (let next = (gap + 1) & mask; this.slots[next] !== 0; next = (next + 1) & mask)
      if (((next - home(next)) & mask) >= ((next - gap) & mask)) {
        this.slots[gap] = this.slots[next] as number;
        gap = next;
      }
    this.slots[gap] = 0;
  }
}

function halves(number: number): [number, number] {
  return [Math.floor(number / word), number % word];
}
