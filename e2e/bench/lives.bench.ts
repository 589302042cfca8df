import { readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { connect, type Writ } from '@writ/sdk';
import type { Rest } from '../demo/rest.js';
import { startStack } from '../demo/stack.js';
import { defineBench, type Measurement } from './bench.js';
import { agent, film as filmed, steps } from './lives/flows.js';
import { peopleOf } from './workflows/world.js';
import { startProgram, type Program } from './workflows/program.js';

const MIB = 1024 * 1024;

export const bench = defineBench({
  name: 'lives',
  about:
    'long lives: a conversation of 200,000 tokens, a run of 100,000 steps that is rebuilt, bytes that a step gives as a stream',
  doesNotMeasure: ['models and tools that take time', 'many such runs at once', 'a store in a cluster'],
  parts: ['agent', 'steps', 'stream'],
  targets: {
    storedMibPerSecond: { atLeast: 50 },
    rebuildOfLongToShort: { atMost: 2 },
    bytesOfTwiceTheCalls: { atMost: 2.2 },
  },
  async run({ durability }, _prepared, { parts }) {
    const folder = await mkdtemp(path.join(tmpdir(), 'writ-bench-lives-'));
    try {
      await using stack = disposable(
        await startStack(path.join(folder, 'data'), { env: { WRIT_DURABILITY: durability } }),
      );
      const { keyFile, person } = await peopleOf(stack, folder, ['run.*', 'worker.connect', 'tool.*']);
      const env = { WRIT_URL: stack.url, WRIT_KEY_FILE: keyFile };
      const worker = () => startProgram('../lives/worker.ts', env);
      Object.assign(process.env, env); // the agent's key: its workers serve what it starts itself
      await using writ = connect();
      const written = () => bytesBelow(path.join(folder, 'data'), /LEDGER_|OBJ_blobs/);
      return [
        ...(parts.has('agent') ? await conversation(writ, await worker(), written) : []),
        ...(parts.has('steps') ? await rebuilt(writ, person, worker) : []),
        ...(parts.has('stream') ? await streamed(writ, await worker()) : []),
      ];
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  },
});

/** What 1,000 tool calls and 200,000 tokens cost on the disk, and what half of them cost. */
async function conversation(writ: Writ, worker: Program, written: () => number): Promise<Measurement[]> {
  await using _ = worker;
  const bytes: number[] = [];
  let seconds = 0;
  for (const calls of [500, 1_000]) {
    const [before, began] = [written(), performance.now()];
    const run = await writ.start(agent, { calls });
    const characters = await run.result();
    if (characters < 800 * calls) throw new Error(`only ${characters} characters were said`);
    seconds = (performance.now() - began) / 1000;
    bytes.push(written() - before);
  }
  const [half = NaN, all = NaN] = bytes;
  return [
    { name: 'conversationSeconds', value: seconds, unit: 's for 1,000 turns of a step and a tool call' },
    { name: 'conversationMib', value: all / MIB, unit: 'MiB in ledgers and blobs' },
    { name: 'bytesOfTwiceTheCalls', value: all / half, unit: 'times those of half' },
  ];
}

/** How long a run takes to go on, on a worker that has never seen it, after 1,000 and after 100,000 steps. */
async function rebuilt(writ: Writ, person: Rest, worker: () => Promise<Program>): Promise<Measurement[]> {
  const takes: number[] = [];
  let seconds = 0;
  for (const turns of [10, 1_000]) {
    const first = await worker();
    const began = performance.now();
    const run = await writ.start(steps, { turns });
    for (let on = ''; !on.startsWith('message'); await delay(20)) {
      const { run: now } = await person.get<{ run: { waitingOn?: string } }>(`/v1/runs/${run.id}`);
      on = now.waitingOn ?? '';
    }
    seconds = (performance.now() - began) / 1000;
    await first[Symbol.asyncDispose]();
    await using _next = await worker();
    const sent = performance.now();
    await run.send('go', 1);
    if ((await run.result()) !== turns * 100 + 1) throw new Error('a step was lost, or counted twice');
    takes.push(performance.now() - sent);
  }
  const [short = NaN, long = NaN] = takes;
  return [
    { name: 'steps100kSeconds', value: seconds, unit: 's for 100,000 steps, 100 at a time' },
    { name: 'rebuild1kMs', value: short, unit: 'ms to go on after 1,000 steps' },
    { name: 'rebuild100kMs', value: long, unit: 'ms to go on after 100,000 steps' },
    { name: 'rebuildOfLongToShort', value: long / short, unit: 'times' },
  ];
}

/** Bytes of a step into the store, and out of the result of its run. */
async function streamed(writ: Writ, worker: Program): Promise<Measurement[]> {
  await using _ = worker;
  const film = async (mib: number): Promise<[stored: number, read: number]> => {
    const began = performance.now();
    const stored = await (await writ.start(filmed, { mib })).result();
    const there = performance.now();
    let bytes = 0;
    for await (const chunk of stored) bytes += chunk.length;
    if (bytes !== mib * MIB) throw new Error(`${bytes} bytes came back of ${mib} MiB`);
    return [(mib * 1000) / (there - began), (mib * 1000) / (performance.now() - there)];
  };
  await film(8);
  const [stored, read] = await film(64);
  const [largest] = await film(1024);
  return [
    { name: 'storedMibPerSecond', value: stored, unit: 'MiB/s of 64 MiB into the store' },
    { name: 'readMibPerSecond', value: read, unit: 'MiB/s out of it' },
    { name: 'stored1gibMibPerSecond', value: largest, unit: 'MiB/s of 1 GiB into the store' },
    { name: 'workerRssMib', value: await worker.ask<number>('rssMib'), unit: 'MiB of the worker then' },
  ];
}

function bytesBelow(folder: string, wanted: RegExp): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && wanted.test(entry.parentPath))
    .reduce((sum, entry) => sum + statSync(path.join(entry.parentPath, entry.name)).size, 0);
}

function disposable<T extends { stop(): Promise<unknown> }>(stack: T): T & AsyncDisposable {
  return Object.assign(stack, { [Symbol.asyncDispose]: async () => void (await stack.stop()) });
}
