import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { newId, type Json, type LedgerEvent } from '@writ/ledger/domain';
import { Queues } from './queues.js';
import { queueEvents, type QueueEventType } from './queue.events.js';

const folder = path.join(import.meta.dirname, 'fixtures');
const files = await readdir(folder);
const typeOf = (file: string) => file.replace(/(\.[a-z-]+)?\.json$/, '') as QueueEventType;

describe('the events of a queue', () => {
  test('have a fixture of every version ever written', () => {
    expect([...new Set(files.map(typeOf))].sort()).toEqual(Object.keys(queueEvents).sort());
  });

  test.each(files)('%s is read by its schema without a loss, is applied, and survives a snapshot', async (file) => {
    const data = JSON.parse(await readFile(path.join(folder, file), 'utf8')) as Json;
    expect(queueEvents[typeOf(file)].strict().parse(data)).toEqual(data);
    const [live, restored] = [new Queues(), new Queues()];
    const type = typeOf(file);
    live.evolve({ id: newId('evt'), type, tenant: 't', subject: 'q', data } as unknown as LedgerEvent);
    expect([...live.known.values()]).toMatchObject([{ tenant: 't', name: 'q', ...(data as object) }]);
    restored.restore(JSON.parse(JSON.stringify(live.snapshot())) as Json, { get: () => undefined });
    expect(restored.snapshot()).toEqual(live.snapshot());
  });
});
