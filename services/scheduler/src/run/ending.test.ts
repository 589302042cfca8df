import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { FakePartition, startOf } from '../testing/fake-partition.js';
import { journalOf } from './journal.js';
import type { End, WorkerCommand } from './run.commands.js';

let partition: FakePartition;
beforeEach(() => {
  partition = new FakePartition();
  partition.send('r', startOf('w'));
});

const graceMs = 30_000;
const wait: WorkerCommand = { type: 'wait', kind: 'message', name: 'm', occurrence: 1, message: 'm', timeoutMs: 0 };
const child: WorkerCommand = {
  type: 'child', kind: 'child', name: 'c', occurrence: 1, child: 'c1', workflow: 'c', input: {}, attach: false, cancelWithParent: false,
}; // prettier-ignore
function report(commands: WorkerCommand[], end?: End) {
  const { token: attempt, entries } = partition.run('r').live ?? partition.assign('r');
  partition.send('r', { type: 'report', session: 'ses', items: [{ run: 'r', attempt, commands, idle: false, entries, ...(end && { end }) }] }); // prettier-ignore
}
const cancel = (force = false) => partition.send('r', { type: 'cancel', reason: 'enough', force, graceMs });
const returns = () => report([], { type: 'cancelled', stopped: [], outcomeUnknown: [] });
const childEnds = () =>
  partition.send('r', { type: 'child_ended', outcome: { child: 'c1', state: 'cancelled', outcomeUnknown: [] } });
const isLate = () => {
  partition.nowMs += graceMs;
  partition.send('r', { type: 'timers', runs: ['r'] });
};
const recorded = () => {
  const { end, entries, pending } = journalOf(partition.eventsOf('r')) ?? {};
  return { end, entries: entries?.map(({ kind }) => kind), pending: pending?.map(({ name }) => name) };
};

describe('the record of a cancelled run says that its function returned', () => {
  const ends: [when: string, run: () => void][] = [
    ['and told so', () => (report([wait]), cancel(), returns())],
    ['without a cancel', () => (report([wait]), returns())],
    ['before its children ended', () => (report([child]), cancel(), returns(), childEnds())],
    ['before it was ended at the deadline', () => (report([child]), cancel(), returns(), isLate())],
    ['before it was ended by force', () => (report([child]), cancel(), returns(), cancel(true))],
  ];
  test.each(ends)('%s', (_, run) => {
    verifies('scheduler.strict_replay');
    run();
    expect(recorded()).toMatchObject({ end: { state: 'cancelled', returned: true }, pending: [] });
  });
});

describe('the record of a cancelled run says that it was ended over the head of its function, and what stood open', () => {
  const ends: [when: string, run: () => void, pending: string[]][] = [
    ['before any worker had it', () => cancel(), []],
    ['by force', () => (report([wait]), cancel(true)), ['m']],
    ['at its deadline', () => (report([wait]), cancel(), isLate()), ['m']],
    ['for a right that was taken away', () => (report([wait]), partition.send('r', { type: 'revoke', kind: 'run', principal: 'r' })), ['m']],
    ['while its code took another way', () => (report([wait]), report([{ type: 'emit', kind: 'emit', name: 'm', occurrence: 1, content: {} }]), cancel()), ['m']],
  ]; // prettier-ignore
  test.each(ends)('%s', (_, run, pending) => {
    verifies('scheduler.strict_replay');
    run();
    expect(recorded()).toEqual({ end: { state: 'cancelled', returned: false }, entries: ['cancel'], pending });
  });
});
