import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import { DeniedError, FatalError, RetryError, TimeoutError, WritError } from '../errors/errors.js';
import { tool } from '../define/tool.js';
import { workflow } from '../define/workflow.js';
import type { LogLine } from '../run/log.js';
import { testWrit, type TestWritOptions } from './test-writ.js';

// Each behaviour must hold for a run that stays on its worker, and for one that is rebuilt from its journal at every entry.
describe.each<[string, Pick<TestWritOptions, 'alwaysReplay'>]>([
  ['a run that stays where it is', {}],
  ['a run that is rebuilt at every entry', { alwaysReplay: true }],
])('%s', (_, mode) => {
  const writ = (options: TestWritOptions) => testWrit({ ...options, ...mode });

  test('gives what its function returns, and each step acts once', async () => {
    const acts: string[] = [];
    const add = workflow({
      name: 'add',
      input: z.object({ a: z.number(), b: z.number().default(2) }),
      async run(ctx, { a, b }) {
        const sums: number[] = [];
        for (let i = 0; i < 3; i++)
          sums.push(await ctx.step('sum', ({ idempotencyKey }) => (acts.push(idempotencyKey), a + b + i)));
        return { sums, at: ctx.now, big: 12n };
      },
    });
    await using t = writ({ workflows: [add] });
    const run = await t.start(add, { a: 1 }, { id: 'r1' });
    expect(await run.result()).toEqual({ sums: [3, 4, 5], at: new Date('2026-01-01T00:00:00Z'), big: 12n });
    expect(acts).toEqual(['r1/sum#1', 'r1/sum#2', 'r1/sum#3']);
  });

  test('sleeps on virtual time, and ctx.now is the time of the last recorded event', async () => {
    const seen: string[] = [];
    const reminder = workflow({
      name: 'reminder',
      async run(ctx) {
        await ctx.sleep('3d');
        await ctx.step('remind', () => void seen.push(ctx.now.toISOString()));
        await ctx.sleep(new Date('2026-02-01T00:00:00Z'));
        return ctx.now;
      },
    });
    await using t = writ({ workflows: [reminder] });
    const run = await t.start(reminder, undefined);
    await t.advance('2d');
    expect(seen).toEqual([]);
    await t.advance('1d');
    expect(seen).toEqual(['2026-01-04T00:00:00.000Z']);
    await t.advance('30d');
    expect(await run.result()).toEqual(new Date('2026-02-01T00:00:00Z'));
  });

  test('tries a failing step again with backoff, then rejects with what it threw', async () => {
    const attempts: [number, string][] = [];
    const flaky = workflow({
      name: 'flaky',
      async run(ctx) {
        const good = await ctx.step('third time lucky', ({ attempt }) => {
          attempts.push([attempt, 'a']);
          if (attempt < 3) throw new Error('not yet');
          return attempt;
        });
        const bad = await ctx
          .step(
            'never',
            ({ attempt }) => {
              attempts.push([attempt, 'b']);
              throw new TypeError('broken');
            },
            { retry: { attempts: 2, delay: '10s' } },
          )
          .catch((error: unknown) => error);
        const fatal = await ctx
          .step('fatal', () => Promise.reject(new FatalError('stop', { code: 'mine.stop', details: { why: 1 } })))
          .catch((e: unknown) => e);
        return {
          good,
          bad: WritError.is(bad) && [bad.code, bad.message, bad.details],
          fatal: WritError.is(fatal) && [fatal.code, fatal.details],
        };
      },
    });
    await using t = writ({ workflows: [flaky] });
    const run = await t.start(flaky, undefined);
    await t.advance('1m');
    expect(await run.result()).toEqual({
      good: 3,
      bad: ['error', 'broken', { name: 'TypeError' }],
      fatal: ['mine.stop', { why: 1 }],
    });
    expect(attempts.map(([n, s]) => `${s}${n}`)).toEqual(['a1', 'a2', 'a3', 'b1', 'b2']);
  });

  test('RetryError says how long to wait', async () => {
    const attempts: number[] = [];
    const patient = workflow({
      name: 'patient',
      async run(ctx) {
        return ctx.step('limited', ({ attempt }) => {
          attempts.push(attempt);
          if (attempt === 1) throw new RetryError('rate limited', { after: '1h' });
          return 'ok';
        });
      },
    });
    await using t = writ({ workflows: [patient] });
    const run = await t.start(patient, undefined);
    await t.advance('59m');
    expect(attempts).toEqual([1]);
    await t.advance('1m');
    expect(await run.result()).toBe('ok');
  });

  test('a step that is too slow is aborted and fails with a code', async () => {
    let reason: unknown;
    const slow = workflow({
      name: 'slow',
      run: (ctx) =>
        ctx
          .step(
            'hangs',
            ({ signal }) => new Promise(() => signal.addEventListener('abort', () => (reason = signal.reason))),
            { timeout: '5s', retry: { attempts: 1 } },
          )
          .catch((error: unknown) => (error instanceof TimeoutError ? error.code : 'other')),
    });
    await using t = writ({ workflows: [slow] });
    const run = await t.start(slow, undefined);
    await t.advance('5s');
    expect(await run.result()).toBe('run.step_timeout');
    expect(WritError.is(reason, 'run.step_timeout')).toBe(true);
  });

  test('takes messages in the order they were sent, also early ones, and parses them', async () => {
    const inbox = workflow({
      name: 'inbox',
      messages: { order: z.object({ n: z.number().transform((n) => n * 10) }), stop: z.unknown() },
      async run(ctx) {
        const first = await ctx.wait('order');
        await ctx.sleep('1h');
        const second = await ctx.wait('order');
        const late = await ctx
          .wait('stop', { timeout: '1m' })
          .catch((error: unknown) => WritError.is(error, 'run.wait_timeout'));
        return [first.n, second.n, late];
      },
    });
    await using t = writ({ workflows: [inbox] });
    const run = await t.start(inbox, undefined);
    for (const n of [1, 2]) await run.send('order', { n });
    await expect(run.send('order', { n: 'x' as unknown as number })).rejects.toMatchObject({ code: 'input.invalid' });
    await t.advance('2h');
    expect(await run.result()).toEqual([10, 20, true]);
  });

  test('asks people: yes gives the answer, no is a DeniedError, silence a TimeoutError', async () => {
    const release = workflow({
      name: 'release',
      async run(ctx) {
        const answer = await ctx.ask({ title: 'Which version?', schema: z.string(), detail: { tests: 'green' } });
        const no = await ctx.ask({ title: 'Really?' }).catch((error: unknown) => error);
        const silent = await ctx.ask({ title: 'Hello?', timeout: '1d' }).catch((error: unknown) => error);
        return [
          answer.value,
          answer.by,
          no instanceof DeniedError && no.decision.reasons[0]?.text,
          silent instanceof TimeoutError && silent.code,
        ];
      },
    });
    await using t = writ({ workflows: [release] });
    const run = await t.start(release, undefined);
    let asked = 0;
    for await (const event of run) {
      if (event.type !== 'approval.requested.v1') continue;
      if (++asked === 1) await t.decide(event.subject, 'approve', { input: 'v2' });
      else if (asked === 2) await t.decide(event.subject, 'deny', { reason: 'too early' });
      else break;
    }
    await t.advance('1d');
    expect(await run.result()).toEqual(['v2', 'psn_test', 'too early', 'approval.expired']);
    await expect(t.decide('apr_none', 'approve')).rejects.toMatchObject({ code: 'approval.not_found' });
  });

  test('calls tools: own ones with parsed input, MCP ones by name, denials with their decision', async () => {
    const refund = tool({
      name: 'refund',
      description: 'Refund',
      effect: 'irreversible',
      input: z.object({ cents: z.number().default(5) }),
      run: async ({ cents }, { idempotencyKey }) => ({ cents, idempotencyKey }),
    });
    const agent = workflow({
      name: 'agent',
      async run(ctx) {
        const own = await ctx.call(refund, {});
        const issue = await ctx.call('tracker.create', { title: 'x' }, { name: 'file it' });
        const denied = await ctx.call('files/write', { path: '/etc/passwd' }).catch((error: unknown) => error);
        const bad = await ctx
          .call(refund, { cents: 'x' as unknown as number })
          .catch((error: unknown) => WritError.is(error, 'input.invalid'));
        return [own, issue, denied instanceof DeniedError && denied.decision.reasons, bad];
      },
    });
    await using t = writ({ workflows: [agent], tools: [refund] });
    const effects: string[] = [];
    t.mock(
      'tracker.create',
      ({ title }: { title: string }, { effectId }) => (effects.push(effectId), { id: `issue ${title}` }),
    );
    const reasons = [{ code: 'policy.denied', policy: 'files.v1', text: 'not there' }];
    t.mock('files/write', () =>
      Promise.reject(new DeniedError('no', { decision: { id: 'dec_1', outcome: 'deny', reasons } })),
    );
    const run = await t.start(agent, undefined, { id: 'r' });
    expect(await run.result()).toEqual([{ cents: 5, idempotencyKey: 'r/refund#1' }, { id: 'issue x' }, reasons, true]);
    expect(effects).toEqual(['r/file it#1/1']);
  });

  test('starts children, hears their results and errors, and sends them messages', async () => {
    const child = workflow({
      name: 'child',
      input: z.number(),
      messages: { go: z.string() },
      async run(ctx, n) {
        const word = await ctx.wait('go');
        if (n === 2) throw new FatalError('two is bad', { code: 'mine.two' });
        return `${n} ${word}`;
      },
    });
    const parent = workflow({
      name: 'parent',
      async run(ctx) {
        const children = await Promise.all(
          [1, 2].map((n) => ctx.start(child, n, { grant: [{ actions: ['run.read'] }] })),
        );
        for (const each of children) await each.send('go', 'now');
        return Promise.all(
          children.map((each) => each.result().catch((error: unknown) => WritError.is(error) && error.code)),
        );
      },
    });
    await using t = writ({ workflows: [child, parent] });
    expect(await (await t.start(parent, undefined)).result()).toEqual(['1 now', 'mine.two']);
  });

  test('a race comes out the same way in a replay', async () => {
    const race = workflow({
      name: 'race',
      messages: { m: z.string() },
      async run(ctx) {
        const order: string[] = [];
        const note = (name: string) => () => void order.push(name);
        await Promise.all([
          ctx.sleep('2s').then(note('sleep')),
          ctx.wait('m').then(note('message')),
          ctx.step('a', () => 1).then(note('a')),
          ctx.step('b', () => 1).then(note('b')),
        ]);
        const winner = await Promise.race([ctx.sleep('1h').then(() => 'long'), ctx.sleep('1m').then(() => 'short')]);
        await ctx.step('after', () => winner);
        return [...order, winner];
      },
    });
    await using t = writ({ workflows: [race] });
    const run = await t.start(race, undefined);
    await t.advance(0);
    await run.send('m', 'x');
    await t.advance('2h');
    expect(await run.result()).toEqual(['a', 'b', 'message', 'sleep', 'short']);
    expect(await run.replay()).toEqual({ same: true });
  });

  test('time and randomness are the same in every replay', async () => {
    const random = workflow({
      name: 'random',
      async run(ctx) {
        const before = ctx.crypto.randomUUID();
        const kept = await ctx.step('keep', () => [before, ctx.now]);
        await ctx.sleep(10);
        return [kept, before, ctx.crypto.randomUUID(), [...ctx.crypto.getRandomValues(new Uint8Array(3))]];
      },
    });
    await using t = writ({ workflows: [random] });
    const result = async (id: string) => {
      const run = await t.start(random, undefined, { id });
      await t.advance('1s');
      return (await run.result()) as [[string, Date], string, string, number[]];
    };
    const [kept, before, after] = await result('r1');
    expect(kept[0]).toBe(before);
    expect(before).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(after).not.toBe(before);
    expect((await result('r2'))[1]).not.toBe(before);
    expect(await t.run('r1', random).replay()).toEqual({ same: true });
  });

  test('the log of a workflow says each thing once', async () => {
    verifies('sdk.log_once');
    const lines: LogLine[] = [];
    const talks = workflow({
      name: 'talks',
      async run(ctx) {
        ctx.log.info('begin', { a: 1 });
        await ctx.step('one', (step) => step.log.debug('in one'));
        ctx.log.info('between');
        await ctx.sleep('1s');
        ctx.log.info('end');
      },
    });
    await using t = writ({ workflows: [talks], log: (line) => lines.push(line) });
    await t.start(talks, undefined);
    await t.advance('1s');
    expect(lines.map(({ message }) => message)).toEqual(['begin', 'in one', 'between', 'end']);
    expect(lines[0]).toMatchObject({ level: 'info', fields: { workflow: 'talks', a: 1 } });
  });

  test('emits what its watchers see', async () => {
    const emits = workflow({
      name: 'emits',
      run: async (ctx) => {
        for (const n of [1, 2]) await ctx.emit('progress', { n });
      },
    });
    await using t = writ({ workflows: [emits] });
    const run = await t.start(emits, undefined);
    const data: unknown[] = [];
    for await (const event of run)
      if (event.type === 'run.emitted.v1') data.push((event.data as { value: unknown }).value);
    expect(data).toEqual([{ n: 1 }, { n: 2 }]);
  });
});

describe('cancelling', () => {
  test('aborts what is performed, cuts waits short, lets the function clean up, takes steps back and gives a receipt', async () => {
    const seen: string[] = [];
    const busy = workflow({
      name: 'busy',
      async run(ctx) {
        await ctx.step('book', () => 'B1', {
          undo: async (value, { idempotencyKey }) => void seen.push(`undo ${value} ${idempotencyKey}`),
        });
        try {
          await Promise.all([
            ctx.step(
              'long',
              ({ signal }) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
            ),
            ctx
              .sleep('9d')
              .catch(
                (error: unknown) => (
                  seen.push(WritError.is(error, 'run.cancelled') ? 'sleep cancelled' : 'other'),
                  Promise.reject(error)
                ),
              ),
          ]);
        } finally {
          seen.push(ctx.signal.aborted ? 'signal' : 'no signal');
          await ctx.step('clean up', ({ signal }) => void seen.push(`clean up ${signal.aborted}`));
          await ctx.sleep('1s');
        }
      },
    });
    await using t = testWrit({ workflows: [busy] });
    const run = await t.start(busy, undefined, { id: 'b' });
    await rest(5);
    const receipt = run.cancel({ reason: 'enough' });
    await t.advance('1s');
    expect(await receipt).toEqual({ stopped: ['step long/1'], undone: ['step book/1'], outcomeUnknown: [] });
    expect(seen).toEqual(['sleep cancelled', 'signal', 'clean up false', 'undo B1 b/undo book/1#1']);
    await expect(run.result()).rejects.toMatchObject({ code: 'run.cancelled', name: 'CancelledError' });
    expect(await t.replay(t.history('b'), busy)).toEqual({ same: true });
  });

  test('a step that waits for its next attempt is not tried again', async () => {
    let attempts = 0;
    const failing = workflow({
      name: 'failing',
      run: (ctx) => ctx.step('f', () => Promise.reject(new Error(`${++attempts}`)), { retry: { delay: '1h' } }),
    });
    await using t = testWrit({ workflows: [failing] });
    const run = await t.start(failing, undefined);
    await t.advance(0);
    await run.cancel();
    expect(attempts).toBe(1);
    await expect(run.result()).rejects.toMatchObject({ code: 'run.cancelled' });
  });

  test('reaches children, and a function that returns all the same has succeeded', async () => {
    const child = workflow({ name: 'child', run: (ctx) => ctx.sleep('1d') });
    const parent = workflow({
      name: 'parent',
      async run(ctx) {
        const run = await ctx.start(child, undefined);
        return run.result().catch(() => 'carried on');
      },
    });
    await using t = testWrit({ workflows: [child, parent] });
    const run = await t.start(parent, undefined);
    await t.advance(0);
    expect(await run.cancel()).toEqual({ stopped: [], undone: [], outcomeUnknown: [] });
    expect(await run.result()).toBe('carried on');
  });
});

describe('a run that fails', () => {
  test('takes back its steps, last first, also where one undo fails', async () => {
    const undone: string[] = [];
    const saga = workflow({
      name: 'saga',
      async run(ctx) {
        for (const name of ['flight', 'hotel', 'car'])
          await ctx.step(name, () => name, {
            undo: async (value) => {
              undone.push(value);
              if (value === 'hotel') throw new FatalError('hotel is closed');
            },
          });
        throw new FatalError('card declined', { code: 'mine.declined' });
      },
    });
    await using t = testWrit({ workflows: [saga] });
    const run = await t.start(saga, undefined);
    await expect(run.result()).rejects.toMatchObject({ code: 'mine.declined', message: 'card declined' });
    expect(undone).toEqual(['car', 'hotel', 'flight']);
    expect(await t.run(run.id, saga).replay()).toEqual({ same: true });
  });

  test('is tried again where its definition says so, and limits its own time', async () => {
    let tries = 0;
    const again = workflow({
      name: 'again',
      retry: { attempts: 3, delay: '1m' },
      async run(ctx) {
        await ctx.step('try', () => ++tries);
        if (tries < 3) throw new Error('not yet');
        return tries;
      },
    });
    const late = workflow({ name: 'late', timeout: '1h', run: (ctx) => ctx.sleep('2h') });
    await using t = testWrit({ workflows: [again, late] });
    const [a, b] = [await t.start(again, undefined), await t.start(late, undefined)];
    await t.advance('1h');
    expect(await a.result()).toBe(3);
    await expect(b.result()).rejects.toMatchObject({ code: 'run.timeout', name: 'TimeoutError' });
  });

  test('names the path of a value that cannot be kept', async () => {
    const bad = workflow({ name: 'bad', run: (ctx) => ctx.step('s', () => ({ deep: [() => 1] })) });
    await using t = testWrit({ workflows: [bad] });
    await expect((await t.start(bad, undefined)).result()).rejects.toMatchObject({
      code: 'codec.unsupported',
      details: { path: '.deep[0]' },
    });
  });

  test('says so when a step does what only a workflow can', async () => {
    const nested = workflow({ name: 'nested', run: (ctx) => ctx.step('outer', () => ctx.step('inner', () => 1)) });
    await using t = testWrit({ workflows: [nested] });
    await expect((await t.start(nested, undefined)).result()).rejects.toMatchObject({ code: 'run.nested' });
  });

  test('with input that its schema refuses, fails at the start and tells where', async () => {
    const typed = workflow({ name: 'typed', input: z.object({ n: z.number() }), run: async () => 1 });
    await using t = testWrit({ workflows: [typed] });
    await expect(t.start(typed, { n: 'x' as unknown as number })).rejects.toMatchObject({
      code: 'input.invalid',
      details: { errors: [{ pointer: '/n' }] },
    });
  });
});

describe('starting', () => {
  const echo = workflow({ name: 'echo', input: z.string(), run: async (_, input) => input });

  test('the same id with the same input is the same run, with another input a conflict, unless it may attach', async () => {
    await using t = testWrit({ workflows: [echo] });
    await t.start(echo, 'a', { id: 'x' });
    expect(await (await t.start(echo, 'a', { id: 'x' })).result()).toBe('a');
    await expect(t.start(echo, 'b', { id: 'x' })).rejects.toMatchObject({ code: 'run.conflict' });
    expect(await (await t.start(echo, 'b', { id: 'x', onConflict: 'attach' })).result()).toBe('a');
  });

  test('waits until its time, and says what it cannot do yet', async () => {
    await using t = testWrit({ workflows: [echo] });
    const run = await t.start(echo, 'a', { at: new Date('2026-01-02T00:00:00Z') });
    const soon = run.result({ timeout: '1h' });
    soon.catch(() => {});
    await t.advance('23h');
    await expect(soon).rejects.toMatchObject({ code: 'request.deadline_exceeded' });
    await t.advance('1h');
    expect(await run.result()).toBe('a');
    await expect(t.start(echo, 'a', { onBehalfOf: 'psn_x' })).rejects.toMatchObject({ code: 'unsupported' });
  });
});

async function rest(turns: number): Promise<void> {
  for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve));
}
