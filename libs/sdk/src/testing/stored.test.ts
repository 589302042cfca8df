import { randomBytes } from 'node:crypto';
import { buffer, text } from 'node:stream/consumers';
import { expect, test } from '@jest/globals';
import { verifies } from '@writ/testkit';
import * as z from 'zod';
import { WritError } from '../errors/errors.js';
import type { Stored } from '../codec/stored.js';
import { decodeBytes, encodeBytes } from '../codec/codec.js';
import { workflow } from '../define/workflow.js';
import { testWrit } from './test-writ.js';

const code = (error: unknown) => (WritError.is(error) ? error.code : error);
const film = randomBytes(300_000);
async function* pieces(): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < film.length; at += 70_000) yield film.subarray(at, at + 70_000);
}

test.each([{ alwaysReplay: false }, { alwaysReplay: true }])(
  'a stream that a step gives is stored, and its handle goes to steps, children, states and results: %o',
  async (mode) => {
    verifies('sdk.stored_streams');
    let made = 0;
    const size = workflow({
      name: 'size',
      input: z.custom<Stored>(),
      run: (ctx, film) => ctx.step('measure', async () => (await buffer(film)).length),
    });
    const render = workflow({
      name: 'render',
      async run(ctx) {
        const raw = await ctx.step('render', () => (made++, pieces()));
        const web = await ctx.step('web', () => ReadableStream.from(pieces()));
        const child = await ctx.start(size, raw);
        const tail = await ctx.loop({ raw }, async (state) => ({
          done: await ctx.step('tail', async () => (await buffer(state.raw)).subarray(-3)),
        }));
        const upper = await ctx.step('again', async function* () {
          for await (const piece of raw) yield piece.map((byte) => byte ^ 1);
        });
        return { raw, same: web.hash === raw.hash, size: await child.result(), tail: new Uint8Array(tail), upper };
      },
    });
    await using t = testWrit({ workflows: [render, size], ...mode });
    const run = await t.start(render, undefined);
    const result = await run.result();
    expect(result).toMatchObject({ same: true, size: 300_000, tail: new Uint8Array(film.subarray(-3)) });
    expect([result.raw.sizeBytes, (await buffer(result.raw)).equals(film), made]).toEqual([300_000, true, 1]);
    expect((await buffer(result.upper))[0]).toBe((film[0] as number) ^ 1);
    expect(await t.replay(t.history(run.id), render)).toEqual({ same: true });
  },
);

test('a stream that breaks is an error of its step, which is tried again', async () => {
  const breaks = workflow({
    name: 'breaks',
    run: (ctx) =>
      ctx.step('read', async function* ({ attempt }) {
        yield new TextEncoder().encode('all ');
        if (attempt === 1) throw new Error('the source broke');
        yield new TextEncoder().encode('of it');
      }),
  });
  await using t = testWrit({ workflows: [breaks] });
  const run = await t.start(breaks, undefined);
  await t.advance('1m');
  expect(await text(await run.result())).toBe('all of it');
});

test('each piece is a sign of life', async () => {
  let pass = () => {};
  const slow = workflow({
    name: 'slow',
    run: (ctx) =>
      ctx.step(
        'read',
        async function* () {
          for (let at = 0; at < 3; at++) {
            yield new Uint8Array(1);
            await new Promise<void>((resolve) => (pass = resolve));
          }
        },
        { heartbeat: '10s' },
      ),
  });
  await using t = testWrit({ workflows: [slow] });
  const run = await t.start(slow, undefined);
  for (let at = 0; at < 3; at++) {
    await t.advance('8s');
    pass();
  }
  expect((await run.result()).sizeBytes).toBe(3);
});

test('stored bytes are not read in the function of a workflow', async () => {
  const reads = workflow({
    name: 'reads',
    run: async (ctx) => text(await ctx.step('read', pieces)),
  });
  await using t = testWrit({ workflows: [reads] });
  expect(code(await (await t.start(reads, undefined)).result().catch((error: unknown) => error))).toBe('run.nested');
});

test('a handle is a small value of the codec', () => {
  const json = '{"$stored":{"hash":"sha256:00","sizeBytes":3}}';
  const handle = decodeBytes(Buffer.from(json)) as Stored;
  expect([handle.hash, handle.sizeBytes]).toEqual(['sha256:00', 3]);
  expect(Buffer.from(encodeBytes(handle)).toString()).toBe(json);
});
