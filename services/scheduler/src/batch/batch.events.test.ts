import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { aggregates, newId, type Json, type LedgerEvent } from '@writ/ledger/domain';
import { evolvedTypes } from './batch.js';
import { batchEvents, type BatchEventType } from './batch.events.js';
import { BatchModel } from './batch-model.js';

const folder = path.join(import.meta.dirname, 'fixtures');
const files = await readdir(folder);
const typeOf = (file: string) => file.replace(/(\.[a-z-]+)?\.json$/, '') as BatchEventType;
const read = async (file: string) => JSON.parse(await readFile(path.join(folder, file), 'utf8')) as Json;
const model = () => new BatchModel(aggregates([])());

describe('the events of a batch', () => {
  test('are all applied, and each has a fixture of every version ever written', () => {
    expect(evolvedTypes().sort()).toEqual(Object.keys(batchEvents).sort());
    expect([...new Set(files.map(typeOf))].sort()).toEqual(Object.keys(batchEvents).sort());
  });

  test.each(files)(
    '%s is read by its schema without a loss, and makes of a log and of a snapshot the same',
    async (file) => {
      const data = await read(file);
      expect(batchEvents[typeOf(file)].parse(data)).toEqual(data);
      const event = (type: string, of: Json) =>
        ({
          id: newId('evt'),
          type,
          tenant: 't',
          subject: 'b',
          time: '2030-01-01T00:00:00.000Z',
          data: of,
        }) as LedgerEvent;
      const before = [
        event('batch.created.v1', await read('batch.created.v1.json')),
        event('batch.page_taken.v1', await read('batch.page_taken.v1.json')),
        event('batch.progressed.v1', await read('batch.progressed.v1.json')),
      ];
      const [live, restored] = [model(), model()];
      for (const [index, each] of before.entries()) live.evolve(each, { commit: 1, index });
      restored.restore(JSON.parse(JSON.stringify(live.snapshot())) as Json);
      const last = event(typeOf(file), data);
      for (const each of [live, restored]) each.evolve(last, { commit: 2, index: 0 });
      expect(restored.snapshot()).toEqual(JSON.parse(JSON.stringify(live.snapshot())));
    },
  );
});
