import { describe, expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import { FatalError, workflow } from '../index.js';
import { testWrit } from '../testing.js';

const wallet = workflow({
  name: 'wallet',
  input: z.object({ cents: z.number().int() }),
  messages: { close: z.object({}) },
  queries: { balance: { output: z.number() }, above: { input: z.number(), output: z.boolean() }, broken: {} },
  updates: { withdraw: { input: z.object({ cents: z.number().positive() }), output: z.number() }, stuck: {} },
  async run(ctx, { cents }) {
    let balance = cents;
    ctx.handle('balance', () => balance);
    ctx.handle('above', (limit) => balance > limit);
    ctx.handle('broken', () => ctx.emit('looked', 1));
    ctx.handle(
      'withdraw',
      async (wanted) => {
        await ctx.step('pay', () => wanted.cents);
        if (wanted.cents === 13) throw new FatalError('bad luck', { code: 'wallet.unlucky' });
        await ctx.sleep('1h');
        return (balance -= wanted.cents);
      },
      {
        accept(wanted) {
          if (wanted.cents > balance) throw new FatalError(`only ${balance} left`, { code: 'wallet.short' });
        },
      },
    );
    ctx.handle('stuck', async () => void (await ctx.wait('close')));
    await ctx.wait('close');
    return balance;
  },
});
const code = (is: string) => expect.objectContaining({ code: is });

describe.each([{ alwaysReplay: false }, { alwaysReplay: true }])('a run that answers, $alwaysReplay', (options) => {
  const start = async () => {
    const t = testWrit({ workflows: [wallet], ...options });
    return { t, run: await t.start(wallet, { cents: 100 }) };
  };
  const types = (events: readonly { type: string }[]) =>
    events.map(({ type }) => type.replace(/^run\.(.*)\.v1$/, '$1'));

  test('is asked for what it is now, and nothing of that is recorded', async () => {
    const { t, run } = await start();
    expect(await run.query('balance')).toBe(100);
    expect(await run.query('above', 100)).toBe(false);
    await expect(run.query('broken')).rejects.toEqual(code('run.nested'));
    await expect(run.query('above', 'x' as never)).rejects.toEqual(code('input.invalid'));
    await expect(run.query('nothing' as never, undefined as never)).rejects.toEqual(code('run.no_handler'));
    expect(types(await eventsOf(t, run.id))).toEqual(['started', 'waiting']);
  });

  test('accepts an update or refuses it, does what it accepted, and answers', async () => {
    const { t, run } = await start();
    const left = run.update('withdraw', { cents: 80 }, { idempotencyKey: 'k' });
    await t.advance('1h');
    expect(await left).toBe(20);
    expect(await run.update('withdraw', { cents: 80 }, { idempotencyKey: 'k' })).toBe(20);
    await expect(run.update('withdraw', { cents: 80 })).rejects.toEqual(code('wallet.short'));
    await expect(run.update('withdraw', { cents: -1 })).rejects.toEqual(code('input.invalid'));
    await expect(run.update('withdraw', { cents: 13 })).rejects.toEqual(code('wallet.unlucky'));
    expect(await run.query('balance')).toBe(20);
    const expected = ['update_accepted', 'step_completed', 'waiting', 'update_answered'];
    expect(types(await eventsOf(t, run.id))).toEqual([
      'started',
      'waiting',
      ...expected,
      'update_accepted',
      'step_completed',
      'update_answered',
    ]);
    expect((await t.replay(t.history(run.id), wallet)).same).toBe(true);
  });

  test('handles one at a time, each accepted in the state that the one before it left', async () => {
    const { t, run } = await start();
    const [first, second] = [run.update('withdraw', { cents: 80 }), run.update('withdraw', { cents: 30 })];
    const refused = expect(second).rejects.toEqual(code('wallet.short'));
    await t.advance('3h');
    expect(await first).toBe(20);
    await refused;
  });

  test('ends when what it accepted is answered, and answers queries after its end', async () => {
    const { t, run } = await start();
    const left = run.update('withdraw', { cents: 1 });
    await t.advance('1m');
    await run.send('close', {});
    await t.advance('1m');
    expect(types(await eventsOf(t, run.id))).not.toContain('succeeded');
    await t.advance('2h');
    expect([await left, await run.result()]).toEqual([99, 100]);
    expect(await run.query('balance')).toBe(99);
    await expect(run.update('withdraw', { cents: 1 })).rejects.toEqual(code('run.ended'));
    await expect(run.send('close', {})).rejects.toEqual(code('run.ended'));
    await expect(run.send('closed' as never, {} as never)).rejects.toEqual(code('run.unknown_message'));
  });
});

async function eventsOf(t: ReturnType<typeof testWrit>, run: string) {
  const found = [];
  const all = t.events({ after: 'start', subject: run, signal: AbortSignal.timeout(50) });
  try {
    for await (const event of all) found.push(event);
  } catch {
    // no more for now
  }
  return found;
}

test('code that does not handle what the record says it accepted has diverged', async () => {
  verifies('run.update_replay');
  await using t = testWrit({ workflows: [wallet] });
  const run = await t.start(wallet, { cents: 100 });
  const left = run.update('withdraw', { cents: 80 });
  await t.advance('1h');
  await left;
  const history = t.history(run.id);
  const other = workflow({ name: 'wallet', messages: { close: z.object({}) }, run: (ctx) => ctx.wait('close') });
  const changed = await t.replay(history, other);
  expect(changed).toMatchObject({
    same: false,
    firstDifference: { event: expect.stringContaining("update 'withdraw/") },
  });
});

test('a message goes with a start, once', async () => {
  await using t = testWrit({ workflows: [wallet] });
  const send = { message: 'close', data: {}, idempotencyKey: 'k' } as const;
  const opts = { id: 'w', onConflict: 'attach', send } as const;
  const [a] = [await t.start(wallet, { cents: 5 }, opts), await t.start(wallet, { cents: 6 }, opts)];
  expect(await a.result()).toBe(5);
  expect((await eventsOf(t, 'w')).map(({ type }) => type)).toEqual([
    'run.started.v1',
    'run.message_received.v1',
    'run.waiting.v1',
    'run.succeeded.v1',
  ]);
});
