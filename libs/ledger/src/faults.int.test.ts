import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import type { NatsServer } from '@writ/servers';
import { eventually, startProcess, startSuiteNats, verifies, type ProjectProcess } from '@writ/testkit';
import { formatPosition } from './domain.js';
import { Ledger, type Commit } from './index.js';
import { claimedType } from './owner/take-over.js';
import { add, counterModel, totalOf } from './testing/counter.js';
import { judgeLog, SteadyLoad } from './testing/load.js';
import { startProxy } from './testing/proxy.js';
import { testedServers } from './testing/servers.js';

/** Processes die and pause here; what the log holds afterwards is the judge. */
describe.each(await testedServers())('faults on nats-server %s', (_, binary) => {
  let nats: NatsServer;
  let client: Ledger;
  let service: string;
  let services = 0;

  beforeAll(async () => {
    nats = await startSuiteNats({ binary });
    client = await Ledger.connect({ servers: nats.url });
  });
  afterAll(async () => {
    await client.drain();
    await nats.stop();
  });
  beforeEach(() => void (service = `svc${++services}`));

  const replica = (url = nats.url): ProjectProcess =>
    startProcess('libs/ledger/src/testing/replica.ts', { args: [url, service, '1'] });
  const commits = async (): Promise<Commit[]> => {
    const found: Commit[] = [];
    for await (const commit of client.read(service, 0)) found.push(commit);
    return found;
  };
  const total = async (): Promise<number> => {
    const model = counterModel();
    for (const { commit, events } of await commits())
      for (const [index, event] of events.entries()) model.evolve(event, { commit, index });
    return totalOf(model);
  };

  /** The process that claimed last. */
  const ownerAmong = async (replicas: ProjectProcess[]): Promise<ProjectProcess> => {
    const claim = (await commits()).findLast(({ events }) => events[0]?.type === claimedType);
    const { replica: name } = claim?.events[0]?.data as { replica: string };
    const owner = replicas.find(({ pid }) => name.startsWith(`r${pid}-`));
    if (!owner) throw new Error(`the owner is ${name}`);
    return owner;
  };

  test('a paused owner that continues after its lease gets not one commit accepted', async () => {
    verifies('ledger.fence');
    await using first = replica();
    await first.line(/^ready/);
    // A load without pause, so that the owner is stopped in the middle of its work.
    const counters = client.commands(service, { partitions: 1 });
    const stop = new AbortController();
    let sent = 0;
    const load = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        await counters.send(add(1), { timeoutMs: 30_000 });
        sent++;
      }
    };
    const loads = Array.from({ length: 16 }, load);
    await eventually(() => sent > 200);
    first.send('SIGSTOP');
    await using second = replica();
    await second.line(/^partition owned/);
    const claimed = (await commits()).at(-1)?.commit ?? 0;
    await eventually(async () => (await client.last(service, 0)) > claimed + 20);
    first.send('SIGCONT');
    await first.line(/^deposed|the lease is lost|partition released/);
    const before = sent;
    await eventually(() => sent > before + 200);
    stop.abort();
    await Promise.all(loads);

    const log = await commits();
    const claims = log.filter(({ events }) => events[0]?.type === claimedType);
    const takenOver = claims[1]?.commit as number;
    expect(log.filter(({ commit, epoch }) => commit >= takenOver && epoch === 1)).toEqual([]);
    // In general: every commit is of the claim before it (the first owner may have been given the partition back).
    for (const [i, { commit, epoch }] of claims.entries()) {
      const until = claims[i + 1]?.commit ?? Infinity;
      expect(log.filter((c) => c.commit >= commit && c.commit < until && c.epoch !== epoch)).toEqual([]);
    }
    expect(await total()).toBe(sent);
  });

  test('an owner killed between publish and acknowledgement: the effect is there once', async () => {
    verifies('ledger.killed_owner');
    await using proxy = await startProxy(nats.url);
    await using first = replica(proxy.url);
    await first.line(/^ready/);
    const before = await client.last(service, 0);
    // The command reaches the owner; of everything after it the owner hears nothing, not even the acknowledgement.
    const sent = client.commands(service, { partitions: 1 }).send(add(3, { id: 'cmd_1' }), { timeoutMs: 30_000 });
    proxy.muteAfter('cmd_1');
    await eventually(async () => (await client.last(service, 0)) > before, { what: 'the commit is stored' });
    await first.kill();
    await using second = replica();
    await second.line(/^ready/);
    const position = formatPosition({ service, partition: 0, commit: before + 1, index: 0 });
    expect(await sent).toMatchObject({ duplicate: true, position });
    expect(await total()).toBe(3);
  });

  test('an owner killed under load: every change that was answered is there, and none twice', async () => {
    verifies('ledger.killed_owner');
    await using first = replica();
    await first.line(/^ready/);
    await using second = replica();
    await second.line(/^ready/);
    const counters = client.commands(service, { partitions: 1 });
    const loads = Array.from({ length: 8 }, async () => {
      for (let i = 0; i < 200; i++) await counters.send(add(1), { timeoutMs: 30_000 });
    });
    await eventually(async () => (await client.last(service, 0)) > 20);
    await (await ownerAmong([first, second])).kill();
    await Promise.all(loads);
    expect(await total()).toBe(1600);
  });

  test('a broker that is killed and restarted loses nothing that was answered', async () => {
    verifies('ledger.killed_broker');
    await using first = replica();
    await first.line(/^ready/);
    const counters = client.commands(service, { partitions: 1 });
    let sent = 0;
    const loads = Array.from({ length: 8 }, async () => {
      for (let i = 0; i < 200; i++) {
        await counters.send(add(1), { timeoutMs: 30_000 });
        sent++;
      }
    });
    await eventually(() => sent > 100);
    await nats.kill();
    await nats.restart();
    await Promise.all(loads);
    expect(await total()).toBe(1600);
    // Leases were in the broker's memory: they work again.
    await using second = replica();
    await second.line(/^ready/);
    await (await ownerAmong([first, second])).kill();
    await counters.send(add(1), { timeoutMs: 30_000 });
    expect(await total()).toBe(1601);
  });
});

describe.each(['fsync', 'flush'] as const)('durability %s', (durability) => {
  test('a broker killed three times under load loses nothing that was acknowledged, and doubles nothing', async () => {
    verifies('ledger.killed_broker');
    await using nats = await startSuiteNats({ durability });
    expect(nats.durability).toBe(durability);
    await using client = await Ledger.connect({ servers: nats.url, durability });
    await using owner = startProcess('libs/ledger/src/testing/replica.ts', { args: [nats.url, 'svc', '2'] });
    await owner.line(/^ready/);
    using load = new SteadyLoad(client.commands('svc', { partitions: 2 }), {
      perSecond: 500,
      make: (n) => add(1, { subject: `cnt_${n % 50}` }),
    });
    for (let kills = 0; kills < 3; kills++) {
      const before = load.acknowledged.size;
      await eventually(() => load.acknowledged.size > before + 250, { what: 'writes flow', timeoutMs: 20_000 });
      await nats.kill();
      await nats.restart();
    }
    await load.stop();
    expect(load.refused).toEqual([]);
    const { lost, twice, events } = await judgeLog(client, 'svc', 2, load.acknowledged);
    expect({ lost, twice }).toEqual({ lost: [], twice: [] });
    expect(events).toBeGreaterThanOrEqual(load.acknowledged.size);
  });
});
