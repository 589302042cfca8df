import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { RunState } from '@writ/proto/run/v1/run';
import type { StepDelta, StreamRunResponse } from '@writ/proto/run/v1/stream';
import { fakeToken, type FakeToken } from '@writ/api/testing';
import { eventually, verifies } from '@writ/testkit';
import { json, SchedulerStack } from './testing/scheduler-stack.js';
import { constant, Kind, type OutgoingCommand, type TestWorker } from './testing/test-worker.js';

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
const attemptOf = async (of: TestWorker, run: string) =>
  eventually(() => of.activated.find(({ runId }) => runId === run)?.attempt);

const key = { kind: Kind.STEP, name: 'draft', occurrence: 1 };
const write = (of: TestWorker, attempt: string, from: number, words: string[], making = 'm') => {
  const chunks = words.map((word) => Buffer.from(JSON.stringify(word)));
  of.send({ deltas: [{ attempt, name: 'draft', occurrence: 1, number: 1, making, from: BigInt(from), chunks }] });
};
const done = (of: TestWorker, attempt: string, chunks: number) => {
  const value = { value: { case: 'json' as const, value: Buffer.from('"done"') } };
  const commands: OutgoingCommand[] = [{ ...key, what: { case: 'completed', value }, streamed: BigInt(chunks) }];
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
    const attempt = await attemptOf(one, id);
    const first = follow(id, { most: 3 });
    write(one, attempt, 0, ['a', 'b']);
    const { heard, cursor } = await first;
    expect(heard).toEqual(['started', 'a', 'b']);
    // Nobody watches meanwhile: the step goes on.
    write(one, attempt, 2, ['c']);
    const rest = follow(id, { after: cursor, at: 1 });
    write(one, attempt, 3, ['d']);
    done(one, attempt, 4);
    expect(await rest).toMatchObject({ heard: ['c', 'd', 'completed'], ended: RunState.SUCCEEDED });
    expect(await follow(id, { at: 1 })).toMatchObject({
      heard: ['started', 'a', 'b', 'c', 'd', 'completed'],
      ended: RunState.SUCCEEDED,
    });
    const recorded = (await stack.events(id)).map(({ type }) => type);
    expect(recorded).toEqual(['run.started.v1', 'run.step_completed.v1', 'run.streamed.v1', 'run.succeeded.v1']);
  });

  test('of an attempt that failed, or whose worker died, is superseded by the next; a late worker is not heard', async () => {
    verifies('stream.superseded');
    const one = worker();
    const id = await started();
    const attempt = await attemptOf(one, id);
    write(one, attempt, 0, ['lost']);
    expect((await follow(id, { most: 2 })).heard).toEqual(['started', 'lost']);
    one.kill();
    const two = worker();
    const again = await attemptOf(two, id);
    write(two, again, 0, ['a'], 'm2');
    await eventually(async () => (await follow(id, { most: 4 })).heard.length === 4);
    const error = { code: 'model.broke', message: 'the model broke' };
    const failed = { attempt: 1, error, retryable: true, policy: constant(3, 1) };
    two.report({ attempt: again, commands: [{ ...key, what: { case: 'failed', value: failed }, streamed: 1n }] });
    const all = follow(id);
    await eventually(async () => (await follow(id, { most: 5 })).heard.at(-1) === 'failed');
    done(two, again, 0);
    expect(await all).toMatchObject({
      heard: ['started', 'lost', 'started', 'a', 'failed'],
      ended: RunState.SUCCEEDED,
    });
  });

  test('is told as missing where it was lost on the way, and nobody but its own run gets it', async () => {
    verifies('stream.missed', 'stream.own_run');
    const one = worker();
    const id = await started();
    const attempt = await attemptOf(one, id);
    write(one, attempt, 0, ['a']);
    write(one, attempt, 4, ['e']);
    write(one, '3.1.zzz', 0, ['forged']);
    one.send({ deltas: [{ attempt, name: 'draft', occurrence: 1, number: 1, making: 'm', from: 5n, chunks: [Buffer.from('{"a')] }] }); // prettier-ignore
    write(one, attempt, 5, ['f']);
    expect((await follow(id, { most: 5 })).heard).toEqual(['started', 'a', { missed: 3 }, 'e', 'f']);
    const elsewhere = stack.streams({ tenant: 'tnt_other' }).streamRun({ id, after: '' });
    await expect(elsewhere[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: 'run.not_found' });
    await expect(follow(id, { after: 'nonsense' })).rejects.toMatchObject({ code: 'run.bad_cursor' });
    done(one, attempt, 6);
  });

  test('goes on over a scheduler that is killed: its worker says again what may not have got through', async () => {
    verifies('stream.scheduler_killed');
    const second = await stack.addProcess();
    const at = stack.schedulers.length - 1;
    const one = stack.worker({ draft: (ctx) => ctx.step('draft', () => never) }, { at });
    await one.welcomed;
    const id = await started();
    const attempt = await attemptOf(one, id);
    write(one, attempt, 0, ['a', 'b']);
    await follow(id, { most: 3 });
    await second.kill();
    const two = worker();
    const again = await attemptOf(two, id);
    write(two, again, 0, ['a', 'b', 'c']); // as a worker does that had it under way
    done(two, again, 3);
    expect(await follow(id)).toMatchObject({
      heard: ['started', 'a', 'b', 'c', 'completed'],
      ended: RunState.SUCCEEDED,
    });
  });
});

describe('over the open protocol', () => {
  const ask = (path: string, init: RequestInit = {}, token: FakeToken = {}) =>
    fetch(`${stack.schedulers[0]!.httpUrl}/v1/stream/${path}`, {
      ...init,
      headers: { authorization: fakeToken(token), ...init.headers },
    });
  const events = (text: string) =>
    [...text.matchAll(/^event: (\w+)\ndata:(.*)$/gm)].map(([, event, data = '']) => [
      event,
      JSON.parse(data) as object,
    ]);

  test('the stream of a run is read, waited for, and closed with the run', async () => {
    verifies('stream.open_protocol');
    const one = worker();
    const id = await started();
    const attempt = await attemptOf(one, id);
    const empty = await ask(`runs/${id}`);
    expect([empty.status, await empty.json(), empty.headers.get('stream-closed')]).toEqual([200, [], null]);
    const waiting = ask(`runs/${id}?offset=-1&live=long-poll`);
    write(one, attempt, 0, ['a']);
    const first = await waiting;
    const of = { step: 'draft/1', attempt: 1 };
    expect(await first.json()).toEqual([
      { ...of, started: true },
      { ...of, data: 'a' },
    ]);
    const offset = first.headers.get('stream-next-offset') as string;
    const live = ask(`runs/${id}?offset=${offset}&live=sse`).then((response) => response.text());
    write(one, attempt, 1, ['b']);
    done(one, attempt, 2);
    const told = events(await live);
    expect(told.filter(([event]) => event === 'data').flatMap(([, data]) => data)).toEqual([
      { ...of, data: 'b' },
      { ...of, completed: true },
    ]);
    expect(told.at(-1)).toMatchObject(['control', { streamClosed: true, upToDate: true }]);
    const whole = await ask(`runs/${id}`);
    expect(whole.headers.get('stream-closed')).toBe('true');
    expect(await whole.json()).toHaveLength(4);
    const write409 = await ask(`runs/${id}`, {
      method: 'POST',
      body: '[1]',
      headers: { 'content-type': 'application/json' },
    });
    expect(write409.status).toBe(405);
  });

  test('a stream is made, written and read by those who may, in their tenant', async () => {
    verifies('stream.governed');
    const type = { 'content-type': 'text/plain' };
    const grant = (action: string, resource: string): FakeToken => ({
      grant: [{ type: 'writ', actions: [action], resources: [resource] }],
    });
    const writer = grant('stream.write', 'notes/*');
    expect((await ask('notes/a', { method: 'PUT', headers: type, body: 'one' }, writer)).status).toBe(201);
    expect((await ask('notes/a', { method: 'POST', headers: type, body: ' two' }, writer)).status).toBe(204);
    expect((await ask('notes/a', {}, writer)).status).toBe(403);
    expect((await ask('other', { method: 'PUT', headers: type }, writer)).status).toBe(403);
    expect(await (await ask('notes/a', {}, grant('stream.read', 'notes/a'))).text()).toBe('one two');
    expect((await ask('notes/a', {}, { tenant: 'tnt_other' })).status).toBe(404);
    expect((await ask('notes/a', {}, grant('run.read', '*'))).status).toBe(403);
    expect((await fetch(`${stack.schedulers[0]!.httpUrl}/v1/stream/notes/a`)).status).toBe(401);
  });
});
