/** One workflow that runs any program. */
import { setTimeout as delay } from 'node:timers/promises';
import * as z from 'zod';
import { FatalError, TimeoutError, WritError, workflow, type Context, type StepContext } from '@writ/sdk';
import { childOf } from './model.js';
import type { Program } from './program.js';
import { written } from './streams.js';

const input = z.object({ program: z.custom<Program>() });

const MOST_NAMES = 300;
/** Nobody sends `never 7`. Each wait has its own: a loop and what stands beside it do not wait for one message. */
const messages = Object.fromEntries(
  Array.from({ length: MOST_NAMES }, (_, at) => [`message ${at}`, `never ${at}`]).flatMap((names) =>
    names.map((name) => [name, z.number()]),
  ),
);
type Inside = Context<typeof messages>;

export const program = workflow({
  name: 'program',
  input,
  messages,
  run: (ctx, { program: whole }) => {
    nameWaits(whole, { next: 0 });
    return interpret(ctx, whole);
  },
});

const never = new WeakMap<Program, string>();

/** In the order of the program, so that every replay names them alike. */
function nameWaits(part: Program, count: { next: number }): void {
  if (part.op === 'timeout') never.set(part, `never ${count.next++ % MOST_NAMES}`);
  if ('of' in part && part.op !== 'child') for (const each of [part.of].flat()) nameWaits(each, count);
}

async function interpret(ctx: Inside, part: Program): Promise<unknown> {
  switch (part.op) {
    case 'step':
      return ctx.step(part.name, perform(part), { retry: { attempts: part.attempts, delay: 10, factor: 1 } });
    case 'sleep':
      return ctx.sleep(part.ms).then(() => 'slept');
    case 'message':
      return ctx.wait(part.name);
    case 'timeout':
      return timedOut(ctx, part.ms, never.get(part) ?? 'never 0');
    case 'emit':
      return ctx.emit(part.name, part.name).then(() => 'emitted');
    case 'fail':
      throw new FatalError('as the program says', { code: part.code });
    case 'sequence':
      return part.of.length % 2 === 0 ? inTurns(ctx, part.of) : oneByOne(ctx, part.of);
    case 'all':
      return Promise.all(part.of.map((each) => interpret(ctx, each)));
    case 'race':
      return Promise.race(part.of.map((each) => interpret(ctx, each)));
    case 'catch':
      return interpret(ctx, part.of).catch((error: unknown) => caught(ctx, error));
    case 'child': {
      const child = await ctx.start(program, { program: part.of }, { id: childOf(ctx.runId, part.name) });
      return part.awaited ? child.result() : 'started';
    }
  }
}

async function oneByOne(ctx: Inside, parts: readonly Program[]): Promise<unknown[]> {
  const values: unknown[] = [];
  for (const each of parts) values.push(await interpret(ctx, each));
  return values;
}

/** The same as a loop that begins a generation with every turn. */
function inTurns(ctx: Inside, parts: readonly Program[]): Promise<unknown[]> {
  return ctx.loop([] as unknown[], async (before) => {
    const values = [...before, await interpret(ctx, parts[before.length] as Program)];
    return values.length === parts.length ? { done: values } : { next: values, checkpoint: true };
  });
}

/** Own code with an effect that is counted outside, by its idempotency key. */
function perform({ name, failures, ms }: Extract<Program, { op: 'step' }>) {
  return async ({ attempt, idempotencyKey, signal, write }: StepContext): Promise<string> => {
    for (const chunk of written(name)) void write(chunk);
    process.stdout.write(`performed ${attempt} ${idempotencyKey}\n`);
    if (ms > 0) await delay(ms, undefined, { signal });
    if (attempt <= failures) throw new WritError('as the program says', { code: 'planned.step', retryable: true });
    return name;
  };
}

async function timedOut(ctx: Inside, ms: number, message: string): Promise<string> {
  try {
    await ctx.wait(message, { timeout: ms });
    return 'a message came that nobody sent';
  } catch (error) {
    if (error instanceof TimeoutError) return 'timed out';
    throw error;
  }
}

/** A cancel is no error of the program: it is not to be held up by it. */
function caught(ctx: Inside, error: unknown): { caught: string } {
  if (ctx.signal.aborted || !WritError.is(error)) throw error;
  return { caught: error.code };
}
