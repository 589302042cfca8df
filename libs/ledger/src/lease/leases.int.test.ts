import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { NatsServer } from '@writ/servers';
import { eventually, startSuiteNats, verifies } from '@writ/testkit';
import { preferredOwner } from '../domain/partitioning.js';
import { Ledger } from '../index.js';
import type { LedgerSource } from '../source.js';
import { counterModel } from '../testing/counter.js';
import { Leases, renewMs } from './leases.js';

let nats: NatsServer;
let nc: NatsConnection;
let service: string;
let services = 0;
const open: (() => unknown)[] = [];

beforeAll(async () => {
  nats = await startSuiteNats();
  nc = await connect({ servers: nats.url });
});
afterAll(async () => {
  for (const close of open) await close();
  await nc.close();
  await nats.stop();
});
beforeEach(() => void (service = `svc${++services}`));

/** A replica that says what it holds and hears the others, unless it is cut off. */
async function replica(me: string) {
  const wire = { cut: false };
  const hears: NatsConnection['subscribe'] = (subject, { callback } = {}) =>
    nc.subscribe(subject, { callback: (...message) => void (wire.cut || callback?.(...message)) });
  const source = {
    nc: Object.create(nc, { subscribe: { value: hears } }) as NatsConnection,
    jsm: await jetstreamManager(nc),
    connected: () => !wire.cut,
    onReconnect: () => () => undefined,
  } as unknown as LedgerSource;
  const leases = await Leases.open(source, service, me, 1);
  await leases.start(() => undefined);
  const beats = setInterval(() => void leases.heartbeat(), renewMs / 5);
  open.push(() => (clearInterval(beats), leases.stop()));
  return { leases, wire };
}

describe('a lease', () => {
  test('is held by one, and by the next as soon as it is released', async () => {
    const [a, b] = [await replica('a'), await replica('b')];
    expect(a.leases.acquire(0)).toBe(true);
    await eventually(() => !b.leases.acquire(0));
    a.leases.release(0);
    await eventually(() => b.leases.acquire(0), { timeoutMs: renewMs });
    expect([a.leases.holds(0), b.leases.holds(0)]).toEqual([false, true]);
  });

  test('of a replica that is not heard goes to another one, and it learns so when it is back, and keeps the others', async () => {
    verifies('ledger.leases');
    const [a, b] = [await replica('a'), await replica('b')];
    for (const partition of [0, 1]) expect(a.leases.acquire(partition)).toBe(true);
    await eventually(() => !b.leases.acquire(0));
    a.wire.cut = true;
    await eventually(() => b.leases.acquire(0), { timeoutMs: 5_000 });
    expect(b.leases.prefersMe(0)).toBe(true);
    expect(a.leases.holds(0)).toBe(true); // it cannot know; the fence is what makes that harmless
    a.wire.cut = false;
    await eventually(() => !a.leases.holds(0));
    expect([a.leases.holds(1), b.leases.holds(0)]).toEqual([true, true]);
    await eventually(() => b.leases.prefersMe(0) === (preferredOwner(service, 0, ['a', 'b']) === 'b'));
  });
});

test('a replica keeps all of its partitions with one message a second', async () => {
  verifies('ledger.leases');
  const ledger = await Ledger.connect({ servers: nats.url });
  open.push(() => ledger.drain());
  const host = await ledger.host({ service, partitions: 8, model: counterModel });
  await host.ready;
  const subjects: string[] = [];
  const began = performance.now();
  nc.subscribe(`$KV.leases.*.${service}.>`, { callback: (_, { subject }) => void subjects.push(subject) });
  await eventually(() => subjects.length === 3);
  expect(performance.now() - began).toBeGreaterThan(1.9 * renewMs);
  expect(new Set(subjects)).toEqual(new Set([`$KV.leases.replica.${service}.${ledger.replica}`]));
  expect(host.owned()).toHaveLength(8);
});
