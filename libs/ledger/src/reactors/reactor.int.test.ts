import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsServer } from '@writ/servers';
import { eventually, startSuiteNats, verifies } from '@writ/testkit';
import { derivedId, refuse, type LedgerEvent, type PartitionModel } from '../domain.js';
import { stateStream } from '../host/keys.js';
import { Ledger, type Host, type Reactor } from '../index.js';
import { CollectedLog } from '../testing/collect-log.js';
import { add, counterModel, totalOf } from '../testing/counter.js';

describe('a reactor', () => {
  let nats: NatsServer;
  let ledger: Ledger;
  let log: CollectedLog;
  let service: string;
  let model: PartitionModel;
  let services = 0;

  beforeAll(async () => {
    nats = await startSuiteNats();
  });
  afterAll(async () => {
    await ledger.drain();
    await nats.stop();
  });
  beforeEach(async () => {
    await ledger?.drain();
    service = `svc${++services}`;
    await connect();
  });

  const connect = async (): Promise<void> => {
    log = new CollectedLog();
    ledger = await Ledger.connect({ servers: nats.url, log });
  };
  const start = async (...reactors: Reactor[]): Promise<Host> => {
    const host = await ledger.host({
      service,
      partitions: 1,
      model: counterModel,
      reactors,
      errors: { 'busy.now': { status: 503, title: 'Busy', retry: true } },
      onOwned: (_, handle) => void (model = handle.model),
    });
    await host.ready;
    return host;
  };
  const send = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) await ledger.commands(service).send(add(1, { subject: `cnt_${i % 3}` }));
  };
  const caughtUp = (host: Host): Promise<unknown> =>
    eventually(() => host.health().reactors.every(({ lag }) => lag === 0) && host.health().reactors.length > 0);
  /** Doubles what is added to a counter, on another one, under an id that the event gives. */
  const doubling = (handled: LedgerEvent[] = []): Reactor => ({
    name: 'double',
    events: ['counter.added.v1'],
    async handle(event) {
      handled.push(event);
      if (event.subject === 'cnt_double') return;
      const { by } = event.data as { by: number };
      const id = derivedId('cmd', event.id, 'double');
      await ledger.commands(service).send({ ...add(2 * by, { subject: 'cnt_double', id }), cause: event.id });
    },
  });

  test('handles each event in order, and what it sends names its cause', async () => {
    const handled: LedgerEvent[] = [];
    const host = await start(doubling(handled));
    await send(10);
    await caughtUp(host);
    expect(totalOf(model, 'cnt_double')).toBe(20);
    const log: LedgerEvent[] = [];
    for await (const { events } of ledger.read(service, 0)) log.push(...events);
    expect(handled).toEqual(log.filter(({ type }) => type === 'counter.added.v1'));
    const caused = handled.filter(({ subject }) => subject === 'cnt_double');
    expect(caused.map(({ cause }) => cause)).toEqual(
      handled.filter(({ subject }) => subject !== 'cnt_double').map(({ id }) => id),
    );
  });

  test('events that are handled twice have one effect', async () => {
    verifies('ledger.delivered_twice');
    await start({ name: 'idle', handle: async () => undefined });
    await send(10);
    // Two reactors of different names have a checkpoint each: everything is handled twice, now and after a restart.
    await ledger.drain();
    await connect();
    const host = await start(doubling(), { ...doubling(), name: 'double-again' });
    await caughtUp(host);
    await ledger.drain();
    await connect();
    await caughtUp(await start({ ...doubling(), name: 'double-a-third-time' }));
    expect(totalOf(model, 'cnt_double')).toBe(20);
  });

  test('goes on from its checkpoint after a restart', async () => {
    const handled: LedgerEvent[] = [];
    await caughtUp(await start(doubling(handled)));
    await send(5);
    await eventually(() => totalOf(model, 'cnt_double') === 10 && handled.length === 10);
    await ledger.drain();
    await connect();
    const later: LedgerEvent[] = [];
    const host = await start(doubling(later));
    await send(1);
    await eventually(() => totalOf(model, 'cnt_double') === 12 && later.length === 2);
    await caughtUp(host);
    expect(later.map(({ id }) => id).filter((id) => handled.some((event) => event.id === id))).toEqual([]);
  });

  test('writes its checkpoint now and then, not for each event: it costs as much as a commit', async () => {
    const host = await start(doubling());
    const jsm = await jetstreamManager(ledger.nc);
    const written = async () => (await jsm.streams.info(stateStream)).state.last_seq;
    const before = await written();
    for (let i = 0; i < 40; i++) {
      await send(1);
      await caughtUp(host);
    }
    expect(await written()).toBeLessThan(before + 20);
    await eventually(async () => (await written()) > before);
  });

  test('a failure is repeated and holds later events back; a refusal sets its event aside', async () => {
    verifies('ledger.reactor_retry');
    const order: string[] = [];
    const failed = new Map<number, number>();
    const fails = (total: number, times: number): boolean => {
      const before = failed.get(total) ?? 0;
      failed.set(total, before + 1);
      return before < times;
    };
    const host = await start({
      name: 'moody',
      events: ['counter.added.v1'],
      async handle({ data }) {
        const { total } = data as { total: number };
        order.push(String(total));
        if (total === 2 && fails(2, 2)) throw new Error('not now');
        if (total === 3 && fails(3, 2)) throw refuse('busy.now', 'come back');
        if (total === 4) throw refuse('moody.never', 'not this one');
      },
    });
    for (let i = 0; i < 5; i++) await ledger.commands(service).send(add(1));
    await caughtUp(host);
    expect(order).toEqual(['1', '2', '2', '2', '3', '3', '3', '4', '5']);
    expect(host.health().reactors[0]).toMatchObject({ name: 'moody', lag: 0, parked: '1 events set aside' });
    // It is still told after a restart.
    await ledger.drain();
    await connect();
    const again = await start({ name: 'moody', handle: async () => undefined });
    await eventually(() => again.health().reactors[0]?.parked === '1 events set aside');
  });

  test('no consumer is left on the bucket of checkpoints: each would slow the broker down when it starts and stops', async () => {
    verifies('ledger.no_leftovers');
    const host = await start(doubling(), { ...doubling(), name: 'double-again' });
    await send(3);
    await caughtUp(host);
    const jsm = await jetstreamManager(ledger.nc);
    expect((await jsm.streams.info(stateStream)).state.consumer_count).toBe(0);
  });

  test('a poison event holds back its reactor on its partition, visibly, and nothing else; mended code goes on', async () => {
    verifies('ledger.poison_reactor');
    const partitions = 4;
    const startTwo = async (poisonous: boolean): Promise<Host> => {
      const reactor = (name: string, bad: boolean): Reactor => ({
        name,
        events: ['counter.added.v1'],
        handle: async ({ data }) => {
          if (bad && (data as { text?: string }).text === 'poison') throw new TypeError('this code cannot take it');
        },
      });
      const reactors = [reactor('weak', poisonous), reactor('strong', false)];
      const host = await ledger.host({ service, partitions, model: counterModel, reactors });
      await host.ready;
      return host;
    };
    const weak = await startTwo(true);
    const client = ledger.commands(service);
    const [, poisoned = ''] = (await client.send(add(1, { subject: 'cnt_0', text: 'poison' }))).position.split('/');
    for (let i = 0; i < 40; i++) await client.send(add(1, { subject: `cnt_${i}` }));
    await eventually(() => log.has('a reaction failed; it is repeated'));
    const behind = (host: Host) => host.health().reactors.filter(({ lag }) => lag > 0);
    await eventually(() => behind(weak).length === 1);
    const parked = { name: 'weak', partition: Number(poisoned), parked: expect.stringContaining('this code cannot') };
    expect(behind(weak)).toEqual([expect.objectContaining(parked)]);

    await ledger.drain();
    await connect();
    await caughtUp(await startTwo(false));
  });

  test('in parallel, the events of one subject still come one after another', async () => {
    const running = new Map<string, number>();
    const seen = new Map<string, number[]>();
    let most = 0;
    const host = await start({
      name: 'parallel',
      parallel: 3,
      events: ['counter.added.v1'],
      async handle({ subject, data }) {
        running.set(subject, (running.get(subject) ?? 0) + 1);
        expect(running.get(subject)).toBe(1);
        most = Math.max(
          most,
          [...running.values()].reduce((sum, n) => sum + n, 0),
        );
        await new Promise((resolve) => setImmediate(resolve));
        const { total } = data as { total: number };
        seen.set(subject, [...(seen.get(subject) ?? []), total]);
        running.set(subject, 0);
      },
    });
    const client = ledger.commands(service);
    await Promise.all(Array.from({ length: 90 }, (_, i) => client.send(add(1, { subject: `cnt_${i % 3}` }))));
    await caughtUp(host);
    for (const totals of seen.values()) expect(totals).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(most).toBe(3);
    expect(log.has('a reaction failed; it is repeated')).toBe(false);
  });
});
