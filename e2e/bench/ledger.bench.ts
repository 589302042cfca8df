import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Ledger, type CommandClient } from '@writ/ledger';
import { startNats, type NatsServer } from '@writ/servers';
import { startProcess, type ProjectProcess } from '@writ/testkit';
import { defineBench, quantile, type Measurement } from './bench.js';
import { change, thingModel } from './ledger-thing.js';

const recoveryEvents = 1_000_000;
const inFlight = 64;

interface Prepared extends AsyncDisposable {
  nats: NatsServer;
  client: Ledger;
  /** Owners in a process of their own, and in this one. */
  far: CommandClient;
  near: CommandClient;
}

export const bench = defineBench<Prepared>({
  name: 'ledger',
  about: 'one partition: commands that each write one event, and the recovery of a million of them',
  doesNotMeasure: [
    'projections, reactors and followers beside the owner',
    'several partitions, whose syncs the disk could do side by side',
    'the time until a dead owner’s lease runs out, which comes before a recovery: up to 3 s',
    'a cluster of brokers: one server, one copy',
  ],
  targets: {
    eventsPerSecond64: { atLeast: 20_000 },
    aloneP50Ms: { atMost: 1.5 },
    recoverySnapshotMs: { atMost: 2_000 },
    recoveryFullMs: { atMost: 30_000 },
  },

  async prepare({ durability }) {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'writ-bench-ledger-'));
    const nats = await startNats({ dataDir, durability, scratch: true });
    const owner = await owning(nats, 'far');
    const client = await Ledger.connect({ servers: nats.url });
    const host = await client.host({ service: 'near', partitions: 1, model: thingModel() });
    await host.ready;
    const dispose = async (): Promise<void> => {
      await owner.stop();
      await client.drain();
      await nats.stop();
      await rm(dataDir, { recursive: true, force: true });
    };
    await fill(nats, client);
    const [far, near] = [client.commands('far', { partitions: 1 }), client.commands('near')];
    return { nats, client, far, near, [Symbol.asyncDispose]: dispose };
  },

  async run(_conditions, { nats, far, near }): Promise<Measurement[]> {
    const farLoad = await load(far, inFlight, 5);
    const nearLoad = await load(near, inFlight, 3);
    const farAlone = await load(far, 1, 2);
    const nearAlone = await load(near, 1, 1);
    const snapshot = await recovery(nats, 1);
    const full = await recovery(nats, 2);
    return [
      { name: 'eventsPerSecond64', value: farLoad.perSecond, unit: 'events/s' },
      { name: 'p50Ms64', value: farLoad.p50Ms, unit: 'ms' },
      { name: 'p99Ms64', value: farLoad.p99Ms, unit: 'ms' },
      { name: 'inProcessEventsPerSecond64', value: nearLoad.perSecond, unit: 'events/s' },
      { name: 'eventBytes', value: await eventBytes(far), unit: 'bytes' },
      { name: 'aloneP50Ms', value: farAlone.p50Ms, unit: 'ms' },
      { name: 'aloneP99Ms', value: farAlone.p99Ms, unit: 'ms' },
      { name: 'inProcessAloneP50Ms', value: nearAlone.p50Ms, unit: 'ms' },
      { name: 'recoverySnapshotMs', value: snapshot.ms, unit: 'ms' },
      { name: 'recoverySnapshotTailEvents', value: snapshot.replayed, unit: 'events' },
      { name: 'recoveryFullMs', value: full.ms, unit: 'ms' },
    ];
  },
});

async function owning(nats: NatsServer, service: string, version = 1): Promise<ProjectProcess> {
  const owner = startProcess('e2e/bench/ledger-owner.ts', { args: [nats.url, service, String(version)] });
  await owner.line(/^owned /, 120_000);
  return owner;
}

/** Writes the partition that is recovered; its owner is killed, so that there is a tail behind its newest snapshot. */
async function fill(nats: NatsServer, client: Ledger): Promise<void> {
  const owner = await owning(nats, 'recovery');
  const commands = client.commands('recovery', { partitions: 1 });
  let next = 0;
  const send = async (): Promise<void> => {
    while (next < recoveryEvents) {
      if (next % 250_000 === 0) process.stderr.write(`  … ${next} of ${recoveryEvents} events for the recovery\n`);
      await commands.send(change(next++, 10_000), { timeoutMs: 60_000 });
    }
  };
  await Promise.all(Array.from({ length: inFlight }, send));
  await owner.kill();
}

/** @returns what the new owner says, from having the lease to having claimed the partition */
async function recovery(nats: NatsServer, version: number): Promise<{ ms: number; replayed: number }> {
  const owner = await owning(nats, 'recovery', version);
  const [, json = ''] = await owner.line(/^owned (\{.*\})$/);
  await owner.kill(); // no snapshot at its end: the next recovery finds what this one found
  return JSON.parse(json) as { ms: number; replayed: number };
}

async function load(
  commands: CommandClient,
  callers: number,
  seconds: number,
): Promise<{ perSecond: number; p50Ms: number; p99Ms: number }> {
  const times: number[] = [];
  const begin = performance.now();
  const warmUntil = begin + 500;
  const until = warmUntil + seconds * 1000;
  let count = 0;
  const call = async (): Promise<void> => {
    for (let started = performance.now(); started < until; started = performance.now()) {
      await commands.send(change(count++, 1_000));
      if (started >= warmUntil) times.push(performance.now() - started);
    }
  };
  await Promise.all(Array.from({ length: callers }, call));
  times.sort((a, b) => a - b);
  return { perSecond: times.length / seconds, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) };
}

async function eventBytes(commands: CommandClient): Promise<number> {
  const { events } = await commands.send(change(0, 1));
  return Buffer.byteLength(JSON.stringify(events[0]));
}
