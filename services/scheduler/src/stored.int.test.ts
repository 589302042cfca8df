import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { clientOf, GrpcChannel } from '@writ/api';
import { fakeToken } from '@writ/api/testing';
import { RunState } from '@writ/proto/run/v1/run';
import { WorkerService } from '@writ/proto/worker/v1/worker';
import { verifies } from '@writ/testkit';
import { json, SchedulerStack } from './testing/scheduler-stack.js';

let stack: SchedulerStack;
let channel: GrpcChannel;
beforeAll(async () => {
  stack = await SchedulerStack.start();
  const address = stack.schedulers[0]?.grpcUrl.replace('http://', '') ?? '';
  channel = new GrpcChannel(address, { metadata: () => ({ authorization: fakeToken({}) }) });
}, 60_000);
afterAll(async () => {
  channel?.close();
  await stack?.[Symbol.asyncDispose]();
});

async function* cut(bytes: Uint8Array, size: number) {
  for (let at = 0; at < bytes.length; at += size)
    yield { chunk: bytes.subarray(at, at + size) as Uint8Array<ArrayBuffer> };
}
const wait = { seconds: 20n, nanos: 0 };

test('what a step gave as a stream is read out of the result of its run, and out of no other', async () => {
  verifies('run.stored_result');
  const film = randomBytes(5_000_001);
  const { blob } = await clientOf(WorkerService, channel).uploadValue(cut(film, 100_000));
  const $stored = { hash: blob?.hash ?? '', sizeBytes: Number(blob?.sizeBytes) };
  stack.worker({ render: (ctx) => ctx.step('render', () => ({ film: { $stored } })), other: async () => 'nothing' });
  const runs = stack.runs();
  const run = async (workflow: string) => {
    const { id } = await runs.startRun({ workflow });
    expect(await runs.getRunResult({ id, wait })).toMatchObject({ state: RunState.SUCCEEDED });
    return id;
  };
  const read = async (client: typeof runs, id: string) => {
    const content = client.readRunResult({ id, stored: $stored.hash });
    return buffer((async function* () { for await (const { chunk } of content) yield chunk; })()); // prettier-ignore
  };
  const [render, other] = [await run('render'), await run('other')];
  expect((await read(runs, render)).equals(film)).toBe(true);
  await expect(read(runs, other)).rejects.toMatchObject({ code: 'run.value_not_found' });
  await expect(read(stack.runs({ tenant: 'tnt_other' }), render)).rejects.toMatchObject({ code: 'run.not_found' });

  const recorded = async (id: string, hash: string) => {
    const content = runs.readRunValue({ id, hash });
    return buffer((async function* () { for await (const { chunk } of content) yield chunk; })()); // prettier-ignore
  };
  const { id: given } = await runs.startRun({ workflow: 'other', input: json({ $stored, more: 'x'.repeat(100_000) }) });
  const started = (await stack.events(given))[0]?.data as { blob?: { hash: string } };
  const input = await recorded(given, started.blob?.hash ?? '');
  expect(JSON.parse(input.toString())).toMatchObject({ $stored });
  for (const id of [render, given]) expect((await recorded(id, $stored.hash)).equals(film)).toBe(true);
  await expect(recorded(other, $stored.hash)).rejects.toMatchObject({ code: 'run.value_not_found' });
}, 60_000);
