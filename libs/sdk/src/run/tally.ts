import type { Bytes, Entry } from './record.js';

/** Besides its value, about what an event has in the ledger. */
const eventBytes = 300;

/** Counts what a run asks for, by name, and what came to it of the record. */
export class Tally {
  entries = 0;
  bytes = 0;
  readonly #names = new Map<string, number>();

  /** The next occurrence of a name. */
  next(name: string): number {
    const occurrence = (this.#names.get(name) ?? 0) + 1;
    this.#names.set(name, occurrence);
    return occurrence;
  }

  /** A command of this occurrence was there before. */
  atLeast(name: string, occurrence: number): void {
    this.#names.set(name, Math.max(this.#names.get(name) ?? 0, occurrence));
  }

  /** Names that begin so do not come again. */
  forget(prefix: string): void {
    for (const name of this.#names.keys()) if (name.startsWith(prefix)) this.#names.delete(name);
  }

  /** @param sent its value, where it came from here */
  add({ outcome }: Entry, sent: Bytes): void {
    if (outcome.type === 'retry') return;
    const value = 'value' in outcome ? outcome.value : sent;
    this.entries++;
    this.bytes += eventBytes + (value?.length ?? 0);
  }
}
