import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import type { Blocked } from '../queue/allocator.js';
import { reasonsOf, type Around } from './reasons.js';
import type { Standstill, Waited } from './run-facts.js';

const nowMs = Date.parse('2030-01-01T00:00:00Z');
const minuteMs = 60_000;
const run = (more: Partial<Standstill> = {}): Standstill => ({
  state: 'waiting', ended: false, workflow: 'w', queue: 'q', principals: ['agt_1', 'psn_1'], notBeforeMs: 0, paused: false,
  cancelled: false, worker: 'none', ready: false, slotless: false, opens: [], commits: [1], ...more,
}); // prettier-ignore
const around = (more: Partial<Around> = {}): Around => ({ nowMs, lastMs: 5, since: new Map(), ...more });
const open = (kind: Waited['kind'], more: Partial<Waited> = {}): Waited => ({
  kind, name: 'n', occurrence: 1, untilMs: 0, failures: 0, ...more,
}); // prettier-ignore
const of = (facts: Partial<Standstill>, more: Partial<Around> = {}) =>
  reasonsOf(run(facts), around(more)).map(({ code, text }) => `${code}: ${text}`);

describe('a run that', () => {
  test.each<[string, Partial<Standstill>, string[]]>([
    ['has ended', { ended: true, state: 'failed' }, ['ended: It has failed.']],
    ['is not to begin yet', { state: 'queued', notBeforeMs: nowMs + minuteMs }, ['start_time: It is not to begin before 2030-01-01T00:01:00.000Z.']],
    ['went another way', { paused: 'diverged', opens: [open('message', { on: 'm' })] }, ['paused: It is paused: its code went another way than the record. `writ run get` has the difference.']],
    ['somebody paused', { paused: 'requested' }, ['paused: It is paused: somebody asked for that. `writ run resume` lets it go on.']],
    ['is being worked on', { worker: 'working', opens: [open('sleep', { untilMs: nowMs + minuteMs })] }, ['working: It goes on: a worker has something to do for it.', 'timer: It sleeps until 2030-01-01T00:01:00.000Z.']],
    ['waits for a message', { worker: 'idle', opens: [open('message', { on: 'm', untilMs: nowMs + minuteMs })] }, ["message: It waits for a message 'm', at most until 2030-01-01T00:01:00.000Z."]],
    ['waits for an answer', { opens: [open('approval', { on: 'apr_1' })] }, ['approval: It waits for the answer to apr_1.']],
    ['waits for a child', { opens: [open('child', { on: 'run_2' }), open('result', { on: 'run_3' })] }, ['child: It waits for its child run_2 to be started.', 'child: It waits for its child run_3 to end.']],
    ['has no budget for a child', { opens: [open('child', { on: 'run_2', exhausted: 'run.budget_exhausted: 1 of 1 children' })] }, ['budget: Its child run_2 is not started (run.budget_exhausted: 1 of 1 children); somebody is asked for more.']],
    ['waits to try again', { opens: [open('step', { failures: 2, untilMs: nowMs + minuteMs })] }, ['retry: step n/1 has failed 2 times; it is tried again at 2030-01-01T00:01:00.000Z.']],
    ['has nothing left to try', { opens: [open('step', { failures: 2, exhausted: 'card.declined: no' })] }, ['exhausted: Nothing is left to try of step n/1 (card.declined: no); a person has to look at it.']],
  ])('%s says so', (_what, facts, expected) => {
    verifies('queue.why');
    expect(of(facts)).toEqual(expected);
  }); // prettier-ignore

  test('finds no worker says whether there is one at all', () => {
    expect(of({ ready: true }, { served: false })).toEqual([
      'no_worker: No worker of agt_1 or whom that acts for with workflow w is connected to queue q.',
    ]);
    expect(of({ ready: true, principals: ['agt_1'] }, { served: true })).toEqual([
      'workers_busy: Workers with workflow w serve queue q, and none has room.',
    ]);
    const due = [open('step', { failures: 1, untilMs: nowMs - 1 })];
    expect(of({ opens: due }, { served: false })[0]).toMatch(/^no_worker/);
  });

  const limits = {
    concurrency: 2,
    keyConcurrency: 1,
    rate: { count: 10, periodMs: minuteMs },
    keyRate: { count: 1, periodMs: 500 },
  };
  test.each<[Blocked['by'] | 'counting', Partial<Blocked>, string]>([
    ['concurrency', { holders: ['a', 'b'] }, 'queue_concurrency: Queue q lets 2 runs go on at once, and a, b do.'],
    ['concurrency', { holders: ['a', 'b', 'c', 'd', 'e'], ahead: 1 }, 'queue_concurrency: Queue q lets 2 runs go on at once, and a, b, c and 2 more do. 1 run before it waits too.'],
    ['key', { holders: ['a'], ahead: 7 }, 'queue_key: Queue q lets 1 run of one key go on until it has ended, and a has its key. 7 runs before it wait too.'],
    ['rate', { untilMs: nowMs + 0.5 }, 'queue_rate: Queue q lets 10 runs in 60 s begin, and that is used up until 2030-01-01T00:00:00.001Z.'],
    ['key_rate', { untilMs: nowMs }, 'queue_key_rate: Queue q lets 1 run in 500 ms of one key begin, and that is used up until 2030-01-01T00:00:00.000Z.'],
    ['nothing', {}, 'handing_over: It is next in queue q.'],
    ['counting', {}, 'queue_counting: The slots of queue q have a new owner, which is asking every partition what it has.'],
  ])('has no slot says what of its queue it waits for: %s', (by, more, expected) => {
    verifies('queue.why');
    const blocked = { by: by === 'counting' ? 'key' : by, sinceMs: 1, holders: [], ahead: 0, ...(by === 'counting' && { counting: true }), ...more } as Blocked;
    const queue = { revision: 1, limits, holding: 2, waiting: 1, blocked };
    expect(of({ ready: true, slotless: true }, { queue })).toEqual([expected]);
  }); // prettier-ignore

  test('says since when, of each thing by itself', () => {
    const since = new Map([['1 n', 7], ['2 n', 9]]); // prettier-ignore
    const opens = [open('sleep', { untilMs: nowMs + 1 }), open('message', { occurrence: 2, on: 'm' })];
    expect(reasonsOf(run({ opens }), around({ since })).map(({ sinceMs, untilMs }) => [sinceMs, untilMs])).toEqual([
      [7, nowMs + 1],
      [9, undefined],
    ]);
  });
});
