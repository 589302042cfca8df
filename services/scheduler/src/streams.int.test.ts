import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import type { StepDelta, StreamRunResponse } from '@writ/proto/run/v1/stream';
import { eventually, verifies } from '@writ/testkit';
import { json, SchedulerStack } from './testing/scheduler-stack.js';
import { Kind, type OutgoingCommand, type TestWorker } from './testing/test-worker.js';

let stack: SchedulerStack;
beforeAll(async () => {
  stack = await SchedulerStack.start();
}, 60_000);
afterEach(() => stack.stopWorkers());
afterAll(async () => {
  await stack?.[Symbol.asyncDispose]();
});

const never = new Promise<never>(() => {});
/** Its step is performed by the test, by hand. */
const worker = () => stack.worker({ draft: (ctx) => ctx.step('draft', () => never) });
const started = async () => (await stack.runs().startRun({ workflow: 'draft', input: json(null) })).id;
const attemptOf = async (of: TestWorker) => eventually(() => of.activated[0]?.attempt);

const key = { kind: Kind.STEP, name: 'draft', occurrence: 1 };
const write = (of: TestWorker, attempt: string, from: number, words: string[], making = 'm') => {
  const chunks = words.map((word) => Buffer.from(JSON.stringify(word)));
  of.send({ deltas: [{ attempt, name: 'draft', occurrence: 1, number: 1, making, from: BigInt(from), chunks }] });
};
const done = (of: TestWorker, attempt: string) => {
  const value = { value: { case: 'json' as const, value: Buffer.from('"done"') } };
  const commands: OutgoingCommand[] = [{ ...key, what: { case: 'completed', value }, streamed: true }];
  of.report({ attempt, commands, end: { case: 'completed', value } });
};

const said = ({ what }: StepDelta): unknown => {
  if (what.case === 'data') return what.value.kind.value;
  return what.case === 'missed' ? { missed: Number(what.value) } : what.case;
};

/** Reads until it has so many deltas, or to the end. */
async function follow(id: string, { after = '', most = Infinity, at = 0, signal = new AbortController().signal } = {}) {
  const heard: unknown[] = [];
  let last: StreamRunResponse | undefined;
  for await (const part of stack.streams({}, at).streamRun({ id, after }, { signal })) {
    heard.push(...(part.missed > 0n ? [{ lost: Number(part.missed) }] : []), ...part.deltas.map(said));
    last = part;
    if (heard.length >= most) break;
  }
  return { heard, cursor: last?.cursor ?? '', ended: last?.ended };
}

describe('what a step writes', () => {
  test('comes live, resumes behind a cursor at another replica, and its end is told with the end of the run', async () => {
    verifies('stream.resume', 'stream.end', 'stream.no_ledger');
    await stack.addScheduler();
    const one = worker();
    const id = await started();
    const attempt = await attemptOf(one);
    const first = follow(id, { most: 3 });
    write(one, attempt, 0, ['a', 'b']);
    const { heard, cursor } = await first;
    expect(heard).toEqual(['started', 'a', 'b']);
    // Nobody watches meanwhile: the step goes on.
    write(one, attempt, 2, ['c']);
    const rest = follow(id, { after: cursor, at: 1 });
    write(one, attempt, 3, ['d']);
    done(one, attempt);
    expect(await rest).toMatchObject({ heard: ['c', 'd', 'completed'], ended: RunState.SUCCEEDED });
    expect(await follow(id, { at: 1 })).toMatchObject({
      heard: ['started', 'a', 'b', 'c', 'd', 'completed'],
      ended: RunState.SUCCEEDED,
    });
    const recorded = (await stack.events(id)).map(({ type }) => type);
    expect(recorded).toEqual(['run.started.v1', 'run.step_completed.v1', 'run.streamed.v1', 'run.succeeded.v1']);
  });
});
