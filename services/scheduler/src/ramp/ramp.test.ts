import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { newLanedId, type Json, type LedgerEvent } from '@writ/ledger/domain';
import { verifies } from '@writ/testkit';
import { emptyModel, FakePartition, startOf } from '../testing/fake-partition.js';
import { rampEvents, type RampEventType } from './ramp.events.js';
import { Ramps } from './ramps.js';

const folder = path.join(import.meta.dirname, 'fixtures');
const files = await readdir(folder);
const typeOf = (file: string) => file.replace(/(\.[a-z-]+)?\.json$/, '') as RampEventType;

describe('the events of a ramp', () => {
  test('have a fixture of every version ever written', () => {
    expect([...new Set(files.map(typeOf))].sort()).toEqual(Object.keys(rampEvents).sort());
  });

  test.each(files)('%s is read by its schema without a loss, is applied, and survives a snapshot', async (file) => {
    const data = JSON.parse(await readFile(path.join(folder, file), 'utf8')) as Json;
    expect(rampEvents[typeOf(file)].strict().parse(data)).toEqual(data);
    const [live, restored] = [new Ramps(), new Ramps()];
    live.evolve({ tenant: 't', subject: 'w', data } as unknown as LedgerEvent);
    restored.restore(JSON.parse(JSON.stringify(live.snapshot())) as Json);
    expect(restored.of('t', 'w')).toEqual(data);
  });
});

describe('a ramp', () => {
  const ramp = { to: '5', percent: 10, from: '4' };
  const partition = () => {
    const made = new FakePartition();
    const set = (given: typeof ramp | { to: string; percent: number }) =>
      made.send('w', { type: 'set', ramp: given }, 'ramp');
    return { made, set };
  };
  const pinOf = (made: FakePartition, id: string) => (made.send(id, startOf('w')), made.run(id).pin);

  test('gives its share to one version and the others to the other, alike when asked again, and keeps who it has when it grows', () => {
    verifies('versions.ramp');
    const ids = [
      ...Array.from({ length: 1000 }, () => newLanedId('run')),
      ...Array.from({ length: 1000 }, (_, n) => `order-${n}`),
      ...Array.from({ length: 1000 }, (_, n) => `nightly:2026-11-${String((n % 28) + 1).padStart(2, '0')}T${n}`),
    ];
    const shares = [0, 10, 50, 100].map((percent) => {
      const { made, set } = partition();
      set({ ...ramp, percent });
      return new Set(ids.filter((id) => pinOf(made, id) === '5'));
    });
    for (const kind of [ids.slice(0, 1000), ids.slice(1000, 2000), ids.slice(2000)]) {
      const [none, tenth = 0, half = 0, all] = shares.map((share) => kind.filter((id) => share.has(id)).length);
      expect([none, all]).toEqual([0, 1000]);
      expect(Math.abs(tenth - 100)).toBeLessThan(60);
      expect(Math.abs(half - 500)).toBeLessThan(100);
    }
    shares.reduce((smaller, larger) => {
      expect([...smaller].filter((id) => !larger.has(id))).toEqual([]);
      return larger;
    });
  });

  test('pins, and the start says by which revision; a batch of starts goes by it too', () => {
    const { made, set } = partition();
    set({ to: '5', percent: 100 });
    expect(made.send('r', startOf('w', { version: '1' }))).toEqual([
      ['started', expect.objectContaining({ version: '5', pinned: true, ramp: 1 })],
    ]);
    const { type: _, ...many } = startOf('w');
    made.send('a', { type: 'starts', runs: [{ id: 'a', looked: true, ...many }] });
    expect(made.run('a').pin).toBe('5');
    expect(made.send('r', startOf('w', { version: '1' }))).toEqual([]);
  });

  test('says nothing about runs that are pinned, begin with a record, are of another workflow or are there', () => {
    const { made, set } = partition();
    expect(pinOf(made, 'before')).toBeUndefined();
    set({ to: '5', percent: 100 });
    made.send('pinned', startOf('w', { version: '1', pinned: true }));
    made.send('fork', startOf('w', { kept: [] }));
    made.send('other', startOf('x'));
    expect(['before', 'pinned', 'fork', 'other'].map((id) => made.run(id).pin)).toEqual([
      undefined,
      '1',
      undefined,
      undefined,
    ]);
  });

  test('ends for new runs alone, and is as recorded after a snapshot', () => {
    const { made, set } = partition();
    set(ramp);
    expect(set(ramp)).toEqual([]);
    expect(made.send('w', { type: 'learn', revision: 1 }, 'ramp')).toEqual([]);
    set({ to: '5', percent: 100 });
    expect(pinOf(made, 'r')).toBe('5');
    const restored = emptyModel();
    restored.restore(JSON.parse(JSON.stringify(made.model.snapshot())) as Json);
    expect(restored.index.ramps.of('tnt_test', 'w')).toEqual({ revision: 2, ramp: { to: '5', percent: 100 } });
    made.send('w', { type: 'end' }, 'ramp');
    expect(made.send('w', { type: 'end' }, 'ramp')).toEqual([]);
    expect(pinOf(made, 'later')).toBeUndefined();
    expect(made.run('r').pin).toBe('5');
    set(ramp);
    expect(made.model.index.ramps.of('tnt_test', 'w')?.revision).toBe(4);
  });

  test('is refused where it would leave runs to every version, or says nothing', () => {
    const { made, set } = partition();
    for (const bad of [
      { to: '5', percent: 99 },
      { to: '5', percent: 10, from: '5' },
    ])
      // prettier-ignore
      expect(() => set(bad)).toThrow(expect.objectContaining({ code: 'ramp.bad_ramp' }));
    expect(() => made.send('w', { type: 'end' }, 'ramp')).toThrow(expect.objectContaining({ code: 'ramp.not_found' }));
  });
});
