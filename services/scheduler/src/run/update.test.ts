import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { FakePartition, startOf } from '../testing/fake-partition.js';
import { journalOf } from './journal.js';
import type { Seen, WorkerCommand } from './run.commands.js';

let partition: FakePartition;
beforeEach(() => {
  partition = new FakePartition();
  partition.send('r', startOf('w'));
  partition.assign('r');
});

const name = 'withdraw/upd_1';
const now = (): Seen => {
  const { live, commits } = partition.run('r');
  return live ? { attempt: live.token, entries: live.entries } : { commit: commits.at(-1) as number };
};
const accept = (seen = now(), of = name) =>
  partition
    .send('r', { type: 'update', update: 'withdraw', name: of, content: { value: 80 }, seen })
    .map(([type]) => type);
const answer = (more: object = {}): WorkerCommand => ({
  type: 'answer', kind: 'update', name, occurrence: 1, content: { value: 20 }, ...more,
}); // prettier-ignore
function report(...commands: WorkerCommand[]) {
  const { live } = partition.run('r');
  const items = [{ run: 'r', attempt: live?.token ?? '', commands, idle: false, entries: live?.entries ?? 0 }];
  return partition.send('r', { type: 'report', session: 'ses', items }).map(([type]) => type);
}
const refused = (code: string) => expect.objectContaining({ code }) as unknown as Error;
const outcomes = () =>
  journalOf(partition.eventsOf('r'))?.entries.map(({ kind, outcome }) => `${kind} ${outcome.type}`);

describe('an update', () => {
  test('is recorded, told to the worker, and answered once', () => {
    expect(accept()).toEqual(['update_accepted']);
    expect(partition.run('r')).toMatchObject({ state: 'waiting', opens: [{ kind: 'update', name, on: 'withdraw' }] });
    expect(report(answer())).toEqual(['update_answered']);
    expect(partition.run('r').opens).toEqual([]);
    expect(outcomes()).toEqual(['update accepted', 'update own']);
    expect(report(answer())).toEqual(['paused']);
  });

  test('that is sent again is the same one, before it is answered and after', () => {
    accept();
    expect(accept()).toEqual([]);
    report(answer({ content: {}, error: { code: 'e', message: 'm' } }));
    expect(accept()).toEqual([]);
    expect(outcomes()).toEqual(['update accepted', 'update failed']);
  });

  test('is not recorded when something came to the run since it was accepted', () => {
    verifies('run.update_seen');
    const before = now();
    report({ type: 'completed', kind: 'step', name: 'a', occurrence: 1, content: {} });
    expect(() => accept(before)).toThrow(refused('run.update_raced'));
    expect(() => accept({ attempt: 'made.up', entries: 1 })).toThrow(refused('run.update_raced'));
    expect(accept()).toEqual(['update_accepted']);
    expect(() => accept(now(), 'withdraw/upd_2')).toThrow(refused('run.update_raced'));
  });

  test('accepted by a copy of the run counts as long as nothing was recorded since', () => {
    partition.run('r').live = undefined;
    const before = now();
    partition.send('r', { type: 'message', message: 'm', content: {} });
    expect(() => accept(before)).toThrow(refused('run.update_raced'));
    expect(accept()).toEqual(['update_accepted']);
    expect(partition.model.index.notes.at(-1)).toMatchObject({ type: 'ready' });
  });

  test('is refused by a run that is cancelled, has ended, or has not begun', () => {
    partition.send('r', { type: 'cancel', reason: 'x', force: false, graceMs: 1000 });
    expect(() => accept()).toThrow(refused('run.cancelled'));
    partition.send('r', { type: 'cancel', reason: 'x', force: true, graceMs: 1000 });
    expect(() => accept({ commit: 1 })).toThrow(refused('run.ended'));
    partition.send('later', startOf('w', { notBeforeMs: partition.nowMs + 1000 }));
    const early = { type: 'update', update: 'u', name: 'u/1', content: {}, seen: { commit: 1 } } as const;
    expect(() => partition.send('later', early)).toThrow(refused('run.not_begun'));
  });

  test('that a run has not accepted cannot be answered by its worker', () => {
    expect(report(answer())).toEqual(['paused']);
  });
});

describe('a message that goes with a start', () => {
  const message = { message: 'm', content: { value: 1 } };
  const start = (more: object = {}) => partition.send('s', startOf('w', { message, ...more })).map(([type]) => type);

  test('is in its commit, and comes to the run that is there', () => {
    verifies('run.start_and_send');
    expect(start()).toEqual(['started', 'message_received']);
    expect(start()).toEqual(['message_received']);
    expect(start({ digest: 'other', attach: true })).toEqual(['message_received']);
    expect(partition.run('s').messages).toHaveLength(3);
  });

  test('is not taken where the start is refused, or the run has ended', () => {
    partition.send('s', startOf());
    expect(() => start({ digest: 'other' })).toThrow(refused('run.conflict'));
    partition.send('s', { type: 'cancel', reason: 'x', force: true, graceMs: 0 });
    expect(() => start()).toThrow(refused('run.ended'));
  });
});
