import { beforeEach, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import { workflow } from '../define/workflow.js';
import { FatalError } from '../errors/errors.js';
import { testWrit } from './test-writ.js';

const done: string[] = [];
const keys: string[] = [];
let tariff = 'wrong';
beforeEach(() => {
  done.length = keys.length = 0;
  tariff = 'wrong';
});

const order = workflow({
  name: 'order',
  input: z.object({ item: z.string() }),
  messages: { paid: z.number() },
  async run(ctx, { item }) {
    const before = { id: ctx.crypto.randomUUID(), at: ctx.now };
    const loaded = await ctx.step('load', () => (done.push(`load ${item}`), `loaded ${item}`));
    const cents = await ctx.wait('paid');
    const total = await ctx.step('total', ({ idempotencyKey }) => {
      done.push(`total ${item}`);
      keys.push(idempotencyKey);
      if (tariff === 'wrong') throw new FatalError('the tariff is wrong', { code: 'order.tariff' });
      return cents * 2;
    });
    return { loaded, total, before, after: { id: ctx.crypto.randomUUID(), at: ctx.now } };
  },
});

async function failedOrder(alwaysReplay: boolean) {
  const t = testWrit({ workflows: [order], alwaysReplay });
  const run = await t.start(order, { item: 'bees' }, { id: 'o1' });
  await t.advance('1h');
  await run.send('paid', 21);
  await expect(run.result()).rejects.toMatchObject({ code: 'order.tariff' });
  await t.advance('1d');
  tariff = 'right';
  return { t, run };
}

test.each([false, true])(
  'a run that failed goes on from a step, and keeps what came before (replayed: %s)',
  async (replayed) => {
    verifies('versions.restart');
    const { t, run } = await failedOrder(replayed);
    expect(await run.restart('total/1', { reason: 'tariff mended' })).toEqual({ dropped: ['step total/1'] });
    const { loaded, total, before, after } = await run.result();
    expect({ loaded, total, done }).toEqual({
      loaded: 'loaded bees',
      total: 42,
      done: ['load bees', 'total bees', 'total bees'],
    });
    expect(new Set(keys)).toEqual(new Set(['o1/total#1', 'o1~1/total#1']));
    expect(before.at).toEqual(new Date('2026-01-01T00:00:00Z'));
    expect(after.at).toEqual(new Date('2026-01-02T01:00:00Z'));
    expect(after.id).not.toBe(before.id);
    expect(await t.replay(t.history('o1'), order)).toEqual({ same: true });
  },
);

test('a message that came is there again where its wait is done anew', async () => {
  const { run } = await failedOrder(false);
  await run.restart('paid');
  expect((await run.result()).total).toBe(42);
});

test('a fork begins with the record of another run, and goes its own way from there, with its own input', async () => {
  verifies('versions.fork');
  const { t, run } = await failedOrder(true);
  const fork = await t.start(order, { item: 'wasps' }, { id: 'o2', fork: { run: run.id, after: 'load' } });
  await fork.send('paid', 5);
  const { loaded, total, before, after } = await fork.result();
  expect({ loaded, total, done: done.at(-1) }).toEqual({ loaded: 'loaded bees', total: 10, done: 'total wasps' });
  expect(keys.at(-1)).toBe('o2/total#1');
  await run.restart('total');
  const first = await run.result();
  expect(first.before).toEqual(before); // what the record was made with
  expect(first.after.id).not.toBe(after.id);
  expect(await t.replay(t.history('o2'), order)).toEqual({ same: true });
});

test('what cannot be gone on from is refused', async () => {
  const { t, run } = await failedOrder(false);
  await expect(run.restart('nowhere')).rejects.toMatchObject({ code: 'run.no_such_step' });
  const going = await t.start(order, { item: 'x' });
  await expect(going.restart('load')).rejects.toMatchObject({ code: 'run.not_restartable' });
});
