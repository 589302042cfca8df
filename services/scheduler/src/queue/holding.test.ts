import { beforeEach, describe, expect, test } from '@jest/globals';
import type { Json } from '@writ/ledger/domain';
import type { ReportItem } from '../run/run.commands.js';
import { emptyModel, FakePartition, startOf, testTenant } from '../testing/fake-partition.js';
import type { Limits } from './queue.events.js';

let partition: FakePartition;
const define = (limits: Limits, revision = 1) => partition.send('q', { type: 'learn', revision, limits }, 'queue');
const start = (id: string, more: object = {}) => partition.send(id, startOf('w', { queue: 'q', ...more }));
const admit = (...runs: string[]) =>
  partition.send(runs[0] as string, {
    type: 'admit',
    runs: runs.map((run) => ({ run, spentMs: partition.nowMs + 5, keySpentMs: partition.nowMs + 7 })),
  });
const report = (id: string, more: Partial<ReportItem>) => {
  const { live } = partition.run(id);
  const item = { run: id, attempt: live?.token ?? '', commands: [], idle: false, entries: live?.entries ?? 0, ...more };
  return partition.send(id, { type: 'report', session: 'ses', items: [item] }).map(([type]) => type);
};
const wait = (name: string) => ({ type: 'wait', kind: 'message', name, occurrence: 1, message: name }) as const;
const holding = (id: string) => partition.model.index.queues.of(partition.run(id));

beforeEach(() => void (partition = new FakePartition()));

describe('a run of a queue with limits', () => {
  test('takes its key and its cost from its input, unless its start names a key', () => {
    define({ concurrency: 1, key: 'customer.id', cost: 'items.0' });
    const input = { value: { customer: { id: 7 }, items: [3] } };
    start('a', { input });
    start('b', { input, key: 'mine', priority: 4 });
    expect([holding('a'), holding('b')]).toMatchObject([
      { key: '7', cost: 3, priority: 0, admitted: false, slot: false },
      { key: 'mine', cost: 3, priority: 4 },
    ]);
  });

  test.each([
    ['there is nothing', {}],
    ['it is empty', { value: { customer: { id: '' } } }],
    ['it is no text', { value: { customer: { id: [1] } } }],
    ['it is inherited', { value: { customer: 'x' } }],
    ['the input is elsewhere', { blob: { hash: 'sha256:0', sizeBytes: 1e6 } }],
  ])('is refused where a key has to be and %s', (_what, input) => {
    define({ keyConcurrency: 1, key: 'customer.id' });
    expect(() => start('a', { input })).toThrow(expect.objectContaining({ code: 'queue.no_key' }));
    const runs = [{ id: 'b', ...startOf('w', { queue: 'q', input }), looked: true }];
    expect(partition.send('b', { type: 'starts', runs } as never)).toEqual([]);
  });

  test('is what any other run is where the queue has no limits, and was started before it had some', () => {
    start('a');
    define({ concurrency: 1 });
    start('b');
    expect([holding('a'), holding('b')?.slot]).toEqual([undefined, false]);
    define({}, 2);
    expect(start('c')).toEqual([['started', expect.not.objectContaining({ ticket: expect.anything() as object })]]);
  });

  test('gives its slot back when all that it does is wait, and asks for one when that is over', () => {
    define({ concurrency: 1, keyConcurrency: 1 });
    start('a', { key: 'k' });
    admit('a');
    partition.assign('a');
    expect(report('a', { commands: [wait('m')], idle: true })).toEqual(['waiting', 'parked']);
    expect([holding('a'), partition.run('a').live]).toMatchObject([{ admitted: true, slot: false }, undefined]);
    partition.model.index.notes = [];
    partition.send('a', { type: 'message', message: 'm', content: {} });
    expect(partition.model.index.notes.map(({ type }) => type)).toEqual(['ready']);
    expect(admit('a').map(([type]) => type)).toEqual(['admitted']);
    partition.assign('a');
    expect(report('a', { end: { type: 'completed', content: {} } })).toEqual(['succeeded']);
    expect(partition.model.index.notes.at(-1)).toMatchObject({ type: 'gives', standing: 'gone' });
  });

  test('keeps its slot while something of what it waits for is there already, and in a queue that counts keys alone', () => {
    define({ concurrency: 1 });
    start('a');
    admit('a');
    partition.assign('a');
    partition.send('a', { type: 'message', message: 'm', content: {} });
    expect(report('a', { commands: [wait('m')], idle: true })).toEqual(['waiting']);
    define({ keyConcurrency: 1 }, 2);
    start('b', { key: 'k' });
    admit('b');
    partition.assign('b');
    expect(report('b', { commands: [wait('m')], idle: true })).toEqual(['waiting']);
  });

  test('that has ended, or goes on, is let go on no more', () => {
    define({ concurrency: 2 });
    start('a');
    start('b');
    admit('a');
    partition.send('b', { type: 'cancel', reason: 'no', force: false, graceMs: 0 });
    expect(admit('a', 'b', 'unknown')).toEqual([]);
  });

  test('is in a snapshot what it is in the log, and so are the rates', () => {
    define({ concurrency: 1, keyConcurrency: 1, rate: { count: 1, periodMs: 10 } });
    for (const id of ['a', 'b', 'c']) start(id, { key: id, priority: 1 });
    admit('a');
    admit('b');
    partition.assign('a');
    report('a', { commands: [wait('m')], idle: true });
    partition.send('q', { type: 'follow', epoch: 3 }, 'queue');
    const [restored, replayed] = [emptyModel(), emptyModel()];
    restored.restore(JSON.parse(JSON.stringify(partition.model.snapshot())) as Json);
    for (const { commit, events } of partition.log)
      for (const [index, event] of events.entries()) replayed.evolve(event, { commit, index });
    const of = ({ index }: typeof restored) => ({
      ...(index.queues.snapshot() as object),
      at: index.queues.spentOf(testTenant, 'q'),
    });
    expect(of(restored)).toEqual(of(partition.model));
    expect(of(replayed)).toEqual(of(partition.model));
    const spent = [['a', 7], ['', 5], ['b', 7]].map(([key, ms]) => [key, partition.nowMs + Number(ms)]); // prettier-ignore
    expect(of(replayed)).toMatchObject({ at: spent, queues: [{ epoch: 3 }] });
  });

  test('hands key and priority of a child on', () => {
    start('a');
    partition.assign('a');
    const child = { type: 'child', kind: 'child', name: 'c', occurrence: 1, child: 'a-c', workflow: 'c', input: {}, key: 'k', priority: -2, attach: false, cancelWithParent: false } as const; // prettier-ignore
    report('a', { commands: [child] });
    expect(partition.eventsOf('a').at(-1)?.data).toMatchObject({ key: 'k', priority: -2 });
  });
});
