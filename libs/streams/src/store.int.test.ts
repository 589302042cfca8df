import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { findOldNatsServer, type NatsServer } from '@writ/servers';
import { startSuiteNats, verifies } from '@writ/testkit';
import { fromStart, StreamStore, type StreamPage, type StreamRecord, type StreamSpace } from './index.js';

const space: StreamSpace = { name: 'TEST', subject: 'test', maxAgeMs: 0, maxBytes: 64 * 1024 ** 2, full: 'drop' };
const old = await findOldNatsServer();
const binaries: [string, string | undefined][] = [
  ['today', undefined],
  ...(old ? [['2.9', old.path] as [string, string]] : []),
];
const text = (page: StreamPage) => page.records.map(({ data }) => Buffer.from(data).toString()).join('');

describe.each(binaries)('streams on a nats-server of %s', (_, binary) => {
  let nats: NatsServer;
  let connections: NatsConnection[];
  let stores: [StreamStore, StreamStore];

  beforeAll(async () => {
    nats = await startSuiteNats(binary === undefined ? {} : { binary });
    connections = [await connect({ servers: nats.url }), await connect({ servers: nats.url })];
    const open = (nc: NatsConnection) => new StreamStore(nc, space, { replicas: 1, batches: binary === undefined });
    stores = connections.map(open) as [StreamStore, StreamStore];
  });
  afterAll(async () => {
    for (const nc of connections) await nc.close();
    await nats.stop();
  });

  /** Counts its appends in the state, as a writer may. */
  const append = (store: StreamStore, subject: string, data: string) =>
    store.change(subject, (head) => ({
      state: { type: 'text/plain', createdMs: 1, writer: ((head?.state.writer as number | undefined) ?? 0) + 1 },
      data: Buffer.from(data),
    }));
  const whole = async (store: StreamStore, subject: string) => {
    const head = (await store.head(subject)) as StreamRecord;
    let page = await store.read(subject, head, fromStart);
    let all = text(page);
    while (!page.upToDate) all += text((page = await store.read(subject, head, page.next)));
    return all;
  };

  test('two processes that write the same stream at once lose nothing and double nothing', async () => {
    verifies('stream.fenced');
    const subject = stores[0].subject('tnt_a', 'both');
    const each = Array.from({ length: 50 }, (_, at) => at);
    await Promise.all(stores.flatMap((store, which) => each.map((at) => append(store, subject, `${which}.${at} `))));
    const said = (await whole(stores[0], subject)).trim().split(' ');
    for (const which of [0, 1])
      expect(said.filter((word) => word.startsWith(`${which}.`))).toEqual(each.map((at) => `${which}.${at}`));
    expect((await stores[1].head(subject))?.state.writer).toBe(100);
  });

  test('who follows hears what was, then what comes, once and in order, at another process', async () => {
    const subject = stores[0].subject('tnt_a', 'live');
    for (const word of ['a', 'b']) await append(stores[0], subject, word);
    const stop = new AbortController();
    let heard = '';
    for await (const page of stores[1].follow(subject, fromStart, stop)) {
      heard += text(page);
      if (heard.length === 2) void (async () => {
        for (const word of 'cdefgh') await append(stores[0], subject, word);
      })(); // prettier-ignore
      if (heard.length === 8) stop.abort();
    }
    expect(heard).toBe('abcdefgh');
  });

  test('a reader that does not keep up holds back nobody, and still gets everything', async () => {
    verifies('stream.slow_reader');
    const subject = stores[0].subject('tnt_a', 'slow');
    await append(stores[0], subject, '.');
    const stop = new AbortController();
    const pages = stores[1].follow(subject, fromStart, stop);
    let heard = text((await pages.next()).value as StreamPage);
    const began = performance.now();
    for (let at = 0; at < 700; at++) await append(stores[0], subject, '.'); // more than a reader may have waiting
    expect(performance.now() - began).toBeLessThan(20_000);
    for await (const page of pages) if ((heard += text(page)).length === 701) stop.abort();
    expect(heard).toHaveLength(701);
  });

  test('a stream that was removed is gone, and one made anew goes on with greater offsets', async () => {
    const subject = stores[0].subject('tnt_a', 'again');
    await append(stores[0], subject, 'old');
    const before = (await stores[0].head(subject)) as StreamRecord;
    await stores[0].remove(subject, (head) => head && { state: { ...head.state, deleted: true } });
    expect(await stores[1].head(subject)).toBeUndefined();
    await append(stores[1], subject, 'new');
    expect(await whole(stores[0], subject)).toBe('new');
    expect(((await stores[0].head(subject)) as StreamRecord).seq).toBeGreaterThan(before.seq);
  });

  test('tenants with streams of the same name have different streams', async () => {
    expect(stores[0].subject('tnt_a', 'x')).not.toBe(stores[0].subject('tnt_b', 'x'));
  });
});
