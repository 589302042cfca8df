import { afterEach, describe, expect, test } from '@jest/globals';
import {
  RunService,
  RunState,
  type SendMessageRequest,
  type SendMessagesRequest,
  type StartRunRequest,
  type StartRunsRequest,
} from '@writ/proto/run/v1/run';
import { verifies } from '@writ/testkit';
import { encodeBytes } from '../codec/codec.js';
import { workflow } from '../define/workflow.js';
import { ends, type GiveEnd } from '../worker/fake/fake-ends.js';
import { FakeRefusal, grpcFake, type Handler } from '../worker/fake/grpc-fake.js';
import { connect } from './connect.js';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function platform(handlers: Record<string, Handler>) {
  const server = await grpcFake([RunService, handlers]);
  open.push(() => server.stop());
  const fetch = (async () =>
    Response.json({
      issuer: 'http://i.test',
      audience: 'a',
      grpc: server.address,
    })) as unknown as typeof globalThis.fetch;
  let tokens = 0;
  const writ = connect({ url: 'http://writ.test', fetch, token: async () => `t${++tokens}` });
  open.push(() => writ[Symbol.asyncDispose]());
  return writ;
}

const echo = workflow({ name: 'echo', run: async () => null });
const started = ({ id }: StartRunRequest) => ({ outcome: { case: 'run' as const, value: { id } } });
const refused = (code: string, retry = false) => ({
  outcome: { case: 'problem' as const, value: { code, detail: 'no', retry, details: { run: 'x' } } },
});

describe('starts of one client', () => {
  test('that nobody serves are warned of once, in the process', async () => {
    verifies('run.no_worker_warning');
    const warnings = [{ code: 'no_worker', text: 'No worker of you has echo.' }];
    const writ = await platform({
      startRuns: ({ items }: StartRunsRequest) => ({
        items: items.map(({ id }) => ({ outcome: { case: 'run' as const, value: { id, warnings } } })),
      }),
    });
    const warned: unknown[] = [];
    const { emitWarning } = process;
    process.emitWarning = (...said: unknown[]) => void warned.push(said);
    for (const id of ['a', 'b']) await writ.start(echo, undefined, { id });
    expect(warned).toEqual([['No worker of you has echo.', { type: 'WritWarning', code: 'no_worker' }]]);
    process.emitWarning = emitWarning;
  });

  test('of one turn are one call, and those that come while it is on its way are the next', async () => {
    const calls: string[][] = [];
    let answer = (): void => {};
    const writ = await platform({
      startRuns: async ({ items }: StartRunsRequest) => {
        calls.push(items.map(({ id }) => id));
        if (calls.length === 1) await new Promise<void>((resolve) => (answer = resolve));
        return { items: items.map(started) };
      },
    });
    const start = (id: string) => writ.start(echo, undefined, { id });
    const first = ['a', 'b', 'c'].map(start);
    while (calls.length === 0) await new Promise(setImmediate);
    const second = ['d', 'e'].map(start);
    await new Promise(setImmediate);
    answer();
    expect((await Promise.all([...first, ...second])).map(({ id }) => id)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(calls).toEqual([
      ['a', 'b', 'c'],
      ['d', 'e'],
    ]);
  });

  test('are refused each by itself, and what may heal is tried again alone', async () => {
    verifies('sdk.starts_together');
    const calls: string[][] = [];
    const writ = await platform({
      startRuns: ({ items }: StartRunsRequest) => {
        calls.push(items.map(({ id }) => id));
        return {
          items: items.map((item) => {
            if (item.id === 'taken') return refused('run.conflict');
            return item.id === 'later' && calls.length === 1 ? refused('ledger.unavailable', true) : started(item);
          }),
        };
      },
    });
    const all = await Promise.allSettled(['taken', 'later', 'fine'].map((id) => writ.start(echo, undefined, { id })));
    expect(all.map(({ status }) => status)).toEqual(['rejected', 'fulfilled', 'fulfilled']);
    expect((all[0] as PromiseRejectedResult).reason).toMatchObject({ code: 'run.conflict', details: { run: 'x' } });
    expect(calls).toEqual([['taken', 'later', 'fine'], ['later']]);
  });

  test('are all refused with a call that fails, and one that was aborted is not asked for', async () => {
    const calls: string[][] = [];
    const writ = await platform({
      startRuns: ({ items }: StartRunsRequest) => {
        calls.push(items.map(({ id }) => id));
        throw new FakeRefusal('auth.missing_capability', 'no');
      },
    });
    const gone = AbortSignal.abort(new Error('enough'));
    const all = await Promise.allSettled([
      writ.start(echo, undefined, { id: 'a' }),
      writ.start(echo, undefined, { id: 'b' }),
      writ.start(echo, undefined, { id: 'c', signal: gone }),
    ]);
    expect(all).toMatchObject([
      { reason: { code: 'auth.missing_capability' } },
      { reason: { code: 'auth.missing_capability' } },
      { reason: { message: 'enough' } },
    ]);
    expect(calls).toEqual([['a', 'b']]);
  });
});

describe('messages of one client', () => {
  test('go together, each sent or refused by itself, past those that are not answered', async () => {
    verifies('sdk.messages_together');
    const calls: number[][] = [];
    const answers: (() => void)[] = [];
    const numberOf = (item: SendMessageRequest) => Number(Buffer.from(item.data?.data ?? []).toString());
    const writ = await platform({
      sendMessages: async ({ items }: SendMessagesRequest) => {
        calls.push(items.map(numberOf));
        if (calls.length <= 8) await new Promise<void>((resolve) => answers.push(resolve));
        return {
          items: items.map((item) =>
            numberOf(item) === 1 ? refused('run.ended') : { outcome: { case: 'sent' as const, value: {} } },
          ),
        };
      },
    });
    const send = (n: number) => writ.run('r').send('go', n);
    const all = [send(0), send(1)];
    for (let n = 2; n < 12; n++) {
      all.push(send(n));
      await new Promise(setImmediate);
    }
    while (calls.length < 8) await new Promise(setImmediate);
    answers[3]?.();
    await Promise.all(all.slice(10));
    expect(calls).toEqual([[0, 1, 2], [3], [4], [5], [6], [7], [8], [9], [10, 11]]);
    for (const answer of answers) answer();
    const settled = await Promise.allSettled(all);
    expect(settled.flatMap(({ status }, n) => (status === 'rejected' ? [n] : []))).toEqual([1]);
    expect((settled[1] as PromiseRejectedResult).reason).toMatchObject({ code: 'run.ended' });
  });
});

describe('ends that one client waits for', () => {
  const value = (id: string) => ({ id, state: RunState.SUCCEEDED, result: { data: encodeBytes(id) } });
  const waiting = async (give: GiveEnd) => {
    const opened = { streams: 0 };
    return { opened, writ: await platform({ awaitRuns: ends(give, opened) }) };
  };

  test('come over one stream, to everybody who waits for them', async () => {
    verifies('sdk.one_stream_of_ends');
    const { writ, opened } = await waiting(({ id }) => value(id));
    const ids = Array.from({ length: 300 }, (_, i) => `r${i % 200}`);
    expect(await Promise.all(ids.map((id) => writ.run(id).result()))).toEqual(ids);
    expect(opened.streams).toBe(1);
  });

  test('are waited for over another stream when it breaks, or its token has expired', async () => {
    const seen: string[] = [];
    const { writ, opened } = await waiting(({ id, headers }) => {
      seen.push(`${String(headers.get('authorization')[0])} ${id}`);
      if (seen.length === 2) throw new FakeRefusal('auth.token_expired', 'expired');
      if (seen.length === 4) throw new FakeRefusal('service.draining', 'elsewhere', true);
      return seen.length > 4 ? value(id) : undefined;
    });
    expect(await Promise.all([writ.run('a').result(), writ.run('b').result()])).toEqual(['a', 'b']);
    expect(seen.map((each) => each.slice(-1))).toEqual(['a', 'b', 'a', 'b', 'a', 'b']);
    expect(opened.streams).toBe(3);
  });

  test('are given up by all when the platform refuses them for good', async () => {
    const { writ } = await waiting(() => {
      throw new FakeRefusal('auth.revoked', 'agt_1 was revoked');
    });
    const all = await Promise.allSettled([writ.run('a').result(), writ.run('b').result()]);
    expect(all).toMatchObject([{ reason: { code: 'auth.revoked' } }, { reason: { code: 'auth.revoked' } }]);
  });

  test('keep nobody from waiting again later', async () => {
    const { writ, opened } = await waiting(({ id }) => value(id));
    expect(await writ.run('a').result()).toBe('a');
    await new Promise((resolve) => setTimeout(resolve, 120)); // longer than a stream is kept that nobody needs
    expect(await writ.run('b').result()).toBe('b');
    expect(opened.streams).toBe(2);
  });
});
