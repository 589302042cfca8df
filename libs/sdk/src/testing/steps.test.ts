import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import type { Run } from '../client/run.js';
import { workflow } from '../define/workflow.js';
import type { Retry } from '../define/workflow.js';
import { testWrit, type TestWritOptions } from './test-writ.js';

// Each behaviour must hold for a run that stays on its worker, and for one that is rebuilt from its journal at every entry.
describe.each<[string, Pick<TestWritOptions, 'alwaysReplay'>]>([
  ['a run that stays where it is', {}],
  ['a run that is rebuilt at every entry', { alwaysReplay: true }],
])('the retry policy of a step, in %s', (_, mode) => {
  /** Fails at every attempt up to `until`. */
  const trying = (retry: Retry, until = Infinity) => {
    const flaky = workflow({
      name: 'flaky',
      run: (ctx) =>
        ctx.step(
          'a',
          ({ attempt }) => {
            if (attempt < until)
              throw Object.assign(new Error(`no ${attempt}`), { code: attempt > 2 ? 'GONE' : 'BUSY' });
            return attempt;
          },
          { retry },
        ),
    });
    return { t: testWrit({ workflows: [flaky], ...mode }), flaky };
  };
  /** When the attempts of a run that has ended were made. */
  const attemptsOf = async (run: Run) => {
    const at: number[] = [];
    let startedMs = 0;
    for await (const { type, time } of run) {
      if (type === 'run.started.v1') startedMs = time.getTime();
      if (type.startsWith('run.step_')) at.push(time.getTime() - startedMs);
    }
    return at;
  };

  test.each<[string, Retry, number[]]>([
    ['grows linearly', { delay: '1s', increment: '2s', attempts: 4 }, [0, 1000, 4000, 9000]],
    ['ends with the total time', { delay: '1s', within: '7s', attempts: 99 }, [0, 1000, 3000, 7000]],
    ['is asked of a function', { delay: (_, attempt) => (attempt < 3 ? attempt * 100 : false) }, [0, 100, 300]],
    ['ends with an error that is not to be tried again', { delay: 10, factor: 1, except: ['GONE'] }, [0, 10, 20]],
  ])('%s', async (_, retry, expected) => {
    const { t, flaky } = trying(retry);
    const run = await t.start(flaky, undefined);
    await t.advance('1h');
    await expect(run.result()).rejects.toMatchObject({ message: expect.stringMatching(/^no /) });
    expect(await attemptsOf(run)).toEqual(expected);
  });

  test('waits for a person when nothing is left to try, who lets it be tried anew', async () => {
    const { t, flaky } = trying({ attempts: 2, delay: '1s', onExhausted: 'pause' }, 4);
    const run = await t.start(flaky, undefined);
    await t.advance('1h');
    await run.resume();
    await t.advance('1h');
    expect(await run.result()).toBe(4);
    expect(await attemptsOf(run)).toEqual([0, 1000, 3_600_000, 3_601_000]);
    await expect(run.resume()).rejects.toMatchObject({ code: 'run.not_paused' });
    verifies('scheduler.exhausted_pauses');
  });
});

describe.each<[string, Pick<TestWritOptions, 'alwaysReplay'>]>([
  ['a run that stays where it is', {}],
  ['a run that is rebuilt at every entry', { alwaysReplay: true }],
])('a step with a limit of silence, in %s', (_, mode) => {
  test('lives as long as it gives signs of life; when it is silent the next attempt knows how far it came', async () => {
    verifies('sdk.heartbeat');
    const seen: unknown[] = [];
    let beat: (progress?: unknown) => void = () => {};
    const copy = workflow({
      name: 'copy',
      run: (ctx) =>
        ctx.step(
          'copy',
          ({ attempt, heartbeat, progress }) => {
            seen.push([attempt, progress]);
            beat = heartbeat;
            return attempt === 3 ? 'copied' : new Promise<string>(() => {});
          },
          { heartbeat: '10s', retry: { delay: '1s' } },
        ),
    });
    await using t = testWrit({ workflows: [copy], ...mode });
    const run = await t.start(copy, undefined);
    for (const page of [1, 2, 3]) {
      await t.advance('9s');
      beat({ page });
    }
    beat();
    expect(() => beat('x'.repeat(5_000))).toThrow('at most 4096 bytes');
    await t.advance('9s');
    expect(seen).toEqual([[1, undefined]]);
    await t.advance('1h');
    expect(await run.result()).toBe('copied');
    expect(seen).toEqual([1, 2, 3].map((attempt) => [attempt, attempt === 1 ? undefined : { page: 3 }]));
    const codes: unknown[] = [];
    for await (const { type, data } of run)
      if (type === 'run.step_failed.v1') codes.push((data as { error: { code: string } }).error.code);
    expect(codes).toEqual(['run.step_lost', 'run.step_lost']);
  });
});
