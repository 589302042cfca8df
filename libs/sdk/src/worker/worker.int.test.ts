import { afterEach, describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import { Evict_Reason, Kind, WorkerService, type Report } from '@writ/proto/worker/v1/worker';
import * as z from 'zod';
import { connect } from '../client/connect.js';
import type { Worker, Writ } from '../client/writ.js';
import { decodeBytes } from '../codec/codec.js';
import { workflow, type Workflow } from '../define/workflow.js';
import { FakeScheduler, value, type FakeRun } from './fake/fake-scheduler.js';
import { FakeRefusal, grpcFake, statusOf } from './fake/grpc-fake.js';

const open: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close();
});

async function platform(fake = new FakeScheduler(), token: () => Promise<string> = async () => 'tok') {
  const server = await grpcFake([WorkerService, fake.handlers]);
  open.push(() => server.stop());
  const beginnings = { issuer: 'http://issuer.test/oauth', audience: 'urn:writ:api', grpc: server.address };
  const fetch = (async () => new Response(JSON.stringify(beginnings))) as typeof globalThis.fetch;
  const client = () => {
    const writ = connect({ url: 'http://writ.test', token, fetch });
    open.push(() => writ[Symbol.asyncDispose]());
    return writ;
  };
  return { fake, server, client, beginnings };
}

async function serving(
  workflows: readonly Workflow[],
  prepared?: Awaited<ReturnType<typeof platform>>,
): Promise<{ fake: FakeScheduler; writ: Writ; worker: Worker }> {
  const { fake, client } = prepared ?? (await platform());
  const writ = client();
  return { fake, writ, worker: await writ.serve({ workflows }) };
}

const resultOf = (end: Report['end']) =>
  end.case === 'completed' && end.value.value.case === 'json' ? decodeBytes(end.value.value.value) : end;
const finished = async (fake: FakeScheduler, run: FakeRun) => resultOf(await fake.ended(run));

/** A promise and what settles it. */
function gate<T = void>() {
  let open!: (value: T) => void;
  const passed = new Promise<T>((resolve) => (open = resolve));
  return { passed, open };
}

const greet = workflow({
  name: 'greet',
  version: '7',
  input: z.object({ name: z.string() }),
  async run(ctx, { name }) {
    const hello = await ctx.step('hello', () => `hello ${name}`);
    await ctx.sleep('1h');
    return { hello, at: await ctx.step('at', () => new Date(5)) };
  },
});

describe('a worker', () => {
  test('says who it is, runs what it is given, and needs one report a step', async () => {
    const { fake } = await serving([greet]);
    expect(fake.hellos[0]?.hello).toMatchObject({ workflows: [{ name: 'greet', version: '7' }], sdk: 'writ-js/0.1.0' });
    expect(fake.authorizations).toEqual(['Bearer tok']);
    const run = fake.start('r1', 'greet', { name: 'ada' });
    expect(await finished(fake, run)).toEqual({ hello: 'hello ada', at: new Date(5) });
    expect(run.log).toEqual(['STEP hello#1 completed', 'SLEEP sleep#1 sleep', 'STEP at#1 completed']);
    expect(fake.frames.filter(({ reports }) => reports.length > 0)).toHaveLength(4);
  });

  test('goes to a scheduler itself where the platform says so, and by the door when none is reached there', async () => {
    verifies('sdk.worker_direct');
    const near = new FakeScheduler();
    const scheduler = await grpcFake([WorkerService, near.handlers]);
    open.push(() => scheduler.stop());
    const prepared = await platform();
    Object.assign(prepared.beginnings, { workers: ['http://127.0.0.1:1', `http://${scheduler.address}`] });
    await serving([greet], prepared);
    expect(await finished(near, near.start('r1', 'greet', { name: 'ada' }))).toMatchObject({ hello: 'hello ada' });
    expect(prepared.fake.hellos).toEqual([]);
    await scheduler.stop();
    await prepared.fake.until(() => prepared.fake.hellos.length === 1);
    const again = prepared.fake.start('r2', 'greet', { name: 'bob' });
    expect(await finished(prepared.fake, again)).toMatchObject({ hello: 'hello bob' });
  });

  test('runs many at once, batched into few frames', async () => {
    const { fake } = await serving([greet]);
    const runs = Array.from({ length: 500 }, (_, i) => fake.start(`r${i}`, 'greet', { name: `${i}` }));
    for (const [i, run] of runs.entries()) expect(await finished(fake, run)).toMatchObject({ hello: `hello ${i}` });
    expect(fake.frames.length).toBeLessThan(500);
  });

  test('lets the function come to rest between two entries, so that a replay takes the same way', async () => {
    verifies('sdk.same_way_twice');
    const order = workflow({
      name: 'order',
      async run(ctx) {
        const came: string[] = [];
        const slow = async () => {
          await ctx.sleep(1);
          for (let i = 0; i < 50; i++) await undefined;
          came.push('slow');
        };
        await Promise.all([slow(), ctx.sleep(1).then(() => came.push('quick'))]);
        return came;
      },
    });
    const { fake } = await serving([order]);
    fake.answer = () => null;
    const run = fake.start('r1', 'order');
    await fake.until(() => run.pending.size === 2);
    const fired = (occurrence: number) =>
      ({ kind: Kind.SLEEP, name: 'sleep', occurrence, timeMs: 1n, outcome: { case: 'fired', value: true } }) as const;
    fake.settleTogether(run, [fired(1), fired(2)]);
    expect(await finished(fake, run)).toEqual(['slow', 'quick']);
    fake.replay('p', run);
    await fake.until(() => fake.replays.length === 1);
    expect(fake.replays[0]).toMatchObject({ same: true, entries: 2 });
  });

  test('tells when a run only waits, counting the entries that it knows of', async () => {
    const { fake } = await serving([greet]);
    fake.answer = (_, command) => (command.what.case === 'sleep' ? null : undefined);
    const run = fake.start('r1', 'greet', { name: 'ada' });
    await fake.until(() => run.pending.size === 1);
    const [last] = fake.frames.at(-1)?.reports ?? [];
    expect(last).toMatchObject({ attempt: 'r1@1', idle: true, entries: 1 });
  });

  test('gives a finished run its journal again: no finished step acts again', async () => {
    verifies('sdk.step_once');
    const acts: string[] = [];
    const three = workflow({
      name: 'three',
      async run(ctx) {
        for (const name of ['a', 'b', 'c', 'd']) await ctx.step(name, () => void acts.push(name));
        return ctx.wait('go' as never);
      },
      messages: { go: z.string() },
    });
    const prepared = await platform();
    const { fake, worker } = await serving([three], prepared);
    const run = fake.start('r1', 'three');
    await fake.until(() => run.pending.size === 1);
    await worker[Symbol.asyncDispose]();
    expect(run.stream).toBeUndefined();
    await serving([three], prepared);
    await fake.until(() => run.attempt === 2);
    fake.settle(run, {
      kind: Kind.MESSAGE,
      name: 'go',
      occurrence: 1,
      timeMs: 1n,
      outcome: { case: 'completed', value: value('now') },
    });
    expect(await finished(fake, run)).toBe('now');
    expect(acts).toEqual(['a', 'b', 'c', 'd']);
  });

  test('takes up what is still under way when the scheduler was gone for a moment', async () => {
    verifies('sdk.reconnects');
    const [begun, go] = [gate(), gate<string>()];
    let acts = 0;
    const slow = workflow({ name: 'slow', run: (ctx) => ctx.step('once', () => (acts++, begun.open(), go.passed)) });
    const { fake } = await serving([slow]);
    const run = fake.start('r1', 'slow');
    await begun.passed;
    fake.crash();
    await fake.until(() => run.attempt === 2);
    go.open('done');
    expect(await finished(fake, run)).toBe('done');
    expect(acts).toBe(1);
    expect(fake.hellos).toHaveLength(2);
  });

  test.each([Evict_Reason.MOVED, Evict_Reason.STALE])(
    'takes up what is still under way when another scheduler has taken the run over (%s)',
    async (reason) => {
      verifies('sdk.takes_over_with_the_run');
      const [begun, go] = [gate(), gate<string>()];
      let acts = 0;
      const slow = workflow({ name: 'slow', run: (ctx) => ctx.step('once', () => (acts++, begun.open(), go.passed)) });
      const { fake } = await serving([slow]);
      const run = fake.start('r1', 'slow');
      await begun.passed;
      fake.evict(run, reason);
      fake.start('r2', 'slow'); // which hands out the first one again, too
      await fake.until(() => run.attempt === 2);
      go.open('done');
      expect(await finished(fake, run)).toBe('done');
      expect(acts).toBe(2);
    },
  );

  test('takes up a result whose report was lost', async () => {
    let acts = 0;
    const once = workflow({ name: 'once', run: (ctx) => ctx.step('act', () => ++acts) });
    const { fake } = await serving([once]);
    let lost = false;
    fake.answer = () => {
      if (lost) return undefined;
      lost = true;
      fake.crash();
      return null;
    };
    const run = fake.start('r1', 'once');
    fake
      .until(() => run.attempt === 1)
      .then(
        () => run.pending.clear(),
        () => {},
      );
    await fake.until(() => lost);
    run.pending.clear();
    expect(await finished(fake, run)).toBe(1);
    expect(acts).toBe(1);
  });

  test('goes to a new stream when the server drains', async () => {
    const { fake } = await serving([greet]);
    fake.drain();
    await fake.until(() => fake.hellos.length === 2);
    expect(await finished(fake, fake.start('r1', 'greet', { name: 'x' }))).toMatchObject({ hello: 'hello x' });
  });

  test('draining finishes the step under way, begins no other, and hands the run over', async () => {
    verifies('sdk.drains');
    const [begun, go] = [gate(), gate()];
    const acts: string[] = [];
    const two = workflow({
      name: 'two',
      async run(ctx) {
        await ctx.step('first', async () => (begun.open(), await go.passed, acts.push('first')));
        await ctx.step('second', () => acts.push('second'));
        return acts.length;
      },
    });
    const prepared = await platform();
    const { fake, worker } = await serving([two], prepared);
    const run = fake.start('r1', 'two');
    await begun.passed;
    const drained = worker[Symbol.asyncDispose]();
    await fake.until(() => fake.frames.some(({ drain }) => drain));
    go.open();
    await drained;
    await worker.closed;
    expect(acts).toEqual(['first']);
    expect(fake.frames.flatMap(({ release }) => release)).toEqual(['r1@1']);
    await serving([two], prepared);
    expect(await finished(fake, run)).toBe(2);
    expect(acts).toEqual(['first', 'second']);
  });

  test('aborts what a run does that was taken away', async () => {
    const [begun, aborted] = [gate(), gate<unknown>()];
    const long = workflow({
      name: 'long',
      run: (ctx) =>
        ctx.step('wait', ({ signal }) => {
          signal.addEventListener('abort', () => aborted.open(signal.reason));
          begun.open();
          return new Promise(() => {});
        }),
    });
    const { fake } = await serving([long]);
    const run = fake.start('r1', 'long');
    await begun.passed;
    run.end = { case: 'failed', value: {} as never };
    fake.evict(run, Evict_Reason.REVOKED);
    expect(await aborted.passed).toMatchObject({ code: 'auth.revoked' });
  });

  test('aborts everything that it does, at once, when its own authority is taken away', async () => {
    verifies('sdk.revoked_worker_stops');
    const [begun, aborted] = [gate(), gate<unknown>()];
    const long = workflow({
      name: 'long',
      run: (ctx) =>
        ctx.step('wait', ({ signal }) => {
          signal.addEventListener('abort', () => aborted.open(signal.reason));
          begun.open();
          return new Promise(() => {});
        }),
    });
    const { fake, worker } = await serving([long]);
    fake.start('r1', 'long');
    await begun.passed;
    fake.crash(statusOf(new FakeRefusal('auth.revoked', 'agt_1 was revoked')));
    expect(await aborted.passed).toMatchObject({ code: 'auth.revoked' });
    await expect(worker.closed).rejects.toMatchObject({ code: 'auth.revoked' });
    expect(fake.hellos).toHaveLength(1);
  });

  test('reports code that does not take the way of the record', async () => {
    const renamed = workflow({ name: 'greet', run: (ctx) => ctx.step('renamed', () => 1) });
    const { fake } = await serving([renamed]);
    const run = fake.start('r1', 'greet', { name: 'x' });
    run.journal.push({
      kind: Kind.STEP,
      name: 'hello',
      occurrence: 1,
      timeMs: 1n,
      outcome: { case: 'completed', value: value('hello x') },
    });
    fake.evict(run, Evict_Reason.MOVED);
    run.log.length = 0;
    fake.changed();
    fake.drain();
    const end = await fake.ended(run).then((first) => first);
    expect(end.case === 'diverged' ? end.value : end).toMatchObject({
      position: 0,
      expected: { kind: Kind.STEP, name: 'hello' },
      actual: { kind: Kind.STEP, name: 'renamed' },
    });
  });

  test('moves large values through the store, and refuses what is too large for it', async () => {
    const large = workflow({
      name: 'large',
      async run(ctx) {
        const text = await ctx.step('big', () => 'x'.repeat(300_000));
        const failed = await ctx
          .step('huge', () => 'y'.repeat(5_100_000))
          .catch((error: unknown) => (error as { code: string }).code);
        await ctx.sleep(1);
        return { length: text.length, failed };
      },
    });
    const prepared = await platform();
    const { fake, worker } = await serving([large], prepared);
    fake.answer = (_, command) => (command.what.case === 'sleep' ? null : undefined);
    const run = fake.start('r1', 'large');
    await fake.until(() => run.pending.size === 1);
    expect(fake.uploads.size).toBe(1);
    await worker[Symbol.asyncDispose]();
    await serving([large], prepared);
    await fake.until(() => run.attempt === 2);
    fake.settle(run, {
      kind: Kind.SLEEP,
      name: 'sleep',
      occurrence: 1,
      timeMs: 1n,
      outcome: { case: 'fired', value: true },
    });
    expect(await finished(fake, run)).toEqual({ length: 300_000, failed: 'run.value_too_large' });
  });

  test('replays strictly for whoever asks, and performs nothing', async () => {
    verifies('sdk.strict_replay');
    let acts = 0;
    const counted = workflow({ name: 'counted', run: async (ctx) => (await ctx.step('s', () => ++acts)) + 1 });
    const { fake } = await serving([counted]);
    const run = fake.start('r1', 'counted');
    await fake.ended(run);
    fake.replay('p1', run);
    run.end = { case: 'completed', value: value(3) };
    fake.replay('p2', run);
    fake.replay('p3', run, { case: 'cancelled', value: true });
    fake.replay('p4', run, { case: 'cancelled', value: false }); // over its head
    await fake.until(() => fake.replays.length === 4);
    expect(fake.replays.map(({ same }) => same)).toEqual([true, false, false, true]);
    expect(fake.replays[0]).toMatchObject({ id: 'p1', same: true, entries: 1, liveCalls: 0 });
    expect(fake.replays[1]).toMatchObject({
      id: 'p2',
      same: false,
      firstDifference: { expected: { detail: 'returned 3' }, actual: { detail: 'returned 2' } },
    });
    expect(acts).toBe(1);
  });

  test('comes back after a refusal that may heal, and gives up on one that will not', async () => {
    const fake = new FakeScheduler();
    let refusals = 0;
    fake.onConnect = () => {
      if (refusals++ < 2) throw Object.assign(new Error('later'), { code: 14, details: 'later' });
    };
    const prepared = await platform(fake);
    await serving([greet], prepared);
    expect(refusals).toBe(3);
    fake.onConnect = () => {
      throw Object.assign(new Error('no'), { code: 16, details: 'no' });
    };
    await expect(prepared.client().serve({ workflows: [greet] })).rejects.toMatchObject({ code: 'auth.invalid_token' });
  });
});
