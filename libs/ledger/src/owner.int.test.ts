import { jetstreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { NatsServer } from '@writ/servers';
import { eventually, startSuiteNats, verifies } from '@writ/testkit';
import { commitSubject, streamName, type PartitionModel } from './domain.js';
import { Ledger, type Commit, type Host, type PartitionHandle } from './index.js';
import { CollectedLog } from './testing/collect-log.js';
import { add, counterModel, totalOf } from './testing/counter.js';
import { startProxy } from './testing/proxy.js';
import { testedServers } from './testing/servers.js';

interface Owned {
  ledger: Ledger;
  host: Host;
  log: CollectedLog;
  commits: Commit[];
  handle: () => PartitionHandle;
}

describe.each(await testedServers())('an owner on nats-server %s', (_, binary) => {
  let nats: NatsServer;
  let services = 0;
  const open: Ledger[] = [];

  beforeAll(async () => {
    nats = await startSuiteNats({ binary });
  });
  afterAll(async () => {
    await Promise.all(open.map((ledger) => ledger.drain()));
    await nats.stop();
  });

  const connect = async (url = nats.url, log = new CollectedLog()): Promise<Ledger> => {
    const ledger = await Ledger.connect({ servers: url, log });
    open.push(ledger);
    return ledger;
  };
  const own = async (
    service = `svc${++services}`,
    url = nats.url,
    model: () => PartitionModel = counterModel,
  ): Promise<Owned> => {
    const log = new CollectedLog();
    const ledger = await connect(url, log);
    const commits: Commit[] = [];
    let handle: PartitionHandle | undefined;
    const host = await ledger.host({
      service,
      partitions: 1,
      model,
      onOwned: (_partition, owned) => void (handle = owned),
      onCommit: (commit) => void commits.push(commit),
    });
    await host.ready;
    return { ledger, host, log, commits, handle: () => handle as PartitionHandle };
  };
  const logOf = async (ledger: Ledger, service: string): Promise<Commit[]> => {
    const commits: Commit[] = [];
    for await (const commit of ledger.read(service, 0)) commits.push(commit);
    return commits;
  };

  test('commits what is decided, as CloudEvents with who, why and from where', async () => {
    verifies('ledger.commit');
    const { ledger, host } = await own();
    const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const result = await ledger.commands(host.service).send({ ...add(3, { id: 'cmd_a' }), cause: 'evt_x', trace });
    expect(result).toMatchObject({ position: `${host.service}/00/2/0`, duplicate: false });
    const [, commit] = await logOf(ledger, host.service);
    expect(commit?.events).toEqual(result.events);
    expect(commit?.events[0]).toEqual({
      specversion: '1.0',
      id: expect.stringMatching(/^evt_/),
      type: 'counter.added.v1',
      source: `${host.service}/00`,
      subject: 'cnt_1',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      data: { by: 3, total: 3 },
      tenant: 'tnt_1',
      actor: { principal: 'agt_1', kind: 'agent' },
      cause: 'evt_x',
      command: 'cmd_a',
      trace,
    });
  });

  test('a command id seen before gets its old answer, over the network and in one process, and has no second effect', async () => {
    verifies('ledger.once');
    const { ledger, host, handle } = await own();
    const near = ledger.commands(host.service);
    const far = (await connect()).commands(host.service);
    const first = await near.send(add(3, { id: 'cmd_same', parts: 2 }));
    for (const client of [near, far])
      expect(await client.send(add(3, { id: 'cmd_same', parts: 2 }))).toEqual({ ...first, duplicate: true });
    // At once, while the first is still being committed.
    const both = await Promise.all([near.send(add(5, { id: 'cmd_two' })), near.send(add(5, { id: 'cmd_two' }))]);
    expect(both.map(({ duplicate }) => duplicate)).toEqual([false, true]);
    expect(both[1]?.position).toBe(both[0]?.position);
    expect(totalOf(handle().model)).toBe(3 * 2 + 5);
    // An id belongs to its tenant.
    expect((await far.send(add(1, { id: 'cmd_same', tenant: 'tnt_2' }))).duplicate).toBe(false);
  });

  test('a refusal comes back with its code and details, and nothing is written', async () => {
    const { ledger, host, handle } = await own();
    const before = handle().commit();
    for (const client of [ledger.commands(host.service), (await connect()).commands(host.service)]) {
      await expect(client.send(add(-1))).rejects.toMatchObject({ code: 'counter.negative', details: { by: -1 } });
      await expect(client.send({ ...add(1), aggregate: 'nope' })).rejects.toMatchObject({
        code: 'ledger.unknown_command',
      });
      expect(await client.send(add(0))).toMatchObject({ events: [], position: `${host.service}/00/${before}/0` });
    }
    expect(await ledger.last(host.service, 0)).toBe(before);
  });

  test('what comes while a publish is under way goes into one commit, in order, each with its own answer', async () => {
    verifies('ledger.group_commit');
    const { ledger, host, commits } = await own();
    const client = ledger.commands(host.service);
    const results = await Promise.all(
      Array.from({ length: 500 }, (_, i) => client.send(add(1, { subject: `cnt_${i % 7}`, parts: 1 + (i % 3) }))),
    );
    expect(commits.length).toBeLessThan(50);
    const written = commits.flatMap((commit) => commit.events);
    expect(results.flatMap(({ events }) => events)).toEqual(written);
    for (const commit of commits) expect(commit.bytes.length).toBeLessThanOrEqual(256 * 1024);
    expect((await logOf(ledger, host.service)).slice(1).flatMap(({ events }) => events)).toEqual(written);
  });

  test('a change larger than a commit is a clear refusal, and the owner lives on', async () => {
    verifies('ledger.too_large');
    const { ledger, host } = await own();
    const most = ledger.server.maxPayload;
    for (const client of [ledger.commands(host.service), (await connect()).commands(host.service)]) {
      const tooLarge = client.send(add(1, { text: 'x'.repeat(most - 10_000), parts: 2 }));
      await expect(tooLarge).rejects.toMatchObject({ code: 'ledger.too_large' });
      await expect(client.send(add(1, { text: 'x'.repeat(most + 1) }))).rejects.toMatchObject({
        code: 'ledger.too_large',
      });
      const { events } = await client.send(add(1, { text: 'x'.repeat(most - 10_000) }));
      expect(events).toHaveLength(1);
    }
  });

  test('ids are remembered across a restart', async () => {
    verifies('ledger.once');
    const first = await own();
    const { service } = first.host;
    const sent = await first.ledger.commands(service).send(add(3, { id: 'cmd_1' }));
    await first.ledger.drain();
    const second = await own(service);
    expect(await second.ledger.commands(service).send(add(3, { id: 'cmd_1' }))).toEqual({ ...sent, duplicate: true });
    expect(totalOf(second.handle().model)).toBe(3);
  });

  test('a replay from the start equals the live state', async () => {
    verifies('ledger.replay');
    const { ledger, host, handle } = await own();
    const client = ledger.commands(host.service);
    await Promise.all(
      Array.from({ length: 300 }, (_, i) => client.send(add((i * 7) % 11, { subject: `cnt_${i % 13}` }))),
    );
    const replayed = counterModel();
    for await (const { commit, events } of ledger.read(host.service, 0))
      for (const [index, event] of events.entries()) replayed.evolve(event, { commit, index });
    expect(replayed.snapshot()).toEqual(handle().model.snapshot());
  });

  test('a commit that the broker will not store drops the state, and the partition is rebuilt', async () => {
    verifies('ledger.rebuild');
    const { ledger, host, handle, log } = await own();
    const client = ledger.commands(host.service);
    await client.send(add(3));
    const jsm = await jetstreamManager(ledger.nc);
    const stream = streamName(host.service, 0);
    const limit = async (max_msgs: number) => {
      const { config } = await jsm.streams.info(stream);
      await jsm.streams.update(stream, { ...config, max_msgs });
    };
    await limit(await ledger.last(host.service, 0));
    await expect(client.send(add(4))).rejects.toMatchObject({ code: 'ledger.disk_full' });
    await eventually(() => log.has('a partition could not be served; it is tried again'));
    expect(host.owned()).toEqual([]);
    await limit(-1);
    await eventually(() => host.owned().length === 1);
    await client.send(add(5));
    expect(totalOf(handle().model)).toBe(8);
  });

  test('a deposed owner cannot even refuse: what it answers is proven to be of the newest state', async () => {
    verifies('ledger.no_stale_answer');
    const { ledger, host, handle, log } = await own();
    const near = ledger.commands(host.service);
    await near.send(add(3));
    // Somebody else writes, as the next owner does while this one is paused.
    const last = (await logOf(ledger, host.service)).at(-1) as Commit;
    const head = headers();
    head.set('Writ-Epoch', String(last.epoch + 1));
    head.set('Writ-Prev', last.hash);
    const [event] = last.events;
    const body = JSON.stringify({ ...event, id: 'evt_other', cause: 'cmd_other' });
    await ledger.nc.request(commitSubject(host.service, 0), body, { headers: head, timeout: 2_000 });
    const before = handle();
    const [nothing, refused] = await Promise.allSettled([near.send(add(0)), near.send(add(-1))]);
    expect(log.has('deposed')).toBe(true);
    expect(nothing).toMatchObject({ value: { position: `${host.service}/00/${last.commit + 2}/0` } });
    expect(refused).toMatchObject({ reason: { code: 'counter.negative' } });
    expect(handle().epoch).toBe(last.epoch + 2);
    expect(totalOf(handle().model)).toBe(6);
    await expect(before.execute(add(1))).rejects.toMatchObject({ code: 'ledger.unavailable' });
  });

  test('an acknowledgement that is lost is found in the log: the change is there once', async () => {
    verifies('ledger.unknown_outcome');
    await using proxy = await startProxy(nats.url);
    const { ledger, host, handle } = await own(undefined, proxy.url);
    const direct = await connect();
    const before = await direct.last(host.service, 0);
    proxy.mute();
    const sent = ledger.commands(host.service).send(add(3, { id: 'cmd_1' }));
    await eventually(async () => (await direct.last(host.service, 0)) === before + 1, { what: 'the commit is stored' });
    proxy.cut();
    expect(await sent).toMatchObject({ duplicate: false, position: `${host.service}/00/${before + 1}/0` });
    expect(await direct.last(host.service, 0)).toBe(before + 1);
    await ledger.commands(host.service).send(add(4));
    expect(totalOf(handle().model)).toBe(7);
  });

  test('a connection that breaks under load loses no change and repeats none', async () => {
    await using proxy = await startProxy(nats.url);
    const { ledger, host, handle } = await own(undefined, proxy.url);
    const near = ledger.commands(host.service);
    const far = (await connect()).commands(host.service);
    let sent = 0;
    const send = async (client: typeof near) => {
      for (let i = 0; i < 60; i++) {
        await client.send(add(1), { timeoutMs: 30_000 });
        if (++sent % 80 === 0) proxy.cut();
      }
    };
    await Promise.all([near, far, near, far].map(send));
    expect(totalOf(handle().model)).toBe(sent);
    expect(sent).toBe(240);
  });

  test('a draining owner answers what it has taken', async () => {
    verifies('ledger.drain');
    const { ledger, host, handle } = await own();
    const far = (await connect()).commands(host.service);
    const sends = Array.from({ length: 100 }, () => far.send(add(1), { timeoutMs: 3_000 }));
    await eventually(async () => (await ledger.last(host.service, 0)) > 1, { everyMs: 1 });
    const taken = Array.from({ length: 50 }, () => handle().execute(add(1)));
    await host.stop();
    expect((await Promise.allSettled(taken)).every(({ status }) => status === 'fulfilled')).toBe(true);
    const settled = await Promise.allSettled(sends);
    const done = taken.length + settled.filter(({ status }) => status === 'fulfilled').length;
    const added = (await logOf(open.at(-1) as Ledger, host.service)).flatMap(({ events }) => events).length - 1;
    expect(done).toBe(added);
    for (const result of settled)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'ledger.unavailable' });
  });
});
