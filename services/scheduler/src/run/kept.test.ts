import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { FakePartition, emptyModel, startOf, testTenant } from '../testing/fake-partition.js';
import { journalOf } from './journal.js';
import { cut, stepOf } from './kept.js';
import type { End, RunCommand, WorkerCommand } from './run.commands.js';

let partition: FakePartition;
beforeEach(() => {
  partition = new FakePartition();
  partition.send('r', startOf('w'));
  partition.assign('r');
});

const step = (name: string): WorkerCommand => ({
  type: 'completed',
  kind: 'step',
  name,
  occurrence: 1,
  content: { value: name },
});
const wait: WorkerCommand = { type: 'wait', kind: 'message', name: 'm', occurrence: 1, message: 'm' };
const error = { code: 'c', message: 'no' };
function report(commands: WorkerCommand[], end?: End, id = 'r') {
  const { live } = partition.run(id);
  const items = [
    { run: id, attempt: live?.token ?? '', commands, idle: false, entries: live?.entries ?? 0, ...(end && { end }) },
  ];
  return partition.send(id, { type: 'report', session: 'ses', items }).map(([type]) => type);
}
/** As the API makes it from what it reads. */
function restart(from: string): RunCommand {
  const events = since();
  const { kept, dropped } = cut(events, { before: stepOf(from) }, true);
  const { restarts = 0, ...started } = events[0]?.data as never as { restarts?: number; workflow: string };
  const seen = partition.log.findLast(({ events: all }) => all.some(({ subject }) => subject === 'r'))?.commit ?? 0;
  return { type: 'restart', seen, started: { ...started, restarts: restarts + 1 } as never, kept, from, dropped };
}
const since = () =>
  partition.eventsOf('r').slice(partition.eventsOf('r').findLastIndex(({ type }) => type === 'run.started.v1'));
const entries = () =>
  journalOf(partition.eventsOf('r'))?.entries.map(({ kind, name, outcome }) => `${kind} ${name} ${outcome.type}`);

describe('a run that is restarted from a step', () => {
  test('keeps what came true before it, and begins a life of its own in one commit', () => {
    verifies('versions.restart');
    report([step('a'), wait]);
    partition.send('r', { type: 'message', message: 'm', content: { value: 1 } });
    partition.nowMs += 60_000;
    report([step('b')], { type: 'failed', error });
    expect(partition.run('r').state).toBe('failed');
    const command = restart('b/1');
    expect(command).toMatchObject({ dropped: ['step b/1'] });
    expect(partition.send('r', command).map(([type]) => type)).toEqual(['restarted', 'started', 'kept']);
    expect(partition.run('r')).toMatchObject({
      state: 'running',
      endedMs: 0,
      opens: [],
      idle: false,
      untouched: false,
    });
    expect(partition.model.index.notes.at(-1)).toMatchObject({ type: 'ready' });
    expect(entries()).toEqual(['step a own', 'message m completed']);
    const { kept = [], startedMs, pending } = journalOf(partition.eventsOf('r')) ?? {};
    expect([kept, startedMs, pending]).toEqual([
      [{ life: 'r', entries: 2, untilMs: partition.nowMs }],
      Date.parse('2030-01-01T00:00:00.000Z'),
      [],
    ]);
  });

  test('goes through further lives, also from within what an earlier one kept', () => {
    report([step('a'), step('b'), step('c')], { type: 'failed', error });
    partition.send('r', restart('c'));
    partition.assign('r');
    report([step('c'), step('d')], { type: 'failed', error });
    partition.send('r', restart('d'));
    partition.assign('r');
    expect(journalOf(partition.eventsOf('r'))?.kept.map(({ life, entries: to }) => [life, to])).toEqual([
      ['r', 2],
      ['r~1', 3],
    ]);
    report([], { type: 'failed', error });
    partition.send('r', restart('b'));
    expect(entries()).toEqual(['step a own']);
    expect(journalOf(partition.eventsOf('r'))?.kept).toMatchObject([{ life: 'r', entries: 1 }]);
    expect(since()[0]?.data).toMatchObject({ restarts: 3 });
  });

  test('asks again for what stood open, and finds the messages that came', () => {
    report([step('a'), wait]);
    report([{ type: 'failed', kind: 'step', name: 'b', occurrence: 1, attempt: 1, error, retryable: true, policy: { attempts: 1, delayMs: 1, factor: 1, maxDelayMs: 1, pause: true } }]); // prettier-ignore
    partition.send('r', { type: 'message', message: 'm', content: { value: 1 } });
    partition.send('r', restart('b'));
    expect(partition.run('r')).toMatchObject({ opens: [], messages: [{ message: 'm' }], live: undefined });
    expect(entries()).toEqual(['step a own']);
    partition.assign('r');
    report([wait]);
    expect(entries()).toEqual(['step a own', 'message m completed']);
  });

  test('is one that has come to rest, and whose record is the one that was read', () => {
    verifies('versions.restart');
    report([step('a')]);
    expect(() => partition.send('r', restart('a'))).toThrow(expect.objectContaining({ code: 'run.not_restartable' }));
    const read = restart('a');
    report([], { type: 'failed', error });
    expect(() => partition.send('r', read)).toThrow(expect.objectContaining({ code: 'run.changed' }));
    partition.send('r', restart('a'));
    expect(entries()).toEqual([]);
  });

  test('gives the same index from the log and from a snapshot', () => {
    report([step('a'), step('b')], { type: 'failed', error });
    partition.send('r', restart('b'));
    const again = emptyModel();
    for (const { commit, events } of partition.log)
      for (const [index, event] of events.entries()) again.evolve(event, { commit, index });
    const restored = emptyModel();
    restored.restore(JSON.parse(JSON.stringify(again.snapshot())));
    for (const model of [again, restored])
      expect(model.index.get(testTenant, 'r')).toMatchObject({
        state: 'running',
        done: partition.run('r').done,
        commits: [3],
      });
  });
});

describe('a fork', () => {
  test('begins with what came true up to a step, without messages that came later and without what stood open', () => {
    verifies('versions.fork');
    report([step('a'), wait, step('b')]);
    partition.send('r', { type: 'message', message: 'm', content: { value: 1 } });
    const { kept, waiting } = cut(since(), { after: stepOf('a') }, false);
    partition.send('f', startOf('w', { kept }));
    expect(partition.run('f')).toMatchObject({ messages: [], opens: [], idle: false });
    expect(journalOf(partition.eventsOf('f'))).toMatchObject({
      entries: [{ name: 'a' }],
      kept: [{ life: 'r', entries: 1 }],
    });
    expect(waiting).toEqual([]);
    partition.send('g', startOf('w', { kept: cut(since(), {}, false).kept }));
    expect(journalOf(partition.eventsOf('g'))?.entries.map(({ name }) => name)).toEqual(['a', 'b', 'm']);
  });

  test('leaves a message to the run that it was sent to, unless that had taken it', () => {
    partition.send('r', { type: 'message', message: 'm', content: { value: 1 } });
    report([step('a'), wait]);
    const messages = (after: string) => {
      partition.send(`of ${after}`, startOf('w', { kept: cut(since(), { after: stepOf(after) }, false).kept }));
      return [
        partition.run(`of ${after}`).messages.length,
        journalOf(partition.eventsOf(`of ${after}`))?.entries.length,
      ];
    };
    expect([messages('a'), messages('m')]).toEqual([
      [0, 1],
      [0, 2],
    ]);
  });

  test('from a step of which nothing is recorded is refused, with those that there are', () => {
    report([step('a')]);
    expect(() => cut(since(), { after: stepOf('b') }, false)).toThrow(
      'nothing is recorded of b/1; of these there is: a/1',
    );
  });
});
