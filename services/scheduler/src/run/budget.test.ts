import { beforeEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { FakePartition, startOf } from '../testing/fake-partition.js';
import type { RunCommand, WorkerCommand } from './run.commands.js';

let partition: FakePartition;
const policy = { attempts: 3, delayMs: 50, factor: 2, maxDelayMs: 1000 };

beforeEach(() => {
  partition = new FakePartition();
});

const accountOf = (run: string) => partition.run(run).budget?.own;
const start = (run: string, limits: object, more: object = {}) =>
  partition.send(run, startOf('w', { limits, ...more }));
const reserve = (id: string, amount: object, more: object = {}): RunCommand => ({
  type: 'reserve', id, by: 'r', amount, ...more,
}); // prettier-ignore
const charge = (id: string, amount: object) => reserve(id, amount, { settled: true });
const typesOf = (events: [string, unknown][]) => events.map(([type]) => type);

function report(run: string, commands: WorkerCommand[]) {
  const live = partition.run(run).live ?? partition.assign(run);
  const item = { run, attempt: live.token, commands, idle: true, entries: live.entries };
  return partition.send(run, { type: 'report', session: 'ses', items: [item] });
}

/** A step that was refused something, as its worker reports it. */
function refusedStep(run: string, need: object, attempt = 1) {
  const error = { code: 'run.budget_exhausted', message: 'used up', details: { account: run, ...need } };
  const key = { kind: 'call', name: 'search', occurrence: 1 } as const;
  return report(run, [{ ...key, type: 'failed', attempt, error: error as never, retryable: false, policy }]);
}

describe('a budget', () => {
  test('is reserved before it is spent, and what was not spent is free again', () => {
    verifies('budget.reserved');
    start('r', { tokens: 100 });
    expect(partition.send('r', reserve('a', { tokens: 80 }))).toHaveLength(1);
    expect(accountOf('r')).toMatchObject({ used: {}, reserved: { tokens: 80 } });
    expect(typesOf(partition.send('r', reserve('b', { tokens: 30 })))).toEqual(['budget_exhausted']);
    partition.send('r', { type: 'settle', id: 'a', used: { tokens: 50 } });
    expect(accountOf('r')).toMatchObject({ used: { tokens: 50 }, reserved: { tokens: 0 } });
    expect(typesOf(partition.send('r', reserve('b', { tokens: 50 })))).toEqual(['budget_reserved']);
  });

  test('takes nothing twice, and settles nothing twice', () => {
    verifies('budget.once');
    start('r', { toolCalls: 2 });
    partition.send('r', charge('a', { toolCalls: 1 }));
    expect(partition.send('r', charge('a', { toolCalls: 1 }))).toEqual([]);
    partition.send('r', reserve('b', { toolCalls: 1 }));
    expect(partition.send('r', reserve('b', { toolCalls: 1 }))).toEqual([]);
    partition.send('r', { type: 'settle', id: 'b', used: { toolCalls: 1 } });
    expect(partition.send('r', { type: 'settle', id: 'b', used: { toolCalls: 1 } })).toEqual([]);
    expect(partition.send('r', reserve('b', { toolCalls: 1 }))).toEqual([]);
    expect(accountOf('r')?.used).toEqual({ toolCalls: 2 });
  });

  test('of zero is used up by the first amount, and by nothing that has no limit', () => {
    verifies('budget.zero');
    start('r', { nanoUsd: 0 });
    expect(partition.send('r', charge('a', { tokens: 1000 }))).toHaveLength(1);
    expect(partition.send('r', charge('b', { nanoUsd: 1 }))).toEqual([
      ['budget_exhausted', expect.objectContaining({ lacking: ['nanoUsd'], need: { nanoUsd: 1 }, by: 'r' })],
    ]);
  });

  test('is asked for once, however much is refused meanwhile', () => {
    start('r', { toolCalls: 0 });
    expect(typesOf(partition.send('r', charge('a', { toolCalls: 1 })))).toEqual(['budget_exhausted']);
    expect(() => partition.send('r', charge('b', { toolCalls: 1 }))).toThrow('0 of 0 tool calls');
  });

  test('is asked for no longer than its run goes on', () => {
    verifies('approval.withdrawn');
    start('r', { toolCalls: 0 });
    const [[, asked] = []] = partition.send('r', charge('a', { toolCalls: 1 }));
    const { approval } = asked as { approval: string };
    const ended = partition.send('r', { type: 'cancel', reason: 'enough', force: true, graceMs: 0 });
    expect(ended.at(-1)).toEqual(['cancelled', expect.objectContaining({ approvals: [approval] })]);
  });

  test('that was overspent says so, and gives nothing more', () => {
    start('r', { tokens: 10 });
    partition.send('r', reserve('a', { tokens: 10 }));
    partition.send('r', { type: 'settle', id: 'a', used: { tokens: 13 } });
    expect(accountOf('r')?.used).toEqual({ tokens: 13 });
    expect(typesOf(partition.send('r', charge('b', { tokens: 1 })))).toEqual(['budget_exhausted']);
  });

  test('counts what was never settled as spent, when its run ends', () => {
    verifies('budget.unsettled');
    start('r', { tokens: 10 });
    partition.send('r', reserve('a', { tokens: 4 }));
    const live = partition.assign('r');
    const item = { run: 'r', attempt: live.token, commands: [], idle: false, entries: 0 };
    const end = { type: 'completed' as const, content: {} };
    const [[, data] = []] = partition.send('r', { type: 'report', session: 'ses', items: [{ ...item, end }] });
    expect(data).toMatchObject({ budget: { limits: { tokens: 10 }, used: { tokens: 4 } } });
    expect(data).not.toHaveProperty('approvals');
    expect(() => partition.send('r', charge('b', { tokens: 1 }))).toThrow('its budget with it');
  });

  test('belongs to runs that were started with limits', () => {
    partition.send('r', startOf());
    expect(() => partition.send('r', charge('a', { tokens: 1 }))).toThrow('without limits');
    expect(() => partition.send('r', { type: 'add_budget', limits: { tokens: 1 }, by: 'psn_1' })).toThrow(
      'without limits',
    );
  });
});

describe('a step that is refused for want of budget', () => {
  beforeEach(() => {
    start('r', { toolCalls: 1 });
    partition.send('r', charge('a', { toolCalls: 1 }));
  });
  const wait = () => partition.send('r', { type: 'await_budget', by: 'r', need: { toolCalls: 1 } });

  test('waits until a person grants more, and is tried again', () => {
    verifies('budget.paused');
    expect(refusedStep('r', { toolCalls: 1 })).toEqual([
      ['step_failed', expect.objectContaining({ exhausted: true, budget: { toolCalls: 1 } })],
    ]);
    const asking = wait();
    const [, [, awaited] = []] = asking;
    expect(awaited).toEqual({ by: 'r' });
    expect(() => partition.send('r', { type: 'resume' })).toThrow('waits for more budget');
    const [[, added] = []] = partition.send('r', { type: 'add_budget', limits: { toolCalls: 2 }, by: 'psn_1' });
    const { approval } = (asking as [string, { approval: string }][])[0]![1];
    expect(added).toEqual({ amount: { toolCalls: 2 }, by: 'psn_1', waiting: ['r'], approvals: [approval] });
    expect(partition.send('r', { type: 'refilled' })).toEqual([['resumed', { budget: true }]]);
    expect(partition.run('r').opens[0]).toMatchObject({
      untilMs: partition.nowMs,
      trying: { failures: 1, excused: 1 },
    });
    expect(partition.send('r', { type: 'refilled' })).toEqual([]);
  });

  test('goes on at once where more was granted before it was known to wait', () => {
    refusedStep('r', { toolCalls: 1 });
    partition.send('r', { type: 'add_budget', limits: { toolCalls: 1 }, by: 'psn_1' });
    expect(wait()).toEqual([]);
  });

  test('fails where a person says no; where nobody says anything it waits on', () => {
    verifies('budget.answered');
    refusedStep('r', { toolCalls: 1 });
    const [asking] = wait() as [string, { approval: string }][];
    const approval = asking?.[1].approval as string;
    const answer = { type: 'answer', approval, approved: false, content: {} } as const;
    expect(partition.send('r', { ...answer, expired: true })).toEqual([['budget_refused', { approval, expired: true }]]);
    expect(wait()).toEqual([['budget_exhausted', expect.objectContaining({ approval: expect.not.stringMatching(approval) })]]);
    const asked = accountOf('r')?.asked?.approval as string;
    const no = { ...answer, approval: asked, expired: false, by: 'psn_1', reason: 'enough' };
    expect(partition.send('r', no)).toEqual([
      ['budget_refused', { approval: asked, by: 'psn_1', reason: 'enough', waiting: ['r'] }],
    ]);
    const told = { type: 'budget_refused', by: 'psn_1', reason: 'enough', graceMs: 1000 } as const;
    expect(partition.send('r', told)).toEqual([
      ['step_failed', expect.objectContaining({ error: { code: 'run.budget_exhausted', message: expect.stringContaining('psn_1 grants no more: enough') } })],
    ]);
    expect(partition.run('r').opens).toEqual([]);
  }); // prettier-ignore

  test.each([
    [{ toolCalls: 5 }, { toolCalls: 5 }],
    [
      { usd: 0.5, tokens: 7, time: '2m' },
      { nanoUsd: 500_000_000, tokens: 7 },
    ],
    [undefined, { toolCalls: 1 }],
    [true, { toolCalls: 1 }],
  ])('is answered with %j by a person', (value, amount) => {
    wait();
    const approval = accountOf('r')?.asked?.approval as string;
    const content = value === undefined ? {} : { value };
    expect(
      partition.send('r', { type: 'answer', approval, expired: false, approved: true, by: 'psn_1', content }),
    ).toEqual([['budget_added', { amount, by: 'psn_1', waiting: ['r'] }]]);
  });
});

describe('the time of a run', () => {
  test('pauses it when it is over; more time lets it go on', () => {
    verifies('budget.time');
    start('r', { timeMs: 1000 });
    partition.assign('r');
    expect(partition.model.index.timers.next()).toBe(partition.nowMs + 1000);
    partition.nowMs += 1000;
    expect(partition.send('r', { type: 'timers', runs: ['r'] })).toEqual([['paused', { reason: 'budget' }]]);
    expect(partition.run('r')).toMatchObject({ paused: 'budget', live: undefined });
    partition.send('r', { type: 'await_budget', by: 'r', need: {} });
    const deadline = new Date(partition.nowMs + 5000).toISOString();
    expect(partition.send('r', { type: 'add_budget', limits: { timeMs: 5000 }, by: 'psn_1' })).toEqual([
      ['budget_added', { amount: {}, by: 'psn_1', deadline, waiting: ['r'], approvals: [expect.any(String)] }],
    ]);
    partition.send('r', { type: 'refilled', deadlineMs: Date.parse(deadline) });
    expect(partition.run('r').paused).toBe(false);
    expect(partition.model.index.timers.next()).toBe(partition.nowMs + 5000);
  });

  test('that nobody makes longer ends in a cancel, with time to clean up', () => {
    start('r', { timeMs: 10 });
    partition.assign('r');
    partition.nowMs += 10;
    partition.send('r', { type: 'timers', runs: ['r'] });
    const events = partition.send('r', { type: 'budget_refused', by: 'psn_1', graceMs: 500 });
    expect(typesOf(events)).toEqual(['cancel_requested', 'resumed']);
    expect(partition.run('r')).toMatchObject({ paused: false, cancel: { deadlineMs: partition.nowMs + 500 } });
  });

  test('begins with its start, and is never longer than that of the run above', () => {
    const above = { account: 'a', deadline: '2030-01-01T00:00:30.000Z', maxDepth: 3 };
    start('r', { timeMs: 3_600_000, depth: 5 }, { budget: above, depth: 1 });
    expect(partition.run('r').budget).toMatchObject({
      account: 'r',
      deadlineMs: Date.parse(above.deadline),
      maxDepth: 3,
    });
    start('later', { timeMs: 1000 }, { notBeforeMs: partition.nowMs + 60_000 });
    expect(partition.run('later').budget?.deadlineMs).toBe(partition.nowMs + 61_000);
  });
});

describe('children', () => {
  const child = (limits?: object): WorkerCommand =>
    ({ type: 'child', kind: 'child', name: 'c', occurrence: 1, child: 'c', workflow: 'w', input: {}, attach: false, cancelWithParent: false, ...(limits && { limits }) }) as WorkerCommand; // prettier-ignore

  test('spend from the account of their parent unless they have limits of their own', () => {
    verifies('budget.inherited');
    start('r', { tokens: 10, timeMs: 1000 });
    const [[, asked] = []] = report('r', [child({ tokens: 5 })]);
    const budget = { account: 'r', deadline: new Date(partition.nowMs + 1000).toISOString() };
    expect(asked).toMatchObject({ limits: { tokens: 5 }, budget });
    partition.send('c', startOf('w', { parent: 'r', depth: 1, budget }));
    expect(partition.run('c').budget).toMatchObject({ account: 'r', own: undefined });
  });

  test('with limits of their own hold a share of their parent until they end', () => {
    verifies('budget.share');
    start('r', { tokens: 100, children: 2 });
    const share = reserve('c', { tokens: 60, children: 0 }, { by: 'c', start: 'share' });
    partition.send('r', share);
    expect(accountOf('r')?.reserved).toEqual({ tokens: 60, children: 1 });
    expect(() => partition.send('r', { ...share, id: 'd' } as RunCommand)).toThrow('60 of 100 tokens');
    partition.send('r', { type: 'settle', id: 'c', used: { tokens: 20, children: 1 } });
    expect(accountOf('r')).toMatchObject({ used: { tokens: 20, children: 1 }, reserved: { tokens: 0, children: 0 } });
  });

  test('say how much they need of everything that is limited above them', () => {
    start('r', { tokens: 100, nanoUsd: 5 });
    expect(() => partition.send('r', reserve('c', { tokens: 60 }, { start: 'share' }))).toThrow('nanoUsd');
  });

  test('that get more from a person get it in every account above', () => {
    start('r', { tokens: 100 });
    partition.send('r', reserve('c', { tokens: 100 }, { by: 'c', start: 'share' }));
    const more = { type: 'extend_budget', id: 'c', cause: 'evt_1', amount: { tokens: 50 } } as const;
    expect(partition.send('r', more)).toHaveLength(1);
    expect(partition.send('r', more)).toEqual([]);
    expect(accountOf('r')).toMatchObject({ limits: { tokens: 150 }, reserved: { tokens: 150, children: 1 } });
  });

  /** A child that the reactor could not start, as it tells the parent. */
  const deferred = (details: object = { account: 'r', children: 1 }) => {
    const error = { code: 'run.budget_exhausted', message: '1 of 1 children', details: { ...details } as never };
    return partition.send('r', { type: 'child_refused', name: 'c', occurrence: 1, child: 'c', error });
  };

  describe('for which there is no budget', () => {
    beforeEach(() => {
      start('r', { children: 1, timeMs: 1000 });
      report('r', [child()]);
    });
    const wait = () => partition.send('r', { type: 'await_budget', by: 'r', need: { children: 2 } });
    const refused = { type: 'budget_refused', by: 'psn_1', graceMs: 500 } as const;

    test('keep their parent waiting for a person, and are started when there is more', () => {
      verifies('budget.child_waits');
      expect(deferred()).toEqual([
        ['child_deferred', expect.objectContaining({ child: 'c', budget: { children: 1 } })],
      ]);
      expect(deferred()).toEqual([]);
      expect(typesOf(wait())).toEqual(['budget_exhausted', 'budget_awaited']);
      expect(typesOf(wait())).toEqual([]);
      const children = [{ name: 'c', occurrence: 1 }];
      expect(partition.send('r', { type: 'refilled' })).toEqual([['resumed', { budget: true, children }]]);
      expect(partition.send('r', { type: 'refilled' })).toEqual([]);
      const started = { type: 'child_started', name: 'c', occurrence: 1, child: 'c' } as const;
      expect(typesOf(partition.send('r', started))).toEqual(['child_started']);
      expect(partition.run('r').children).toMatchObject([{ id: 'c', outcome: undefined }]);
    });

    test.each<[string, RunCommand]>([
      ['a no', refused],
      ['a cancel', { type: 'cancel', reason: 'enough', force: false, graceMs: 500 }],
    ])('fail by %s, and nobody waits for their end', (_by, command) => {
      deferred();
      expect(typesOf(partition.send('r', command))).toContain('child_refused');
      expect(partition.run('r')).toMatchObject({ opens: [], children: [] });
      expect(typesOf(deferred())).toEqual([]);
    });

    test('fail with the time of their parent, and when the code gives them up', () => {
      deferred();
      partition.nowMs += 1000;
      partition.send('r', { type: 'timers', runs: ['r'] });
      expect(typesOf(partition.send('r', refused))).toEqual(['cancel_requested', 'child_refused', 'resumed']);
      start('s', { children: 0 });
      report('s', [child()]);
      const error = { code: 'run.budget_exhausted', message: '', details: { account: 's', children: 1 } as never };
      partition.send('s', { type: 'child_refused', name: 'c', occurrence: 1, child: 'c', error });
      report('s', [{ kind: 'child', name: 'c', occurrence: 1, type: 'abort', error: { code: 'e', message: 'm' } }]);
      expect(partition.run('s')).toMatchObject({ opens: [], children: [] });
    });

    test('are refused where another account is meant', () => {
      expect(typesOf(deferred({ account: 'other', children: 1 }))).toEqual(['child_refused']);
    });
  });

  test('that start themselves for ever come to an end', () => {
    verifies('run.depth_limit');
    partition.send('r', startOf('w', { depth: 8 }));
    expect(report('r', [child()])).toEqual([
      ['child_refused', expect.objectContaining({ error: expect.objectContaining({ code: 'run.too_deep' }) })],
    ]);
    start('flat', { depth: 0 });
    expect(typesOf(report('flat', [child()]))).toEqual(['child_refused']);
  });
});
