import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { FakePartition, startOf } from '../testing/fake-partition.js';
import type { ReportItem, WorkerCommand } from './run.commands.js';
import type { Refused } from './run-model.js';

let partition: FakePartition;
beforeEach(() => {
  partition = new FakePartition();
});

const policy = { attempts: 3, delayMs: 1000, factor: 2, maxDelayMs: 60_000 };
const step = (name: string, value: number, occurrence = 1): WorkerCommand => ({
  type: 'completed', kind: 'step', name, occurrence, content: { value },
}); // prettier-ignore
const failure = (name: string, attempt: number, retryable = true): WorkerCommand => ({
  type: 'failed', kind: 'step', name, occurrence: 1, attempt, error: { code: 'e', message: 'no' }, retryable, policy,
}); // prettier-ignore
const message = (name: string, timeoutMs?: number): WorkerCommand => ({
  type: 'wait', kind: 'message', name, occurrence: 1, message: name, ...(timeoutMs !== undefined && { timeoutMs }),
}); // prettier-ignore

function started(id = 'r', more: object = {}) {
  partition.send(id, startOf('w', more));
  return partition.assign(id);
}
function report(id: string, commands: WorkerCommand[], more: Partial<ReportItem> = {}) {
  const attempt = partition.run(id).live?.token ?? '';
  const items = [{ run: id, attempt, commands, idle: false, entries: 0, ...more }];
  return partition.send(id, { type: 'report', session: 'ses', items });
}
const noted = () => partition.model.index.notes.map((note) => (note.type === 'entry' ? note.entry : note));

describe('a start', () => {
  test('of a run that is there is nothing new, unless it is another start', () => {
    expect(partition.send('r', startOf())).toHaveLength(1);
    expect(partition.send('r', startOf())).toEqual([]);
    expect(() => partition.send('r', startOf('w', { digest: 'other' }))).toThrow(
      expect.objectContaining({ code: 'run.conflict' }),
    );
    expect(partition.send('r', startOf('w', { digest: 'other', attach: true }))).toEqual([]);
  });

  test('by a run that is not its parent is a wish to hear of its end', () => {
    started('r', { parent: 'p' });
    expect(partition.send('r', startOf('w', { parent: 'p' }))).toEqual([]);
    expect(partition.send('r', startOf('w', { parent: 'q' }))).toEqual([['watched', { by: 'q' }]]);
    const [[, end]] = report('r', [], { end: { type: 'completed', content: {} } }) as [[string, object]];
    expect(end).toMatchObject({ notify: ['p', 'q'], journal: [1, 2] });
  });
});

describe('a report', () => {
  test('on a step records it, and says so to the worker', () => {
    started();
    expect(report('r', [step('a', 1)])).toEqual([
      ['step_completed', { kind: 'step', name: 'a', occurrence: 1, attempt: 1, value: 1 }],
    ]);
    expect(noted().at(-1)).toMatchObject({ name: 'a', outcome: { type: 'own', content: { value: 1 } } });
  });

  test('under another attempt, of another stream or on a run that is not there is refused', () => {
    const refused: Refused[] = [];
    partition.model.onRefused = (each) => refused.push(each);
    const { token } = started();
    for (const item of [
      { run: 'r', attempt: 'made-up' },
      { run: 'none', attempt: token },
    ])
      partition.send('r', {
        type: 'report',
        session: 'ses',
        items: [{ ...item, commands: [step('a', 1)], idle: false, entries: 0 }],
      });
    partition.send('r', {
      type: 'report',
      session: 'other',
      items: [{ run: 'r', attempt: token, commands: [step('a', 1)], idle: false, entries: 0 }],
    });
    expect(refused.map(({ reason }) => reason)).toEqual(['stale', 'stale', 'stale']);
    expect(partition.eventsOf('r')).toHaveLength(1);
  });

  test('of one run does not depend on that of another in the same frame', () => {
    const [a, b] = [started('a'), started('b')];
    const events = partition.send('a', {
      type: 'report',
      session: 'ses',
      items: [a, b].map(({ token }, i) => ({
        run: i ? 'b' : 'a',
        attempt: token,
        commands: [step('s', i)],
        idle: false,
        entries: 0,
      })),
    });
    expect(events).toHaveLength(2);
  });

  test.each([
    ['a step that is recorded already', [step('a', 1)], [step('a', 2)]],
    ['another kind under a recorded name', [step('a', 1)], [message('a')]],
    ['another kind under an open name', [message('a')], [step('a', 1)]],
    ['an attempt out of turn', [failure('a', 1)], [failure('a', 3)]],
    ['the same step twice', [], [step('a', 1), step('a', 2)]],
  ])('with %s pauses the run and records nothing after it', (_, before, contradiction) => {
    started();
    if (before.length > 0) report('r', before);
    const events = report('r', [...contradiction, step('after', 1)]);
    expect(events.at(-1)?.[0]).toBe('paused');
    expect(events.some(([, data]) => (data as { name?: string }).name === 'after')).toBe(false);
    expect(partition.run('r')).toMatchObject({ paused: 'diverged', state: 'waiting', live: undefined });
    expect(partition.send('r', { type: 'resume' })).toEqual([['resumed', {}]]);
    expect(() => partition.send('r', { type: 'resume' })).toThrow(expect.objectContaining({ code: 'run.not_paused' }));
  });

  test('that waits for what it waits for already changes nothing', () => {
    started();
    report('r', [message('m')]);
    expect(report('r', [message('m')])).toEqual([]);
  });

  test('is idle only when the worker has seen everything that was on its way to it', () => {
    const live = started();
    expect(report('r', [message('m')], { idle: true })).toEqual([['waiting', expect.objectContaining({ idle: true })]]);
    expect(live.idle).toBe(true);
    partition.send('r', { type: 'message', message: 'm', content: {} });
    expect(live.idle).toBe(false);
    const [[, waiting]] = report('r', [message('n')], { idle: true, entries: 0 }) as [[string, object]];
    expect(waiting).not.toHaveProperty('idle');
    expect(partition.run('r').idle).toBe(false);
  });

  test('is not idle where one of many things that it waits for is there', () => {
    started();
    partition.send('r', { type: 'message', message: 'm', content: {} });
    report('r', [message('m'), message('n')], { idle: true });
    expect(partition.run('r')).toMatchObject({ idle: false, opens: [{ name: 'n' }] });
  });

  test('that takes a message takes it away', () => {
    started();
    for (const value of [1, 2]) partition.send('r', { type: 'message', message: 'm', content: { value } });
    report('r', [message('m'), { ...message('m'), occurrence: 2 } as WorkerCommand]);
    expect(noted().slice(-2)).toMatchObject([
      { outcome: { content: { value: 1 } } },
      { outcome: { content: { value: 2 } } },
    ]);
    expect(partition.run('r').messages).toEqual([]);
  });

  test('is not idle where what it waits for is there', () => {
    started();
    partition.send('r', { type: 'message', message: 'm', content: { value: 1 } });
    report('r', [message('m')], { idle: true });
    expect(partition.run('r').idle).toBe(false);
    expect(noted().at(-1)).toMatchObject({ name: 'm', outcome: { type: 'completed', content: { value: 1 } } });
  });
});

describe('a step that fails', () => {
  test('is tried again later, with longer and longer delays, until no attempt is left', () => {
    started();
    const delays = [1, 2, 3].map((attempt) => {
      const [[, data]] = report('r', [failure('a', attempt)]) as [[string, { retryAt?: string }]];
      return data.retryAt && Date.parse(data.retryAt) - partition.nowMs;
    });
    expect(delays).toEqual([1000, 2000, undefined]);
    expect(noted().at(-1)).toMatchObject({ outcome: { type: 'failed' } });
  });
});

describe('time', () => {
  test('fires what is due, once, and nothing else', () => {
    started();
    report('r', [{ type: 'sleep', kind: 'sleep', name: 'sleep', occurrence: 1, durationMs: 100 }, message('m', 200)]);
    expect(partition.send('r', { type: 'timers', runs: ['r', 'gone'] })).toEqual([]);
    partition.nowMs += 100;
    expect(partition.send('r', { type: 'timers', runs: ['r'] })).toEqual([
      ['timer_fired', expect.objectContaining({ name: 'sleep' })],
    ]);
    partition.nowMs += 100;
    partition.send('r', { type: 'timers', runs: ['r'] });
    expect(noted().slice(-2)).toMatchObject([{ outcome: { type: 'fired' } }, { outcome: { type: 'timedOut' } }]);
    expect(partition.send('r', { type: 'timers', runs: ['r'] })).toEqual([]);
    expect(partition.model.index.timers.next()).toBe(Infinity);
  });
});

describe('a cancel', () => {
  const cancel = { type: 'cancel', reason: 'enough', force: false, graceMs: 1000 } as const;

  test('gives up a step that waits for its next attempt, and leaves one that is being tried to its worker', () => {
    verifies('run.cancel_while_retrying');
    started();
    report('r', [failure('due', 1)]);
    partition.nowMs += 1000;
    report('r', [failure('later', 1)]);
    expect(partition.send('r', cancel)).toEqual([
      ['cancel_requested', expect.objectContaining({ reason: 'enough' })],
      ['step_failed', expect.objectContaining({ name: 'later', attempt: 2 })],
    ]);
    expect(noted().slice(-2)).toMatchObject([
      { kind: 'cancel' },
      { name: 'later', outcome: { type: 'failed', error: { code: 'run.cancelled' } } },
    ]);
    expect(report('r', [failure('due', 2, false)], { entries: 2 })[0]?.[1]).not.toHaveProperty('retryAt');
  });

  test('of a run with children waits for them, and the receipt has them', () => {
    started();
    const child = { type: 'child', kind: 'child', name: 'c', occurrence: 1, child: 'c1', workflow: 'c', input: {}, attach: false, cancelWithParent: false } as const; // prettier-ignore
    report('r', [child]);
    partition.send('r', { type: 'child_started', name: 'c', occurrence: 1, child: 'c1' });
    const [[, asked]] = partition.send('r', cancel) as [[string, object]];
    expect(asked).toMatchObject({ reason: 'enough', children: ['c1'] });
    const end = { type: 'cancelled', stopped: ['step a/1'], outcomeUnknown: [] } as const;
    expect(report('r', [], { end: { ...end, stopped: [...end.stopped], outcomeUnknown: [] } })[0]?.[0]).toBe('stopped');
    const outcome = { child: 'c1', state: 'cancelled', outcomeUnknown: ['x'] } as const;
    const events = partition.send('r', { type: 'child_ended', outcome: { ...outcome, outcomeUnknown: ['x'] } });
    expect(events.map(([type]) => type)).toEqual(['child_ended', 'cancelled']);
    expect(events[1]?.[1]).toMatchObject({ reason: 'enough', stopped: ['step a/1', 'c1'], outcomeUnknown: ['x'] });
  });

  test('that takes too long is over at its deadline', () => {
    started();
    partition.send('r', cancel);
    expect(partition.send('r', cancel)).toEqual([]);
    partition.nowMs += 1000;
    const events = partition.send('r', { type: 'timers', runs: ['r'] });
    expect(events).toEqual([['cancelled', expect.objectContaining({ outcomeUnknown: ['what run r was doing'] })]]);
    expect(partition.send('r', cancel)).toEqual([]);
  });

  test('for a right that was taken away ends the run at once, with the runs it started', () => {
    started('r');
    started('child', { parent: 'r', agent: 'agt_2' });
    started('other', { agent: 'agt_2' });
    const events = partition.send('r', { type: 'revoke', kind: 'run', principal: 'r' });
    expect(events.map(([type]) => type)).toEqual(['cancel_requested', 'cancelled', 'cancel_requested', 'cancelled']);
    expect(partition.run('other').ended).toBe(false);
    expect(partition.send('x', { type: 'revoke', kind: 'agent', principal: 'agt_2' })).toHaveLength(2);
    started('for a person', { onBehalfOf: ['run_0', 'agt_0', 'psn_1'] });
    expect(partition.send('x', { type: 'revoke', kind: 'person', principal: 'psn_2' })).toEqual([]);
    expect(partition.send('x', { type: 'revoke', kind: 'person', principal: 'psn_1' })).toHaveLength(2);
  });
});

describe('a run that has ended', () => {
  test('takes no message, and is forgotten after a while of events', () => {
    started();
    report('r', [], { end: { type: 'completed', content: {} } });
    expect(() => partition.send('r', { type: 'message', message: 'm', content: {} })).toThrow(
      expect.objectContaining({ code: 'run.ended' }),
    );
    partition.nowMs += 15 * 60_000;
    partition.send('later', startOf());
    expect(() => partition.send('r', { type: 'message', message: 'm', content: {} })).toThrow(
      expect.objectContaining({ code: 'run.not_found' }),
    );
  });
});
