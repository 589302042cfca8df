/** The types of the public surface, as a program that is compiled (`tsc`) but mostly not run. What must not compile stands behind `@ts-expect-error`. */
import { describe, expect, test } from '@jest/globals';
import { toStandardJsonSchema } from '@valibot/to-json-schema';
import { type } from 'arktype';
import * as v from 'valibot';
import * as z from 'zod';
import { connect, tool, verify, workflow, WritError, type Run, type Workflow } from './index.js';
import { forget, recall, remember, type Memory } from './tools.js';

type Eq<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
/** Compiles only where the value has exactly this type. */
const exactly =
  <T>() =>
  <V>(_value: V, ..._different: Eq<V, T> extends true ? [] : [never]): void => {};

const refund = tool({
  name: 'stripe.refund',
  description: 'Refund a charge',
  effect: 'irreversible',
  input: z.object({ charge: z.string(), cents: z.number().default(0) }),
  async run({ charge, cents }, { signal, idempotencyKey }) {
    exactly<number>()(cents);
    return { id: `re_${charge}_${cents}_${signal.aborted}_${idempotencyKey}`, at: new Date() };
  },
});
const lookup = tool({
  name: 'orders.get',
  description: 'Read an order',
  effect: 'read',
  input: type({ id: 'string' }),
  async run({ id }) {
    return { id, total: 12 };
  },
});
const typed = tool({
  name: 'typed',
  description: 'Has an output schema',
  effect: 'read',
  input: toStandardJsonSchema(v.object({ a: v.string() })),
  output: z.object({ n: z.string().transform(Number) }),
  run: async () => ({ n: 1 }),
});

const tell = workflow({ name: 'tell', input: z.string(), run: async (_, words) => words.length });
const flow = workflow({
  name: 'refund-flow',
  input: z.object({ order: z.string(), times: z.number().default(1) }),
  messages: { evidence: v.object({ url: v.string() }) },
  queries: { progress: { output: z.number() }, line: { input: z.object({ n: z.number() }), output: z.string() } },
  updates: { raise: { input: z.object({ cents: z.number().default(0) }), output: z.date() }, stop: {} },
  async run(ctx, { order, times }) {
    exactly<number>()(times);
    ctx.handle('progress', () => 5);
    ctx.handle('line', ({ n }) => `line ${n}`);
    ctx.handle('raise', async ({ cents }) => new Date(cents), { accept: ({ cents }) => exactly<number>()(cents) });
    ctx.handle('stop', () => {});
    // @ts-expect-error a query is answered at once
    ctx.handle('progress', async () => 5);
    // @ts-expect-error unknown query or update
    ctx.handle('nope', () => 5);
    const found = await ctx.call(lookup, { id: order });
    exactly<{ id: string; total: number }>()(found);
    const shipped = await ctx.step('shipping', async ({ signal }) => (await fetch('https://x', { signal })).status);
    exactly<number>()(shipped);
    const plain = await ctx.step('plain', () => 'not a promise', { undo: async (value) => void value.toUpperCase() });
    exactly<string>()(plain);
    const ok = await ctx.ask({ title: 'Refund?', detail: found, approvers: ['group:support'], timeout: '2d' });
    exactly<true>()(ok.value);
    const choice = await ctx.ask({ title: 'Which?', schema: z.enum(['a', 'b']) });
    exactly<'a' | 'b'>()(choice.value);
    const evidence = await ctx.wait('evidence', { timeout: '1h' });
    exactly<{ url: string }>()(evidence);
    const refunded = await ctx.call(refund, { charge: order });
    exactly<{ id: string; at: Date }>()(refunded);
    const number = await ctx.call(typed, { a: 'x' });
    exactly<{ n: number }>()(number);
    const memories = await ctx.call(recall, { scope: 's', query: 'q' });
    exactly<Memory[]>()(memories);
    const kept = await ctx.call(remember, { scope: 's', text: 't', attributes: { a: 1 } });
    exactly<{ id: string }>()(kept);
    await ctx.call(forget, { id: kept.id });
    const child = await ctx.start(tell, 'the customer', { grant: [{ actions: ['tool.call'], resources: ['mail/*'] }] });
    const said = await child.result();
    exactly<number>()(said);
    const both = await ctx.join([child, await ctx.start(untyped, undefined, { onParentEnd: 'wait' })]);
    exactly<[number, number]>()(both);
    const some = await ctx.join([child, child], { need: 1 });
    exactly<[number | undefined, number | undefined]>()(some);
    const unknown = await ctx.call('tracker.create_issue', { title: 'x' });
    exactly<unknown>()(unknown);
    await using box = await ctx.sandbox({ network: 'none' });
    await box.fs.writeFile('/w/a.txt', 'hi');
    const text = await box.fs.readFile('/w/a.txt', 'utf8');
    exactly<string>()(text);
    for await (const piece of box.exec(['wc', '-c', '/w/a.txt'])) void piece.text;
    await ctx.sleep('3d');
    // @ts-expect-error unknown message
    void ctx.wait('nope');
    // @ts-expect-error wrong input
    void ctx.call(lookup, { id: 3 });
    // @ts-expect-error bad duration
    void ctx.sleep('3 fortnights');
    // @ts-expect-error a child has the type of its input
    void ctx.start(tell, 5);
    return { refunded: refunded.id };
  },
});
const untyped = workflow({ name: 'untyped', run: async () => 5 });

async function program(): Promise<void> {
  await using writ = connect();
  await using worker = await writ.serve({ workflows: [flow, tell, untyped], tools: [refund, lookup, typed] });
  void worker;
  const run = await writ.start(flow, { order: 'o1' }, { id: 'refund-o1', onConflict: 'attach' });
  const out = await run.result({ signal: AbortSignal.timeout(5_000) });
  exactly<{ refunded: string }>()(out);
  const five = await (await writ.start(untyped, undefined)).result();
  exactly<number>()(five);
  await run.send('evidence', { url: 'https://…' });
  exactly<number>()(await run.query('progress'));
  exactly<string>()(await run.query('line', { n: 1 }));
  exactly<Date>()(await run.update('raise', {}, { idempotencyKey: 'k', timeout: '1m' }));
  exactly<unknown>()(await run.update('stop'));
  await writ.start(flow, { order: 'o1' }, { send: { message: 'evidence', data: { url: 'https://…' } } });
  // @ts-expect-error wrong message payload, with a start as well
  void writ.start(flow, { order: 'o1' }, { send: { message: 'evidence', data: { url: 1 } } });
  // @ts-expect-error wrong input of a query
  void run.query('line', { n: 'x' });
  // @ts-expect-error an update is no query
  void run.query('raise', {});
  // @ts-expect-error wrong message payload
  void run.send('evidence', { url: 1 });
  // @ts-expect-error a run is no promise
  void run.then;
  // @ts-expect-error the input has its type from outside, too
  void writ.start(flow, { order: 1 });
  // @ts-expect-error agents belong to a later version
  void writ.generate;
  for await (const event of run) if (event.time instanceof Date) break;
  const again: Run<{ refunded: string }> = writ.run('refund-o1', flow);
  const any: Workflow = flow;
  void any;
  try {
    await again.result();
  } catch (error) {
    if (WritError.is(error, 'policy.denied')) exactly<'policy.denied' & string>()(error.code);
  }
  const verified = await verify('{}', { log: 'k' });
  if (verified.ok) exactly<bigint>()(verified.treeSize);
  else exactly<WritError>()(verified.error);
}

describe('the surface', () => {
  test('compiles as documented', () => {
    expect(program).toBeInstanceOf(Function); // its types are what is tested, by tsc
    expect([flow.kind, flow.name, refund.kind, refund.name]).toEqual([
      'workflow',
      'refund-flow',
      'tool',
      'stripe.refund',
    ]);
  });

  test('a tool needs a schema that can describe itself', () => {
    const undescribed = () =>
      // @ts-expect-error valibot needs its JSON Schema adapter
      tool({ name: 'x', description: 'x', effect: 'read', input: v.object({ a: v.string() }), run: async () => 1 });
    expect(undescribed).toThrow('cannot describe itself');
  });

  test.each(['', '1st', 'with space', 'x'.repeat(101), 'slash/es'])('%p is no name', (name) => {
    expect(() => workflow({ name, run: async () => 1 })).toThrow('cannot be the name');
  });

  test('definitions are values: nothing is registered, nothing changes', () => {
    expect(Object.isFrozen(flow)).toBe(true);
    expect(Object.keys(flow)).toEqual(['kind', 'name']);
  });
});
