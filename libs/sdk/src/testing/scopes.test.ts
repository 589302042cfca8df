import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import { WritError } from '../errors/errors.js';
import { workflow } from '../define/workflow.js';
import { testWrit, type TestWrit, type TestWritOptions } from './test-writ.js';

const code = (error: unknown) => (WritError.is(error) ? error.code : error);
const turns = async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
};
const aborted = async (t: TestWrit, run: AsyncIterable<{ type: string; data: unknown }>) => {
  const names: string[] = [];
  for await (const { type, data } of run) {
    const { kind, name } = data as { kind: string; name: string };
    if (type === 'run.aborted.v1') names.push(`${kind} ${name}`);
  }
  return names;
};

// Each behaviour must hold for a run that stays on its worker, and for one that is rebuilt from its journal at every entry.
describe.each<[string, Pick<TestWritOptions, 'alwaysReplay'>]>([
  ['a run that stays where it is', {}],
  ['a run that is rebuilt at every entry', { alwaysReplay: true }],
])('an abort by the workflow itself, in %s', (_, mode) => {
  const writ = (options: TestWritOptions) => testWrit({ ...options, ...mode });

  test('reaches the step under way, which rejects with the reason; a message steers the run', async () => {
    verifies('sdk.steers');
    const heard: unknown[] = [];
    const steered = workflow({
      name: 'steered',
      messages: { topic: z.string() },
      async run(ctx) {
        let topic = 'first';
        for (;;) {
          const scope = new AbortController();
          const { signal } = scope;
          const work = ctx.step(
            'research',
            (step) =>
              topic === 'third'
                ? `all about ${topic}`
                : new Promise<string>((_, reject) =>
                    step.signal.addEventListener('abort', () => {
                      heard.push([topic, code(step.signal.reason)]);
                      reject(step.signal.reason);
                    }),
                  ),
            { signal },
          );
          const message = ctx.wait('topic', { signal });
          const first = await Promise.race([work.then((done) => ({ done })), message.then((next) => ({ next }))]);
          scope.abort('steered');
          const other = 'done' in first ? message : work;
          heard.push(await other.catch((reason: unknown) => reason));
          if ('done' in first) return first.done;
          topic = first.next;
        }
      },
    });
    await using t = writ({ workflows: [steered] });
    const run = await t.start(steered, undefined, { id: 's' });
    for (const topic of ['second', 'third']) {
      await turns(); // the step is under way, which no lapse of time ends
      await run.send('topic', topic);
    }
    expect(await run.result()).toBe('all about third');
    expect(heard.filter((each) => Array.isArray(each))).toEqual([
      ['first', 'run.aborted'],
      ['second', 'run.aborted'],
    ]);
    expect(heard.slice(-1)).toEqual(['steered']);
    expect(await aborted(t, run)).toEqual(['message topic']);
    expect(await t.replay(t.history('s'), steered)).toEqual({ same: true });
  });

  test('settles waits, sleeps, questions and children, and a message that comes later is kept for the next wait', async () => {
    const child = workflow({ name: 'child', run: (ctx) => ctx.sleep('1d') });
    const scoped = workflow({
      name: 'scoped',
      messages: { m: z.string() },
      async run(ctx) {
        const scope = new AbortController();
        const { signal } = scope;
        const started = await ctx.start(child, undefined);
        const all = Promise.allSettled([
          ctx.wait('m', { signal }),
          ctx.sleep('365d', { signal }),
          ctx.ask({ title: 'really?', signal }),
          started.result({ signal }),
        ]);
        await ctx.sleep('1m');
        scope.abort('enough');
        const reasons = (await all).map((each) => (each.status === 'rejected' ? each.reason : each.value));
        const late = await ctx.sleep('1h', { signal }).catch((reason: unknown) => reason);
        return [...reasons, late, await ctx.wait('m')];
      },
    });
    await using t = writ({ workflows: [scoped, child] });
    const run = await t.start(scoped, undefined, { id: 's' });
    await t.advance('2m');
    await run.send('m', 'kept');
    await t.advance(0);
    expect(await run.result()).toEqual([...Array<string>(5).fill('enough'), 'kept']);
    expect(await t.replay(t.history('s'), scoped)).toEqual({ same: true });
  });

  test('ends a step that waits for its next attempt, and one that was given up before it began is not begun', async () => {
    const attempts: string[] = [];
    const failing = workflow({
      name: 'failing',
      async run(ctx) {
        const scope = new AbortController();
        const fail =
          (name: string) =>
          ({ attempt }: { attempt: number }) => {
            attempts.push(`${name}/${attempt}`);
            throw new Error('no');
          };
        const step = ctx.step('a', fail('a'), { signal: scope.signal, retry: { delay: '1h' } });
        await ctx.sleep('1m');
        scope.abort('enough');
        const reasons = [step, ctx.step('b', fail('b'), { signal: scope.signal })];
        return Promise.all(reasons.map((each) => each.catch((reason: unknown) => reason)));
      },
    });
    await using t = writ({ workflows: [failing] });
    const run = await t.start(failing, undefined);
    await t.advance('3h');
    expect(await run.result()).toEqual(['enough', 'enough']);
    expect(attempts).toEqual(['a/1']);
  });

  test('comes too late for what is recorded before it', async () => {
    const late = workflow({
      name: 'late',
      messages: { m: z.string() },
      async run(ctx) {
        const scope = new AbortController();
        const message = ctx.wait('m', { signal: scope.signal });
        const value = await message;
        scope.abort();
        return [value, await message];
      },
    });
    await using t = writ({ workflows: [late] });
    const run = await t.start(late, undefined);
    await run.send('m', 'x');
    expect(await run.result()).toEqual(['x', 'x']);
  });
});
