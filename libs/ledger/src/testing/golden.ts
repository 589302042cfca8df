import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import type { LedgerEvent } from '../domain/events.js';
import { upcasting, type Upcaster } from '../domain/upcasters.js';

export interface GoldenFixtures {
  /** Holds one `<type>.json` for each version of each event that was ever written: the event exactly as it was. */
  folder: string;
  /** The types that today's code writes. */
  current: readonly string[];
  upcasters?: readonly Upcaster[];
  /** What reads them: a schema's `parse`, a model's `evolve`. Throws where an old event is not understood. */
  read(event: LedgerEvent): void;
}

/**
 * Shows that every event ever written is still understood.
 * @returns the events as they are read today
 * @throws Error that names each type without a fixture, and each fixture that is not understood
 */
export async function readGoldenFixtures(fixtures: GoldenFixtures): Promise<LedgerEvent[]> {
  const { folder, current, upcasters = [], read } = fixtures;
  const upcast = upcasting(upcasters);
  const files = (await readdir(folder)).filter((file) => file.endsWith('.json')).toSorted();
  const events: LedgerEvent[] = [];
  const faults: string[] = [];
  for (const file of files) {
    const written = JSON.parse(await readFile(path.join(folder, file), 'utf8')) as LedgerEvent;
    if (file !== `${written.type}.json`) faults.push(`${file} holds a ${written.type}`);
    const event = upcast(written);
    if (!current.includes(event.type)) faults.push(`${file}: nothing reads ${event.type}`);
    try {
      read(event);
    } catch (error) {
      faults.push(`${file}: ${String(error)}`);
    }
    events.push(event);
  }
  for (const type of [...current, ...upcasters.map(({ from }) => from)])
    if (!files.includes(`${type}.json`)) faults.push(`there is no fixture of ${type}`);
  if (faults.length > 0) throw new Error(`events that were written are not understood:\n${faults.join('\n')}`);
  return events;
}
