import { jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { NatsServer } from '@writ/servers';
import { eventually, startSuiteNats, verifies } from '@writ/testkit';
import { commitSubject, streamName, type Json } from './domain.js';
import { ChainBroken, Ledger, type Commit } from './index.js';
import { add, counterModel } from './testing/counter.js';
import { testedServers } from './testing/servers.js';

describe.each(await testedServers())('following on nats-server %s', (_, binary) => {
  let nats: NatsServer;
  let writer: Ledger;
  let reader: Ledger;
  let service: string;
  let services = 0;

  beforeAll(async () => {
    nats = await startSuiteNats({ binary });
  });
  afterAll(async () => {
    await Promise.all([writer.drain(), reader.drain()]);
    await nats.stop();
  });
  beforeEach(async () => {
    await Promise.all([writer?.drain(), reader?.drain()]);
    service = `svc${++services}`;
    writer = await Ledger.connect({ servers: nats.url });
    reader = await Ledger.connect({ servers: nats.url });
    const host = await writer.host({ service, partitions: 1, model: counterModel });
    await host.ready;
  });

  const send = async (count: number, text?: string): Promise<void> => {
    const client = writer.commands(service);
    for (let i = 0; i < count; i++) await client.send(add(1, text === undefined ? {} : { text }));
  };
  const read = async (range?: { from?: number; to?: number }): Promise<Commit[]> => {
    const commits: Commit[] = [];
    for await (const commit of reader.read(service, 0, range)) commits.push(commit);
    return commits;
  };

  test('reads a range, and each commit names the hash of the one before it', async () => {
    await send(1200);
    const all = await read();
    expect(all.map(({ commit }) => commit)).toEqual(Array.from({ length: 1201 }, (_, i) => i + 1));
    expect(all[0]?.prev).toBe('0'.repeat(64));
    for (const [i, commit] of all.slice(1).entries()) expect(commit.prev).toBe(all[i]?.hash);
    for (const { lines, events } of all.slice(0, 10))
      expect(lines.map((line) => JSON.parse(Buffer.from(line).toString()) as Json)).toEqual(events);
    expect((await read({ from: 7, to: 9 })).map(({ commit }) => commit)).toEqual([8, 9]);
    expect(await read({ from: 1201 })).toEqual([]);
  });

  test.each([
    ['each commit as it comes', 0],
    ['what has come together', 40],
  ])('follows from a position, catches up, then live, over a restart of the broker: %s', async (_what, gatherMs) => {
    verifies('ledger.follow');
    await send(30);
    const seen: number[] = [];
    const follower = await reader.follow({
      service,
      partition: 0,
      from: 10,
      gatherMs,
      onCommit: async ({ commit }) => {
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(commit);
      },
    });
    await follower.caughtUp;
    expect(seen.at(-1)).toBe(31);
    await send(5);
    await eventually(() => follower.commit === 36);
    await nats.kill();
    await nats.restart();
    await send(5);
    await eventually(() => follower.commit === 41);
    await follower.stop();
    expect(seen).toEqual(Array.from({ length: 31 }, (_, i) => i + 11));
  });

  test('who lets commits come together is sent none before its time', async () => {
    await send(3);
    const follow = (gatherMs: number) => reader.follow({ service, partition: 0, gatherMs, onCommit: () => undefined });
    const [prompt, patient] = await Promise.all([follow(0), follow(3_600_000)]);
    await Promise.all([prompt.caughtUp, patient.caughtUp]);
    await send(5);
    await eventually(() => prompt.commit === 9);
    expect(patient.commit).toBe(4);
    await Promise.all([prompt.stop(), patient.stop()]);
  });

  test('a slow follower is not sent more than it asked for', async () => {
    await Promise.all(Array.from({ length: 64 }, () => send(1, 'x'.repeat(250_000))));
    let release: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let bytes = 0;
    const follower = await reader.follow({
      service,
      partition: 0,
      onCommit: async (commit) => {
        await held;
        bytes += commit.bytes.length;
      },
    });
    const received = (): number => reader.nc.stats().inBytes;
    await eventually(() => received() > 1_000_000);
    // All of it would be 16 MB; one pull is at most the largest message.
    let before = -1;
    await eventually(() => received() === before || ((before = received()), false), { everyMs: 100 });
    expect(before).toBeLessThan(12_000_000);
    release();
    await follower.caughtUp;
    expect(bytes).toBeGreaterThan(16_000_000);
    await follower.stop();
  });

  test('a commit that was changed, or is gone, is named', async () => {
    verifies('ledger.chain');
    await send(5);
    await writer.drain();
    const h = headers();
    h.set('Writ-Epoch', '1');
    h.set('Writ-Prev', 'f'.repeat(64));
    await reader.nc.request(commitSubject(service, 0), '{}', { headers: h, timeout: 2_000 });
    const broken = read();
    await expect(broken).rejects.toBeInstanceOf(ChainBroken);
    await expect(broken).rejects.toMatchObject({ commit: 7, reason: 'changed' });
    const follower = await reader.follow({ service, partition: 0, onCommit: () => undefined });
    await expect(follower.closed).rejects.toMatchObject({ commit: 7, reason: 'changed' });
    await expect(follower.caughtUp).rejects.toMatchObject({ reason: 'changed' });
    // And no one may own such a log.
    writer = await Ledger.connect({ servers: nats.url });
    const host = await writer.host({ service, partitions: 1, model: counterModel });
    await eventually(() => host.health().partitions[0]?.state === 'failed');
    expect(host.health().partitions[0]?.detail).toContain('chain is broken');
    await writer.drain();

    const jsm = await jetstreamManager(reader.nc);
    const { config } = await jsm.streams.info(streamName(service, 0));
    await jsm.streams.update(config.name, { ...config, max_msgs: 3, discard: 'old' as typeof config.discard });
    await expect(read()).rejects.toMatchObject({ commit: 1, reason: 'missing' });
    writer = await Ledger.connect({ servers: nats.url });
    await expect(writer.host({ service, partitions: 1, model: counterModel })).rejects.toThrow(/discard is old/);
  });

  test('who has seen more than the log holds, or another commit there, is told', async () => {
    verifies('ledger.chain');
    await send(3);
    const onCommit = (): void => undefined;
    const ahead = reader.follow({ service, partition: 0, from: 9, onCommit });
    await expect(ahead).rejects.toMatchObject({ commit: 5, reason: 'missing' });
    const [, second] = await read();
    const known = await reader.follow({ service, partition: 0, from: 2, hash: second?.hash as string, onCommit });
    await known.caughtUp;
    const other = await reader.follow({ service, partition: 0, from: 2, hash: 'f'.repeat(64), onCommit });
    await expect(other.closed).rejects.toMatchObject({ commit: 3, reason: 'changed' });
  });

  test('a follower whose handler throws stops and says why', async () => {
    await send(3);
    const follower = await reader.follow({
      service,
      partition: 0,
      onCommit: ({ commit }) => {
        if (commit === 3) throw new Error('no further');
      },
    });
    await expect(follower.closed).rejects.toThrow('no further');
    expect(follower.commit).toBe(2);
  });
});
