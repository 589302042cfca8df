import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { newId, type LedgerEvent } from '@writ/ledger/domain';
import { evolvedTypes, evolve } from './evolve.js';
import { runEvents, type RunEventType } from './run.events.js';
import { RunIndex } from './run-index.js';

const folder = path.join(import.meta.dirname, 'fixtures');
const files = await readdir(folder);

describe('the events of a run', () => {
  test('are all applied, and each has a fixture of every version ever written', () => {
    expect([...evolvedTypes].sort()).toEqual(Object.keys(runEvents).sort());
    const covered = new Set(files.map((file) => file.replace(/(\.[a-z-]+)?\.json$/, '')));
    expect([...covered].sort()).toEqual(Object.keys(runEvents).sort());
  });

  test.each(files)('%s is read by its schema without a loss, and by evolve', async (file) => {
    const type = file.replace(/(\.[a-z-]+)?\.json$/, '') as RunEventType;
    const data = JSON.parse(await readFile(path.join(folder, file), 'utf8')) as never;
    expect(runEvents[type].strict().parse(data)).toEqual(data);
    const index = new RunIndex();
    const event = (of: string, about: unknown) =>
      ({
        id: newId('evt'),
        type: of,
        tenant: 't',
        subject: 'r',
        time: '2030-01-01T00:00:00.000Z',
        data: about,
      }) as LedgerEvent;
    const started = JSON.parse(await readFile(path.join(folder, 'run.started.v1.json'), 'utf8')) as unknown;
    evolve(index, event('run.started.v1', started), 1);
    evolve(index, event(type, data), 2);
    expect(index.get('t', 'r')).toBeDefined();
  });
});
